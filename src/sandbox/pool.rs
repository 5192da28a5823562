//! Containers made ahead of their jobs. Each is used once, as one made for its job would be; only when it was made differs.
//!
//! ```text
//! acquire ─ asks ─► Demand          what is asked for, how often      (policy.rs, pure)
//!    │ takes                            │ what should wait
//!    ▼                                  ▼
//!  Shelf: Waiting, by kind ◄─ puts ─ keeper: makes, removes, looks after (keeper.rs, in the background)
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
mod waiting;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use counters::PoolFigures;
pub(crate) use waiting::{Place, Waiting};

use super::Need;
use super::fate::Fates;
use super::settings::PoolSettings;
use super::slots::{Cpu, Slots};
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
    /// One for each container that waits, is on its way, or on its way out.
    seats: Arc<Semaphore>,
    /// For those that are being made: the cores have jobs to run.
    makers: Arc<Semaphore>,
    bounds: Bounds,
    age: Duration,
    /// Sandboxes that are being made for jobs right now.
    cold_starts: AtomicUsize,
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
    making: BTreeMap<Kind, usize>,
}

impl Pool {
    pub(crate) fn new(settings: &PoolSettings, slots: usize) -> Pool {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Pool {
            shelf: Mutex::default(),
            seats: Arc::new(Semaphore::new(settings.containers)),
            makers: Arc::new(Semaphore::new((cores / 2).max(1))),
            bounds: Bounds { places: settings.containers, of_a_kind: slots },
            age: settings.age,
            cold_starts: AtomicUsize::new(0),
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

    /// A CPU that is free and, if there is one for it, a waiting container of the kind whose labels hold until `deadline`.
    /// For whoever has a permit and the memory.
    pub(crate) fn take(&self, kind: &Kind, deadline: i64, slots: &Slots, fates: &Fates) -> (Cpu, Option<Waiting>) {
        let mut shelf = self.shelf();
        let Shelf { waiting, .. } = &mut *shelf;
        if let Some(of_kind) = waiting.get_mut(kind) {
            for dead in of_kind.extract_if(.., |container| container.is_dead(fates)) {
                tracing::info!(container.id = dead.id(), "a waiting container died");
                count(&self.counters.dead);
            }
        }
        let taken = slots.cpu(|free| {
            // The one that has waited longest, so that none gets too old.
            let fits = |container: &Waiting| {
                container.deadline >= deadline && container.cpu.is_none_or(|cpu| free.contains(&cpu))
            };
            let place = waiting.get(kind).and_then(|of_kind| of_kind.iter().position(fits));
            if let Some((place, of_kind)) = place.zip(waiting.get_mut(kind)) {
                let container = of_kind.remove(place);
                return (container.cpu, Some(container));
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
        count(&self.counters.cold);
        self.cold_starts.fetch_add(1, Ordering::Relaxed);
        ColdStart(self)
    }

    /// A container became a job's, and its seat is free.
    pub(crate) fn taken(&self) {
        count(&self.counters.warm);
        self.changed.notify_one();
    }

    /// A container that was taken and then didn't answer.
    pub(crate) fn found_dead(&self) {
        count(&self.counters.dead);
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        let waiting = self.shelf().waiting.values().map(Vec::len).sum();
        self.counters.figures(waiting)
    }

    /// Ends what is being made and hands what waits to the janitor.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let waiting = std::mem::take(&mut self.shelf().waiting);
        waiting.into_values().flatten().for_each(|_| count(&self.counters.surplus));
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
