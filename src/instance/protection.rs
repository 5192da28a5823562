//! Protection from scale-in while there are jobs: set when the worker gets busy, taken away when it has been idle for a
//! while. Each change is a call that Auto Scaling counts, so a stream of short jobs must look like one long one.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::group::Group;
use crate::retry::Retry;

/// How often to look whether there are jobs.
const LOOK: Duration = Duration::from_secs(1);

/// Waits after a failed call: a passing fault is over by then, and a missing permission doesn't become a storm.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Decides when to call; pure but for the clock that it is given.
#[derive(Debug)]
struct Hysteresis {
    /// What Auto Scaling has; `None` when that isn't known.
    is_protected: Option<bool>,
    /// The least time between two changes, and how long it takes to count as idle.
    interval: Duration,
    changed: Option<Instant>,
    busy: Instant,
}

impl Hysteresis {
    fn new(is_protected: Option<bool>, interval: Duration, now: Instant) -> Hysteresis {
        Hysteresis { is_protected, interval, changed: None, busy: now }
    }

    /// What to ask for now, if anything.
    fn wanted(&mut self, is_busy: bool, now: Instant) -> Option<bool> {
        if is_busy {
            self.busy = now;
        }
        let rests = self.changed.is_some_and(|changed| now < changed + self.interval);
        let is_idle = now >= self.busy + self.interval;
        match self.is_protected {
            _ if rests => None,
            Some(true) if is_idle => Some(false),
            Some(false) | None if is_busy => Some(true),
            // Left behind by an earlier worker of this machine, for all we know.
            None if is_idle => Some(false),
            _ => None,
        }
    }

    fn changed(&mut self, to: bool, now: Instant) {
        self.is_protected = Some(to);
        self.changed = Some(now);
    }
}

/// Keeps the protection in step with `is_busy` until `leaving`; whether it is to be taken away then.
pub(super) async fn keep(
    group: &Group,
    interval: Duration,
    is_busy: impl Fn() -> bool,
    leaving: &CancellationToken,
) -> bool {
    let mut hysteresis = Hysteresis::new(group.is_protected, interval, Instant::now());
    let new_retry = || Retry::new(FIRST_WAIT, LONGEST_WAIT);
    let (mut retry, mut failing, mut not_before) = (new_retry(), false, Instant::now());
    while leaving.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let now = Instant::now();
        let Some(to) = hysteresis.wanted(is_busy(), now).filter(|_| now >= not_before) else { continue };
        match group.protect(to).await {
            Ok(()) => {
                if failing {
                    tracing::info!("the protection from scale-in can be changed again");
                }
                (retry, failing) = (new_retry(), false);
                hysteresis.changed(to, now);
                tracing::debug!(protected = to, "protection from scale-in changed");
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, code = error.code, "working on without it, and trying again");
                }
                failing = true;
                not_before = now + retry.next_wait();
            }
        }
    }
    hysteresis.is_protected == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replays busy (`b`) and idle (`.`) seconds; each call as its second and what it asked for.
    fn calls(seconds: &str, is_protected: Option<bool>) -> Vec<(usize, bool)> {
        let start = Instant::now();
        let mut hysteresis = Hysteresis::new(is_protected, Duration::from_secs(10), start);
        let mut calls = Vec::new();
        for (second, letter) in seconds.chars().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            if let Some(to) = hysteresis.wanted(letter == 'b', now) {
                hysteresis.changed(to, now);
                calls.push((second, to));
            }
        }
        calls
    }

    #[test]
    fn it_is_set_with_the_first_job_and_taken_away_after_a_while_without_any() {
        assert_eq!(calls("..bbb...............", Some(false)), [(2, true), (14, false)]);
    }

    #[test]
    fn short_jobs_with_short_pauses_are_one_call() {
        assert_eq!(calls(&"bb.......".repeat(20), Some(false)), [(0, true)]);
    }

    #[test]
    fn no_two_changes_are_closer_than_the_interval() {
        let calls = calls(&format!("{}{}", "b", "...........b".repeat(20)), Some(false));
        assert!(calls.len() > 10 && calls.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 10), "{calls:?}");
    }

    #[test]
    fn what_an_earlier_worker_left_is_taken_away_and_nothing_else_is_called_for_idleness() {
        assert_eq!(calls("...............", Some(true)), [(10, false)]);
        assert_eq!(calls("...............", None), [(10, false)]);
        assert_eq!(calls("...............", Some(false)), []);
        assert_eq!(calls("..b", None), [(2, true)]);
        assert_eq!(calls("..b", Some(true)), []);
    }
}
