//! Getting rid of what is done: a result to the outgoing queue, then its message out of the incoming one. Each is tried for as long as
//! the message is ours, and the message stays in hand all the while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{Answering, FIRST_WAIT, LONGEST_WAIT, Worker};
use crate::metrics::{self, GivenBack};
use crate::queue::Delivery;
use crate::report::{Lease, Report};
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// For how long deletions are tried once the worker stops. What stays is answered twice, which is better than a worker that is killed
/// over it.
const AT_THE_END: Duration = Duration::from_secs(10);

/// Counts what failed at least once and is tried again, for as long as it lives.
struct Stuck<'a>(&'a AtomicUsize);

impl<'a> Stuck<'a> {
    fn among(count: &'a AtomicUsize) -> Stuck<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Stuck(count)
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<A: Answering> Worker<A> {
    /// Publishes a result; tells whether the queue has it. If not, the message is given back or lost.
    pub(super) async fn publish(&self, delivery: &Delivery, mut report: Report, shutdown: &Shutdown) -> bool {
        let _waiting = self.hands.wait_with(&report);
        let mut body = None;
        let mut stuck = None;
        let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let reply = delivery.reply();
            let maximum = self.outbox.maximum_body_bytes();
            if report.lease == Lease::Held && !reply.lease.is_held() {
                report.lease = Lease::Uncertain;
                body = None;
            }
            // Once, unless the queue takes less by now: a result that goes through S3 isn't written there again for each try.
            let written = match body.take().filter(|(_, made_for)| *made_for <= maximum) {
                Some((body, _)) => body,
                None => self.answering.message(&report, maximum).await,
            };
            let outcome = self.outbox.publish_as(report.clone(), written.clone(), reply).await;
            body = Some((written, maximum));
            let Err(error) = outcome else { break };
            metrics::publish_failed();
            self.outgoing.failed(&error.to_string());
            let wait = retry.next_wait();
            if stuck.is_none() {
                stuck = Some(Stuck::among(&self.unpublished));
                tracing::error!(%error, code = error.code, wait_ms = wait.as_millis(), "a result could not be published; trying again");
            } else {
                tracing::debug!(%error, code = error.code, wait_ms = wait.as_millis(), "still not published");
            }
            tokio::select! {
                // The result is computed but nobody has it: the job is run again.
                () = shutdown.abort.cancelled() => {
                    metrics::given_back(GivenBack::Stopping);
                    tracing::warn!("result dropped: it could not be published before the time was over");
                    delivery.release(Duration::ZERO).await;
                    return false;
                }
                () = delivery.lease_lost() => {
                    metrics::given_back(GivenBack::LeaseLost);
                    tracing::warn!("result dropped: the message may be with another worker, which will answer it");
                    return false;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.outgoing.succeeded();
        telemetry::answered(&report);
        true
    }

    /// Deletes an answered message; tells whether it is gone. If not, its job may be answered twice.
    pub(super) async fn delete(&self, delivery: &Delivery, shutdown: &Shutdown) -> bool {
        let mut stuck = None;
        let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
        let mut until = None;
        loop {
            let Err(error) = delivery.delete().await else { break };
            metrics::delete_failed(1);
            self.deletions.failed(&error.to_string());
            let wait = retry.next_wait();
            if stuck.is_none() {
                stuck = Some(Stuck::among(&self.undeleted));
                tracing::warn!(%error, code = error.code, wait_ms = wait.as_millis(), "an answered message could not be deleted; trying again");
            } else {
                tracing::debug!(%error, code = error.code, wait_ms = wait.as_millis(), "still not deleted");
            }
            if shutdown.intake.is_cancelled() {
                until.get_or_insert_with(|| Instant::now() + AT_THE_END);
            }
            let is_over = until.is_some_and(|until| until <= Instant::now());
            let goes_on = tokio::select! {
                biased;
                () = shutdown.abort.cancelled() => false,
                () = delivery.lease_lost() => false,
                () = tokio::time::sleep(wait) => !is_over,
            };
            if !goes_on {
                tracing::warn!(%error, "an answered message stays in the queue; its job may be answered twice");
                return false;
            }
        }
        self.deletions.succeeded();
        true
    }
}
