//! A circuit breaker: after several failures in a row nothing new is taken in, until a trial has gone well.
//!
//! ```text
//! closed ── failures in a row ──► open ── a wait, longer each time, and a good probe ──► trial ── success ──► closed
//!                                  ▲                                                       │
//!                                  └───────────────────────── failure ─────────────────────┘
//! ```
//!
//! A message that is taken in while everything fails only has its receive count raised, and after enough of them its job
//! is given up. One breaker stands for each thing that may be away: the engine with its host, the object store, the outgoing queue,
//! and deletions from the incoming queues.
//!
//! Failures that a job may have brought about never open it by themselves, or whoever sends jobs could stop a worker. Several in a
//! row are a reason to look: see [`Breaker::may_have_failed`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::retry::Retry;

/// A single failure says little of the engine, and jobs that fail one after the other, with none between that works, do.
const FAILURES: u32 = 5;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a trial may say nothing before the next one is let in: its message may have been taken back meanwhile.
const TRIAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Breaker {
    /// What fails, for the log.
    name: &'static str,
    state: Mutex<State>,
    /// Failures in a row that jobs may have brought about.
    doubts: AtomicU32,
    changed: Notify,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        retry: Retry,
        reason: String,
    },
    /// `since` is when the one message was let in; `None` before that.
    Trial {
        since: Option<Instant>,
        retry: Retry,
        reason: String,
    },
}

/// How much may be taken in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Any,
    /// One message, to see how it goes.
    One,
    /// Nothing until then, or until something changes.
    NotBefore(Instant),
}

/// What a probe that went well says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// Not enough: only a job can show that it works.
    Nothing,
    /// Just what had failed has gone well now.
    Settled,
}

impl Breaker {
    pub fn new(name: &'static str) -> Breaker {
        Breaker {
            name,
            state: Mutex::new(State::Closed { failures: 0 }),
            doubts: AtomicU32::new(0),
            changed: Notify::new(),
        }
    }

    /// Why nothing, or only a trial, is taken in; `None` when it is closed.
    pub(super) fn reason(&self) -> Option<String> {
        match &*self.lock() {
            State::Closed { .. } => None,
            State::Open { reason, .. } | State::Trial { reason, .. } => Some(format!("{}: {reason}", self.name)),
        }
    }

    pub(super) fn succeeded(&self) {
        self.doubts.store(0, Ordering::Relaxed);
        let mut state = self.lock();
        if !matches!(*state, State::Closed { .. }) {
            tracing::info!(breaker = self.name, "works again; taking in messages");
        }
        *state = State::Closed { failures: 0 };
        drop(state);
        self.changed.notify_waiters();
    }

    /// It failed, but a job may have brought that about. Tells whether it is time to look by oneself whether it works, and to
    /// [`open`](Breaker::open) it if it doesn't.
    pub(super) fn may_have_failed(&self) -> bool {
        let doubts = self.doubts.fetch_add(1, Ordering::Relaxed) + 1;
        let is_time = doubts >= FAILURES;
        if is_time {
            self.doubts.store(0, Ordering::Relaxed);
        }
        is_time
    }

    /// It surely fails: no need to see more of it.
    pub(super) fn open(&self, reason: &str) {
        if let State::Closed { failures } = &mut *self.lock() {
            *failures = FAILURES - 1;
        }
        self.failed(reason);
    }

    /// It failed, and no job can have brought that about.
    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.lock();
        let mut retry = match &mut *state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < FAILURES {
                    return;
                }
                tracing::error!(
                    breaker = self.name,
                    failures = FAILURES,
                    reason,
                    "fails again and again; taking in no messages"
                );
                Retry::new(FIRST_WAIT, LONGEST_WAIT)
            }
            // A job from before the breaker opened; that it fails is no news.
            State::Open { .. } => return,
            State::Trial { retry, .. } => std::mem::replace(retry, Retry::new(FIRST_WAIT, LONGEST_WAIT)),
        };
        let until = Instant::now() + retry.next_wait();
        *state = State::Open { until, retry, reason: reason.to_owned() };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether something may be taken in. `probe` is asked after a wait whether a trial makes sense.
    pub(super) async fn admission(&self, probe: impl AsyncFnOnce() -> Result<Probed, String>) -> Admission {
        let now = Instant::now();
        match &*self.lock() {
            State::Closed { .. } => return Admission::Any,
            State::Open { until, .. } if *until > now => return Admission::NotBefore(*until),
            State::Open { .. } => {}
            State::Trial { since: None, .. } => return Admission::One,
            State::Trial { since: Some(since), .. } if *since + TRIAL <= now => return Admission::One,
            State::Trial { since: Some(since), .. } => return Admission::NotBefore(*since + TRIAL),
        }
        let answer = probe().await;
        let mut state = self.lock();
        let State::Open { retry, reason, .. } = &mut *state else { return Admission::Any };
        let mut retry = std::mem::replace(retry, Retry::new(FIRST_WAIT, LONGEST_WAIT));
        let first_reason = std::mem::take(reason);
        match answer {
            Ok(Probed::Settled) => {
                tracing::info!(breaker = self.name, "works again; taking in messages");
                *state = State::Closed { failures: 0 };
                Admission::Any
            }
            Ok(Probed::Nothing) => {
                *state = State::Trial { since: None, retry, reason: first_reason };
                Admission::One
            }
            Err(reason) => {
                tracing::debug!(breaker = self.name, %reason, "still fails");
                let until = Instant::now() + retry.next_wait();
                *state = State::Open { until, retry, reason };
                Admission::NotBefore(until)
            }
        }
    }

    /// Notes that the one message of a trial was taken in.
    pub(super) fn tried(&self) {
        if let State::Trial { since, .. } = &mut *self.lock() {
            *since = Some(Instant::now());
        }
    }

    /// Completes when a success or a failure has changed something.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Completes when it is open.
    pub(super) async fn opened(&self) {
        loop {
            let changed = self.changed.notified();
            if matches!(*self.lock(), State::Open { .. }) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn good() -> Result<Probed, String> {
        Ok(Probed::Nothing)
    }

    async fn settled() -> Result<Probed, String> {
        Ok(Probed::Settled)
    }

    async fn bad() -> Result<Probed, String> {
        Err("no answer".to_owned())
    }

    fn open() -> Breaker {
        let breaker = Breaker::new("engine");
        (0..FAILURES).for_each(|_| breaker.failed("it is away"));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_with_a_success_between_them_change_nothing() {
        let breaker = Breaker::new("engine");
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| breaker.failed("it is away"));
            breaker.succeeded();
        }
        assert_eq!(breaker.admission(bad).await, Admission::Any);
    }

    #[tokio::test(start_paused = true)]
    async fn after_failures_in_a_row_one_trial_is_let_in_when_the_probe_is_good() {
        let breaker = open();
        let Admission::NotBefore(until) = breaker.admission(good).await else { panic!("it is open") };
        tokio::time::sleep_until(until).await;
        let Admission::NotBefore(later) = breaker.admission(bad).await else { panic!("the probe failed") };
        tokio::time::sleep_until(later).await;
        assert_eq!(breaker.admission(good).await, Admission::One);
        breaker.tried();
        assert!(matches!(breaker.admission(good).await, Admission::NotBefore(_)), "one trial at a time");
        breaker.succeeded();
        assert_eq!(breaker.admission(bad).await, Admission::Any);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_trial_opens_it_at_once_and_for_longer() {
        let breaker = open();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let Admission::NotBefore(until) = breaker.admission(good).await else { panic!("it is open") };
            waits.push(until - Instant::now());
            tokio::time::sleep_until(until).await;
            assert_eq!(breaker.admission(good).await, Admission::One);
            breaker.tried();
            breaker.failed("still away");
        }
        assert!(waits[11] > 4 * waits[0], "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT * 3 / 2), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_never_heard_of_again_gives_way_to_another() {
        let breaker = open();
        tokio::time::sleep(2 * FIRST_WAIT).await;
        assert_eq!(breaker.admission(good).await, Admission::One);
        breaker.tried();
        tokio::time::sleep(TRIAL).await;
        assert_eq!(breaker.admission(good).await, Admission::One);
    }

    #[tokio::test(start_paused = true)]
    async fn what_jobs_may_have_brought_about_is_a_reason_to_look_and_no_more() {
        let breaker = Breaker::new("engine");
        for _ in 0..3 {
            assert!((1..FAILURES).all(|_| !breaker.may_have_failed()) && breaker.may_have_failed());
        }
        (1..FAILURES).for_each(|_| _ = breaker.may_have_failed());
        breaker.succeeded();
        assert!(!breaker.may_have_failed(), "in a row, that is");
        assert_eq!(breaker.admission(bad).await, Admission::Any);
        breaker.open("no container starts");
        assert!(matches!(breaker.admission(good).await, Admission::NotBefore(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_shows_that_it_works_closes_it() {
        let breaker = open();
        let Admission::NotBefore(until) = breaker.admission(settled).await else { panic!("it is open") };
        tokio::time::sleep_until(until).await;
        assert_eq!(breaker.admission(settled).await, Admission::Any);
        assert_eq!(breaker.reason(), None);
    }
}
