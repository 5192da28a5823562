//! Limits: what the cgroup's files say, of either version, against what was asked for.

use super::{Resize, View, check};
use crate::doctor::facts::Facts;
use crate::doctor::finding::{Check, Finding};

pub const MEMORY: Check = check("sandbox.memory", "memory has the limit that was asked for");
pub const SWAP: Check = check("sandbox.swap", "there is no swap on top of memory");
pub const PROCESSES: Check = check("sandbox.processes", "processes have the limit that was asked for");
pub const CPUS: Check = check("sandbox.cpus", "there is one CPU's worth of time");
pub const RLIMITS: Check = check("sandbox.rlimits", "no core files, message queues or locked memory");
pub const RESIZE: Check = check("sandbox.resize", "a live sandbox's limits can be changed");

/// Above this a number of version 1 means no limit: it is the highest multiple of the page size (2⁶³ less one page).
const NO_LIMIT: u64 = 1 << 62;

/// A limit in a cgroup's file. `Some(None)` is none.
fn limit(facts: &Facts, key: &str) -> Option<Option<u64>> {
    match facts.one(key)? {
        "max" => Some(None),
        text => {
            let value: u64 = text.parse().ok()?;
            Some((value < NO_LIMIT).then_some(value))
        }
    }
}

fn bytes(value: Option<u64>) -> String {
    match value {
        None => "no limit".to_owned(),
        Some(value) if value % (1 << 20) == 0 => format!("{} MiB", value >> 20),
        Some(value) => format!("{value} bytes"),
    }
}

pub(super) fn memory(view: View<'_>) -> Finding {
    let Some(found) = limit(view.facts, "limit.memory") else { return view.unseen(&MEMORY, "the memory limit") };
    let asked = view.asked.memory_bytes;
    // The kernel counts in pages and rounds down.
    if found.is_some_and(|found| found <= asked && found + 65_536 > asked) {
        return MEMORY.good(bytes(found));
    }
    if view.has_own_kernel() {
        return outside(&MEMORY, bytes(found));
    }
    MEMORY.broken(
        format!("{} instead of {}", bytes(found), bytes(Some(asked))),
        "one program could take all of the host's memory: see docker info for warnings, and whether the memory controller is \
         enabled where the engine puts its containers (cgroup.controllers, cgroup.subtree_control)",
    )
}

/// A sandbox with a kernel of its own has cgroups of its own as well.
fn outside(check: &Check, found: String) -> Finding {
    check.note(
        format!("{found}, by the sandbox's own kernel"),
        "the engine's limit is around the whole sandbox, its kernel among it, and can't be seen from inside: docker inspect of a \
         container that caisson run --keep leaves has it",
    )
}

pub(super) fn swap(view: View<'_>) -> Finding {
    let (Some(found), Some(memory)) = (limit(view.facts, "limit.swap"), limit(view.facts, "limit.memory")) else {
        if view.asked.host_swaps && !view.has_own_kernel() {
            return SWAP.broken(
                "the kernel doesn't count swap, and the host has some",
                "a program goes past its memory limit into swap: turn swap off, or boot with swapaccount=1",
            );
        }
        return SWAP.good("the kernel doesn't count swap, and the host has none");
    };
    // Version 1 limits the sum of both, version 2 swap alone.
    let swap = match view.facts.number("cgroup") {
        Some(2) => found,
        _ => found.map(|both| both.saturating_sub(memory.unwrap_or(both))),
    };
    if swap == Some(0) && (found.is_some() && memory.is_some()) {
        return SWAP.good("none");
    }
    SWAP.broken(
        format!("{} of swap", bytes(swap.filter(|_| memory.is_some()))),
        "a program's memory limit isn't one as long as it can swap, and its time goes with the disk's: see what changes the \
         container's MemorySwap",
    )
}

pub(super) fn processes(view: View<'_>) -> Finding {
    let Some(found) = limit(view.facts, "limit.processes") else {
        return view.unseen(&PROCESSES, "the limit on processes");
    };
    let asked = view.asked.processes;
    if found == Some(asked) {
        return PROCESSES.good(format!("{asked}, the agent among them"));
    }
    let found = found.map_or("no limit".to_owned(), |found| found.to_string());
    if view.has_own_kernel() {
        return outside(&PROCESSES, found);
    }
    PROCESSES.broken(
        format!("{found} instead of {asked}"),
        "a program that only forks takes the host's process table with it: see docker info for PidsLimit, and whether the pids \
         controller is enabled where the engine puts its containers",
    )
}

pub(super) fn cpus(view: View<'_>) -> Finding {
    if view.asked.pinned {
        let Some(cpus) = view.facts.one("limit.cpus") else { return view.unseen(&CPUS, "the set of CPUs") };
        if cpus.parse::<u32>().is_ok() {
            return CPUS.good(format!("CPU {cpus} and no other"));
        }
        return CPUS.broken(
            format!("CPUs {cpus:?} instead of one"),
            "jobs take time from each other: see whether the cpuset controller is enabled where the engine puts its containers",
        );
    }
    // Version 1 has a file for each, version 2 both in one: `quota period`, a quota of `max` or -1 being none.
    let Some(quota) = view.facts.one("limit.cpu-quota") else { return view.unseen(&CPUS, "the CPU quota") };
    let mut words = quota.split(' ');
    let quota = words.next().and_then(|quota| quota.parse::<u64>().ok());
    let period = words.next().or(view.facts.one("limit.cpu-period")).and_then(|period| period.parse::<u64>().ok());
    if quota.is_some() && quota == period {
        return CPUS.good("one CPU's time, on any");
    }
    if view.has_own_kernel() {
        return outside(&CPUS, "no quota".to_owned());
    }
    CPUS.broken(
        format!("quota {} of period {}", quota.map_or("none".to_owned(), |it| it.to_string()), period.unwrap_or(0)),
        "a program with many threads takes time from the others: see what changes the container's NanoCpus",
    )
}

/// Name, highest value. A core limit of 1 also keeps cores from being piped to a program (linux/fs/coredump.c).
const HIGHEST: [(&str, u64); 4] =
    [("core", 1), ("message-queues", 0), ("locked-memory", 64 << 10), ("open-files", 1 << 20)];

pub(super) fn rlimits(view: View<'_>) -> Finding {
    let mut wrong = Vec::new();
    for (name, highest) in HIGHEST {
        match view.facts.number(&format!("rlimit.{name}")) {
            None => return view.unseen(&RLIMITS, "the limits of single processes"),
            Some(found) if found > highest => wrong.push(format!("{name} {found}")),
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        return RLIMITS.good("yes");
    }
    RLIMITS.broken(
        wrong.join(", "),
        "the agent sets these for each program: the engine's own default-ulimits or the runtime undo it",
    )
}

pub(super) fn resize(resize: &Resize) -> Option<Finding> {
    Some(match resize {
        Resize::NotTried => return None,
        Resize::Unsupported => RESIZE.note(
            "this runtime can't",
            "jobs get more containers instead: one for compiling and one for running where their limits differ",
        ),
        Resize::Failed(reason) => RESIZE.broken(
            reason,
            "compile and run steps have limits of their own, set on the live container (docker update): see the engine's log",
        ),
        Resize::Done { facts, memory_bytes, processes } => {
            let memory = limit(facts, "limit.memory");
            let count = limit(facts, "limit.processes");
            if memory == Some(Some(*memory_bytes)) && count == Some(Some(*processes)) {
                return Some(RESIZE.good(format!("to {} and {processes} processes", bytes(Some(*memory_bytes)))));
            }
            if memory.is_none() {
                return Some(RESIZE.note(
                    "it was accepted, but what became of it can't be seen inside",
                    "the runtime holds limits from outside; its own documentation says how far",
                ));
            }
            RESIZE.broken(
                format!(
                    "{} and {} processes instead of {} and {processes}",
                    bytes(memory.flatten()),
                    count.flatten().map_or("any number of".to_owned(), |count| count.to_string()),
                    bytes(Some(*memory_bytes))
                ),
                "the engine accepted new limits for a live container and they aren't in force: see whether another program \
                 (systemd, a cgroup manager) sets them back",
            )
        }
    })
}
