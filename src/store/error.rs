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
    },
    #[error("failed to {operation} {}: {source}", .path.display())]
    Cache { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the cache's folder {} {problem}; name another one with store.cache_dir", .path.display())]
    Folder { path: PathBuf, problem: &'static str },
    #[error("no memory for the job's data was free within {} s; store.memory_bytes is what all jobs share", .0.as_secs())]
    Busy(Duration),
}

impl StoreError {
    pub(super) fn cache(operation: &'static str, path: &Path, source: std::io::Error) -> StoreError {
        StoreError::Cache { operation, path: path.to_owned(), source }
    }
}
