//! How the worker is, for whoever watches it: a state that others set, and [`server`] that tells it over HTTP.
//!
//! Alive and ready are two questions. *Alive* asks whether the process does its work: the queue has answered a receive
//! lately while there was reason to ask, and the runtime gets to its tasks. Whoever isn't alive should be restarted.
//! *Ready* asks whether it takes jobs: not one that drains, whose engine fails, whose disk is full, or to whom something is away
//! that it needs. Whoever isn't ready is left in peace.

pub mod server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What has to hold for jobs to be taken, each set by whoever knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The worker has started and doesn't stop.
    Intake,
    /// The engine's breaker is closed.
    Engine,
    /// The engine has every image that the configuration names.
    Images,
    /// There is room where the engine keeps its data.
    Disk,
    /// The incoming queue answered when it was last asked.
    Queue,
    /// Results can be published.
    Outgoing,
    /// Answered messages can be deleted.
    Deletions,
    /// Jobs and data can be read from S3, where that is used.
    Store,
}

impl Condition {
    pub const ALL: [Condition; 8] = [
        Condition::Intake,
        Condition::Engine,
        Condition::Images,
        Condition::Disk,
        Condition::Queue,
        Condition::Outgoing,
        Condition::Deletions,
        Condition::Store,
    ];
}

/// The state of one condition, as `/readyz` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    pub condition: Condition,
    pub ok: bool,
    /// Since when it is so (RFC 3339, UTC).
    pub since: String,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to one of the two questions.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub ok: bool,
    /// What is wrong, for `/healthz`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Every condition, for `/readyz`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<State>,
}

/// How often the runtime shows that it gets to its tasks.
const TICK: Duration = Duration::from_secs(1);

/// A runtime that hasn't got to a task for so long is stuck: on the busiest host seen it was late by a second or two.
const STUCK: Duration = Duration::from_secs(30);

/// A handle; clones are the same state.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    states: [State; Condition::ALL.len()],
    /// Since when the queue has been asked without an answer; `None` while there is no reason to ask it.
    unanswered_since: Option<Instant>,
    /// How long that may last.
    longest_poll: Duration,
    ticked: Instant,
}

impl Health {
    /// Not ready yet. A poll that isn't answered for `longest_poll` means that the worker doesn't do its work.
    pub fn new(longest_poll: Duration) -> Health {
        let now = now();
        let states = Condition::ALL.map(|condition| State { condition, ok: true, since: now.clone(), reason: None });
        let inner = Inner { states, unanswered_since: None, longest_poll, ticked: Instant::now() };
        let health = Health(Arc::new(Mutex::new(inner)));
        health.intake_open(false, "the worker is starting");
        health
    }

    /// Shows from now on that the runtime this is called on gets to its tasks. Ends with the last handle.
    pub fn watch_runtime(&self) {
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                let Some(inner) = inner.upgrade() else { return };
                Health(inner).lock().ticked = Instant::now();
                tokio::time::sleep(TICK).await;
            }
        });
    }

    /// Whether jobs are to be taken at all, and why not.
    pub fn intake_open(&self, open: bool, reason: &str) {
        self.set(Condition::Intake, open, reason);
    }

    /// Sets a condition. `reason` says why it doesn't hold, and is for nothing where it does.
    pub fn set(&self, condition: Condition, ok: bool, reason: &str) {
        let mut inner = self.lock();
        // Nobody asks the queue while jobs aren't wanted, so its silence means nothing.
        if !ok && condition != Condition::Queue {
            inner.unanswered_since = None;
        }
        let state = &mut inner.states[condition as usize];
        if state.ok != ok {
            state.since = now();
        }
        state.ok = ok;
        state.reason = Some(reason.to_owned()).filter(|_| !ok);
    }

    /// The queue is about to be asked for messages.
    pub fn polling(&self) {
        self.lock().unanswered_since.get_or_insert_with(Instant::now);
    }

    /// The queue has answered, with messages or without.
    pub fn polled(&self) {
        self.lock().unanswered_since = None;
        self.set(Condition::Queue, true, "");
    }

    /// The queue refused, or didn't answer.
    pub fn poll_failed(&self, reason: &dyn std::fmt::Display) {
        self.set(Condition::Queue, false, &reason.to_string());
    }

    /// Whether the worker does its work.
    pub fn alive(&self) -> Status {
        self.alive_at(Instant::now())
    }

    fn alive_at(&self, now: Instant) -> Status {
        let inner = self.lock();
        let mut problems = Vec::new();
        let silent = inner.unanswered_since.map(|since| now.saturating_duration_since(since));
        if let Some(silent) = silent.filter(|silent| *silent > inner.longest_poll) {
            let longest = inner.longest_poll.as_secs();
            problems.push(format!(
                "the incoming queue hasn't answered for {} s, longer than {longest} s",
                silent.as_secs()
            ));
        }
        let stuck = now.saturating_duration_since(inner.ticked);
        if stuck > STUCK {
            problems.push(format!("the runtime hasn't got to a task for {} s", stuck.as_secs()));
        }
        Status { ok: problems.is_empty(), problems, conditions: Vec::new() }
    }

    /// Whether the worker takes jobs.
    pub fn ready(&self) -> Status {
        let conditions = self.lock().states.to_vec();
        Status { ok: conditions.iter().all(|state| state.ok), problems: Vec::new(), conditions }
    }

    /// Every change is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(45);

    fn working() -> Health {
        let health = Health::new(LONGEST);
        health.intake_open(true, "");
        health
    }

    /// Alive after that many seconds, with the runtime at work all the while.
    fn alive_after(health: &Health, seconds: u64) -> bool {
        let later = Instant::now() + Duration::from_secs(seconds);
        health.lock().ticked = later;
        health.alive_at(later).ok
    }

    fn reason(health: &Health, condition: Condition) -> Option<String> {
        health.ready().conditions.into_iter().find(|state| state.condition == condition)?.reason
    }

    #[test]
    fn a_worker_that_starts_is_alive_and_not_ready() {
        let health = Health::new(LONGEST);
        assert!(health.alive().ok && !health.ready().ok);
        assert_eq!(reason(&health, Condition::Intake).as_deref(), Some("the worker is starting"));
        health.intake_open(true, "");
        assert!(health.ready().ok);
    }

    #[test]
    fn a_queue_that_is_asked_and_never_answers_ends_the_life_also_when_it_is_asked_again_and_again() {
        let health = working();
        assert!(alive_after(&health, 1_000), "nobody has asked it");
        health.polling();
        health.poll_failed(&"no answer");
        health.polling();
        assert!(alive_after(&health, 44) && !alive_after(&health, 46));
        assert_eq!(reason(&health, Condition::Queue).as_deref(), Some("no answer"));
        health.polled();
        assert!(alive_after(&health, 1_000) && health.ready().ok, "one answer is enough");
    }

    #[test]
    fn a_worker_that_does_not_want_jobs_need_not_ask_for_them() {
        for condition in [Condition::Intake, Condition::Engine, Condition::Disk] {
            let health = working();
            health.polling();
            health.set(condition, false, "not now");
            assert!(alive_after(&health, 1_000) && !health.ready().ok, "{condition:?}");
        }
    }

    #[test]
    fn a_runtime_that_gets_to_nothing_is_not_alive() {
        let health = working();
        let status = health.alive_at(Instant::now() + STUCK + TICK);
        assert!(!status.ok && status.problems[0].contains("runtime"), "{status:?}");
    }

    #[test]
    fn since_is_the_moment_of_the_change_and_not_of_saying_so_again() {
        let health = working();
        health.lock().states[Condition::Disk as usize].since = "then".to_owned();
        health.set(Condition::Disk, true, "");
        assert_eq!(health.ready().conditions[Condition::Disk as usize].since, "then");
        health.set(Condition::Disk, false, "12 bytes are free");
        let state = health.ready().conditions[Condition::Disk as usize].clone();
        assert!(state.since != "then" && state.reason.as_deref() == Some("12 bytes are free"), "{state:?}");
    }
}
