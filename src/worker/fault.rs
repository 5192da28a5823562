//! Whose failure it was that a job has no answer yet, and what follows from that. The one place that decides it.

use std::time::Duration;

use crate::pipeline::Cause;
use crate::sandbox::SandboxError;
use crate::store::StoreError;

/// Whose failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// This host's, or its engine's: the job goes to others, and the worker takes itself out when it happens again and again.
    Host,
    /// The engine here lacks an image that the configuration names: the worker takes itself out at once.
    Image,
    /// The object store's, for every host alike: the job is kept and tried again.
    Store,
    /// Ours, but a job may have brought it about: the job goes to others, and says little of this host.
    Doubtful,
}

impl Whose {
    pub(super) fn of(cause: &Cause) -> Whose {
        match cause {
            Cause::Sandbox(SandboxError::ImageMissing { .. }) => Whose::Image,
            Cause::Sandbox(error) if error.is_engine_failure() => Whose::Host,
            Cause::Sandbox(_) => Whose::Doubtful,
            Cause::Store(error) if error.is_outage() => Whose::Store,
            // A disk that is full or gone.
            Cause::Store(StoreError::Cache { .. } | StoreError::Folder { .. }) => Whose::Host,
            // A bucket that isn't as the operator thinks, or large data of several jobs at once.
            Cause::Store(StoreError::Service { .. } | StoreError::Busy(_)) => Whose::Doubtful,
        }
    }
}

/// How long a message rests after our own failure hit it, by how often it has been received: long enough for a passing
/// fault, and in the end for somebody to look.
const REST_STEP: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);

pub(super) fn rest(receive_count: u64) -> Duration {
    let doublings = u32::try_from(receive_count.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    REST_STEP.saturating_mul(1 << doublings).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_message_that_we_failed_rests_longer_each_time() {
        let rests: Vec<u64> = [1, 2, 3, 6, 7, u64::MAX].iter().map(|count| rest(*count).as_secs()).collect();
        assert_eq!(rests, [5, 10, 20, 160, 300, 300]);
    }

    #[test]
    fn each_failure_is_somebodys() {
        let of = |cause: Cause| Whose::of(&cause);
        assert_eq!(of(SandboxError::Conversation("it broke off".to_owned()).into()), Whose::Host);
        assert_eq!(of(SandboxError::ImageMissing { reference: "caisson/c".to_owned() }.into()), Whose::Image);
        assert_eq!(of(SandboxError::CannotResize.into()), Whose::Doubtful);
        let service = |is_outage| {
            let object = "s3://b/k".to_owned();
            StoreError::Service { operation: "read", object, reason: String::new(), code: None, is_outage }
        };
        assert_eq!(of(service(true).into()), Whose::Store);
        assert_eq!(of(service(false).into()), Whose::Doubtful);
        let folder = StoreError::Folder { path: PathBuf::from("/cache"), problem: "is gone" };
        assert_eq!(of(folder.into()), Whose::Host);
        assert_eq!(of(StoreError::Busy(Duration::ZERO).into()), Whose::Doubtful);
    }
}
