//! What one process has to itself among all Caisson processes of the host, by a name that the kernel gives to one process
//! only and takes back when it dies.

use std::collections::BTreeSet;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::sandbox::{SandboxError, Settings};

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
        uids(settings), settings.first_uid, settings.uids
    )))
}

/// One CPU a slot, or none at all: a mixture would give some jobs other times than others.
pub(super) fn claim_cpus(slots: usize, claims: &mut Vec<UnixListener>) -> Option<BTreeSet<usize>> {
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

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_cpus("Name:\tx\nCpus_allowed_list:\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cpus("Cpus_allowed_list:\tnone\n"), None);
    }
}
