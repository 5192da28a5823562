//! The clock that leases are counted by: one that goes on while the machine is suspended, as the queue's does.
//!
//! tokio waits by `CLOCK_MONOTONIC`, which stands still meanwhile. What it has missed is added.

use std::fmt;
use std::ops::Add;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A moment by a [`Clock`]. Those of one clock can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Instant);

/// A handle; clones are the same clock.
#[derive(Clone)]
pub(super) struct Clock {
    suspended: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Default for Clock {
    /// The machine's own.
    fn default() -> Clock {
        Clock::with(suspended)
    }
}

impl Clock {
    /// `suspended` says how long the machine has been suspended so far.
    pub(super) fn with(suspended: impl Fn() -> Duration + Send + Sync + 'static) -> Clock {
        Clock { suspended: Arc::new(suspended) }
    }

    pub(super) fn now(&self) -> Moment {
        Moment(Instant::now() + (self.suspended)())
    }

    /// Waits until then, and maybe longer by what the machine is suspended meanwhile.
    pub(super) async fn sleep_until(&self, moment: Moment) {
        let left = moment.0.saturating_duration_since(self.now().0);
        tokio::time::sleep(left).await;
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clock").field("suspended", &(self.suspended)()).finish()
    }
}

impl Moment {
    pub(super) fn checked_sub(self, duration: Duration) -> Option<Moment> {
        self.0.checked_sub(duration).map(Moment)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0 + duration)
    }
}

/// How long the machine has been suspended since this was first asked.
fn suspended() -> Duration {
    static FIRST: OnceLock<i64> = OnceLock::new();
    static MOST: AtomicI64 = AtomicI64::new(i64::MIN);
    let nanoseconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    // Whoever is interrupted between the two sees too little and never too much, in this order. So the most that was seen is right.
    let since_boot = nanoseconds(ClockId::Boottime);
    let ahead = since_boot - nanoseconds(ClockId::Monotonic);
    let ahead = MOST.fetch_max(ahead, Ordering::Relaxed).max(ahead);
    let first = *FIRST.get_or_init(|| ahead);
    Duration::from_nanos(u64::try_from(ahead - first).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_nobody_suspends_has_not_been_suspended() {
        // Asked again and again, since it is made of two readings.
        let most = (0..10_000).map(|_| suspended()).max().expect("it was asked");
        assert!(most < Duration::from_secs(1), "{most:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_while_the_machine_is_suspended() {
        let slept = Arc::new(AtomicI64::new(0));
        let told = slept.clone();
        let clock = Clock::with(move || Duration::from_secs(told.load(Ordering::Relaxed).unsigned_abs()));
        let before = clock.now();
        slept.store(60, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), before + Duration::from_secs(65));
        let start = Instant::now();
        clock.sleep_until(before + Duration::from_secs(75)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}
