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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The kernel killed something in it for want of memory.
    pub(crate) oom: bool,
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
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    oom: bool,
    died: bool,
}

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
                    Some(state) if state.died => return Some(Fate { oom: state.oom }),
                    Some(_) => {}
                    None => return None,
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, died).await.ok().flatten()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.seen.lock().remove(id);
    }
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &str, action: &str) {
        if let Some(state) = self.lock().get_mut(id) {
            match action {
                "oom" => state.oom = true,
                "die" => state.died = true,
                _ => return,
            }
        }
        self.changed.notify_waiters();
    }
}

async fn follow(engine: Engine, worker_id: String, seen: Arc<Seen>) {
    // The engine keeps some of the past (256 events), so a gap in our listening is no gap in what we hear. A container's
    // events may come twice that way, which changes nothing.
    let mut since = now();
    loop {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", vec!["oom".to_owned(), "die".to_owned()]),
            ("label", vec![format!("{LABEL_WORKER}={worker_id}")]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).since(&since.to_string()).build();
        let mut events = engine.docker().events(Some(options));
        while let Some(Ok(event)) = events.next().await {
            since = event.time.unwrap_or(since);
            let id = event.actor.and_then(|actor| actor.id);
            if let (Some(id), Some(action)) = (id, event.action) {
                seen.note(&id, &action);
            }
        }
        // The engine is away; jobs that run into that say so. Here it only has to be asked again.
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Unix seconds, as the engine counts its events.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
