//! Capacity: how many sandboxes may live, how much memory they may have together, and which uid and CPUs each gets.
//!
//! The kernel counts some resources by user (inotify instances, pipe pages, queued signals), so two live containers of
//! one uid could starve each other; and two on one CPU disturb each other's times. Both are therefore handed out, and
//! both are claimed for this process among all Caisson processes of the host by a name that the kernel gives to one
//! process only and takes back when it dies (an abstract Unix socket), so that no file is left and no lock goes stale.

mod claims;
mod topology;

use std::collections::BTreeSet;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use claims::Name;
use claims::{claim_cpus, claim_uids, uids};

use super::pool::WAITING_BYTES;
use super::{SandboxError, Settings};
use crate::metrics::{self, Occupied, occupied};

/// How many sandboxes run side by side where nobody says: one for each physical core that this process may use, and no more
/// than its control group gives it CPU time for.
pub fn default_count() -> usize {
    let share = std::thread::available_parallelism().map_or(1, usize::from);
    topology::slots(cores(), share)
}

/// The physical cores that this process may use at least one thread of.
pub fn cores() -> usize {
    topology::own_cores().len()
}

/// Permits of memory are counted in this unit.
const MEMORY_UNIT: u64 = 1 << 20;

#[derive(Debug)]
pub struct Slots {
    sandboxes: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    memory_units: u32,
    free: Arc<Mutex<Free>>,
    /// Held for as long as the process lives; see the head of this file.
    _claims: Vec<UnixListener>,
}

/// The right to have one more sandbox. Held from before a message is received.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// A place for one sandbox. Whoever holds it is the only one on the host with its uid and, when pinned, its CPU.
#[derive(Debug)]
pub struct Slot {
    pub(crate) uid: Uid,
    pub(crate) cpu: Cpu,
    _memory: Memory,
    _permit: Permit,
    _occupied: Occupied,
}

/// A share of the memory that all live sandboxes may have together.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: u64,
    _permit: OwnedSemaphorePermit,
}

/// A uid that nobody else on the host has.
#[derive(Debug)]
pub(crate) struct Uid {
    pub(crate) number: u32,
    free: Arc<Mutex<Free>>,
}

/// A CPU that no other live sandbox has; none where sandboxes aren't pinned.
#[derive(Debug)]
pub(crate) struct Cpu {
    pub(crate) number: Option<usize>,
    free: Arc<Mutex<Free>>,
}

#[derive(Debug, Default)]
struct Free {
    uids: BTreeSet<u32>,
    cpus: BTreeSet<usize>,
    /// Those of all slots, free or not; empty where they aren't pinned.
    all_cpus: BTreeSet<usize>,
}

impl Slots {
    /// Claims as many uids as there are slots and places in the pool, and a CPU for each slot where there are enough.
    ///
    /// # Errors
    /// [`SandboxError::Uids`] when other processes hold every block of the configured range.
    pub fn claim(settings: &Settings) -> Result<Slots, SandboxError> {
        let (first_uid, mut claims) = claim_uids(settings)?;
        let count = uids(settings);
        let cpus = if settings.pin_cpus { claim_cpus(settings.slots, &mut claims) } else { None };
        let cpus = cpus.unwrap_or_default();
        let free = Free { uids: (first_uid..first_uid + count).collect(), all_cpus: cpus.clone(), cpus };
        // What waits in the pool has its share beside what lives.
        let waiting = settings.pool.map_or(0, |pool| pool.containers as u64 * WAITING_BYTES);
        let memory_bytes = settings.memory_bytes.saturating_sub(waiting);
        let memory_units = u32::try_from(memory_bytes / MEMORY_UNIT).unwrap_or(u32::MAX).max(1);
        metrics::capacity(settings.slots, memory_bytes);
        Ok(Slots {
            sandboxes: Arc::new(Semaphore::new(settings.slots)),
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            memory_units,
            free: Arc::new(Mutex::new(free)),
            _claims: claims,
        })
    }

    /// Whether each slot has a CPU of its own.
    pub fn are_pinned(&self) -> bool {
        !lock(&self.free).all_cpus.is_empty()
    }

    pub async fn permit(&self) -> Permit {
        let permit = self.sandboxes.clone().acquire_owned().await;
        Permit { _permit: permit.expect("the semaphore is never closed") }
    }

    pub fn try_permit(&self) -> Option<Permit> {
        self.sandboxes.clone().try_acquire_owned().ok().map(|permit| Permit { _permit: permit })
    }

    /// Waits for memory. A need above the whole budget takes all of it.
    pub(crate) async fn memory(&self, bytes: u64) -> Memory {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX).min(self.memory_units);
        let permit = self.memory.clone().acquire_many_owned(units).await;
        Memory { bytes, _permit: permit.expect("the semaphore is never closed") }
    }

    /// Only for whoever holds a permit, or a seat of the pool, for what it will be used for.
    pub(crate) fn uid(&self) -> Uid {
        let number = lock(&self.free).uids.pop_first().expect("there are as many uids as permits and seats");
        Uid { number, free: self.free.clone() }
    }

    /// Takes the CPU that `choose` names among the free ones, of which there are none where sandboxes aren't pinned. What
    /// else it says is passed on. Only for whoever holds a permit, so that one is free.
    pub(crate) fn cpu<T>(&self, choose: impl FnOnce(&BTreeSet<usize>) -> (Option<usize>, T)) -> (Cpu, T) {
        let mut free = lock(&self.free);
        let (number, more) = choose(&free.cpus);
        let number = number.filter(|number| free.cpus.remove(number));
        (Cpu { number, free: self.free.clone() }, more)
    }
}

impl Slots {
    /// The CPU with the least of what `count` counts (its first figure, then whether it is free, then its second), for a
    /// container that will run on it later; none where sandboxes aren't pinned.
    pub(crate) fn emptiest_cpu(&self, count: impl Fn(usize) -> (usize, usize)) -> Option<usize> {
        let free = lock(&self.free);
        free.all_cpus.iter().copied().min_by_key(|cpu| {
            let (first, second) = count(*cpu);
            (first, !free.cpus.contains(cpu), second)
        })
    }
}

impl Slot {
    pub(crate) fn new(permit: Permit, memory: Memory, uid: Uid, cpu: Cpu) -> Slot {
        let occupied = occupied(memory.bytes);
        Slot { uid, cpu, _memory: memory, _permit: permit, _occupied: occupied }
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        lock(&self.free).uids.insert(self.number);
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        lock(&self.free).cpus.extend(self.number);
    }
}

/// The sets stay whole when a holder panics: every change is one insertion or removal.
fn lock(free: &Mutex<Free>) -> std::sync::MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sandbox::PoolSettings;

    fn settings(first_uid: u32, slots: usize) -> Settings {
        Settings { first_uid, uids: 64, pin_cpus: false, slots, ..Settings::default() }
    }

    #[tokio::test]
    async fn live_slots_have_different_uids_also_across_workers() {
        let first = Slots::claim(&settings(50_000, 3)).expect("the range is free");
        let second = Slots::claim(&settings(50_000, 20)).expect("two blocks are left");
        let mut uids = BTreeSet::new();
        let mut held = Vec::new();
        for slots in [&first, &second] {
            while let Some(permit) = slots.try_permit() {
                let uid = slots.uid();
                assert!(uids.insert(uid.number), "uid {} twice", uid.number);
                held.push((permit, uid));
            }
        }
        assert_eq!(held.len(), 23);
    }

    #[test]
    fn a_range_that_others_hold_is_an_error_that_names_the_settings() {
        let _first = Slots::claim(&settings(51_000, 64)).expect("the range is free");
        let error = Slots::claim(&settings(51_000, 1)).expect_err("nothing is left").to_string();
        assert!(error.contains("sandbox.first_uid = 51000"), "{error}");
    }

    #[tokio::test]
    async fn whoever_needs_memory_waits_until_it_is_free() {
        let slots = Slots::claim(&settings(52_000, 2)).expect("the range is free");
        let first = slots.memory(800 << 20).await;
        let mut second = Box::pin(slots.memory(800 << 20));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        second.await;
    }

    #[test]
    fn what_waits_in_the_pool_has_uids_and_memory_beside_what_lives() {
        let pool = PoolSettings { containers: 3, age: Duration::from_secs(1) };
        let slots = Slots::claim(&Settings { pool: Some(pool), ..settings(53_000, 2) }).expect("the range is free");
        let held: Vec<Uid> = (0..5).map(|_| slots.uid()).collect();
        assert_eq!(held.iter().map(|uid| uid.number).collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(u64::from(slots.memory_units), ((1 << 30) - 3 * WAITING_BYTES) / MEMORY_UNIT);
    }
}
