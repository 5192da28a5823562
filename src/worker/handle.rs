//! One delivery, from its receive to its end: answered, given back, or given up.

use std::time::Duration;

use super::{Answering, FIRST_WAIT, LONGEST_WAIT, Worker};
use crate::answer::{Origin, Request};
use crate::crash;
use crate::execute::Remaining;
use crate::metrics::{self, GivenBack};
use crate::pipeline::Cause;
use crate::queue::{Delivery, Message};
use crate::report::{Lease, Report};
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use crate::steps;
use crate::telemetry;

/// How long a message rests after our own failure hit it, by how often it has been received: long enough for a passing
/// fault, and in the end for somebody to look.
const REST_STEP: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);

/// After how many receipts a message is given up where no redrive policy says so. Twice what AWS recommends for one.
const RECEIPTS_WITHOUT_POLICY: u64 = 10;

impl<A: Answering> Worker<A> {
    pub(super) async fn handle(&self, delivery: Delivery, permit: A::Permit, shutdown: &Shutdown) {
        crash::point!("leased");
        steps::passed!("received");
        let message = &delivery.message;
        // Whatever ended the earlier attempts may have ended their workers, too; so it isn't tried once more, or the
        // message could go to the dead letters without anybody being told.
        if is_for_giving_up(delivery.max_receive_count(), message.receive_count) {
            drop(permit);
            let request = self.answering.request(message.body.as_bytes(), origin(message)).await;
            let reason = format!(
                "it was received {} times and never answered; each time its worker failed or vanished",
                message.receive_count
            );
            return self.give_up(delivery, request, &reason, shutdown).await;
        }
        let remaining = Remaining::default();
        let outcome = tokio::select! {
            biased;
            () = shutdown.abort.cancelled() => {
                metrics::given_back(GivenBack::Stopping);
                tracing::info!("given back unfinished");
                return delivery.release(Duration::ZERO).await;
            }
            () = shutdown.leaves_too_little(remaining.ends_by()) => {
                metrics::given_back(GivenBack::Stopping);
                tracing::info!("given back unfinished: it may take longer than there is time");
                return delivery.release(Duration::ZERO).await;
            }
            () = delivery.lease_lost() => {
                metrics::given_back(GivenBack::LeaseLost);
                tracing::warn!("stopped unfinished: the message may be with another worker");
                return;
            }
            outcome = self.answering.answer(message.body.as_bytes(), origin(message), permit, &remaining) => outcome,
        };
        let failure = match outcome {
            Ok(report) => {
                crash::point!("done");
                // Without a job id there was no job to be found in it.
                let not_a_job = report.job_id.is_none().then(|| report.detail.clone());
                // Only a job that was run says something of the engine.
                if report.sandbox.is_some() {
                    self.engine.succeeded();
                }
                if let Some(delivery) = self.publish(delivery, report, shutdown).await {
                    crash::point!("published");
                    steps::passed!("published");
                    if let Some(reason) = not_a_job {
                        delivery.copy_to_dead_letters(&reason).await;
                    }
                    let body = delivery.message.body.clone();
                    delivery.acknowledge().await;
                    crash::point!("deleted");
                    steps::passed!("deleted");
                    self.answering.settled(&body).await;
                }
                return;
            }
            Err(failure) => failure,
        };
        let error = failure.to_string();
        if matches!(&failure.cause, Cause::Sandbox(cause) if cause.is_engine_failure()) {
            self.engine.failed(&error);
        }
        if delivery.max_receive_count().is_some_and(|most| message.receive_count >= most) {
            return self.give_up(delivery, failure.request, &error, shutdown).await;
        }
        let rest = rest(message.receive_count);
        metrics::given_back(GivenBack::Failed);
        tracing::error!(error, rest_s = rest.as_secs(), "given back: we failed, not the job");
        delivery.release(rest).await;
    }

    /// Whoever waits gets an answer that says that we failed. The message goes on to the dead-letter queue, from where it
    /// can be sent again; without one it ends here.
    async fn give_up(&self, delivery: Delivery, request: Request, reason: &str, shutdown: &Shutdown) {
        let report = self.answering.internal_error(request, reason);
        telemetry::job_is(report.job_id.as_deref(), None);
        tracing::error!(reason, "given up: answered with internal_error");
        let Some(delivery) = self.publish(delivery, report, shutdown).await else { return };
        match delivery.max_receive_count() {
            Some(_) => delivery.release(Duration::ZERO).await,
            None => delivery.acknowledge().await,
        }
    }

    /// Publishes, as often as it takes while the message is ours. Gives the delivery back to be settled, or settles it
    /// itself when the result can't be published any more.
    async fn publish(&self, delivery: Delivery, mut report: Report, shutdown: &Shutdown) -> Option<Delivery> {
        let mut body = None;
        let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let reply = delivery.reply();
            if report.lease == Lease::Held && !reply.lease.is_held() {
                report.lease = Lease::Uncertain;
                body = None;
            }
            // Once: a result that goes through S3 isn't written there again for each try.
            let body = match &mut body {
                Some(body) => body,
                none => none.insert(self.answering.message(&report, self.outbox.maximum_body_bytes()).await),
            };
            let error = match self.outbox.publish_as(report.clone(), body.clone(), reply).await {
                Ok(()) => break,
                Err(error) => error,
            };
            metrics::publish_failed();
            self.outgoing.failed(&error.to_string());
            let wait = retry.next_wait();
            tracing::error!(%error, code = error.code, wait_ms = wait.as_millis(), "a result could not be published; trying again");
            tokio::select! {
                // The result is computed but nobody has it: the job is run again.
                () = shutdown.abort.cancelled() => {
                    metrics::given_back(GivenBack::Stopping);
                    delivery.release(Duration::ZERO).await;
                    return None;
                }
                () = delivery.lease_lost() => {
                    metrics::given_back(GivenBack::LeaseLost);
                    tracing::warn!("result dropped: the message may be with another worker, which will answer it");
                    return None;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.outgoing.succeeded();
        telemetry::answered(&report);
        Some(delivery)
    }
}

/// Whether this receipt is the last one, kept for the answer. A queue that allows a single one leaves no choice: the job is
/// run.
fn is_for_giving_up(max_receive_count: Option<u64>, receive_count: u64) -> bool {
    match max_receive_count {
        Some(most) => most > 1 && receive_count >= most,
        None => receive_count > RECEIPTS_WITHOUT_POLICY,
    }
}

fn origin(message: &Message) -> Origin {
    Origin::now(Some(message.id.clone()), message.receive_count, message.sent).in_trace(&message.trace)
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
