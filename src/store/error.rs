//! What goes wrong on our side of the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// S3, the network or this host failed: the job is as it was and may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("failed to {operation} {object}: {reason}")]
    Service {
        operation: &'static str,
        object: String,
        reason: String,
        /// The service's own word for it, as `SlowDown`.
        code: Option<String>,
        /// Whether S3 is away for every worker and object alike; see [`is_outage`].
        is_outage: bool,
    },
    #[error("failed to {operation} {}: {source}", .path.display())]
    Cache { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the cache's folder {} {problem}; name another one with store.cache_dir", .path.display())]
    Folder { path: PathBuf, problem: &'static str },
    #[error("no memory for the job's data was free within {} s; store.memory_bytes is what all jobs share", .0.as_secs())]
    Busy(Duration),
}

impl StoreError {
    pub fn is_outage(&self) -> bool {
        matches!(self, StoreError::Service { is_outage: true, .. })
    }

    pub(super) fn cache(operation: &'static str, path: &Path, source: std::io::Error) -> StoreError {
        StoreError::Cache { operation, path: path.to_owned(), source }
    }
}

/// What S3 says where it isn't this object that is wrong, but we, for every object alike.
const CREDENTIALS: [&str; 5] =
    ["ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch"];

/// Whether S3 is away, by its code and HTTP status: no answer, trouble of its own, too many requests, or credentials that it doesn't
/// take. What it has against one object or bucket is none of that.
pub(super) fn is_outage(code: Option<&str>, status: Option<u16>) -> bool {
    code.is_some_and(|code| CREDENTIALS.contains(&code)) || status.is_none_or(|status| status >= 500 || status == 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_what_every_object_would_meet() {
        for (code, status) in [(None, None), (Some("SlowDown"), Some(503)), (Some("ExpiredToken"), Some(403))] {
            assert!(is_outage(code, status), "{code:?} {status:?}");
        }
        for (code, status) in
            [(Some("NoSuchBucket"), Some(404)), (Some("PermanentRedirect"), Some(301)), (None, Some(403))]
        {
            assert!(!is_outage(code, status), "{code:?} {status:?}");
        }
    }
}
