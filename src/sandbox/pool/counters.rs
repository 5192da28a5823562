//! What became of the pool's containers, for whoever publishes figures.

use std::sync::atomic::{AtomicU64, Ordering};

/// Figures since the start, and how many wait now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Sandboxes that were taken from the pool.
    pub warm: u64,
    /// Sandboxes that were made or started again for their job, for want of a waiting one.
    pub cold: u64,
    /// Containers made ahead.
    pub made: u64,
    /// Containers that could not be made ahead.
    pub failed: u64,
    /// Removed because others of their kind, or other kinds, needed the place more, or because the pool closed.
    pub surplus: u64,
    /// Removed because they had waited too long, or for an image whose name means another one now.
    pub stale: u64,
    /// Found dead before a job got them.
    pub dead: u64,
    /// Containers that were started again, ahead or for a job.
    pub recycled: u64,
    /// Containers that might have been started again and were not: for how their job ended, for their age, for want of a
    /// place, or because they didn't start.
    pub discarded: u64,
    /// Containers that wait now.
    pub waiting: usize,
    /// Containers that have ended and may be started again.
    pub resting: usize,
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) warm: AtomicU64,
    pub(crate) cold: AtomicU64,
    pub(crate) made: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) surplus: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) recycled: AtomicU64,
    pub(crate) discarded: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn figures(&self, waiting: usize, resting: usize) -> PoolFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolFigures {
            warm: read(&self.warm),
            cold: read(&self.cold),
            made: read(&self.made),
            failed: read(&self.failed),
            surplus: read(&self.surplus),
            stale: read(&self.stale),
            dead: read(&self.dead),
            recycled: read(&self.recycled),
            discarded: read(&self.discarded),
            waiting,
            resting,
        }
    }
}
