//! Going through a queue, though SQS has no such thing: messages are received, and stay hidden while we go on, until
//! nothing new comes. Then what is left of them is given back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::letter::Letter;
use crate::queue::{QueueError, Sqs};

/// How long a message is hidden while we go through the queue, or the first would be back before the last is seen. What
/// was taken by a process that died reappears after it, so it is not longer than the queue needs.
fn hidden(about: u64) -> Duration {
    const LEAST: Duration = Duration::from_secs(30);
    const MOST: Duration = Duration::from_secs(900);
    // A slow line, five receives a second, ten messages each.
    const SEEN_PER_SECOND: u64 = 50;
    (LEAST + Duration::from_secs(about / SEEN_PER_SECOND)).min(MOST)
}

/// A receive that waits a second asks all of SQS's servers; one that doesn't asks some, and may find nothing where there is
/// something.
const WAIT: Duration = Duration::from_secs(1);

/// So many receives in a row without anything new are taken for the end.
const BARREN: u32 = 2;

/// Receipts that are kept to give messages back. What is beyond that comes back by itself: a bound for the memory.
const MOST_HELD: usize = 20_000;

pub(super) struct Walk {
    queue: Sqs,
    pub(super) hidden: Duration,
    /// Ids of messages that were handed out here, or that we sent: each is looked at once. Some hundred bytes a message.
    seen: HashSet<String>,
    held: HashMap<String, String>,
    barren: u32,
}

impl Walk {
    pub(super) async fn new(queue: Sqs) -> Result<Walk, QueueError> {
        let hidden = hidden(queue.about_how_many().await?);
        Ok(Walk { queue, hidden, seen: HashSet::new(), held: HashMap::new(), barren: 0 })
    }

    /// The next messages that haven't been seen, with the moment they were asked for; none at the end.
    pub(super) async fn next(&mut self) -> Result<(Vec<Letter>, Instant), QueueError> {
        while self.barren < BARREN {
            let asked = Instant::now();
            let letters = self.queue.take(self.hidden, WAIT).await?;
            let mut new = Vec::new();
            for letter in letters {
                if self.held.len() < MOST_HELD || self.held.contains_key(&letter.id) {
                    self.held.insert(letter.id.clone(), letter.receipt_handle.clone());
                }
                if self.seen.insert(letter.id.clone()) {
                    new.push(letter);
                }
            }
            if !new.is_empty() {
                self.barren = 0;
                // The long poll may have waited, but never longer than this.
                return Ok((new, asked + WAIT));
            }
            self.barren += 1;
        }
        Ok((Vec::new(), Instant::now()))
    }

    /// A message that is gone from the queue, by our doing.
    pub(super) fn settled(&mut self, id: &str) {
        self.held.remove(id);
    }

    /// A message of this id is to be passed over when it turns up.
    pub(super) fn pass_over(&mut self, id: String) {
        self.seen.insert(id);
    }

    /// Whether a message of this id was handed out, or is to be passed over.
    pub(super) fn has_passed(&self, id: &str) -> bool {
        self.seen.contains(id)
    }

    /// A message of this id is to be handed out again when it turns up again.
    pub(super) fn forget(&mut self, id: &str) {
        self.seen.remove(id);
    }

    /// Gives back what is still held. What can't be reappears by itself within the time for which it is hidden.
    pub(super) async fn give_back(self) {
        let handles: Vec<String> = self.held.into_values().collect();
        if let Err(error) = self.queue.give_back(&handles).await {
            tracing::warn!(%error, hidden_s = self.hidden.as_secs(), "messages could not be given back; they reappear by themselves");
        }
    }
}
