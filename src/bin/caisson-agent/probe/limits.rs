//! The limits as they are seen from inside: the cgroup's own files, of both versions, and the rlimits.

use std::path::Path;

use caisson::cgroup::Version;

use super::attempt::{in_child, open_for_writing};
use super::fact;

/// key, file of cgroup v1, file of v2, all below `/sys/fs/cgroup`.
const FILES: [(&str, &str, &str); 6] = [
    ("memory", "memory/memory.limit_in_bytes", "memory.max"),
    // Of v1 this is memory and swap together, of v2 swap alone.
    ("swap", "memory/memory.memsw.limit_in_bytes", "memory.swap.max"),
    ("processes", "pids/pids.max", "pids.max"),
    ("cpus", "cpuset/cpuset.cpus", "cpuset.cpus"),
    ("cpu-quota", "cpu/cpu.cfs_quota_us", "cpu.max"),
    ("cpu-period", "cpu/cpu.cfs_period_us", "cpu.max"),
];

pub(super) fn print() {
    let version = if Path::new(Version::V2_MARK).exists() { Version::V2 } else { Version::V1 };
    fact("cgroup", if version == Version::V2 { 2 } else { 1 });
    for (key, first, second) in FILES {
        let file = if version == Version::V2 { second } else { first };
        let path = Path::new("/sys/fs/cgroup").join(file);
        if let Ok(text) = std::fs::read_to_string(&path) {
            fact(&format!("limit.{key}"), text.trim_end());
            fact("write", format_args!("{} {}", path.display(), in_child(|| open_for_writing(&path))));
        }
    }
    let rlimits = [
        ("core", libc::RLIMIT_CORE),
        ("cpu", libc::RLIMIT_CPU),
        ("file-size", libc::RLIMIT_FSIZE),
        ("open-files", libc::RLIMIT_NOFILE),
        ("processes", libc::RLIMIT_NPROC),
        ("locked-memory", libc::RLIMIT_MEMLOCK),
        ("message-queues", libc::RLIMIT_MSGQUEUE),
        ("pending-signals", libc::RLIMIT_SIGPENDING),
    ];
    for (name, resource) in rlimits {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to a live value of the right type.
        if unsafe { libc::getrlimit(resource, &mut limit) } == 0 {
            fact(&format!("rlimit.{name}"), limit.rlim_max);
        }
    }
}
