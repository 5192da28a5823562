//! What Caisson asks of a queue, in its own words, and of one that holds dead letters. [`Sqs`](super::Sqs) answers in service, a
//! queue in memory in the model test.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::letter::Letter;
use super::{Attributes, Message};

/// A call that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to {operation}: {reason}")]
pub struct QueueError {
    pub operation: &'static str,
    pub reason: String,
    /// The service's own word for it, as `AWS.SimpleQueueService.NonExistentQueue`.
    pub code: Option<String>,
}

/// One entry of a batch that was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    pub index: usize,
    pub code: String,
    pub reason: String,
}

fn unsupported(operation: &'static str) -> QueueError {
    QueueError { operation, reason: "this queue can't".to_owned(), code: None }
}

/// What became of one entry of a batch.
pub(super) fn outcome_of(
    operation: &'static str,
    outcome: &Result<Vec<Refused>, QueueError>,
    index: usize,
) -> Result<(), QueueError> {
    match outcome {
        Ok(refused) => match refused.iter().find(|refused| refused.index == index) {
            None => Ok(()),
            Some(Refused { code, reason, .. }) => {
                Err(QueueError { operation, reason: reason.clone(), code: Some(code.clone()) })
            }
        },
        Err(error) => Err(QueueError { operation, reason: error.reason.clone(), code: error.code.clone() }),
    }
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub body: String,
    pub attributes: Vec<(&'static str, String)>,
    /// Bytes of what the body points to, where it is a pointer.
    pub payload_bytes: Option<u64>,
    /// AWS X-Ray's header, which is no attribute like the others.
    pub aws_trace_header: Option<String>,
    /// Group and deduplication id, used where the queue is a FIFO.
    pub group: String,
    pub deduplication: String,
    /// The group where the queue is none: it shares the queue fairly among those who wait.
    pub fair_group: Option<String>,
}

/// One queue. Batches hold up to [`BATCH`](super::BATCH) entries; which of them were refused is told by their index.
pub trait Queue: Debug + Send + Sync + 'static {
    fn url(&self) -> &str;

    /// FIFO queues are told by their name.
    fn is_fifo(&self) -> bool {
        self.url().ends_with(".fifo")
    }

    /// What the queue says of itself, now. One in memory has nothing to say.
    fn attributes(&self) -> BoxFuture<'_, Result<Attributes, QueueError>> {
        async { Err(unsupported("read the queue's attributes")) }.boxed()
    }

    /// The dead-letter queue of this ARN. A queue in memory knows none.
    fn letters_of<'a>(&'a self, _arn: &'a str) -> BoxFuture<'a, Result<Arc<dyn Letters>, QueueError>> {
        async { Err(unsupported("find a queue by its ARN")) }.boxed()
    }

    /// Waits up to `wait` for up to `count` messages, which stay hidden from others for `visibility`.
    fn receive(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Message>, QueueError>>;

    /// Hides messages for `to` from now on.
    fn extend<'a>(&'a self, handles: &'a [String], to: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>>;

    /// Gives a message back, to be handed out again after `delay`.
    fn release<'a>(&'a self, handle: &'a str, delay: Duration) -> BoxFuture<'a, Result<(), QueueError>>;

    /// Deletes messages.
    fn delete<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>>;

    /// Sends messages.
    fn send<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>>;
}

/// A queue that holds dead letters. They come whole, with everything that has to survive a move.
pub trait Letters: Debug + Send + Sync + 'static {
    fn url(&self) -> &str;

    /// About how many letters are visible.
    fn about_how_many(&self) -> BoxFuture<'_, Result<u64, QueueError>>;

    /// Takes up to ten letters and hides them for `visibility`.
    fn take(&self, visibility: Duration, wait: Duration) -> BoxFuture<'_, Result<Vec<Letter>, QueueError>>;

    /// Sends up to ten letters; for each the new message's id, or why it was refused.
    fn put<'a>(&'a self, letters: &'a [Letter]) -> BoxFuture<'a, Result<Vec<Result<String, QueueError>>, QueueError>>;

    /// Deletes up to ten letters; those that couldn't be, by their index, each with the reason.
    fn remove<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<(usize, String)>, QueueError>>;

    /// Makes letters visible again.
    fn give_back<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<(), QueueError>>;
}
