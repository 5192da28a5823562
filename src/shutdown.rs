//! Stopping, as a protocol with two tokens: first no new work, then no work at all; between them a deadline.
//!
//! ```text
//! SIGTERM, SIGINT, SIGQUIT ─┐                  ┌─ intake: nothing new
//! Spot interruption ────────┼─► drain(why) ────┼─ each job asks whether it still fits (firm reasons only)
//! rebalance, scale-in ──────┘                  └─ abort at the deadline, or at a second signal ─► over, soon after
//! ```
//!
//! Several reasons may come, in any order: the earliest deadline holds, and none is ever put off by a later one. An abort gives back
//! what runs, by calls that may hang; so there is an end that waits for none of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// From a second signal to the end, whatever hangs. People expect two seconds; the process takes a moment to end itself.
const AFTER_A_SIGNAL: Duration = Duration::from_millis(1_500);

/// From the end of the grace period to the end, whatever hangs: within what service managers leave.
const AFTER_THE_DEADLINE: Duration = Duration::from_secs(10);

/// Cancelled one after the other; none without those before it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Take nothing new; finish what runs.
    pub intake: CancellationToken,
    /// Kill what runs and give it back, now.
    pub abort: CancellationToken,
    /// Wait for nothing any more.
    pub over: CancellationToken,
    drain: Arc<watch::Sender<Option<Drain>>>,
}

/// Why a worker stops, and how long it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What happened, as the log says it.
    pub why: String,
    /// Until when jobs may run.
    pub until: Instant,
    /// Whether the machine itself ends then. A job that can't be sure to be done by that time is given back at once, so
    /// that another worker has as much time for it as there is. Otherwise it may try its luck until the deadline.
    pub firm: bool,
}

/// What all reasons so far come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Drain {
    until: Instant,
    firm: bool,
}

/// What a further reason changed.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Begun,
    Sooner,
    Nothing,
}

impl Shutdown {
    /// Listens for SIGTERM, SIGINT and SIGQUIT: the first stops intake and starts the grace period, a second one (or the end of
    /// the grace period) aborts. SIGHUP, SIGUSR1 and SIGUSR2, which would end the process on the spot, change nothing.
    ///
    /// # Errors
    /// When the handlers can't be installed.
    pub fn on_signals(grace_period: Duration) -> std::io::Result<Shutdown> {
        let shutdown = Shutdown::default();
        let mut stops = Signals::listen(&[
            ("SIGTERM", SignalKind::terminate()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGQUIT", SignalKind::quit()),
        ])?;
        let mut others = Signals::listen(&[
            ("SIGHUP", SignalKind::hangup()),
            ("SIGUSR1", SignalKind::user_defined1()),
            ("SIGUSR2", SignalKind::user_defined2()),
        ])?;
        let tokens = shutdown.clone();
        tokio::spawn(async move {
            let why = stops.next().await.to_owned();
            tokens.drain(&Reason { why, until: Instant::now() + grace_period, firm: false });
            stops.next().await;
            tokens.give_up("a second signal came", AFTER_A_SIGNAL);
        });
        tokio::spawn(async move {
            loop {
                let signal = others.next().await;
                tracing::info!(
                    signal,
                    "this signal changes nothing; the configuration is read at the start, and SIGTERM stops the worker"
                );
            }
        });
        Ok(shutdown)
    }

    /// Stops intake, and aborts at the deadline if the worker isn't done by then.
    pub fn drain(&self, reason: &Reason) {
        let mut change = Change::Nothing;
        self.drain.send_if_modified(|drain| {
            let before = *drain;
            change = take_in(drain, reason);
            *drain != before
        });
        let until = wall_clock(reason.until);
        let left_s = reason.until.saturating_duration_since(Instant::now()).as_secs();
        match change {
            Change::Begun => {
                tracing::info!(why = reason.why, %until, left_s, "stopping: finishing the jobs that run");
                tokio::spawn(self.clone().abort_at_the_deadline());
            }
            Change::Sooner => tracing::info!(why = reason.why, %until, left_s, "stopping sooner"),
            Change::Nothing => tracing::info!(why = reason.why, "a further reason to stop; the earlier deadline holds"),
        }
        self.intake.cancel();
    }

    /// Completes when a job can't be sure to be done in time and has to go back now. `ends_by` says when it is done at the
    /// latest, as far as that is known, and changes as the job gets on. Never completes while the deadline isn't firm.
    pub async fn leaves_too_little(&self, mut ends_by: watch::Receiver<Option<Instant>>) {
        let mut drain = self.drain.subscribe();
        loop {
            let (now, latest) = (*drain.borrow_and_update(), *ends_by.borrow_and_update());
            if let (Some(Drain { until, firm: true }), Some(latest)) = (now, latest)
                && latest > until
            {
                return;
            }
            // Neither sender goes away: one is ours, the other belongs to the job that waits here.
            let changed = tokio::select! {
                changed = drain.changed() => changed,
                changed = ends_by.changed() => changed,
            };
            if changed.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn abort_at_the_deadline(self) {
        let mut drain = self.drain.subscribe();
        loop {
            let Some(Drain { until, .. }) = *drain.borrow_and_update() else { return };
            tokio::select! {
                () = self.abort.cancelled() => return,
                () = tokio::time::sleep_until(until) => return self.give_up("the time is over", AFTER_THE_DEADLINE),
                _ = drain.changed() => {}
            }
        }
    }

    fn give_up(&self, why: &str, longest: Duration) {
        if !self.abort.is_cancelled() {
            tracing::warn!(why, "giving back the jobs that still run");
        }
        self.intake.cancel();
        self.abort.cancel();
        let over = self.over.clone();
        tokio::spawn(async move {
            tokio::time::sleep(longest).await;
            over.cancel();
        });
    }
}

/// The earliest deadline holds; once the machine is to end, it ends.
fn take_in(drain: &mut Option<Drain>, reason: &Reason) -> Change {
    match drain {
        None => {
            *drain = Some(Drain { until: reason.until, firm: reason.firm });
            Change::Begun
        }
        Some(drain) => {
            drain.firm |= reason.firm;
            if reason.until >= drain.until {
                return Change::Nothing;
            }
            drain.until = reason.until;
            Change::Sooner
        }
    }
}

/// Signals that mean the same here.
struct Signals(Vec<(&'static str, Signal)>);

impl Signals {
    fn listen(kinds: &[(&'static str, SignalKind)]) -> std::io::Result<Signals> {
        kinds.iter().map(|(name, kind)| Ok((*name, signal(*kind)?))).collect::<std::io::Result<_>>().map(Signals)
    }

    /// The name of the next one that comes.
    async fn next(&mut self) -> &'static str {
        let each = self.0.iter_mut().map(|(name, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *name
            })
        });
        futures_util::future::select_all(each).await.0
    }
}

/// For people; everything that waits counts on the monotonic clock.
fn wall_clock(instant: Instant) -> jiff::Timestamp {
    let left = instant.saturating_duration_since(Instant::now());
    let left = jiff::SignedDuration::try_from(left).unwrap_or(jiff::SignedDuration::MAX);
    let now = jiff::Timestamp::now();
    let then = now.checked_add(left).unwrap_or(jiff::Timestamp::MAX);
    jiff::Timestamp::from_second(then.as_second()).unwrap_or(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(seconds: u64, firm: bool) -> Reason {
        Reason { why: "test".to_owned(), until: Instant::now() + Duration::from_secs(seconds), firm }
    }

    fn ends_in(seconds: u64) -> watch::Sender<Option<Instant>> {
        watch::Sender::new(Some(Instant::now() + Duration::from_secs(seconds)))
    }

    /// How long it takes until `future` completes, on the paused clock; `None` when it takes more than an hour.
    async fn seconds(future: impl Future<Output = ()>) -> Option<u64> {
        let start = Instant::now();
        tokio::time::timeout(Duration::from_secs(3_600), future).await.ok().map(|()| start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_stops_intake_at_once_and_aborts_at_its_deadline() {
        let shutdown = Shutdown::default();
        shutdown.drain(&reason(100, false));
        assert!(shutdown.intake.is_cancelled() && !shutdown.abort.is_cancelled());
        assert_eq!(seconds(shutdown.abort.cancelled()).await, Some(100));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_deadline_holds_whatever_the_order() {
        for (first, second) in [(100, 40), (40, 100)] {
            let shutdown = Shutdown::default();
            shutdown.drain(&reason(first, false));
            shutdown.drain(&reason(second, false));
            assert_eq!(seconds(shutdown.abort.cancelled()).await, Some(40), "{first}, {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_in_the_past_aborts_now() {
        let shutdown = Shutdown::default();
        shutdown.drain(&reason(0, true));
        assert_eq!(seconds(shutdown.abort.cancelled()).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_cannot_be_sure_to_fit_into_a_firm_deadline_goes_back_at_once() {
        let shutdown = Shutdown::default();
        shutdown.drain(&reason(100, true));
        assert_eq!(seconds(shutdown.leaves_too_little(ends_in(101).subscribe())).await, Some(0));
        let short = ends_in(99);
        assert_eq!(seconds(shutdown.leaves_too_little(short.subscribe())).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_grace_period_lets_every_job_try_until_its_end() {
        let shutdown = Shutdown::default();
        shutdown.drain(&reason(100, false));
        let long = ends_in(1_000);
        assert_eq!(seconds(shutdown.leaves_too_little(long.subscribe())).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_firm_reason_after_a_grace_period_makes_the_earlier_deadline_firm() {
        let shutdown = Shutdown::default();
        shutdown.drain(&reason(50, false));
        let (job, waiting) = (ends_in(80), shutdown.clone());
        let ends_by = job.subscribe();
        let waiting = tokio::spawn(async move { waiting.leaves_too_little(ends_by).await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished());
        shutdown.drain(&reason(100, true));
        assert_eq!(seconds(async { waiting.await.expect("it doesn't panic") }).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_planned_during_the_drain_is_asked_then() {
        let shutdown = Shutdown::default();
        shutdown.drain(&reason(100, true));
        let job = watch::Sender::new(None);
        let (waiting, ends_by) = (shutdown.clone(), job.subscribe());
        let waiting = tokio::spawn(async move { waiting.leaves_too_little(ends_by).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "nothing is known of it yet");
        job.send_replace(Some(Instant::now() + Duration::from_secs(200)));
        assert_eq!(seconds(async { waiting.await.expect("it doesn't panic") }).await, Some(0));
    }

    #[test]
    fn a_later_reason_changes_nothing_but_may_make_the_end_firm() {
        let start = Instant::now();
        let at = |seconds, firm| Reason { why: String::new(), until: start + Duration::from_secs(seconds), firm };
        let mut drain = None;
        assert_eq!(take_in(&mut drain, &at(100, false)), Change::Begun);
        assert_eq!(take_in(&mut drain, &at(120, false)), Change::Nothing);
        assert_eq!(take_in(&mut drain, &at(60, false)), Change::Sooner);
        assert_eq!(take_in(&mut drain, &at(105, true)), Change::Nothing);
        assert_eq!(drain, Some(Drain { until: start + Duration::from_secs(60), firm: true }));
    }
}
