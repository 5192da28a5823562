//! Renews the visibility timeout of every message we hold, in batches, at a third of the timeout.
//!
//! A lease ends, by our reckoning, one visibility timeout after the moment the last successful renewal was *sent*, on a
//! [`Clock`] that nobody sets and that goes on while the machine is suspended: the queue's own count can only end later. Past
//! it, or when the queue says that the receipt is no longer good, the lease is lost: somebody else may have the message.
//!
//! SQS lends a message for at most 12 hours, however often it is renewed. A renewal that would go beyond is refused as a
//! whole, so the last one before it is the last, and the lease then ends like any other.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Moment};
use super::service::{Queue, Refused};
use super::{BATCH, Message};
use crate::metrics;

/// From the receive on, renewals can't hide a message for longer than this ("Amazon SQS visibility timeout", developer guide).
const CEILING: Duration = Duration::from_secs(12 * 3_600);

#[derive(Debug)]
pub(super) struct Heart {
    queue: Arc<dyn Queue>,
    clock: Clock,
    visibility: Duration,
    held: Mutex<Held>,
    /// A message was taken over: it may be the next one whose turn it is.
    changed: Arc<Notify>,
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
    next: Moment,
    /// When the queue takes the message back whatever we do.
    ceiling: Moment,
    lease: Arc<Lease>,
}

/// The time for which a message is ours.
#[derive(Debug)]
pub struct Lease {
    lost: CancellationToken,
    /// False once a renewal was late or refused, even if a later one succeeded.
    held: AtomicBool,
    /// `None`: never.
    expires: Mutex<Option<Moment>>,
    clock: Clock,
}

/// A held message's pulse. Dropping it stops the renewals.
#[derive(Debug)]
pub(super) struct Beat {
    key: u64,
    lease: Arc<Lease>,
    heart: Arc<Heart>,
}

impl Beat {
    pub(super) async fn lost(&self) {
        self.lease.lost.cancelled().await;
    }

    pub(super) fn lease(&self) -> Arc<Lease> {
        self.lease.clone()
    }

    /// No renewal begins from here on.
    pub(super) fn stop(&self) {
        self.heart.lock().entries.remove(&self.key);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Drop for Heart {
    /// Lets the task see that it is over.
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

impl Heart {
    /// Starts the task that renews. It ends when the heart is dropped.
    pub(super) fn start(queue: Arc<dyn Queue>, visibility: Duration) -> Arc<Heart> {
        Heart::start_by(Clock::default(), queue, visibility)
    }

    fn start_by(clock: Clock, queue: Arc<dyn Queue>, visibility: Duration) -> Arc<Heart> {
        let (held, changed) = (Mutex::default(), Arc::new(Notify::new()));
        let heart = Arc::new(Heart { queue, clock, visibility, held, changed });
        tokio::spawn(beat(Arc::downgrade(&heart)));
        heart
    }

    /// The moment by the clock that leases are counted by.
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(super) fn visibility(&self) -> Duration {
        self.visibility
    }

    /// Takes over a message that was asked for at `asked`, by [`Heart::now`].
    pub(super) fn hold(self: &Arc<Self>, message: &Message, asked: Moment) -> Beat {
        // When during the long poll the message was handed out, and how long the answer took, nobody here can know: all of
        // it may be gone already.
        let expires = asked + self.visibility;
        let lease = Arc::new(Lease {
            lost: CancellationToken::new(),
            held: AtomicBool::new(true),
            expires: Mutex::new(Some(expires)),
            clock: self.clock.clone(),
        });
        let entry = Entry {
            message_id: message.id.clone(),
            receipt_handle: message.receipt_handle.clone(),
            next: (self.now() + self.pause(&message.id))
                .min(expires.checked_sub(self.visibility / 3).unwrap_or(expires)),
            ceiling: asked + CEILING,
            lease: lease.clone(),
        };
        let mut held = self.lock();
        let key = held.next_key;
        held.next_key += 1;
        held.entries.insert(key, entry);
        drop(held);
        self.changed.notify_one();
        Beat { key, lease, heart: self.clone() }
    }

    pub(super) fn holds_any(&self) -> bool {
        !self.lock().entries.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose turn it is, after giving up those whose time is over. When it is anybody's turn, those that come soon
    /// after go along: one request instead of several.
    fn due(&self, now: Moment) -> Vec<(u64, String)> {
        let mut held = self.lock();
        for entry in held.entries.values().filter(|entry| !entry.lease.lost.is_cancelled()) {
            if entry.lease.has_expired(now) {
                entry.give_up();
            }
        }
        let turns = |entry: &Entry, until: Moment| self.turn(entry).is_some_and(|next| next <= until);
        if !held.entries.values().any(|entry| turns(entry, now)) {
            return Vec::new();
        }
        let soon = now + self.visibility / 12;
        let due = held.entries.iter_mut().filter(|(_, entry)| turns(entry, soon));
        due.map(|(key, entry)| {
            // Not again while this one is under way; its outcome sets it anew.
            entry.next = now + self.visibility / 3;
            (*key, entry.receipt_handle.clone())
        })
        .collect()
    }

    /// When an entry is to be renewed next; never, when it is lost or the queue would refuse.
    fn turn(&self, entry: &Entry) -> Option<Moment> {
        let can_be = !entry.lease.lost.is_cancelled() && entry.next + self.visibility <= entry.ceiling;
        can_be.then_some(entry.next)
    }

    /// When there is something to do next: a renewal, the end of a lease, or a look at the clock, which may have gone on for longer
    /// than anybody here has waited.
    fn wake(&self) -> Option<Moment> {
        let held = self.lock();
        let living = held.entries.values().filter(|entry| !entry.lease.lost.is_cancelled());
        let next = living.flat_map(|entry| [self.turn(entry), entry.lease.expires()]).flatten().min();
        next.map(|next| next.min(self.now() + self.visibility / 12))
    }

    /// From one renewal to the next: a third of the visibility timeout, less up to a fifth of that, so that messages taken
    /// at one moment by a whole fleet aren't all renewed at one moment as well.
    fn pause(&self, message_id: &str) -> Duration {
        let mut hasher = DefaultHasher::new();
        message_id.hash(&mut hasher);
        let share = (hasher.finish() % 1_000) as u32;
        self.visibility / 3 - self.visibility / 15 * share / 1_000
    }

    async fn renew(self: Arc<Self>, batch: Vec<(u64, String)>) {
        let sent = self.now();
        let handles: Vec<String> = batch.iter().map(|(_, handle)| handle.clone()).collect();
        // Longer and the next one would be late as well.
        let limit = self.visibility / 3;
        let outcome = tokio::time::timeout(limit, self.queue.extend(&handles, self.visibility)).await;
        let now = self.now();
        let again = now + self.visibility / 12;
        let mut held = self.lock();
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        };
        let refused = match outcome {
            Ok(refused) => refused,
            Err(error) => {
                metrics::heartbeat_failed();
                tracing::warn!(error, messages = batch.len(), "heartbeat failed; trying again");
                for (key, _) in &batch {
                    if let Some(entry) = held.entries.get_mut(key) {
                        entry.next = again;
                    }
                }
                return;
            }
        };
        for (index, (key, _)) in batch.iter().enumerate() {
            let Some(entry) = held.entries.get_mut(key) else { continue };
            match refused.iter().find(|refused| refused.index == index) {
                // The machine was suspended meanwhile. It may have been somebody else's.
                None if entry.lease.has_expired(now) => entry.give_up(),
                None => {
                    entry.lease.renew(sent + self.visibility);
                    entry.next = sent + self.pause(&entry.message_id);
                }
                Some(refused) if is_lost(refused) => {
                    tracing::warn!(message.id = entry.message_id, reason = refused.reason, "lease lost");
                    entry.lease.lose();
                }
                Some(refused) => {
                    metrics::heartbeat_failed();
                    tracing::warn!(
                        message.id = entry.message_id,
                        reason = refused.reason,
                        "heartbeat refused; trying again"
                    );
                    entry.next = again;
                }
            }
        }
    }
}

impl Entry {
    fn give_up(&self) {
        if !self.lease.lost.is_cancelled() {
            tracing::warn!(message.id = self.message_id, "lease lost: no heartbeat got through in time");
            self.lease.lose();
        }
    }
}

impl Lease {
    /// Of what no queue has lent: it doesn't end.
    pub fn unending() -> Arc<Lease> {
        let (lost, held) = (CancellationToken::new(), AtomicBool::new(true));
        Arc::new(Lease { lost, held, expires: Mutex::new(None), clock: Clock::default() })
    }

    /// Whether the message is certainly ours: every heartbeat so far was in time.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) && !self.has_expired(self.clock.now())
    }

    fn has_expired(&self, now: Moment) -> bool {
        self.expires().is_some_and(|expires| expires <= now)
    }

    fn expires(&self) -> Option<Moment> {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self, expires: Moment) {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(expires);
    }

    fn lose(&self) {
        metrics::lease_lost();
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
    // A renewal that hangs must not hold up the others.
    let mut renewals = FuturesUnordered::new();
    loop {
        let (wake, changed, clock) = {
            let Some(heart) = heart.upgrade() else { return };
            for batch in heart.due(heart.now()).chunks(BATCH) {
                renewals.push(heart.clone().renew(batch.to_vec()));
            }
            (heart.wake(), heart.changed.clone(), heart.clock.clone())
        };
        let turn = async {
            match wake {
                Some(wake) => clock.sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = renewals.next() => {}
            () = changed.notified() => {}
            () = turn => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use tokio::time::Instant;

    use super::*;
    use crate::queue::pretended::{Pretended, message};

    const VISIBILITY: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn no_renewal_goes_beyond_what_the_queue_lends_for() {
        let (queue, start) = (Pretended::default(), Instant::now());
        let heart = Heart::start(Arc::new(queue.clone()), VISIBILITY);
        let beat = heart.hold(&message("m"), heart.now());
        beat.lost().await;
        let lost = start.elapsed();
        assert!(lost <= CEILING && lost > CEILING - VISIBILITY, "lost after {lost:?}");
        let renewals = queue.renewed();
        let (last, _) = renewals.last().expect("there were many");
        assert!(*last + VISIBILITY <= start + CEILING, "the last renewal would have been refused");
        assert!(renewals.len() > 2_000, "only {} renewals", renewals.len());
    }

    #[tokio::test(start_paused = true)]
    async fn messages_taken_together_are_renewed_together_and_not_in_step_with_others() {
        let queue = Pretended::default();
        let heart = Heart::start(Arc::new(queue.clone()), VISIBILITY);
        let start = Instant::now();
        let beats: Vec<Beat> = (0..10).map(|index| heart.hold(&message(&format!("m{index}")), heart.now())).collect();
        tokio::time::sleep(VISIBILITY * 10).await;
        assert!(beats.iter().all(|beat| beat.lease().is_held()));
        let renewals = queue.renewed();
        // A third of the timeout apart, so thirty rounds; a few more, for not all have one rhythm.
        assert!(renewals.len() <= 60, "{} requests for ten messages", renewals.len());
        assert!(renewals[0].0 < start + VISIBILITY / 3, "there is no jitter");
    }

    /// A heart of a machine that can be suspended for some seconds.
    fn suspendable(queue: &Pretended) -> (Arc<Heart>, impl Fn(Duration)) {
        let slept = Arc::new(AtomicU64::new(0));
        let told = slept.clone();
        let clock = Clock::with(move || Duration::from_secs(told.load(Ordering::Relaxed)));
        let suspend = move |time: Duration| {
            slept.fetch_add(time.as_secs(), Ordering::Relaxed);
        };
        (Heart::start_by(clock, Arc::new(queue.clone()), VISIBILITY), suspend)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_while_the_machine_is_suspended_and_no_renewal_revives_it() {
        let queue = Pretended::default();
        let (heart, suspend) = suspendable(&queue);
        let beat = heart.hold(&message("m"), heart.now());
        let lease = beat.lease();
        tokio::time::sleep(VISIBILITY * 3).await;
        assert!(lease.is_held());
        suspend(VISIBILITY);
        assert!(!lease.is_held(), "before anything else is noticed");
        let (resumed, renewals) = (Instant::now(), queue.renewed().len());
        beat.lost().await;
        assert!(resumed.elapsed() <= VISIBILITY / 12, "noticed after {:?}", resumed.elapsed());
        tokio::time::sleep(VISIBILITY * 3).await;
        assert!(!lease.is_held());
        assert_eq!(queue.renewed().len(), renewals, "somebody else may have the message");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_is_answered_after_the_lease_had_ended_does_not_revive_it() {
        const ANSWER: Duration = Duration::from_secs(10);
        let queue = Pretended::slow(ANSWER);
        let (heart, suspend) = suspendable(&queue);
        let beat = heart.hold(&message("m"), heart.now());
        while queue.renewed().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Nobody knows whether the request went out before the machine stood still or after.
        tokio::time::sleep(ANSWER - Duration::from_secs(1)).await;
        suspend(VISIBILITY - Duration::from_secs(15));
        assert!(!beat.lease().is_held());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!beat.lease().is_held());
        beat.lost().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspension_that_a_lease_outlasts_costs_nothing() {
        let queue = Pretended::default();
        let (heart, suspend) = suspendable(&queue);
        let beat = heart.hold(&message("m"), heart.now());
        for _ in 0..10 {
            tokio::time::sleep(VISIBILITY / 6).await;
            suspend(VISIBILITY / 3);
            tokio::time::sleep(VISIBILITY / 12).await;
            assert!(beat.lease().is_held());
        }
    }
}
