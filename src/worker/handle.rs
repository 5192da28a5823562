//! One delivery, from its receive to its end: answered, given back, or given up.

use std::time::Duration;

use tokio::time::Instant;

use super::fault::{Whose, rest};
use super::hands::Held;
use super::{Answering, LONGEST_WAIT, Worker};
use crate::answer::{Origin, Request};
use crate::crash;
use crate::execute::Remaining;
use crate::metrics::{self, GivenBack};
use crate::pipeline::Failure;
use crate::queue::{Delivery, Message, Redrive};
use crate::report::Report;
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use crate::steps;
use crate::telemetry;
use crate::verdict::Verdict;

/// After how many receipts a message is given up where no redrive policy says so. Twice what AWS recommends for one.
const RECEIPTS_WITHOUT_POLICY: u64 = 10;

/// How often a job is tried in hand when the object store fails and others' data comes all the same.
const STORE_TRIES: u32 = 5;

/// For how long a job is kept while the object store is away. An outage of that length costs it one receipt.
const STORE_PATIENCE: Duration = Duration::from_secs(3_600);

/// How often a job is tried in hand when we fail it on its last receipt.
const LAST_TRIES: u32 = 3;

/// How a try at a job ended.
enum Outcome {
    Answered(Box<Report>),
    Failed(Box<Failure>),
    /// The worker stops, for this reason.
    Stopped(&'static str),
    LeaseLost,
}

impl<A: Answering> Worker<A> {
    pub(super) async fn handle(&self, delivery: Delivery, held: Held<A::Permit>, shutdown: &Shutdown) {
        crash::point!("leased");
        steps::passed!("received");
        // The message's place in hand is free when this function ends.
        let Held { slot, place: _place } = held;
        let message = &delivery.message;
        let is_last = is_last(&delivery);
        if is_last && let Some(dead_letters) = delivery.redrive().dead_letters {
            // A worker that has just started doesn't know yet whether it may run a last receipt.
            tokio::select! {
                () = dead_letters.known() => {}
                () = delivery.lease_lost() => {}
                () = shutdown.intake.cancelled() => {}
            }
        }
        if is_spent(&delivery.redrive(), message.receive_count) {
            drop(slot);
            let reason = format!(
                "it was received {} times and never answered; each time its worker failed or vanished",
                message.receive_count
            );
            let request = self.request(message).await;
            return self.give_up(delivery, request, &reason, shutdown).await;
        }
        match self.try_job(&delivery, slot, is_last, shutdown).await {
            Outcome::Answered(report) => {
                crash::point!("done");
                // Only a job that was run says something of the engine.
                if report.sandbox.is_some() {
                    self.engine.succeeded();
                }
                self.conclude(delivery, *report, shutdown).await;
            }
            Outcome::Failed(failure) => self.failed(delivery, failure, is_last, shutdown).await,
            Outcome::Stopped(why) if is_last => {
                let request = self.request(message).await;
                let reason = format!("its last receipt fell to a worker that stops, and {why}");
                self.give_up(delivery, request, &reason, shutdown).await;
            }
            Outcome::Stopped(why) => {
                metrics::given_back(GivenBack::Stopping);
                tracing::info!(why, "given back unfinished");
                delivery.release(Duration::ZERO).await;
            }
            Outcome::LeaseLost => {
                metrics::given_back(GivenBack::LeaseLost);
                tracing::warn!("stopped unfinished: the message may be with another worker");
            }
        }
    }

    /// Runs the job, again where that is of use: while the object store is away, and on the last receipt.
    async fn try_job(&self, delivery: &Delivery, slot: A::Permit, is_last: bool, shutdown: &Shutdown) -> Outcome {
        let message = &delivery.message;
        let remaining = Remaining::default();
        let tries = async {
            let (mut slot, began) = (Some(slot), Instant::now());
            let mut retry = Retry::new(Duration::from_secs(1), LONGEST_WAIT);
            let mut failures = 0;
            loop {
                let slot = match slot.take() {
                    Some(slot) => slot,
                    None => self.answering.permit().await,
                };
                let answer = self.answering.answer(message.body.as_bytes(), origin(message), slot, &remaining);
                let failure = match answer.await {
                    Ok(report) => return Ok((report, failures)),
                    Err(failure) => failure,
                };
                failures += 1;
                let is_kept = match Whose::of(&failure.cause) {
                    Whose::Store => {
                        self.store.failed(&failure.to_string());
                        let is_away = self.store.reason().is_some();
                        is_away && began.elapsed() < STORE_PATIENCE || failures < STORE_TRIES
                    }
                    _ => is_last && failures < LAST_TRIES,
                };
                if !is_kept {
                    return Err(failure);
                }
                let (error, wait) = (failure.to_string(), retry.next_wait());
                let wait_ms = wait.as_millis();
                match failures {
                    1 => tracing::warn!(error, wait_ms, "kept and tried again: we failed, not the job"),
                    _ => tracing::debug!(error, wait_ms, "tried again"),
                }
                tokio::time::sleep(wait).await;
            }
        };
        let outcome = tokio::select! {
            biased;
            () = shutdown.abort.cancelled() => return Outcome::Stopped("the time was over"),
            () = shutdown.leaves_too_little(remaining.ends_by()) => {
                return Outcome::Stopped("the job may take longer than there is time");
            }
            () = delivery.lease_lost() => return Outcome::LeaseLost,
            outcome = tries => outcome,
        };
        match outcome {
            Ok((report, failures)) => {
                if failures > 0 {
                    self.store.succeeded();
                }
                Outcome::Answered(Box::new(report))
            }
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// We failed the job. It goes to others, or is given up; and what it says of this host is noted.
    async fn failed(&self, delivery: Delivery, failure: Box<Failure>, is_last: bool, shutdown: &Shutdown) {
        let error = failure.to_string();
        let whose = Whose::of(&failure.cause);
        match whose {
            Whose::Host => self.engine.failed(&error),
            Whose::Image => self.is_unfit.notify_waiters(),
            Whose::Store | Whose::Doubtful => {}
        }
        if is_last {
            self.give_up(delivery, failure.request, &error, shutdown).await;
        } else {
            let rest = rest(delivery.message.receive_count);
            metrics::given_back(GivenBack::Failed);
            tracing::error!(error, rest_s = rest.as_secs(), "given back: we failed, not the job");
            delivery.release(rest).await;
        }
        if whose == Whose::Doubtful
            && self.engine.may_have_failed()
            && let Err(reason) = self.answering.probe().await
        {
            self.engine.open(&reason);
        }
    }

    /// What is known of a job that isn't run.
    async fn request(&self, message: &Message) -> Request {
        self.answering.request(message.body.as_bytes(), origin(message)).await
    }

    /// Publishes a result and deletes its message.
    async fn conclude(&self, delivery: Delivery, report: Report, shutdown: &Shutdown) {
        // Without a job id there was no job to be found in it.
        let not_a_job = report.job_id.is_none().then(|| report.detail.clone());
        let is_rejected = report.verdict == Verdict::Rejected;
        if !self.publish(&delivery, report, shutdown).await {
            return;
        }
        crash::point!("published");
        steps::passed!("published");
        if let Some(reason) = not_a_job
            && let Some(dead_letters) = delivery.redrive().dead_letters
        {
            dead_letters.copy(&delivery.message, &reason).await;
        }
        if self.delete(&delivery, shutdown).await {
            crash::point!("deleted");
            steps::passed!("deleted");
            // What a bad message points to may be anything, and somebody else's. It is left to the bucket's lifecycle rule.
            if !is_rejected {
                self.answering.settled(&delivery.message.body).await;
            }
        }
    }

    /// Whoever waits gets an answer that says that we failed. The message goes on to the dead-letter queue, from where it
    /// can be sent again; without one it ends here.
    async fn give_up(&self, delivery: Delivery, request: Request, reason: &str, shutdown: &Shutdown) {
        let report = self.answering.internal_error(request, reason);
        let verdict = report.verdict;
        telemetry::job_is(report.job_id.as_deref(), None);
        tracing::error!(reason, "given up: answered with internal_error");
        if !self.publish(&delivery, report, shutdown).await {
            return;
        }
        let Redrive { max_receive_count, dead_letters, .. } = delivery.redrive();
        if max_receive_count.is_none() {
            _ = self.delete(&delivery, shutdown).await;
            return;
        }
        // A worker puts it there itself, so that it says that it was answered. Where that fails SQS moves it.
        let kept = match &dead_letters {
            Some(dead_letters) => dead_letters.keep_answered(&delivery.message, verdict.as_str(), reason).await,
            None => Err("it can't be used".to_owned()),
        };
        match kept {
            Ok(()) => _ = self.delete(&delivery, shutdown).await,
            Err(error) => {
                tracing::debug!(error, "the dead letter can't be put there by hand; it is left to the queue");
                delivery.release(Duration::ZERO).await;
            }
        }
    }
}

/// Whether this receipt is the last one before the queue moves the message away.
pub(super) fn is_last(delivery: &Delivery) -> bool {
    delivery.redrive().max_receive_count.is_some_and(|most| delivery.message.receive_count >= most)
}

/// Whether the job isn't tried once more: whatever ended the earlier attempts may have ended their workers, too, and the message
/// could go to the dead letters without anybody being told. Where somebody answers these, it is tried. A queue that allows a
/// single receipt leaves no choice.
fn is_spent(redrive: &Redrive, receive_count: u64) -> bool {
    match redrive.max_receive_count {
        Some(most) => {
            let are_answered = redrive.dead_letters.as_ref().is_some_and(|dead_letters| dead_letters.are_answered());
            most > 1 && receive_count >= most && !are_answered
        }
        None => receive_count > RECEIPTS_WITHOUT_POLICY,
    }
}

pub(super) fn origin(message: &Message) -> Origin {
    Origin::now(Some(message.id.clone()), message.receive_count, message.sent)
        .in_trace(&message.trace)
        .sent_by(message.sender.clone())
}
