//! How containers ended: one stream of the engine's events for all of a worker's containers.
//!
//! A container removes itself when it ends, so by the time a conversation has broken off there may be nothing left to
//! inspect. The engine's `oom` event comes before `die`, so whoever has seen the latter knows both.
//!
//! A container that is started again has several lives. Each begins with its `start` event: what is heard before that is
//! of an earlier one, however late it comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::engine::Engine;
use super::spec::LABEL_WORKER;

/// What the engine said of a container's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The kernel killed something in it for want of memory.
    pub(crate) oom: bool,
    /// Somebody had the engine kill it: we, a person, or the engine's own shutdown.
    pub(crate) killed: bool,
    /// PID 1's, or 128 and the signal's number.
    pub(crate) exit_code: Option<i64>,
    /// The engine was away for a while before the end: it may have ended with the engine.
    pub(crate) doubtful: bool,
}

/// How the agent ends when its conversation does: it left, or it could not read or write any more.
const EXITS_OF_THE_AGENT: [i64; 2] = [0, 1];

/// 128 and SIGKILL's number.
const EXIT_OF_THE_KILLED: i64 = 137;

impl Fate {
    /// Why the end can't be laid at the door of what ran in the container, which was left alone until then.
    ///
    /// No program ends the agent with one of its own exit codes: what ends it from inside is a signal or a panic.
    pub(crate) fn disturbance(&self) -> Option<&'static str> {
        match self.exit_code {
            _ if self.killed => Some("the engine was told to kill it"),
            Some(code) if EXITS_OF_THE_AGENT.contains(&code) => Some("its connection to the worker was cut"),
            _ if self.doubtful => Some("the engine was away meanwhile"),
            _ => None,
        }
    }
}

impl Fate {
    /// Whether the kernel ended it for want of memory. The engine is told so by the container's control group, unless that
    /// is gone before its turn comes: on a busy host two of a hundred such ends were not told. But a SIGKILL tells it, too. No
    /// process can send one to the first of its own namespace, and the engine tells of those that it sends.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.oom || (self.exit_code == Some(EXIT_OF_THE_KILLED) && !self.killed && !self.doubtful)
    }

    /// Whether it left by itself when it was told to, and nothing happened on the way there.
    fn is_orderly(&self) -> bool {
        *self == Fate { exit_code: Some(0), ..Fate::default() }
    }
}

#[derive(Debug)]
pub(crate) struct Fates {
    seen: Arc<Seen>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    containers: Mutex<HashMap<String, State>>,
    changed: Notify,
    /// Told to, the stream is asked for again.
    deaf: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    fate: Fate,
    died: bool,
    /// The time of the last event, in the engine's nanoseconds. A container's events come in order, so that one which isn't
    /// later is a repetition.
    heard: i64,
    /// It was started again, and the engine hasn't said so yet: what comes until then is of its earlier life.
    awaits_start: bool,
    /// Somebody sent it a signal, something happened after its end, or the engine was away: it isn't started again.
    spoilt: bool,
}

/// The only signal that ends a container from outside, as the engine writes it.
const SIGKILL: &str = "9";

/// How long to wait before asking for events again when their stream has ended.
const RECONNECT: Duration = Duration::from_millis(500);

impl Fates {
    /// `several_lives` says whether containers will be started again.
    pub(crate) fn watch(engine: &Engine, worker_id: &str, several_lives: bool) -> Fates {
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn(follow(engine.clone(), worker_id.to_owned(), seen.clone(), several_lives));
        Fates { seen, _task: AbortOnDropHandle::new(task) }
    }

    /// Has to be called before the container starts; only then are its events kept.
    pub(crate) fn expect(&self, id: &str) {
        self.seen.lock().insert(id.to_owned(), State::default());
    }

    /// Whether a container ended in order and nothing was heard of it since.
    pub(crate) fn may_start_again(&self, id: &str) -> bool {
        self.seen.lock().get(id).is_some_and(State::may_start_again)
    }

    /// Has to be called before a container starts again; its fate is open from here on. False, with nothing changed, for one
    /// that must not start again.
    pub(crate) fn expect_again(&self, id: &str) -> bool {
        match self.seen.lock().get_mut(id) {
            Some(state) if state.may_start_again() => {
                *state = State { heard: state.heard, awaits_start: true, ..State::default() };
                true
            }
            _ => false,
        }
    }

    /// Waits until the container has died, at most `limit`.
    pub(crate) async fn of(&self, id: &str, limit: Duration) -> Option<Fate> {
        let died = async {
            loop {
                let changed = self.seen.changed.notified();
                match self.seen.lock().get(id) {
                    Some(state) if state.died => return Some(state.fate),
                    Some(_) => {}
                    None => return None,
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, died).await.ok().flatten()
    }

    /// Whether the container is known to have ended.
    pub(crate) fn has_died(&self, id: &str) -> bool {
        self.seen.lock().get(id).is_some_and(|state| state.died)
    }

    /// Asks the engine for its events again, when one should have come and hasn't: a connection that carries nothing any
    /// more looks like an engine that has nothing to say.
    pub(crate) fn listen_anew(&self) {
        self.seen.deaf.notify_one();
    }

    pub(crate) fn forget(&self, id: &str) {
        self.seen.lock().remove(id);
    }
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `at` is the engine's time in nanoseconds.
    fn note(&self, id: &str, action: &str, at: i64, attributes: &HashMap<String, String>) {
        if let Some(state) = self.lock().get_mut(id) {
            state.hear(action, at, attributes);
        }
        self.changed.notify_waiters();
    }

    /// The engine stopped talking: what happens to those that live from now on may not be their own doing.
    fn note_gap(&self) {
        for state in self.lock().values_mut() {
            state.spoilt = true;
            state.fate.doubtful |= !state.died;
        }
    }
}

impl State {
    fn hear(&mut self, action: &str, at: i64, attributes: &HashMap<String, String>) {
        if at > 0 && at <= self.heard {
            return;
        }
        self.heard = self.heard.max(at);
        if self.awaits_start {
            self.awaits_start = action != "start";
            return;
        }
        self.spoilt |= self.died || action == "kill";
        match action {
            "oom" => self.fate.oom = true,
            "kill" => self.fate.killed |= attributes.get("signal").is_some_and(|signal| signal == SIGKILL),
            "die" => {
                self.died = true;
                self.fate.exit_code = attributes.get("exitCode").and_then(|code| code.parse().ok());
            }
            _ => {}
        }
    }

    fn may_start_again(&self) -> bool {
        self.died && !self.spoilt && self.fate.is_orderly()
    }
}

async fn follow(engine: Engine, worker_id: String, seen: Arc<Seen>, several_lives: bool) {
    // The engine keeps some of the past (256 events), so a gap in our listening is no gap in what we hear. A container's
    // events may come twice that way, which changes nothing.
    let mut since = now();
    let mut actions = vec!["oom".to_owned(), "kill".to_owned(), "die".to_owned()];
    if several_lives {
        actions.push("start".to_owned());
    }
    loop {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", actions.clone()),
            ("label", vec![format!("{LABEL_WORKER}={worker_id}")]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).since(&since.to_string()).build();
        let mut events = engine.docker().events(Some(options));
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = seen.deaf.notified() => break,
            };
            let Some(Ok(event)) = event else {
                // The engine is away; jobs that run into that say so. Here it only has to be asked again.
                seen.note_gap();
                tokio::time::sleep(RECONNECT).await;
                break;
            };
            since = event.time.unwrap_or(since);
            if let (Some(actor), Some(action)) = (event.actor, event.action)
                && let Some(id) = actor.id
            {
                let at = event.time_nano.unwrap_or_default();
                seen.note(&id, &action, at, &actor.attributes.unwrap_or_default());
            }
        }
    }
}

/// Unix seconds, as the engine counts its events.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_that_nothing_else_explains_is_the_programs_doing() {
        let by = |exit_code| Fate { exit_code: Some(exit_code), ..Fate::default() };
        assert_eq!(by(137).disturbance(), None, "killed from inside, for want of memory");
        assert_eq!(by(134).disturbance(), None, "it aborted");
        assert!(by(0).disturbance().is_some() && by(1).disturbance().is_some());
        assert!(Fate { killed: true, ..by(137) }.disturbance().is_some());
        assert!(Fate { doubtful: true, ..by(137) }.disturbance().is_some());
    }

    #[test]
    fn a_sigkill_that_the_engine_knows_nothing_of_was_for_want_of_memory() {
        let by = |exit_code| Fate { exit_code: Some(exit_code), ..Fate::default() };
        assert!(by(137).ran_out_of_memory() && Fate { oom: true, ..by(2) }.ran_out_of_memory());
        assert!(!by(139).ran_out_of_memory() && !Fate::default().ran_out_of_memory());
        assert!(!Fate { killed: true, ..by(137) }.ran_out_of_memory(), "by the engine");
        assert!(!Fate { doubtful: true, ..by(137) }.ran_out_of_memory(), "perhaps with the engine");
    }

    #[test]
    fn events_add_up_to_a_fate() {
        let seen = Seen::default();
        seen.lock().insert("a".to_owned(), State::default());
        let with = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
        seen.note("a", "kill", 1, &with("signal", "15"));
        seen.note("a", "oom", 2, &HashMap::new());
        seen.note_gap();
        seen.note("a", "die", 3, &with("exitCode", "137"));
        seen.note_gap();
        seen.note("b", "die", 4, &with("exitCode", "0"));
        let state = seen.lock()["a"];
        assert!(state.died);
        assert_eq!(state.fate, Fate { oom: true, killed: false, exit_code: Some(137), doubtful: true });
        assert_eq!(seen.lock().len(), 1, "nobody asked for b");
    }

    fn ended(exit_code: &str) -> Seen {
        let seen = Seen::default();
        seen.lock().insert("a".to_owned(), State::default());
        seen.note("a", "start", 1, &HashMap::new());
        seen.note("a", "die", 5, &HashMap::from([("exitCode".to_owned(), exit_code.to_owned())]));
        seen
    }

    fn with_fates(seen: Seen) -> Fates {
        Fates { seen: Arc::new(seen), _task: AbortOnDropHandle::new(tokio::spawn(async {})) }
    }

    #[tokio::test]
    async fn a_life_begins_with_its_start_and_hears_nothing_of_the_one_before() {
        let fates = with_fates(ended("0"));
        assert!(fates.may_start_again("a") && fates.expect_again("a") && !fates.has_died("a"));
        let exit = |code: &str| HashMap::from([("exitCode".to_owned(), code.to_owned())]);
        // Repeated after a break, and late.
        fates.seen.note("a", "die", 5, &exit("0"));
        fates.seen.note("a", "oom", 6, &HashMap::new());
        assert!(!fates.has_died("a"));
        fates.seen.note("a", "start", 7, &HashMap::new());
        fates.seen.note("a", "die", 5, &exit("0"));
        assert!(!fates.has_died("a"), "an old end isn't the new one");
        fates.seen.note("a", "die", 9, &exit("137"));
        let fate = fates.of("a", Duration::from_secs(1)).await;
        assert_eq!(fate, Some(Fate { exit_code: Some(137), ..Fate::default() }));
        assert!(!fates.may_start_again("a"));
    }

    #[tokio::test]
    async fn only_what_ended_in_order_and_was_left_alone_may_start_again() {
        let nothing = HashMap::new();
        assert!(with_fates(ended("0")).may_start_again("a"));
        assert!(!with_fates(ended("1")).may_start_again("a") && !with_fates(ended("137")).may_start_again("a"));
        for (action, attributes) in [("start", nothing.clone()), ("oom", nothing.clone()), ("kill", nothing.clone())] {
            let fates = with_fates(ended("0"));
            fates.seen.note("a", action, 6, &attributes);
            assert!(!fates.may_start_again("a"), "{action} after its end");
            assert!(!fates.expect_again("a"));
        }
        let away = with_fates(ended("0"));
        away.seen.note_gap();
        assert!(!away.may_start_again("a"), "the engine was away");
        let signalled = Seen::default();
        signalled.lock().insert("a".to_owned(), State::default());
        signalled.note("a", "kill", 1, &HashMap::from([("signal".to_owned(), "15".to_owned())]));
        signalled.note("a", "die", 2, &HashMap::from([("exitCode".to_owned(), "0".to_owned())]));
        assert!(!with_fates(signalled).may_start_again("a"), "somebody sent it a signal");
        assert!(!with_fates(Seen::default()).may_start_again("a"), "never heard of it");
    }
}
