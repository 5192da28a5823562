//! Renews the visibility timeout of every message we hold, in batches, at a third of the timeout.
//!
//! A lease ends, by our reckoning, one visibility timeout after the moment the last successful renewal was *sent*, on the
//! monotonic clock: the queue's own count can only end later. Past it, or when the queue says that the receipt is no
//! longer good, the lease is lost: somebody else may have the message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sqs::{Refused, Sqs};
use super::{BATCH, Message};

/// How often the heart looks whose turn it is.
const LOOK: Duration = Duration::from_millis(500);

/// The answer to a receive may have been under way for this long while the message's timeout was already running.
const TRANSPORT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Heart {
    sqs: Sqs,
    visibility: Duration,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next_key: u64,
    entries: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    message_id: String,
    receipt_handle: String,
    expires: Instant,
    next: Instant,
    lease: Arc<Lease>,
}

#[derive(Debug)]
struct Lease {
    lost: CancellationToken,
    /// False once a renewal was late or refused, even if a later one succeeded.
    held: AtomicBool,
}

/// A held message's pulse. Dropping it stops the renewals.
#[derive(Debug)]
pub struct Beat {
    key: u64,
    lease: Arc<Lease>,
    heart: Arc<Heart>,
}

impl Beat {
    pub(super) async fn lost(&self) {
        self.lease.lost.cancelled().await;
    }

    pub(super) fn is_held(&self) -> bool {
        self.lease.held.load(Ordering::Relaxed)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.heart.lock().entries.remove(&self.key);
    }
}

impl Heart {
    /// Starts the task that renews. It ends when the heart is dropped.
    pub(super) fn start(sqs: Sqs, visibility: Duration) -> Arc<Heart> {
        let heart = Arc::new(Heart { sqs, visibility, held: Mutex::default() });
        tokio::spawn(beat(Arc::downgrade(&heart)));
        heart
    }

    pub(super) fn visibility(&self) -> Duration {
        self.visibility
    }

    /// Takes over a message that was asked for at `asked`.
    pub(super) fn hold(self: &Arc<Self>, message: &Message, asked: Instant) -> Beat {
        let lease = Arc::new(Lease { lost: CancellationToken::new(), held: AtomicBool::new(true) });
        let now = Instant::now();
        // The long poll may have been asked long before the message came, so the moment of asking alone says too little.
        let hidden_since = asked.max(now.checked_sub(TRANSPORT).unwrap_or(asked));
        let entry = Entry {
            message_id: message.id.clone(),
            receipt_handle: message.receipt_handle.clone(),
            expires: hidden_since + self.visibility,
            next: hidden_since + self.visibility / 3,
            lease: lease.clone(),
        };
        let mut held = self.lock();
        let key = held.next_key;
        held.next_key += 1;
        held.entries.insert(key, entry);
        Beat { key, lease, heart: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose turn it is, after giving up those whose time is over.
    fn due(&self, now: Instant) -> Vec<(u64, String)> {
        let mut held = self.lock();
        let mut due = Vec::new();
        for (key, entry) in &mut held.entries {
            if entry.lease.lost.is_cancelled() {
                continue;
            }
            if entry.expires <= now {
                tracing::warn!(message.id = entry.message_id, "lease lost: no heartbeat got through in time");
                entry.lease.lose();
            } else if entry.next <= now {
                due.push((*key, entry.receipt_handle.clone()));
            }
        }
        due
    }

    async fn renew(&self, batch: &[(u64, String)]) {
        let sent = Instant::now();
        let handles: Vec<String> = batch.iter().map(|(_, handle)| handle.clone()).collect();
        // An answer that comes after the next look is of no use, and a hanging one must not hold up the others.
        let limit = self.visibility / 3;
        let outcome = tokio::time::timeout(limit, self.sqs.extend(&handles, self.visibility)).await;
        let refused = match outcome {
            Ok(Ok(refused)) => refused,
            Ok(Err(error)) => return tracing::warn!(%error, messages = batch.len(), "heartbeat failed; trying again"),
            Err(_) => return tracing::warn!(messages = batch.len(), "heartbeat got no answer; trying again"),
        };
        let mut held = self.lock();
        for (index, (key, _)) in batch.iter().enumerate() {
            let Some(entry) = held.entries.get_mut(key) else { continue };
            match refused.iter().find(|refused| refused.index == index) {
                None => {
                    entry.expires = sent + self.visibility;
                    entry.next = sent + self.visibility / 3;
                }
                Some(refused) if is_lost(refused) => {
                    tracing::warn!(message.id = entry.message_id, reason = refused.reason, "lease lost");
                    entry.lease.lose();
                }
                Some(refused) => {
                    tracing::warn!(message.id = entry.message_id, reason = refused.reason, "heartbeat refused; trying again");
                }
            }
        }
    }
}

impl Lease {
    fn lose(&self) {
        self.held.store(false, Ordering::Relaxed);
        self.lost.cancel();
    }
}

/// Whether the queue says that this receipt will never be good again.
fn is_lost(refused: &Refused) -> bool {
    refused.code.contains("ReceiptHandleIsInvalid")
        || refused.code.contains("MessageNotInflight")
        || refused.reason.contains("not available for visibility timeout change")
}

async fn beat(heart: Weak<Heart>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(heart) = heart.upgrade() else { return };
        let due = heart.due(Instant::now());
        futures_util::future::join_all(due.chunks(BATCH).map(|batch| heart.renew(batch))).await;
    }
}
