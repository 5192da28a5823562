//! The end of every container: told to go, removed by force if it doesn't, and tried again for as long as it takes.
//!
//! What the container held (its uid, its CPU, its memory, its place) comes along and is given back only when the engine
//! has said that the container is gone, so that a removal that fails costs capacity and never two jobs on one uid.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::conversation::Conversation;
use super::engine::{Engine, Removal};
use super::fate::Fates;
use super::owned::Ownership;
use super::settings::Patience;
use crate::crash;
use crate::metrics;
use crate::retry::Retry;

/// The first wait between two tries. An engine that is removing a container already is done within a few of them.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How often a removal may be "in progress already" before that is worth a line: about ten seconds.
const PATIENT_TRIES: u32 = 10;

#[derive(Debug)]
pub(crate) struct Janitor {
    engine: Engine,
    fates: Arc<Fates>,
    patience: Patience,
    tasks: TaskTracker,
    given_up: CancellationToken,
    /// Containers whose removal has failed so far.
    stubborn: Arc<AtomicUsize>,
}

/// A container that nobody needs any more.
#[derive(Debug)]
pub(crate) struct Remains {
    /// The engine's id, or the name where the create call was cut off before it told the id.
    pub(crate) id: String,
    pub(crate) ownership: Ownership,
    /// Where there is one, the agent is told to end first; the engine then removes the container by itself, unless it stays.
    pub(crate) conversation: Option<Conversation>,
}

impl Janitor {
    pub(crate) fn new(engine: &Engine, fates: &Arc<Fates>, patience: Patience) -> Janitor {
        Janitor {
            engine: engine.clone(),
            fates: fates.clone(),
            patience,
            tasks: TaskTracker::new(),
            given_up: CancellationToken::new(),
            stubborn: Arc::default(),
        }
    }

    /// Clears a container away. Returns at once; `held` is dropped when the container is gone.
    pub(crate) fn clear_away(&self, remains: Remains, held: impl Send + 'static) {
        let (engine, fates, patience) = (self.engine.clone(), self.fates.clone(), self.patience);
        let (given_up, stubborn) = (self.given_up.clone(), self.stubborn.clone());
        self.tasks.spawn(async move {
            let Remains { id, ownership, conversation } = remains;
            let end = async {
                let politely = conversation.is_some();
                if let Some(conversation) = conversation {
                    conversation.hang_up().await;
                }
                let ended = politely && fates.of(&id, patience.goodbye).await.is_some();
                // The engine removes most of what has ended; this is for what hasn't, and for what stays.
                if !ended || ownership.stays() {
                    remove(&engine, &id, patience.retry, &stubborn).await;
                    if politely && !fates.has_died(&id) {
                        // It was there, it is gone, and nothing was heard of it.
                        fates.listen_anew();
                    }
                }
            };
            // Whoever gives up ends the process: what is left is the next sweep's, whichever worker makes it.
            given_up.run_until_cancelled(end).await;
            fates.forget(&id);
            crash::point!("removed");
            drop(held);
            drop(ownership);
        });
    }

    /// Something else that has to be over before this is closed. Past the limit it is dropped wherever it stands, and what
    /// it held is the next sweep's.
    pub(crate) fn attend(&self, task: impl Future<Output = ()> + Send + 'static) {
        let given_up = self.given_up.clone();
        self.tasks.spawn(async move {
            given_up.run_until_cancelled(task).await;
        });
    }

    /// Containers that should be gone and, as of the last try, aren't.
    pub(crate) fn stubborn(&self) -> usize {
        self.stubborn.load(Ordering::Relaxed)
    }

    /// Waits until everything is cleared away; past `limit` the rest is left. Nothing may be handed over any more.
    pub(crate) async fn close(&self, limit: Duration) {
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            self.given_up.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Until the engine says that the container is gone.
async fn remove(engine: &Engine, id: &str, longest_wait: Duration, stubborn: &AtomicUsize) {
    let mut retry = Retry::new(FIRST_WAIT, longest_wait);
    let mut counted = None;
    for tries in 1u32.. {
        let reason = match engine.remove(id).await {
            Ok(Removal::Gone | Removal::Absent) => break,
            Ok(Removal::UnderWay) if tries < PATIENT_TRIES => None,
            Ok(Removal::UnderWay) => Some("the engine says that it is removing it already".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = reason
            && counted.is_none()
        {
            tracing::warn!(container.id = id, reason, "a container can't be removed; its slot is not used until it is");
            counted = Some(Stubborn::count(stubborn));
        }
        retry.pause().await;
        metrics::removal_retried();
    }
    if counted.is_some() {
        tracing::info!(container.id = id, "a container that could not be removed is gone now");
    }
}

/// Counts while it lives, however its task ends.
struct Stubborn<'a>(&'a AtomicUsize);

impl Stubborn<'_> {
    fn count(counter: &AtomicUsize) -> Stubborn<'_> {
        counter.fetch_add(1, Ordering::Relaxed);
        Stubborn(counter)
    }
}

impl Drop for Stubborn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
