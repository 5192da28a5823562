//! What Caisson asks of a queue, in its own words: six calls. [`Sqs`](super::Sqs) answers them in service, a queue in memory
//! in the model test.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Message;

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
