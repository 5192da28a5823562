//! Capacity: how many sandboxes may live, how much memory they may have together, and which uid and CPUs each gets.
//!
//! The kernel counts some resources by user (inotify instances, pipe pages, queued signals), so two live containers of
//! one uid could starve each other; and two on one CPU disturb each other's times. Both are therefore handed out, and
//! both are claimed for this process among all Caisson processes of the host by a name that the kernel gives to one
//! process only and takes back when it dies (an abstract Unix socket), so that no file is left and no lock goes stale.

use std::collections::BTreeSet;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{SandboxError, Settings};

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

/// A place for one sandbox. Whoever holds it is the only one on the host with its uid and, when pinned, its CPUs.
#[derive(Debug)]
pub struct Slot {
    pub uid: u32,
    pub cpu: Option<usize>,
    free: Arc<Mutex<Free>>,
    _memory: OwnedSemaphorePermit,
    _permit: Permit,
}

#[derive(Debug, Default)]
struct Free {
    uids: BTreeSet<u32>,
    cpus: BTreeSet<usize>,
    pinned: bool,
}

impl Slots {
    /// Claims as many uids as there are slots, and a CPU for each where there are enough of them.
    ///
    /// # Errors
    /// [`SandboxError::Uids`] when other processes hold every block of the configured range.
    pub fn claim(settings: &Settings) -> Result<Slots, SandboxError> {
        let (first_uid, mut claims) = claim_uids(settings)?;
        let count = u32::try_from(settings.slots).unwrap_or(u32::MAX);
        let cpus = if settings.pin_cpus { claim_cpus(settings.slots, &mut claims) } else { None };
        let free = Free {
            uids: (first_uid..first_uid + count).collect(),
            pinned: cpus.is_some(),
            cpus: cpus.unwrap_or_default(),
        };
        let memory_units = u32::try_from(settings.memory_bytes / MEMORY_UNIT).unwrap_or(u32::MAX).max(1);
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
        lock(&self.free).pinned
    }

    pub async fn permit(&self) -> Permit {
        let permit = self.sandboxes.clone().acquire_owned().await;
        Permit { _permit: permit.expect("the semaphore is never closed") }
    }

    pub fn try_permit(&self) -> Option<Permit> {
        self.sandboxes.clone().try_acquire_owned().ok().map(|permit| Permit { _permit: permit })
    }

    /// Turns a permit into a place, waiting for the memory. A need above the whole budget takes all of it.
    pub async fn slot(&self, permit: Permit, memory_bytes: u64) -> Slot {
        let units = u32::try_from(memory_bytes.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX).min(self.memory_units);
        let memory = self.memory.clone().acquire_many_owned(units).await.expect("the semaphore is never closed");
        let mut free = lock(&self.free);
        let uid = free.uids.pop_first().expect("there are as many uids as permits");
        let cpu = free.cpus.pop_first();
        Slot { uid, cpu, free: self.free.clone(), _memory: memory, _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut free = lock(&self.free);
        free.uids.insert(self.uid);
        free.cpus.extend(self.cpu);
    }
}

/// The sets stay whole when a holder panics: every change is one insertion or removal.
fn lock(free: &Mutex<Free>) -> std::sync::MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks have one size per slot count; a range is cut into blocks of the next power of two, so that workers with
/// different slot counts claim ranges that are either the same names or don't touch.
fn claim_uids(settings: &Settings) -> Result<(u32, Vec<UnixListener>), SandboxError> {
    const BLOCK: u32 = 16;
    let needed = u32::try_from(settings.slots).unwrap_or(u32::MAX).div_ceil(BLOCK);
    let blocks = settings.uids / BLOCK;
    let mut held: Vec<UnixListener> = Vec::new();
    for block in 0..blocks {
        match claim(&format!("caisson-uids-{}", settings.first_uid + block * BLOCK)) {
            Some(listener) => held.push(listener),
            // The blocks must follow one another; begin again behind the one that is taken.
            None => held.clear(),
        }
        if held.len() as u32 == needed {
            return Ok((settings.first_uid + (block + 1 - needed) * BLOCK, held));
        }
    }
    Err(SandboxError::Uids(format!(
        "{} slots need {needed} consecutive blocks of {BLOCK} from sandbox.first_uid = {} on, and sandbox.uids = {} has \
         no such row that no other worker holds",
        settings.slots, settings.first_uid, settings.uids
    )))
}

/// One CPU a slot, or none at all: a mixture would give some jobs other times than others.
fn claim_cpus(slots: usize, claims: &mut Vec<UnixListener>) -> Option<BTreeSet<usize>> {
    let mut cpus = BTreeSet::new();
    let mut held = Vec::new();
    for cpu in own_cpus() {
        if cpus.len() == slots {
            break;
        }
        if let Some(listener) = claim(&format!("caisson-cpu-{cpu}")) {
            held.push(listener);
            cpus.insert(cpu);
        }
    }
    if cpus.len() < slots {
        return None;
    }
    claims.extend(held);
    Some(cpus)
}

/// The CPUs that this process may run on.
fn own_cpus() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_cpus(&status).unwrap_or_default()
}

/// The `Cpus_allowed_list` line of a `/proc/PID/status`: numbers and ranges, as in `0-3,8`.
fn parse_cpus(status: &str) -> Option<Vec<usize>> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    let mut cpus = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

fn claim(name: &str) -> Option<UnixListener> {
    let address = SocketAddr::from_abstract_name(name).ok()?;
    UnixListener::bind_addr(&address).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(first_uid: u32, slots: usize) -> Settings {
        Settings {
            engine_socket: String::new(),
            runtime: None,
            first_uid,
            uids: 64,
            pin_cpus: false,
            slots,
            memory_bytes: 1 << 30,
            worker_id: String::new(),
            keep: false,
        }
    }

    #[tokio::test]
    async fn live_slots_have_different_uids_also_across_workers() {
        let first = Slots::claim(&settings(50_000, 3)).expect("the range is free");
        let second = Slots::claim(&settings(50_000, 20)).expect("two blocks are left");
        let mut uids = BTreeSet::new();
        let mut held = Vec::new();
        for slots in [&first, &second] {
            while let Some(permit) = slots.try_permit() {
                let slot = slots.slot(permit, 1 << 20).await;
                assert!(uids.insert(slot.uid), "uid {} twice", slot.uid);
                held.push(slot);
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
    async fn a_slot_waits_until_its_memory_is_free() {
        let slots = Slots::claim(&settings(52_000, 2)).expect("the range is free");
        let first = slots.slot(slots.permit().await, 800 << 20).await;
        let mut second = Box::pin(slots.slot(slots.permit().await, 800 << 20));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        second.await;
    }

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_cpus("Name:\tx\nCpus_allowed_list:\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cpus("Cpus_allowed_list:\tnone\n"), None);
    }
}
