//! Taking in: capacity first, then a message for each free slot, and nothing while something is away that jobs need.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::breaker::{Admission, Breaker, Probed};
use super::handle::is_last;
use super::hands::{Capacity, Held};
use super::{Answering, Unfit, Worker};
use crate::health::{Condition, Health};
use crate::metrics::{self, GivenBack};
use crate::queue::sources::{Intake, Polls};
use crate::queue::{Delivery, QueueError};
use crate::shutdown::Shutdown;
use crate::telemetry;

/// How often to look whether the host is fit. A container takes a few hundred kilobytes, so nothing fills a disk between two
/// looks that has a GiB free.
const LOOK: Duration = Duration::from_secs(5);

impl<A: Answering> Worker<A> {
    /// Takes in messages until told to stop, and until then through every failure of queue and engine.
    pub(super) async fn take_in(self: &Arc<Self>, shutdown: &Shutdown, jobs: &TaskTracker) {
        let capacity = Capacity(&self.answering, &self.hands);
        while !shutdown.intake.is_cancelled() {
            let most = tokio::select! {
                biased;
                () = shutdown.intake.cancelled() => return,
                most = self.admitted() => most,
            };
            tokio::select! {
                biased;
                () = shutdown.intake.cancelled() => return,
                () = self.is_fit() => {}
            }
            let mut intake = Intake::new(self.sources.clone(), most, Arc::new(self.health.clone()));
            let end = loop {
                let arrived = tokio::select! {
                    biased;
                    () = shutdown.intake.cancelled() => break Some(GivenBack::Stopping),
                    () = self.engine.opened() => break Some(GivenBack::Paused),
                    () = self.becomes_unfit() => break Some(GivenBack::Paused),
                    () = self.misses_something() => break None,
                    arrived = intake.next(&capacity) => arrived,
                };
                self.breakers().iter().for_each(|(breaker, _)| breaker.tried());
                for (delivery, held) in arrived {
                    self.spawn(delivery, held, shutdown, jobs);
                }
                if most == 1 {
                    break None;
                }
            };
            // What the polls under way still brought. Where all workers miss the same thing it is kept, as what is in hand already is;
            // where only this one fails it is for others. But a last receipt is handled by whoever gets it.
            for (delivery, held) in intake.close().await {
                match end {
                    Some(reason) if !is_last(&delivery) => {
                        metrics::given_back(reason);
                        jobs.spawn(async move { delivery.release(Duration::ZERO).await });
                    }
                    _ => self.spawn(delivery, held, shutdown, jobs),
                }
            }
        }
    }

    fn spawn(self: &Arc<Self>, delivery: Delivery, held: Held<A::Permit>, shutdown: &Shutdown, jobs: &TaskTracker) {
        let worker = self.clone();
        let shutdown = shutdown.clone();
        let message = &delivery.message;
        let span = telemetry::job_span(self.answering.worker_id(), &message.id, message.receive_count, &message.trace);
        jobs.spawn(async move { worker.handle(delivery, held, &shutdown).await }.instrument(span));
    }

    /// Each breaker, with what of readiness follows it.
    fn breakers(&self) -> [(&Breaker, Condition); 4] {
        [
            (&self.engine, Condition::Engine),
            (&self.store, Condition::Store),
            (&self.outgoing, Condition::Outgoing),
            (&self.deletions, Condition::Deletions),
        ]
    }

    /// Waits until messages may be taken in, and says how many at once.
    async fn admitted(&self) -> usize {
        // Where something in hand is tried again, that is the trial.
        let stuck = |count: &AtomicUsize| match count.load(Ordering::Relaxed) {
            0 => Ok(Probed::Nothing),
            count => Err(format!("{count} in hand are tried again")),
        };
        loop {
            self.health.turned();
            self.tell_health();
            let admissions = [
                self.engine.admission(async || self.answering.probe().await.map(|()| Probed::Nothing)).await,
                self.store.admission(async || self.answering.probe_store().await.map(|()| Probed::Settled)).await,
                self.outgoing.admission(async || stuck(&self.unpublished)).await,
                self.deletions.admission(async || stuck(&self.undeleted)).await,
            ];
            let not_before = admissions.iter().filter_map(|admission| match admission {
                Admission::NotBefore(until) => Some(*until),
                Admission::Any | Admission::One => None,
            });
            let Some(until) = not_before.max() else {
                // A probe may have closed one.
                self.tell_health();
                return if admissions.contains(&Admission::One) { 1 } else { usize::MAX };
            };
            tokio::select! {
                () = self.engine.changed() => {}
                () = self.store.changed() => {}
                () = self.outgoing.changed() => {}
                () = self.deletions.changed() => {}
                () = tokio::time::sleep_until(until.max(Instant::now())) => {}
            }
        }
    }

    /// Waits until the host has what jobs need.
    async fn is_fit(&self) {
        let mut told: Option<Condition> = None;
        while let Err(Unfit { condition, reason }) = self.answering.fitness().await {
            if told != Some(condition) {
                tracing::error!(reason, "this host can't run jobs; taking in no messages");
            }
            if let Some(before) = told.filter(|before| *before != condition) {
                self.health.set(before, true, "");
            }
            told = Some(condition);
            self.health.set(condition, false, &reason);
            self.health.turned();
            tokio::time::sleep(LOOK).await;
        }
        if let Some(condition) = told {
            tracing::info!("this host can run jobs again; taking in messages");
            self.health.set(condition, true, "");
        }
    }

    /// Completes when the host lacks something that jobs need.
    async fn becomes_unfit(&self) {
        loop {
            tokio::select! {
                () = self.is_unfit.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            self.health.turned();
            if self.answering.fitness().await.is_err() {
                return;
            }
        }
    }

    /// Readiness follows the breakers.
    fn tell_health(&self) {
        let mut is_open = false;
        for (breaker, condition) in self.breakers() {
            let reason = breaker.reason();
            is_open |= reason.is_some();
            self.health.set(condition, reason.is_none(), reason.as_deref().unwrap_or_default());
        }
        metrics::breaker(is_open);
    }

    /// Completes when something is away that every worker needs.
    async fn misses_something(&self) {
        tokio::select! {
            () = self.store.opened() => {}
            () = self.outgoing.opened() => {}
            () = self.deletions.opened() => {}
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
