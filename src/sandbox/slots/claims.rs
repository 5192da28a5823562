//! What one process has to itself among all Caisson processes of the host, by a name that the kernel gives to one process
//! only and takes back when it dies.

use std::collections::BTreeSet;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::topology::own_cores;
use crate::sandbox::{SandboxError, Settings};
use crate::sha256::Sha256;

/// The right to a worker's name among all Caisson processes of the host, for as long as it is kept. Whoever has it may take
/// containers under that name for its own or for a dead one's.
#[derive(Debug)]
pub struct Name {
    _held: UnixListener,
}

impl Name {
    /// Claims a name of any length.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when another process has it.
    pub fn claim(worker_id: &str) -> io::Result<Name> {
        // A socket's name has at most 107 bytes.
        Ok(Name { _held: bind(&format!("caisson-worker-{}", Sha256::of(worker_id.as_bytes())))? })
    }
}

/// One for each slot, and one for each container that waits.
pub(super) fn uids(settings: &Settings) -> u32 {
    let waiting = settings.pool.map_or(0, |pool| pool.containers);
    u32::try_from(settings.slots + waiting).unwrap_or(u32::MAX)
}

/// Blocks have one size per slot count; a range is cut into blocks of the next power of two, so that workers with
/// different slot counts claim ranges that are either the same names or don't touch.
pub(super) fn claim_uids(settings: &Settings) -> Result<(u32, Vec<UnixListener>), SandboxError> {
    const BLOCK: u32 = 16;
    let needed = uids(settings).div_ceil(BLOCK);
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
        "{} slots and places of the pool need {needed} consecutive blocks of {BLOCK} from sandbox.first_uid = {} on, and sandbox.uids = {} has \
         no such row that no other worker holds",
        uids(settings),
        settings.first_uid,
        settings.uids
    )))
}

/// For each slot a physical core, of which it uses one CPU and leaves the others idle: two programs on one core slow each
/// other down, and one with both threads would be charged more CPU time for the same work. Where there are more slots than
/// cores, a CPU each; or none at all: a mixture would give some jobs other times than others.
pub(super) fn claim_cpus(slots: usize, claims: &mut Vec<UnixListener>) -> Option<BTreeSet<usize>> {
    let (cpus, held) = claim_places(own_cores(), slots, |cpu| claim(&format!("caisson-cpu-{cpu}")))?;
    claims.extend(held);
    Some(cpus)
}

/// The CPUs that slots run on, and all that was claimed for it, idle ones too. `claim` says no for what others have.
fn claim_places<C>(
    cores: Vec<Vec<usize>>,
    slots: usize,
    claim: impl Fn(usize) -> Option<C>,
) -> Option<(BTreeSet<usize>, Vec<C>)> {
    let mut cpus: Vec<usize> = cores.iter().flatten().copied().collect();
    cpus.sort_unstable();
    [cores, cpus.into_iter().map(|cpu| vec![cpu]).collect()].into_iter().find_map(|places| {
        let (mut cpus, mut claims) = (BTreeSet::new(), Vec::new());
        for place in &places {
            if cpus.len() == slots {
                break;
            }
            // What was claimed of a place that others have a part of is given back here.
            if let (Some(first), Some(held)) =
                (place.first(), place.iter().map(|cpu| claim(*cpu)).collect::<Option<Vec<C>>>())
            {
                cpus.insert(*first);
                claims.extend(held);
            }
        }
        (cpus.len() == slots).then_some((cpus, claims))
    })
}

fn claim(name: &str) -> Option<UnixListener> {
    bind(name).ok()
}

fn bind(name: &str) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The CPUs that slots run on, and how many are claimed, of two cores of two threads each.
    fn places(slots: usize, taken: &[usize]) -> Option<(Vec<usize>, usize)> {
        let cores = vec![vec![0, 2], vec![1, 3]];
        let (cpus, claims) = claim_places(cores, slots, |cpu| (!taken.contains(&cpu)).then_some(()))?;
        Some((cpus.into_iter().collect(), claims.len()))
    }

    #[test]
    fn a_name_belongs_to_one_until_that_one_lets_go_of_it() {
        let name = format!("{}{}", uuid::Uuid::new_v4(), "x".repeat(92));
        let held = Name::claim(&name).expect("nobody else has it");
        let error = Name::claim(&name).expect_err("it is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(held);
        Name::claim(&name).expect("it is free again");
    }

    #[test]
    fn a_slot_has_a_core_whose_other_thread_stays_idle() {
        assert_eq!(places(1, &[]), Some((vec![0], 2)));
        assert_eq!(places(2, &[]), Some((vec![0, 1], 4)));
    }

    #[test]
    fn more_slots_than_cores_have_a_cpu_each_and_more_than_cpus_have_none() {
        assert_eq!(places(3, &[]), Some((vec![0, 1, 2], 3)));
        assert_eq!(places(5, &[]), None);
    }

    #[test]
    fn a_core_that_another_worker_uses_a_thread_of_is_not_free() {
        assert_eq!(places(1, &[2]), Some((vec![1], 2)));
        assert_eq!(places(2, &[2]), Some((vec![0, 1], 2)), "no two cores are free; a CPU each");
        assert_eq!(places(2, &[0, 1, 2]), None);
    }
}
