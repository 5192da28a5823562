//! The two queues: jobs come in from one, results go out to the other.
//!
//! ```text
//! Inbox::receive ─► Delivery ─┬─ acknowledge   the result is published: delete the message
//!                             ├─ release       visible again, now or after a delay
//!                             └─ (dropped)     abandoned: the visibility timeout decides
//! ```
//!
//! A delivery ends exactly once, because each way takes it by value. From receive to its end its visibility timeout is
//! renewed by the [`heartbeat`]; when that fails for too long the lease is lost, which [`Delivery::lease_lost`] tells.
//! [`Queue`] is what all of it asks of a queue; `sqs` answers that. It and `letter`, which
//! moves dead letters, are the only places here that name the AWS SDK.

mod batch;
mod clock;
pub mod dead_letters;
mod deletions;
mod heartbeat;
pub mod letter;
mod outbox;
#[cfg(test)]
mod pretended;
mod service;
mod shares;
pub mod sources;
mod sqs;

use std::sync::Arc;
use std::time::Duration;

use dead_letters::DeadLetters;
use deletions::Deletions;
use heartbeat::{Beat, Heart};
pub use heartbeat::Lease;
pub use outbox::{Outbox, Reply};
pub use service::{Outgoing, Queue, QueueError, Refused};
pub use sqs::{ANSWER, Attributes, Sqs};

use crate::crash;
use crate::metrics;
use crate::trace::Trace;

/// The incoming queue.
#[derive(Debug, Clone)]
pub struct Inbox {
    queue: Arc<dyn Queue>,
    heart: Arc<Heart>,
    deletions: Deletions,
    wait: Duration,
    max_receive_count: Option<u64>,
    dead_letters: Option<DeadLetters>,
}

/// How many results or deletions may wait before whoever brings more waits as well. Above any number of slots.
const WAITING: usize = 1_024;

/// What SQS gives at once, and takes at once.
pub const BATCH: usize = 10;

/// A message as the queue handed it out.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub receipt_handle: String,
    pub body: String,
    /// How often the queue has handed it out, this time included.
    pub receive_count: u64,
    /// When it entered the queue, by the queue's clock.
    pub sent: Option<jiff::Timestamp>,
    /// Its message group, which standard queues know too.
    pub group: Option<String>,
    /// The trace that it belongs to.
    pub trace: Trace,
}

/// One receipt of a message by us: the right to answer it, and the duty to settle it.
#[derive(Debug)]
pub struct Delivery {
    pub message: Message,
    beat: Beat,
    inbox: Inbox,
}

impl Inbox {
    /// Opens a queue whose messages stay hidden for `visibility` while we hold them; `wait` is the long poll's length, at
    /// most a third of `visibility`: a message may have been handed out at any moment of the poll, so that the whole of it
    /// counts as time that its lease has lost.
    pub fn new(queue: impl Queue, visibility: Duration, wait: Duration) -> Inbox {
        let queue: Arc<dyn Queue> = Arc::new(queue);
        let wait = wait.min(visibility / 3);
        let heart = Heart::start(queue.clone(), visibility);
        let deletions = Deletions::start(queue.clone());
        Inbox { queue, heart, deletions, wait, max_receive_count: None, dead_letters: None }
    }

    /// With what the queue's redrive policy says: after how many receipts a message is moved away, and the queue where
    /// copies of what is no job go, where there are to be any.
    pub fn with_redrive(self, max_receive_count: Option<u64>, dead_letters: Option<DeadLetters>) -> Inbox {
        Inbox { max_receive_count, dead_letters, ..self }
    }

    pub fn url(&self) -> &str {
        self.queue.url()
    }

    /// Waits for up to `count` messages (at most [`BATCH`]), at most for the long poll's length.
    ///
    /// # Errors
    /// When the queue can't be asked. Nothing was received then, as far as anybody here can know.
    pub async fn receive(&self, count: usize) -> Result<Vec<Delivery>, QueueError> {
        self.receive_within(count, self.wait).await
    }

    /// As [`Inbox::receive`], waiting for `wait` or for the long poll's length, whichever is shorter.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_within(&self, count: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let asked = self.heart.now();
        // A FIFO hands out several messages of one group together, and these would run side by side. One at a time, the
        // next of a group comes when the one before it is settled.
        let count = if self.queue.is_fifo() { 1 } else { count.min(BATCH) };
        let messages = self.queue.receive(count, self.heart.visibility(), wait.min(self.wait)).await?;
        metrics::received(messages.len());
        metrics::polled();
        Ok(messages
            .into_iter()
            .map(|message| {
                crash::point!("received");
                let beat = self.heart.hold(&message, asked);
                Delivery { message, beat, inbox: self.clone() }
            })
            .collect())
    }

    /// Whether there is a message in our hands.
    pub fn holds_any(&self) -> bool {
        self.heart.holds_any()
    }

    /// Waits until everything that was acknowledged is deleted.
    pub async fn close(&self) {
        self.deletions.close().await;
    }
}

impl Delivery {
    /// Completes when the message may no longer be ours. It never completes for one that stays ours.
    pub async fn lease_lost(&self) {
        self.beat.lost().await;
    }

    /// What of the message goes along with its result.
    pub fn reply(&self) -> Reply {
        Reply { lease: self.beat.lease(), group: self.message.group.clone() }
    }

    /// The queue that it came from.
    pub fn queue_url(&self) -> &str {
        self.inbox.url()
    }

    /// After how many receipts the queue moves the message to its dead-letter queue; `None` where it has none.
    pub fn max_receive_count(&self) -> Option<u64> {
        self.inbox.max_receive_count
    }

    /// Sends a copy to the dead-letter queue, where there is one. That it fails is logged and changes nothing.
    pub async fn copy_to_dead_letters(&self, reason: &str) {
        if let Some(dead_letters) = &self.inbox.dead_letters {
            dead_letters.copy(&self.message, reason).await;
        }
    }

    /// Deletes the message: its result is published. A deletion that fails for good means a second result, not a lost one.
    pub async fn acknowledge(self) {
        let Delivery { message, beat, inbox } = self;
        inbox.deletions.delete(message).await;
        // Only now: a heartbeat that stopped before could let the message reappear while its deletion waits.
        drop(beat);
    }

    /// Gives the message back, to be handed out again after `delay`.
    pub async fn release(self, delay: Duration) {
        let Delivery { message, beat, inbox } = self;
        // First the heartbeat, or a late one would undo the delay.
        drop(beat);
        if let Err(error) = inbox.queue.release(&message.receipt_handle, delay).await {
            tracing::warn!(message.id, %error, "a message could not be given back; it reappears when its visibility timeout ends");
        }
    }
}
