//! How many messages a worker has in hand: received, and neither deleted nor given back.
//!
//! A slot is free again when its job is done, so that the next one can begin while results are published and messages deleted. If
//! that were all, a slow outgoing queue would fill the worker with results that nobody has. So each message takes a place among
//! those in hand, from before it is received to its end, and there are few more of these than slots.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::queue::BATCH;
use crate::queue::sources::Permits;
use crate::report::Report;

/// Messages that a worker may have in hand beside its slots: what one request publishes, or deletes.
pub const BESIDE_SLOTS: usize = BATCH;

/// Bytes of results that are waited for to be published before another message is received. All streams of a job together keep
/// at most 8 MiB, and a result is in memory about twice.
const WAITING_BYTES: usize = 128 << 20;

#[derive(Debug)]
pub(super) struct Hands {
    places: Arc<Semaphore>,
    waiting: watch::Sender<usize>,
}

/// A place in hand, with the right to run a job.
#[derive(Debug)]
pub(super) struct Held<P> {
    pub(super) slot: P,
    pub(super) place: OwnedSemaphorePermit,
}

/// A result that waits to be published, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    hands: &'a Hands,
    bytes: usize,
}

impl Hands {
    pub(super) fn new(slots: usize) -> Hands {
        Hands { places: Arc::new(Semaphore::new(slots + BESIDE_SLOTS)), waiting: watch::Sender::new(0) }
    }

    /// Notes that a result waits to be published.
    pub(super) fn wait_with(&self, report: &Report) -> Waiting<'_> {
        let bytes = 2 * report.stream_bytes();
        self.waiting.send_modify(|waiting| *waiting += bytes);
        Waiting { hands: self, bytes }
    }

    fn is_room(waiting: usize) -> bool {
        waiting < WAITING_BYTES
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.hands.waiting.send_modify(|waiting| *waiting -= self.bytes);
    }
}

/// Slots and places together: what a message is received for.
#[derive(Debug)]
pub(super) struct Capacity<'a, C>(pub(super) &'a C, pub(super) &'a Hands);

impl<C: Permits + Sync> Permits for Capacity<'_, C> {
    type Permit = Held<C::Permit>;

    async fn permit(&self) -> Held<C::Permit> {
        loop {
            // The sender is ours, so waiting can't fail.
            let _ = self.1.waiting.subscribe().wait_for(|waiting| Hands::is_room(*waiting)).await;
            let Ok(place) = self.1.places.clone().acquire_owned().await else { return std::future::pending().await };
            let slot = self.0.permit().await;
            if Hands::is_room(*self.1.waiting.borrow()) {
                return Held { slot, place };
            }
        }
    }

    fn try_permit(&self) -> Option<Held<C::Permit>> {
        if !Hands::is_room(*self.1.waiting.borrow()) {
            return None;
        }
        let place = self.1.places.clone().try_acquire_owned().ok()?;
        Some(Held { slot: self.0.try_permit()?, place })
    }
}
