//! The worker: capacity first, then a message for each free slot, then each job on its own task, until told to stop.
//!
//! ```text
//! run ─┬─ intake: permit(s) ─► long poll ─► one task per delivery
//!      │      task: pipeline ─► publish ─► acknowledge, or release
//!      ├─ heart (in the inbox): renews every held message
//!      └─ outbox, deletions: batch what is ready
//! ```
//!
//! Publishing comes before deleting, always: a crash between the two gives a second result, never a lost one.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::answer::{Origin, Request};
use crate::job;
use crate::pipeline::Pipeline;
use crate::queue::{BATCH, Delivery, Inbox, Outbox};
use crate::report::{Lease, Report};
use crate::retry::Retry;
use crate::sandbox::SandboxError;
use crate::sandbox::slots::Permit;
use crate::shutdown::Shutdown;

#[derive(Debug)]
pub struct Worker {
    pub pipeline: Pipeline,
    pub inbox: Inbox,
    pub outbox: Outbox,
    /// After how many receipts the queue moves a message to its dead-letter queue; `None` where it has none.
    pub max_receive_count: Option<u64>,
}

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a message rests after our own failure hit it, by how often it has been received: long enough for a passing
/// fault, and in the end for somebody to look.
const REST_STEP: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);

impl Worker {
    /// Works until told to stop, and until then through every failure of queue and engine.
    pub async fn run(self, shutdown: Shutdown) {
        let worker = Arc::new(self);
        let jobs = TaskTracker::new();
        worker.take_in(&shutdown, &jobs).await;
        jobs.close();
        jobs.wait().await;
        worker.inbox.close().await;
        worker.pipeline.sandboxes.close().await;
    }

    async fn take_in(self: &Arc<Self>, shutdown: &Shutdown, jobs: &TaskTracker) {
        let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let first = tokio::select! {
                biased;
                () = shutdown.intake.cancelled() => return,
                permit = self.pipeline.sandboxes.permit() => permit,
            };
            let mut permits = vec![first];
            while permits.len() < BATCH
                && let Some(more) = self.pipeline.sandboxes.try_permit()
            {
                permits.push(more);
            }
            // Never cut off: messages in an answer that nobody reads would stay hidden for a whole visibility timeout.
            let deliveries = match self.inbox.receive(permits.len()).await {
                Ok(deliveries) => deliveries,
                Err(error) => {
                    let wait = retry.next_wait();
                    tracing::error!(%error, code = error.code, wait_ms = wait.as_millis(), "no messages could be received");
                    tokio::select! {
                        () = shutdown.intake.cancelled() => return,
                        () = tokio::time::sleep(wait) => continue,
                    }
                }
            };
            retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
            for delivery in deliveries {
                // The queue never gives more than was asked for; if it did, the rest would reappear by itself.
                let Some(permit) = permits.pop() else { break };
                if shutdown.intake.is_cancelled() {
                    delivery.release(Duration::ZERO).await;
                    continue;
                }
                let worker = self.clone();
                let shutdown = shutdown.clone();
                let span = tracing::info_span!("job", message.id = delivery.message.id, job.id = tracing::field::Empty);
                jobs.spawn(async move { worker.handle(delivery, permit, &shutdown).await }.instrument(span));
            }
        }
    }

    /// One delivery, to its end.
    async fn handle(&self, delivery: Delivery, permit: Permit, shutdown: &Shutdown) {
        let message = &delivery.message;
        let origin = Origin::now(Some(message.id.clone()), message.receive_count, message.sent);
        let outcome = tokio::select! {
            biased;
            () = shutdown.abort.cancelled() => {
                tracing::info!("given back unfinished");
                return delivery.release(Duration::ZERO).await;
            }
            () = delivery.lease_lost() => {
                tracing::warn!("stopped unfinished: the message may be with another worker");
                return;
            }
            outcome = self.pipeline.process(message.body.as_bytes(), origin, permit) => outcome,
        };
        match outcome {
            Ok(report) => {
                tracing::Span::current().record("job.id", report.job_id.as_deref());
                if let Some(delivery) = self.publish(delivery, report, shutdown).await {
                    delivery.acknowledge().await;
                }
            }
            Err(error) if self.max_receive_count.is_some_and(|most| message.receive_count >= most) => {
                tracing::error!(%error, attempt = message.receive_count, "given up: we failed, and this was the last attempt");
                self.give_up(delivery, &error, shutdown).await;
            }
            Err(error) => {
                let rest = rest(message.receive_count);
                tracing::error!(%error, attempt = message.receive_count, rest_s = rest.as_secs(), "given back: we failed, not the job");
                delivery.release(rest).await;
            }
        }
    }

    /// The last attempt failed on our side: whoever waits gets an answer that says so, and the message goes on to the
    /// dead-letter queue, from where it can be sent again.
    async fn give_up(&self, delivery: Delivery, error: &SandboxError, shutdown: &Shutdown) {
        let message = &delivery.message;
        let origin = Origin::now(Some(message.id.clone()), message.receive_count, message.sent);
        let body = message.body.as_bytes();
        let request = match job::parse_with(body, &self.pipeline.bounds) {
            Ok(job) => Request::of(&job, origin),
            Err(invalid) => Request::of_invalid(&invalid, origin),
        };
        let report = request.internal_error(&error.to_string(), &self.pipeline.worker);
        if let Some(delivery) = self.publish(delivery, report, shutdown).await {
            delivery.release(Duration::ZERO).await;
        }
    }

    /// Publishes, as often as it takes while the message is ours. Gives the delivery back to be settled, or settles it
    /// itself when the result can't be published any more.
    async fn publish(&self, delivery: Delivery, mut report: Report, shutdown: &Shutdown) -> Option<Delivery> {
        let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            if !delivery.is_held() {
                report.lease = Lease::Uncertain;
            }
            let error = match self.outbox.publish(&report).await {
                Ok(()) => break,
                Err(error) => error,
            };
            let wait = retry.next_wait();
            tracing::error!(%error, code = error.code, wait_ms = wait.as_millis(), "a result could not be published; trying again");
            tokio::select! {
                // The result is computed but nobody has it: the job is run again.
                () = shutdown.abort.cancelled() => {
                    delivery.release(Duration::ZERO).await;
                    return None;
                }
                () = delivery.lease_lost() => {
                    tracing::warn!("result dropped: the message may be with another worker, which will answer it");
                    return None;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        tracing::info!(
            verdict = %report.verdict,
            execution.id = report.execution_id,
            attempt = report.attempt,
            queue_ms = report.timeline.queue_ms,
            prepare_ms = report.timeline.prepare_ms,
            compile_ms = report.timeline.compile_ms,
            run_ms = report.timeline.run_ms,
            "answered"
        );
        Some(delivery)
    }
}

fn rest(receive_count: u64) -> Duration {
    let doublings = u32::try_from(receive_count.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    REST_STEP.saturating_mul(1 << doublings).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_we_failed_rests_longer_each_time() {
        let rests: Vec<u64> = [1, 2, 3, 6, 7, u64::MAX].iter().map(|count| rest(*count).as_secs()).collect();
        assert_eq!(rests, [5, 10, 20, 160, 300, 300]);
    }
}
