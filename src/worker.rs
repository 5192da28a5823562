//! The worker: capacity first, then a message for each free slot, then each job on its own task, until told to stop.
//!
//! ```text
//! run ─┬─ intake: breakers ─► permit(s) ─► long poll(s) ─► one task per delivery
//!      │      handle: answer ─► publish ─► acknowledge, or release
//!      ├─ heart (one in each inbox): renews every held message
//!      └─ outbox, deletions: batch what is ready
//! ```
//!
//! Publishing comes before deleting, always: a crash between the two gives a second result, never a lost one.

mod answering;
mod breaker;
mod handle;
mod intake;
#[cfg(test)]
mod model;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

pub use answering::Answering;
pub use breaker::Breaker;

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
    engine: Breaker,
    outgoing: Breaker,
}

impl<A: Answering> Worker<A> {
    /// `sources` are the incoming queues, at least one.
    pub fn new(answering: A, sources: Vec<Source>, outbox: Outbox, health: Health) -> Worker<A> {
        let (engine, outgoing) = (Breaker::new("engine"), Breaker::new("outgoing queue"));
        Worker { answering, sources, outbox, health, engine, outgoing }
    }

    /// Works until told to stop, and until then through every failure of queue and engine.
    pub async fn run(self, shutdown: Shutdown) {
        let worker = Arc::new(self);
        let jobs = TaskTracker::new();
        worker.health.intake_open(true, "");
        worker.take_in(&shutdown, &jobs).await;
        let stopping = Instant::now();
        worker.health.intake_open(false, "the worker is stopping");
        jobs.close();
        jobs.wait().await;
        for source in &worker.sources {
            source.inbox.close().await;
        }
        worker.answering.close().await;
        metrics::drained(stopping.elapsed());
    }
}
