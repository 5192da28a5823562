//! At most so many messages a second, without bursts.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) struct Pace {
    per_second: u32,
    next: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Pace {
        Pace { per_second, next: Instant::now() }
    }

    /// How many may go together: what is due within a tenth of a second, and never more than a request takes.
    pub(super) fn batch(&self) -> usize {
        usize::try_from(self.per_second / 10).unwrap_or(usize::MAX).clamp(1, crate::queue::BATCH)
    }

    /// Waits until `count` messages may go. False when we are to stop before that.
    pub(super) async fn wait(&mut self, count: usize, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            () = tokio::time::sleep_until(self.next) => {}
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.next = Instant::now() + Duration::from_secs(1) / self.per_second * count;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn messages_go_no_faster_than_allowed() {
        let stop = CancellationToken::new();
        let mut pace = Pace::new(4);
        let started = Instant::now();
        for _ in 0..9 {
            assert!(pace.wait(1, &stop).await);
        }
        assert_eq!(started.elapsed().as_secs(), 2);
        stop.cancel();
        assert!(!pace.wait(1, &stop).await);
        assert_eq!([1, 20, 1_000].map(|rate| Pace::new(rate).batch()), [1, 2, 10]);
    }
}
