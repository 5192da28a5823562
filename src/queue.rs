//! The two queues: jobs come in from one, results go out to the other.
//!
//! ```text
//! Inbox::receive ─► Delivery ─┬─ delete        its result is published; tried until the queue says that it is done
//!                             ├─ release       visible again, now or after a delay
//!                             └─ (dropped)     abandoned: the visibility timeout decides
//! ```
//!
//! From receive to its end a delivery's visibility timeout is
//! renewed by the [`heartbeat`]; when that fails for too long the lease is lost, which [`Delivery::lease_lost`] tells.
//! [`Queue`] is what all of it asks of a queue; `sqs` answers that. It and `letter`, which
//! moves dead letters, are the only places here that name the AWS SDK.

mod batch;
mod clock;
pub mod dead_letters;
mod deletions;
mod flights;
mod heartbeat;
pub mod letter;
mod message_size;
mod outbox;
#[cfg(test)]
mod pretended;
mod redrive;
mod service;
mod shares;
pub mod sources;
mod sqs;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use deletions::Deletions;
pub use heartbeat::Lease;
use heartbeat::{Beat, Heart};
pub use outbox::{Outbox, Reply};
pub use redrive::{Duties, Redrive};
pub use service::{Letters, Outgoing, Queue, QueueError, Refused};
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
    duties: Duties,
    redrive: Arc<RwLock<Redrive>>,
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
    /// Who sent it, as SQS knows them (`SenderId`).
    pub sender: Option<String>,
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
        Inbox { queue, heart, deletions, wait, duties: Duties::default(), redrive: Arc::default() }
    }

    /// With this to be done for its dead-letter queue, where it has one. [`Inbox::look_again`] finds that.
    pub fn with_duties(self, duties: Duties) -> Inbox {
        Inbox { duties, ..self }
    }

    /// Reads the queue's attributes, and from now on goes by the redrive policy that they tell.
    ///
    /// # Errors
    /// When the queue can't be asked; all stays as it was.
    pub async fn look_again(&self) -> Result<Attributes, QueueError> {
        let attributes = self.queue.attributes().await?;
        let redrive = self.redrive().renewed(self.queue.as_ref(), &attributes, &self.duties).await;
        *self.redrive.write().unwrap_or_else(PoisonError::into_inner) = redrive;
        Ok(attributes)
    }

    /// The redrive policy as it was read last.
    pub fn redrive(&self) -> Redrive {
        self.redrive.read().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// Waits until every deletion that was begun is tried.
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

    /// What becomes of it after too many receipts.
    pub fn redrive(&self) -> Redrive {
        self.inbox.redrive()
    }

    /// Deletes the message, in one try: its result is published. The heartbeat goes on until the delivery is dropped, or the
    /// message could reappear while its deletion waits.
    ///
    /// # Errors
    /// When the queue refused, or didn't say that it is done. It may be done all the same.
    pub async fn delete(&self) -> Result<(), QueueError> {
        self.inbox.deletions.delete(self.message.receipt_handle.clone()).await
    }

    /// Gives the message back, to be handed out again after `delay`.
    pub async fn release(&self, delay: Duration) {
        // First the heartbeat, or a late one would undo the delay.
        self.beat.stop();
        if let Err(error) = self.inbox.queue.release(&self.message.receipt_handle, delay).await {
            tracing::warn!(self.message.id, %error, "a message could not be given back; it reappears when its visibility timeout ends");
        }
    }
}
