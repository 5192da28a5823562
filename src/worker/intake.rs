//! Taking in: capacity first, then a message for each free slot, and nothing while the engine or the outgoing queue is away.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::breaker::Admission;
use super::{Answering, Worker};
use crate::health::{Condition, Health};
use crate::metrics::{self, GivenBack};
use crate::queue::sources::{Intake, Polls};
use crate::queue::{Delivery, QueueError};
use crate::shutdown::Shutdown;
use crate::telemetry;

/// How often to look whether the host has room. A container takes a few hundred kilobytes, so nothing fills a disk between two
/// looks that has a GiB free.
const LOOK: Duration = Duration::from_secs(5);

impl<A: Answering> Worker<A> {
    /// Takes in messages until told to stop, and until then through every failure of queue and engine.
    pub(super) async fn take_in(self: &Arc<Self>, shutdown: &Shutdown, jobs: &TaskTracker) {
        while !shutdown.intake.is_cancelled() {
            let most = tokio::select! {
                biased;
                () = shutdown.intake.cancelled() => return,
                most = self.admitted() => most,
            };
            tokio::select! {
                biased;
                () = shutdown.intake.cancelled() => return,
                () = self.has_room() => {}
            }
            let mut intake = Intake::new(self.sources.clone(), most, Arc::new(self.health.clone()));
            loop {
                let arrived = tokio::select! {
                    biased;
                    () = shutdown.intake.cancelled() => break,
                    () = self.interrupted() => break,
                    () = self.lacks_room() => break,
                    arrived = intake.next(&self.answering) => arrived,
                };
                self.engine.tried();
                self.outgoing.tried();
                for (delivery, permit) in arrived {
                    self.spawn(delivery, permit, shutdown, jobs);
                }
                if most == 1 {
                    break;
                }
            }
            // What the polls under way still brought is for others.
            for (delivery, _) in intake.close().await {
                metrics::given_back(GivenBack::Stopping);
                delivery.release(Duration::ZERO).await;
            }
        }
    }

    fn spawn(self: &Arc<Self>, delivery: Delivery, permit: A::Permit, shutdown: &Shutdown, jobs: &TaskTracker) {
        let worker = self.clone();
        let shutdown = shutdown.clone();
        let message = &delivery.message;
        let span = telemetry::job_span(self.answering.worker_id(), &message.id, message.receive_count, &message.trace);
        jobs.spawn(async move { worker.handle(delivery, permit, &shutdown).await }.instrument(span));
    }

    /// Waits until messages may be taken in, and says how many at once.
    async fn admitted(&self) -> usize {
        loop {
            self.tell_health();
            let engine = self.engine.admission(async || self.answering.probe().await).await;
            // The outgoing queue can be tried only by a result.
            let outgoing = self.outgoing.admission(async || Ok(())).await;
            let until = match (engine, outgoing) {
                (Admission::Any, Admission::Any) => return usize::MAX,
                (Admission::NotBefore(one), Admission::NotBefore(other)) => one.max(other),
                (Admission::NotBefore(until), _) | (_, Admission::NotBefore(until)) => until,
                _ => return 1,
            };
            tokio::select! {
                () = self.engine.changed() => {}
                () = self.outgoing.changed() => {}
                () = tokio::time::sleep_until(until.max(Instant::now())) => {}
            }
        }
    }

    /// Waits until the host has room for more jobs.
    async fn has_room(&self) {
        let mut told = false;
        while let Err(reason) = self.answering.room().await {
            if !told {
                tracing::error!(reason, "no room for jobs; taking in no messages");
            }
            told = true;
            self.health.set(Condition::Disk, false, &reason);
            tokio::time::sleep(LOOK).await;
        }
        if told {
            tracing::info!("there is room again; taking in messages");
        }
        self.health.set(Condition::Disk, true, "");
    }

    /// Completes when the host has no room for more jobs.
    async fn lacks_room(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.answering.room().await.is_err() {
                return;
            }
        }
    }

    /// Readiness follows the breakers.
    fn tell_health(&self) {
        let open = [&self.engine, &self.outgoing].map(|breaker| breaker.reason());
        let reason = open.iter().flatten().cloned().collect::<Vec<_>>().join("; ");
        let closed = open.iter().all(Option::is_none);
        self.health.set(Condition::Engine, closed, &reason);
        metrics::breaker(!closed);
    }

    /// Completes when a breaker opens.
    async fn interrupted(&self) {
        tokio::select! {
            () = self.engine.opened() => {}
            () = self.outgoing.opened() => {}
        }
    }
}

impl Polls for Health {
    fn polling(&self) {
        Health::polling(self);
    }

    fn polled(&self) {
        Health::polled(self);
    }

    fn failed(&self, error: &QueueError) {
        self.poll_failed(error);
    }
}
