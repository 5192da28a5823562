//! The worker: capacity first, then a message for each free slot, then each job on its own task, until told to stop.
//!
//! ```text
//! run ─┬─ intake: breakers ─► slot(s) and place(s) in hand ─► long poll(s) ─► one task per delivery
//!      │      handle: run ─► publish ─► delete, or release
//!      ├─ tend (one for each incoming queue): its attributes, and dead letters that nobody answered
//!      ├─ heart (one in each inbox): renews every held message
//!      └─ outbox, deletions: batch what is ready
//! ```
//!
//! Publishing comes before deleting, always: a crash between the two gives a second result, never a lost one.
//!
//! A message is in hand until it is deleted or given back, and there are few places for that beside the slots. While something is
//! away that every worker needs, what is in hand is kept and tried again, and nothing is taken in: so an outage costs no receipts.

mod answering;
mod breaker;
mod fault;
mod handle;
mod hands;
mod intake;
#[cfg(test)]
mod model;
mod settle;
mod tend;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use tokio::sync::Notify;
pub use answering::{Answering, Unfit};
pub use breaker::{Breaker, Probed};
use hands::Hands;
pub use hands::BESIDE_SLOTS;

use crate::health::Health;
use crate::metrics;
use crate::pipeline::Pipeline;
use crate::queue::Outbox;
use crate::queue::sources::Source;
use crate::shutdown::Shutdown;

/// Between two tries of a publication.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Worker<A: Answering = Pipeline> {
    answering: A,
    /// At least one.
    sources: Vec<Source>,
    outbox: Outbox,
    health: Health,
    hands: Hands,
    /// This host's engine, and what it runs on.
    engine: Breaker,
    store: Breaker,
    outgoing: Breaker,
    deletions: Breaker,
    /// Results and deletions that failed and are tried again.
    unpublished: AtomicUsize,
    undeleted: AtomicUsize,
    /// A job found out that the host may lack something.
    is_unfit: Notify,
}

impl<A: Answering> Worker<A> {
    /// `sources` are the incoming queues, at least one.
    pub fn new(answering: A, sources: Vec<Source>, outbox: Outbox, health: Health) -> Worker<A> {
        Worker {
            hands: Hands::new(answering.slots()),
            answering,
            sources,
            outbox,
            health,
            engine: Breaker::new("engine"),
            store: Breaker::new("object store"),
            outgoing: Breaker::new("outgoing queue"),
            deletions: Breaker::new("deletions"),
            unpublished: AtomicUsize::new(0),
            undeleted: AtomicUsize::new(0),
            is_unfit: Notify::new(),
        }
    }

    /// Works until told to stop, and until then through every failure of queue and engine.
    pub async fn run(self, shutdown: Shutdown) {
        let worker = Arc::new(self);
        let jobs = TaskTracker::new();
        worker.health.intake_open(true, "");
        let tended = TaskTracker::new();
        for source in &worker.sources {
            tended.spawn(worker.clone().tend(source.clone(), shutdown.clone()));
        }
        worker.take_in(&shutdown, &jobs).await;
        let stopping = Instant::now();
        worker.health.intake_open(false, "the worker is stopping");
        jobs.close();
        jobs.wait().await;
        tended.close();
        tended.wait().await;
        for source in &worker.sources {
            source.inbox.close().await;
        }
        worker.answering.close().await;
        metrics::drained(stopping.elapsed());
    }
}
