//! How containers ended: one stream of the engine's events for all of a worker's containers.
//!
//! A container removes itself when it ends, so by the time a conversation has broken off there may be nothing left to
//! inspect. The engine's `oom` event comes before `die`, so whoever has seen the latter knows both.

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
}

/// The only signal that ends a container from outside, as the engine writes it.
const SIGKILL: &str = "9";

/// How long to wait before asking for events again when their stream has ended.
const RECONNECT: Duration = Duration::from_millis(500);

impl Fates {
    pub(crate) fn watch(engine: &Engine, worker_id: &str) -> Fates {
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn(follow(engine.clone(), worker_id.to_owned(), seen.clone()));
        Fates { seen, _task: AbortOnDropHandle::new(task) }
    }

    /// Has to be called before the container starts; only then are its events kept.
    pub(crate) fn expect(&self, id: &str) {
        self.seen.lock().insert(id.to_owned(), State::default());
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

    fn note(&self, id: &str, action: &str, attributes: &HashMap<String, String>) {
        if let Some(state) = self.lock().get_mut(id) {
            match action {
                "oom" => state.fate.oom = true,
                "kill" => state.fate.killed |= attributes.get("signal").is_some_and(|signal| signal == SIGKILL),
                "die" => {
                    state.died = true;
                    state.fate.exit_code = attributes.get("exitCode").and_then(|code| code.parse().ok());
                }
                _ => return,
            }
        }
        self.changed.notify_waiters();
    }

    /// The engine stopped talking: what happens to those that live from now on may not be their own doing.
    fn note_gap(&self) {
        for state in self.lock().values_mut().filter(|state| !state.died) {
            state.fate.doubtful = true;
        }
    }
}

async fn follow(engine: Engine, worker_id: String, seen: Arc<Seen>) {
    // The engine keeps some of the past (256 events), so a gap in our listening is no gap in what we hear. A container's
    // events may come twice that way, which changes nothing.
    let mut since = now();
    loop {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", vec!["oom".to_owned(), "kill".to_owned(), "die".to_owned()]),
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
                seen.note(&id, &action, &actor.attributes.unwrap_or_default());
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
        assert_eq!(by(137).disturbance(), None, "killed from inside, by a limit or for want of memory");
        assert_eq!(by(134).disturbance(), None, "it aborted");
        assert!(by(0).disturbance().is_some() && by(1).disturbance().is_some());
        assert!(Fate { killed: true, ..by(137) }.disturbance().is_some());
        assert!(Fate { doubtful: true, ..by(137) }.disturbance().is_some());
    }

    #[test]
    fn events_add_up_to_a_fate() {
        let seen = Seen::default();
        seen.lock().insert("a".to_owned(), State::default());
        let with = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
        seen.note("a", "kill", &with("signal", "15"));
        seen.note("a", "oom", &HashMap::new());
        seen.note_gap();
        seen.note("a", "die", &with("exitCode", "137"));
        seen.note_gap();
        seen.note("b", "die", &with("exitCode", "0"));
        let state = seen.lock()["a"];
        assert!(state.died);
        assert_eq!(state.fate, Fate { oom: true, killed: false, exit_code: Some(137), doubtful: true });
        assert_eq!(seen.lock().len(), 1, "nobody asked for b");
    }
}
