//! How long to wait before trying again: exponential, with jitter, bounded.
//!
//! The only place that knows the `backoff` crate. It is no longer maintained (RUSTSEC-2025-0012) but small, without known
//! faults, and replaceable here.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// Waits between tries. Starts over after a success, by being made anew.
#[derive(Debug)]
pub struct Retry(ExponentialBackoff);

impl Retry {
    /// The first wait is about `first`, each further one half as long again, none longer than `longest`; each is off by
    /// up to half of itself by chance, so that a fleet doesn't come back in step.
    pub fn new(first: Duration, longest: Duration) -> Retry {
        Retry(ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            max_interval: longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }

    /// Sleeps for the next wait.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next_wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_no_further() {
        let longest = Duration::from_secs(2);
        let mut retry = Retry::new(Duration::from_millis(100), longest);
        let waits: Vec<Duration> = (0..40).map(|_| retry.next_wait()).collect();
        assert!(waits[0] <= Duration::from_millis(150), "{:?}", waits[0]);
        assert!(waits.iter().all(|wait| *wait <= longest * 3 / 2), "{waits:?}");
        assert!(waits[30] >= longest / 2, "{:?}", waits[30]);
    }
}
