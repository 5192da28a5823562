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
//! `sqs` is the only place that names the AWS SDK.

mod batch;
pub mod heartbeat;
mod sqs;

use std::sync::Arc;
use std::time::Duration;

pub use batch::Outbox;
use heartbeat::{Beat, Heart};
pub use sqs::{Attributes, QueueError, Sqs};

/// The incoming queue.
#[derive(Debug, Clone)]
pub struct Inbox {
    sqs: Sqs,
    heart: Arc<Heart>,
    deletions: batch::Deletions,
    wait: Duration,
}

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
}

/// One receipt of a message by us: the right to answer it, and the duty to settle it.
#[derive(Debug)]
pub struct Delivery {
    pub message: Message,
    beat: Beat,
    inbox: Inbox,
}

impl Inbox {
    /// Opens a queue whose messages stay hidden for `visibility` while we hold them; `wait` is the long poll's length.
    pub fn new(sqs: Sqs, visibility: Duration, wait: Duration) -> Inbox {
        let heart = Heart::start(sqs.clone(), visibility);
        let deletions = batch::Deletions::start(sqs.clone());
        Inbox { sqs, heart, deletions, wait }
    }

    /// Waits for up to `count` messages (at most [`BATCH`]), at most for the long poll's length.
    ///
    /// # Errors
    /// When the queue can't be asked. Nothing was received then, as far as anybody here can know.
    pub async fn receive(&self, count: usize) -> Result<Vec<Delivery>, QueueError> {
        let asked = tokio::time::Instant::now();
        let messages = self.sqs.receive(count.min(BATCH), self.heart.visibility(), self.wait).await?;
        Ok(messages
            .into_iter()
            .map(|message| {
                let beat = self.heart.hold(&message, asked);
                Delivery { message, beat, inbox: self.clone() }
            })
            .collect())
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

    /// Whether every heartbeat so far was in time.
    pub fn is_held(&self) -> bool {
        self.beat.is_held()
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
        if let Err(error) = inbox.sqs.change_visibility(&message.receipt_handle, delay).await {
            tracing::warn!(message.id, %error, "a message could not be given back; it reappears when its visibility timeout ends");
        }
    }
}
