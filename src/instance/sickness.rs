//! A host that can't run jobs, told to Auto Scaling, which replaces the instance.
//!
//! Only what is this host's own counts: its engine, images that it had, its disk. When SQS, S3 or the outgoing queue is away, every
//! worker is held up alike, and telling would replace the whole fleet by one that is no better off.

use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use crate::retry::Retry;

const LOOK: Duration = Duration::from_secs(1);

/// Waits after a failed call, as a missing permission doesn't come soon.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Since when a fault has been there without a break; pure but for the clock that it is given.
#[derive(Debug, Default)]
struct Sick(Option<Instant>);

impl Sick {
    /// For how long by now; `None` where all is well.
    fn lasts(&mut self, is_sick: bool, now: Instant) -> Option<Duration> {
        self.0 = is_sick.then(|| self.0.unwrap_or(now));
        self.0.map(|since| now - since)
    }
}

/// Tells once that the instance is unhealthy, when its host has been at fault for `after`. Not any more once the worker stops.
pub(super) async fn watch(shared: &Shared, fault: impl Fn() -> Option<String>, after: Duration) {
    let stopping = &shared.shutdown.intake;
    let (mut sick, mut retry, mut is_refused) = (Sick::default(), Retry::new(FIRST_WAIT, LONGEST_WAIT), false);
    while stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let reason = fault();
        let lasts = sick.lasts(reason.is_some(), Instant::now());
        let (Some(reason), Some(lasts)) = (reason, lasts.filter(|lasts| *lasts >= after)) else { continue };
        let Some(Some(group)) = stopping.run_until_cancelled(shared.group()).await else { return };
        match group.is_unhealthy().await {
            Ok(()) => {
                return tracing::error!(
                    reason,
                    lasts_s = lasts.as_secs(),
                    "told Auto Scaling that this instance is unhealthy, so that it is replaced"
                );
            }
            Err(error) => {
                if !is_refused {
                    tracing::warn!(%error, code = error.code, reason, "Auto Scaling isn't told that this host can't run jobs; trying again");
                }
                is_refused = true;
                retry.pause().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_from_its_beginning_and_a_break_ends_it() {
        let (start, mut sick) = (Instant::now(), Sick::default());
        let mut lasts =
            |second, is_sick| sick.lasts(is_sick, start + Duration::from_secs(second)).map(|lasts| lasts.as_secs());
        assert_eq!([lasts(0, false), lasts(1, true), lasts(5, true)], [None, Some(0), Some(4)]);
        assert_eq!([lasts(6, false), lasts(7, true), lasts(9, true)], [None, Some(0), Some(2)]);
    }
}
