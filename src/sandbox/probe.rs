//! A sandbox of our own, made to see whether the engine and the host still do their part.

use std::time::Duration;

use super::spec::Labels;
use super::{Need, SandboxError, Sandboxes};

/// A sandbox is made in a second or two, and each call to the engine has a time limit of its own. What takes longer waits for memory
/// that jobs have.
const LONGEST: Duration = Duration::from_secs(60);

/// After this any worker may sweep what is left of it.
const DEADLINE_S: i64 = 300;

/// Enough for an agent that is only greeted.
const MEMORY_BYTES: u64 = 64 << 20;
const DISK_BYTES: u64 = 1 << 20;
const PROCESSES: u64 = 16;

pub(super) async fn probe(sandboxes: &Sandboxes) -> Result<(), SandboxError> {
    sandboxes.ping().await?;
    let Some(permit) = sandboxes.try_permit() else { return Ok(()) };
    let execution = uuid::Uuid::new_v4().to_string();
    let need = Need {
        image: sandboxes.bare_image().await?,
        memory_bytes: MEMORY_BYTES,
        most_memory_bytes: MEMORY_BYTES,
        processes: PROCESSES,
        disk_bytes: DISK_BYTES,
        labels: Labels {
            worker: sandboxes.0.settings.worker_id.clone(),
            job: "probe".to_owned(),
            execution,
            deadline: jiff::Timestamp::now().as_second() + DEADLINE_S,
        },
    };
    match tokio::time::timeout(LONGEST, sandboxes.acquire(permit, &need)).await {
        Ok(Ok(sandbox)) => {
            sandbox.destroy();
            Ok(())
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(()),
    }
}
