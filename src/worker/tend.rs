//! What a worker looks at now and then while it works: whether its queues are still as they were, and whether there are dead letters
//! that nobody has answered.
//!
//! SQS moves a message to the dead letters without a word when its receipts are used up. Whoever received it last may have died, or
//! have had no time left to answer. So workers look there, and answer for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::handle::origin;
use super::{Answering, Worker};
use crate::queue::dead_letters::DeadLetters;
use crate::queue::letter::Letter;
use crate::queue::sources::Source;
use crate::queue::{Lease, Message, QueueError, Reply};
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// Between two looks at one queue, about.
const EVERY: Duration = Duration::from_secs(30);

/// How long a look through the dead letters hides them. A result is published, and its letter replaced, well within it.
const HIDDEN: Duration = Duration::from_secs(120);

/// How long one request for dead letters waits. With none, SQS asks only some of its servers.
const WAIT: Duration = Duration::from_secs(1);

/// Letters that one look goes through.
const MOST: usize = 1_000;

/// The dead letters are gone through again after this time also where their number hasn't changed.
const ANYWAY: Duration = Duration::from_secs(600);

/// What the last look found.
#[derive(Debug, Default)]
struct Seen {
    letters: u64,
    at: Option<Instant>,
}

impl Seen {
    fn is_news(&self, letters: u64) -> bool {
        letters > 0 && (letters != self.letters || self.at.is_none_or(|at| at.elapsed() >= ANYWAY))
    }
}

impl<A: Answering> Worker<A> {
    /// Looks after one incoming queue, and what belongs to it, until the worker stops.
    pub(super) async fn tend(self: Arc<Self>, source: Source, shutdown: Shutdown) {
        let mut seen = Seen::default();
        while !shutdown.intake.is_cancelled() {
            // Not cut off by a stop, or a letter could be answered and not marked.
            self.look(&source, &mut seen, &shutdown).await;
            tokio::select! {
                () = shutdown.intake.cancelled() => return,
                // Off by chance, so that a fleet doesn't look in step.
                () = tokio::time::sleep(Retry::new(EVERY, EVERY).next_wait()) => {}
            }
        }
    }

    async fn look(&self, source: &Source, seen: &mut Seen, shutdown: &Shutdown) {
        self.outbox.look_again().await;
        if let Err(error) = source.inbox.look_again().await {
            tracing::debug!(queue = source.inbox.url(), %error, "the queue's attributes can't be read again");
        }
        let redrive = source.inbox.redrive();
        let (Some(most), Some(dead_letters)) = (redrive.max_receive_count, redrive.dead_letters) else { return };
        // While results can't be published, each try would only hide letters.
        if !dead_letters.are_to_be_answered() || self.outgoing.reason().is_some() {
            return;
        }
        let outcome = self.look_through(&dead_letters, most, seen, shutdown).await;
        let is_news = dead_letters.looked(outcome.as_ref().copied());
        match outcome {
            Err(error) if is_news || seen.at.is_none() => tracing::warn!(
                queue = dead_letters.letters().url(),
                %error,
                "dead letters can't be looked through for those that nobody answered; the role needs sqs:GetQueueAttributes, \
                 sqs:ReceiveMessage, sqs:ChangeMessageVisibility, sqs:SendMessage and sqs:DeleteMessage there, or turn \
                 queue.answer_dead_letters off"
            ),
            _ => {}
        }
        seen.at.get_or_insert_with(Instant::now);
    }

    async fn look_through(
        &self,
        dead_letters: &DeadLetters,
        most: u64,
        seen: &mut Seen,
        shutdown: &Shutdown,
    ) -> Result<(), QueueError> {
        let letters = dead_letters.letters();
        if !seen.is_news(letters.about_how_many().await?) {
            return Ok(());
        }
        let mut left = Vec::new();
        let outcome = loop {
            let taken = match letters.take(HIDDEN, WAIT).await {
                Ok(taken) => taken,
                Err(error) => break Err(error),
            };
            if taken.is_empty() {
                break Ok(());
            }
            for letter in taken {
                let is_done = !shutdown.intake.is_cancelled()
                    && dead_letters.is_unanswered(&letter, most)
                    && self.answer(dead_letters, &letter, most).await;
                if !is_done {
                    left.push(letter.receipt_handle);
                }
            }
            if left.len() >= MOST || shutdown.intake.is_cancelled() {
                break Ok(());
            }
        };
        letters.give_back(&left).await?;
        outcome?;
        *seen = Seen { letters: letters.about_how_many().await?, at: Some(Instant::now()) };
        Ok(())
    }

    /// Answers a dead letter; tells whether it was replaced by one that says so.
    async fn answer(&self, dead_letters: &DeadLetters, letter: &Letter, most: u64) -> bool {
        // In the incoming queue its receipts were used up, whether or not the count goes on here.
        let message = letter.message();
        let message = Message { receive_count: message.receive_count.max(most), ..message };
        let span = telemetry::job_span(self.answering.worker_id(), &message.id, message.receive_count, &message.trace);
        let reason = format!(
            "it was received {most} times and never answered; each time its worker failed, stopped or vanished"
        );
        let request = self.answering.request(message.body.as_bytes(), origin(&message)).await;
        let report = self.answering.internal_error(request, &reason);
        let (verdict, job_id) = (report.verdict, report.job_id.clone());
        let reply = Reply { lease: Lease::unending(), group: message.group.clone() };
        let published = self.outbox.publish(report.clone(), reply).await;
        span.in_scope(|| telemetry::job_is(job_id.as_deref(), None));
        if let Err(error) = published {
            self.outgoing.failed(&error.to_string());
            span.in_scope(|| tracing::warn!(%error, "a dead letter could not be answered; it is looked at again"));
            return false;
        }
        span.in_scope(|| {
            telemetry::answered(&report);
            tracing::error!(reason, "a dead letter that nobody had answered: answered with internal_error");
        });
        match dead_letters.mark_answered(letter, verdict.as_str(), &reason).await {
            Ok(()) => true,
            Err(error) => {
                span.in_scope(|| {
                    tracing::warn!(error, "an answered dead letter could not be marked; it may be answered again")
                });
                false
            }
        }
    }
}
