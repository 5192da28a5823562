//! How large a message the outgoing queue takes. Whoever owns the queue may change that while workers run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::service::Queue;

/// What a message's attributes and the envelope of a batch take beside its body: at most some 800 bytes, most of them a
/// `tracestate`, which is at most 512.
pub(super) const ENVELOPE_BYTES: usize = 1_024;

/// The least time between two questions.
const REST: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct MessageSize {
    maximum_bytes: AtomicUsize,
    asked: Mutex<Option<Instant>>,
}

impl MessageSize {
    /// `maximum_bytes` of a message, attributes included.
    pub(super) fn new(maximum_bytes: usize) -> MessageSize {
        MessageSize { maximum_bytes: AtomicUsize::new(maximum_bytes), asked: Mutex::default() }
    }

    /// Bytes of the largest message, attributes included.
    pub(super) fn maximum(&self) -> usize {
        self.maximum_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the largest body.
    pub(super) fn maximum_body(&self) -> usize {
        self.maximum().saturating_sub(ENVELOPE_BYTES)
    }

    /// Asks the queue, unless it was asked just now. What can't be found out stays as it was.
    pub(super) async fn read_again(&self, queue: &dyn Queue) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < REST) {
            return;
        }
        match queue.attributes().await {
            Ok(found) => {
                let before = self.maximum_bytes.swap(found.maximum_message_bytes, Ordering::Relaxed);
                if before != found.maximum_message_bytes {
                    let now = found.maximum_message_bytes;
                    tracing::warn!(
                        queue = queue.url(),
                        before,
                        now,
                        "the queue takes messages of another size from now on (bytes)"
                    );
                }
            }
            Err(error) => tracing::debug!(queue = queue.url(), %error, "the queue's attributes can't be read again"),
        }
        *asked = Some(Instant::now());
    }
}
