//! How the worker is, for whoever watches it: a state that others set, [`server`] that tells it over HTTP, and [`manager`] that
//! tells it to systemd.
//!
//! Alive and ready are two questions. *Alive* asks whether the process does its work: the queue has answered a receive
//! lately while there was reason to ask, and the runtime gets to its tasks. Whoever isn't alive should be restarted.
//! *Ready* asks whether it takes jobs: not one that drains, whose engine fails, whose disk is full, or to whom something is away
//! that it needs. Whoever isn't ready is left in peace.
//!
//! Between them lies *stuck*: the process itself gets no further, whatever its queues do. That is what a service manager ends it
//! for. A queue that doesn't answer is no reason, because a restart brings no queue back.

pub mod manager;
pub mod server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::metrics;

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

    /// Whether it is about this host alone. The others are about what all workers share: where they fail, another host is no
    /// better off.
    pub fn is_of_the_host(self) -> bool {
        matches!(self, Condition::Engine | Condition::Images | Condition::Disk)
    }
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

/// The longest that intake may take from one look around to the next. It waits for a trial (60 s), for the polls under way (30 s), or
/// for an engine that hangs at the question for each image (60 s each, about ten of them).
const LONGEST_TURN: Duration = Duration::from_secs(900);

/// A handle; clones are the same state.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    states: [State; Condition::ALL.len()],
    /// Since when the queue has been asked without an answer; `None` while there is no reason to ask it.
    unanswered_since: Option<Instant>,
    /// Since when a poll has been under way that neither was answered nor failed.
    polling_since: Option<Instant>,
    /// How long each of the two may last.
    longest_poll: Duration,
    ticked: Instant,
    /// When intake last looked around; `None` while there is none.
    turned: Option<Instant>,
    /// Whether the queue was ever asked, which is done only on a host that has what jobs need.
    has_polled: bool,
}

impl Health {
    /// Not ready yet. A poll that isn't answered for `longest_poll` means that the worker doesn't do its work.
    pub fn new(longest_poll: Duration) -> Health {
        let now = now();
        let states = Condition::ALL.map(|condition| State { condition, ok: true, since: now.clone(), reason: None });
        let inner = Inner {
            states,
            unanswered_since: None,
            polling_since: None,
            longest_poll,
            ticked: Instant::now(),
            turned: None,
            has_polled: false,
        };
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
        let mut inner = self.lock();
        inner.turned = open.then(Instant::now);
        inner.polling_since = None;
    }

    /// Intake has looked around once more: it gets on, whether or not it may take anything.
    pub fn turned(&self) {
        if let Some(turned) = &mut self.lock().turned {
            *turned = Instant::now();
        }
    }

    /// Sets a condition. `reason` says why it doesn't hold, and is for nothing where it does.
    pub fn set(&self, condition: Condition, ok: bool, reason: &str) {
        let mut inner = self.lock();
        // Nobody asks the queue while jobs aren't wanted, so its silence means nothing.
        if !ok && condition != Condition::Queue {
            (inner.unanswered_since, inner.polling_since) = (None, None);
        }
        let state = &mut inner.states[condition as usize];
        if state.ok != ok {
            state.since = now();
        }
        state.ok = ok;
        state.reason = Some(reason.to_owned()).filter(|_| !ok);
        let (intake, others) = (&inner.states[Condition::Intake as usize], &inner.states[1..]);
        metrics::held_up(intake.ok.then(|| others.iter().any(|state| !state.ok)));
    }

    /// The queue is about to be asked for messages.
    pub fn polling(&self) {
        let mut inner = self.lock();
        inner.unanswered_since.get_or_insert_with(Instant::now);
        inner.polling_since.get_or_insert_with(Instant::now);
        inner.has_polled = true;
    }

    /// The queue has answered, with messages or without.
    pub fn polled(&self) {
        let mut inner = self.lock();
        (inner.unanswered_since, inner.polling_since) = (None, None);
        drop(inner);
        self.turned();
        self.set(Condition::Queue, true, "");
    }

    /// The queue refused, or didn't answer.
    pub fn poll_failed(&self, reason: &dyn std::fmt::Display) {
        self.lock().polling_since = None;
        self.turned();
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
        problems.extend(inner.stuck_at(now));
        Status { ok: problems.is_empty(), problems, conditions: Vec::new() }
    }

    /// Where the process itself gets no further; nothing where it does.
    pub fn stuck(&self) -> Option<String> {
        self.lock().stuck_at(Instant::now())
    }

    /// What keeps the worker from taking jobs, in one line; `None` when nothing does.
    pub fn held_up_by(&self) -> Option<String> {
        let inner = self.lock();
        let bad: Vec<&str> = inner.states.iter().filter_map(|state| state.reason.as_deref()).collect();
        (!bad.is_empty()).then(|| bad.join("; ").replace(char::is_control, " "))
    }

    /// Why this host, and perhaps it alone, can't run jobs; `None` where it can. Images that never were there are a matter of the
    /// configuration or of the machine image, and another host of the same kind would lack them too.
    pub fn host_fault(&self) -> Option<String> {
        let inner = self.lock();
        let counts = |state: &&State| match state.condition {
            Condition::Images => inner.has_polled,
            condition => condition.is_of_the_host(),
        };
        let fault = inner.states.iter().filter(|state| !state.ok).find(counts)?;
        fault.reason.clone()
    }

    /// Whether intake has begun and not ended.
    pub fn is_working(&self) -> bool {
        self.lock().turned.is_some()
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

impl Inner {
    fn stuck_at(&self, now: Instant) -> Option<String> {
        let for_longer = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) > limit)
        };
        let (what, limit) = if for_longer(Some(self.ticked), STUCK) {
            ("the runtime hasn't got to a task", STUCK)
        } else if for_longer(self.polling_since, self.longest_poll) {
            ("a poll has been under way", self.longest_poll)
        } else if for_longer(self.turned, LONGEST_TURN) {
            ("intake hasn't got on", LONGEST_TURN)
        } else {
            return None;
        };
        Some(format!("{what} for more than {} s", limit.as_secs()))
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
        let mut inner = health.lock();
        inner.ticked = later;
        inner.turned = inner.turned.map(|_| later);
        drop(inner);
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
    fn polls_that_fail_again_and_again_are_no_reason_to_end_the_process_and_one_that_never_ends_is() {
        let health = working();
        let stuck_after = |seconds| {
            let later = Instant::now() + Duration::from_secs(seconds);
            health.lock().ticked = later;
            health.lock().stuck_at(later)
        };
        health.polling();
        health.poll_failed(&"no answer");
        assert!(!alive_after(&health, 46) && stuck_after(46).is_none(), "the queue's silence is not ours");
        health.polling();
        assert_eq!(stuck_after(46).as_deref(), Some("a poll has been under way for more than 45 s"));
        health.poll_failed(&"no answer");
        assert_eq!(stuck_after(899), None);
        assert_eq!(stuck_after(901).as_deref(), Some("intake hasn't got on for more than 900 s"));
        health.intake_open(false, "the worker is stopping");
        assert_eq!(stuck_after(100_000), None, "a drain may take as long as its jobs");
    }

    #[test]
    fn a_host_is_at_fault_for_its_own_and_not_for_what_all_share_nor_for_images_that_never_were_there() {
        for condition in Condition::ALL {
            let health = working();
            health.polling();
            health.set(condition, false, "not now");
            let is_own = [Condition::Engine, Condition::Images, Condition::Disk].contains(&condition);
            assert_eq!(health.host_fault().is_some(), is_own, "{condition:?}");
        }
        let never_asked = working();
        never_asked.set(Condition::Images, false, "an image is missing");
        assert_eq!(never_asked.host_fault(), None);
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
