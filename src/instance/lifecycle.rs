//! A lifecycle hook before termination: heartbeats while jobs run, and its completion when they are done.
//!
//! Nothing rests on it. Where the hook doesn't run, isn't allowed or ends too early, the machine goes away under the jobs,
//! and their messages reappear.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::group::{Group, Hook};
use crate::retry::Retry;

/// Heartbeats of a hook whose time we don't know: a third of the shortest that Auto Scaling has.
const UNKNOWN: Duration = Duration::from_secs(10);

/// How long to try to complete a hook. The state is announced before the hook waits, so the first try of an idle worker
/// may come too early; and it is cheaper to try for a while than to keep a machine until the hook's own end.
const COMPLETE_FOR: Duration = Duration::from_secs(60);

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Puts off the hook's end until `leaving`.
pub(super) async fn keep_waiting(group: &Group, hook: &Hook, leaving: &CancellationToken) {
    let every = hook.timeout.map_or(UNKNOWN, |timeout| timeout / 3);
    let mut failing = false;
    loop {
        match group.heartbeat(hook).await {
            Ok(()) => failing = false,
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, code = error.code, hook = hook.name, "finishing the jobs all the same, and trying again");
                }
                failing = true;
            }
        }
        if leaving.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
            return;
        }
    }
}

/// Lets Auto Scaling go on. Repeated until it takes it, and never after that.
pub(super) async fn complete(group: &Group, hook: &Hook) {
    let give_up = Instant::now() + COMPLETE_FOR;
    let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match group.complete(hook).await {
            Ok(()) => return tracing::info!(hook = hook.name, "lifecycle action completed"),
            Err(error) if Instant::now() >= give_up => {
                return tracing::warn!(%error, code = error.code, hook = hook.name, "the instance ends when the hook's time is over");
            }
            Err(_) => retry.pause().await,
        }
    }
}
