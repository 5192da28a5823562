//! Batches on their way to a queue. One goes at a time, so that what comes meanwhile gathers into the next; but one that takes
//! long doesn't hold up the others.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

/// A request that takes longer than this is slow: SQS answers in some tens of milliseconds.
const LONG: Duration = Duration::from_secs(1);

/// How many may be on their way together.
const MOST: usize = 4;

#[derive(Debug)]
pub(super) struct Flights {
    under_way: JoinSet<()>,
    /// When the newest of them began.
    newest: Instant,
}

impl Flights {
    pub(super) fn new() -> Flights {
        Flights { under_way: JoinSet::new(), newest: Instant::now() }
    }

    /// Waits until another one may start: none is under way, or few are and the newest takes long.
    pub(super) async fn turn(&mut self) {
        loop {
            while self.under_way.try_join_next().is_some() {}
            if self.under_way.is_empty() {
                return;
            }
            let is_room = self.under_way.len() < MOST;
            tokio::select! {
                biased;
                _ = self.under_way.join_next() => {}
                () = tokio::time::sleep_until(self.newest + LONG), if is_room => return,
            }
        }
    }

    pub(super) fn start(&mut self, request: impl Future<Output = ()> + Send + 'static) {
        self.newest = Instant::now();
        self.under_way.spawn(request);
    }

    /// Waits for all of them.
    pub(super) async fn land(mut self) {
        while self.under_way.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn starts(takes: Duration, count: usize) -> Vec<u64> {
        let (begin, mut flights, mut starts) = (Instant::now(), Flights::new(), Vec::new());
        for _ in 0..count {
            flights.turn().await;
            starts.push(begin.elapsed().as_secs());
            flights.start(tokio::time::sleep(takes));
        }
        flights.land().await;
        starts
    }

    #[tokio::test(start_paused = true)]
    async fn quick_ones_go_one_after_the_other_and_slow_ones_beside_each_other_up_to_a_few() {
        assert_eq!(starts(Duration::from_millis(500), 5).await, [0, 0, 1, 1, 2]);
        assert_eq!(starts(Duration::from_secs(9), 6).await, [0, 1, 2, 3, 9, 10]);
    }
}
