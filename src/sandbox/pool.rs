//! Containers made ahead of their jobs. Each is used once, as one made for its job would be; only when it was made differs.
//! Where recycling is on, one whose job ended in order rests on the shelf and is started again in place of a new one.
//!
//! ```text
//! acquire ─ asks ─► Demand          what is asked for, how often      (policy.rs, pure)
//!    │ takes                            │ what should wait
//!    ▼                                  ▼
//!  Shelf: Waiting, by kind ◄─ puts ─ keeper: makes, starts again, removes, looks after (keeper.rs, in the background)
//!         Resting, by kind ◄─ puts ─ retire: lets a job's container go and looks at its end (retire.rs)
//! ```
//!
//! A kind is everything that the create call fixes and that differs between jobs. The uid and, where slots are pinned, the
//! CPU come with the container: a job gets a waiting container only if the container's CPU is free, and from then on has
//! both to itself.
//!
//! **Nothing is overcommitted.** A job has its memory before it takes a waiting container. Until then nothing but the agent
//! runs in it, and it takes what [`WAITING_BYTES`] says, of a share of the memory that no job gets.

mod counters;
mod keeper;
mod policy;
mod resting;
mod retire;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use counters::PoolFigures;
pub(crate) use resting::{Past, Resting, Started};
pub(crate) use retire::{Retired, retire};
pub(crate) use waiting::{Place, Waiting};

use super::{Need, SandboxError};
use super::fate::Fates;
use super::settings::PoolSettings;
use super::slots::{Cpu, Slots};
use crate::metrics;
use counters::{Counters, count};
pub(crate) use keeper::keep;
use keeper::Troubles;
use policy::{Bounds, Demand};

/// What a waiting container takes of the host: the runtime's shim (10 to 12 MiB resident, most of it shared among shims),
/// the agent and its page tables (1 MiB), and what engine and kernel keep for each.
pub const WAITING_BYTES: u64 = 16 << 20;

/// Everything that the create call fixes and that differs between jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) reference: String,
    pub(crate) digest: String,
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u64,
    pub(crate) disk_bytes: u64,
}

impl Kind {
    pub(crate) fn of(need: &Need) -> Kind {
        Kind {
            reference: need.image.reference.clone(),
            digest: need.image.digest.clone(),
            memory_bytes: need.memory_bytes,
            processes: need.processes,
            disk_bytes: need.disk_bytes,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Pool {
    shelf: Mutex<Shelf>,
    /// One for each container that waits, rests, is on its way, or on its way out.
    seats: Arc<Semaphore>,
    /// For those that are being made: the cores have jobs to run.
    makers: Arc<Semaphore>,
    bounds: Bounds,
    /// For the one that makes room for others.
    leaving: Arc<Semaphore>,
    /// Whether containers are started again.
    recycles: bool,
    age: Duration,
    /// Sandboxes that are being made for jobs right now.
    cold_starts: AtomicUsize,
    /// When a job took a container last.
    taken: Mutex<Option<Instant>>,
    /// Something changed that the keeper should look at.
    changed: Notify,
    counters: Counters,
    troubles: Troubles,
    tasks: TaskTracker,
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct Shelf {
    demand: Demand<Kind>,
    waiting: BTreeMap<Kind, Vec<Waiting>>,
    resting: BTreeMap<Kind, Vec<Resting>>,
    /// Images, by their digest, whose containers aren't the same when they start again.
    unfit: BTreeSet<String>,
    making: BTreeMap<Kind, usize>,
}

/// What the pool has for a job.
#[derive(Debug)]
pub(crate) enum Found {
    Waiting(Waiting),
    /// To be started first.
    Resting(Resting),
}

impl Pool {
    pub(crate) fn new(settings: &PoolSettings, slots: usize, recycles: bool) -> Pool {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Pool {
            shelf: Mutex::default(),
            seats: Arc::new(Semaphore::new(settings.containers)),
            makers: Arc::new(Semaphore::new((cores / 2).max(1))),
            bounds: Bounds { places: settings.containers, of_a_kind: slots },
            leaving: Arc::new(Semaphore::new(1)),
            recycles,
            age: settings.age,
            cold_starts: AtomicUsize::new(0),
            taken: Mutex::default(),
            changed: Notify::new(),
            counters: Counters::default(),
            troubles: Troubles::default(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
        }
    }

    /// A job needs a container of this kind.
    pub(crate) fn ask(&self, kind: &Kind) {
        self.shelf().demand.ask(kind, Instant::now());
        self.changed.notify_one();
    }

    /// A CPU that is free and, if there is one for it, a container of the kind whose labels hold until `deadline`: rather one
    /// that waits than one that rests. For whoever has a permit and the memory.
    pub(crate) fn take(&self, kind: &Kind, deadline: i64, slots: &Slots, fates: &Fates) -> (Cpu, Option<Found>) {
        let mut shelf = self.shelf();
        let Shelf { waiting, resting, .. } = &mut *shelf;
        if let Some(of_kind) = waiting.get_mut(kind) {
            for dead in of_kind.extract_if(.., |container| container.is_dead(fates)) {
                tracing::info!(container.id = dead.id(), "a waiting container died");
                count(&self.counters.dead);
            }
        }
        let taken = slots.cpu(|free| {
            // The one that has waited longest, so that none gets too old.
            let fits = |past: &Past, cpu: Option<usize>| {
                past.deadline >= deadline && cpu.is_none_or(|cpu| free.contains(&cpu))
            };
            if let Some(of_kind) = waiting.get_mut(kind)
                && let Some(place) = of_kind.iter().position(|it| fits(&it.past, it.cpu))
            {
                let container = of_kind.remove(place);
                // Before the keeper sees the gap.
                *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                return (container.cpu, Some(Found::Waiting(container)));
            }
            // The one that was laid down last, so that those too many get too old.
            if let Some(of_kind) = resting.get_mut(kind)
                && let Some(place) = of_kind.iter().rposition(|it| fits(&it.past, it.cpu) && !it.is_spoilt(fates))
            {
                let container = of_kind.remove(place);
                return (container.cpu, Some(Found::Resting(container)));
            }
            // Else the CPU for which the fewest wait, so that those stay of use.
            let waiting_for = |cpu: &usize| waiting.values().flatten().filter(|it| it.cpu == Some(*cpu)).count();
            (free.iter().copied().min_by_key(waiting_for), None)
        });
        drop(shelf);
        self.changed.notify_one();
        taken
    }

    /// For as long as it lives, the pool makes way.
    pub(crate) fn starting_cold(&self) -> ColdStart<'_> {
        self.cold_starts.fetch_add(1, Ordering::Relaxed);
        ColdStart(self)
    }

    /// A container that waited became a job's, and its seat is free.
    pub(crate) fn taken(&self) {
        count(&self.counters.warm);
        self.changed.notify_one();
    }

    fn last_taken(&self) -> Option<Instant> {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job has to wait for its container to start.
    pub(crate) fn found_none(&self) {
        count(&self.counters.cold);
    }

    /// Whether containers of the kind are started again.
    pub(crate) fn recycles(&self, kind: &Kind) -> bool {
        self.recycles && !self.shelf().unfit.contains(&kind.digest)
    }

    /// A container was started again.
    pub(crate) fn recycled(&self) {
        count(&self.counters.recycled);
        metrics::recycled_start();
        self.changed.notify_one();
    }

    /// A container couldn't be started again.
    pub(crate) fn not_recycled(&self, id: &str, kind: &Kind, error: &SandboxError) {
        count(&self.counters.discarded);
        if matches!(error, SandboxError::OtherPlaces) && self.shelf().unfit.insert(kind.digest.clone()) {
            tracing::warn!(
                image = kind.reference,
                "with this runtime, containers of this image aren't the same when they start again, so each is used once; \
                 a newer runc, or an image that has the folder /box with mode 1777, mends that"
            );
        }
        tracing::info!(container.id = id, %error, "a container could not be started again");
    }

    /// A container that was taken and then didn't answer.
    pub(crate) fn found_dead(&self) {
        count(&self.counters.dead);
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        let shelf = self.shelf();
        let waiting = shelf.waiting.values().map(Vec::len).sum();
        let resting = shelf.resting.values().map(Vec::len).sum();
        self.counters.figures(waiting, resting)
    }

    /// Ends what is being made and hands what waits or rests to the janitor.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let (waiting, resting) = {
            let mut shelf = self.shelf();
            (std::mem::take(&mut shelf.waiting), std::mem::take(&mut shelf.resting))
        };
        waiting.into_values().flatten().for_each(|_| count(&self.counters.surplus));
        resting.into_values().flatten().for_each(|_| count(&self.counters.surplus));
    }

    /// Each change leaves the shelf whole, so that it may be used after somebody panicked with it.
    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct ColdStart<'a>(&'a Pool);

impl Drop for ColdStart<'_> {
    fn drop(&mut self) {
        self.0.cold_starts.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}
