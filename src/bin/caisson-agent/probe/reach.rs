//! How far a program gets with its own supervisor, PID 1, whose uid it has. Every attempt that could do something asks for
//! what is in force already.

use std::io;
use std::path::Path;

use super::attempt::{call, in_child, open_for_writing, outcome};
use super::fact;

const FIRST: libc::pid_t = 1;
/// PTRACE_SEIZE, linux/ptrace.h: attaches without stopping, and lets go when the tracer ends.
const SEIZE: usize = 0x4206;
/// IOPRIO_WHO_PROCESS and best effort in the middle, which is what a process has by default (linux/ioprio.h).
const IO_PROCESS: usize = 1;
const IO_DEFAULT: usize = (2 << 13) | 4;

/// What to try, and how it went.
type Attempt = (&'static str, fn() -> io::Result<()>);

/// Each has to be refused.
const ATTEMPTS: [Attempt; 19] = [
    ("memory", || std::fs::File::open("/proc/1/mem").map(drop)),
    ("maps", || std::fs::File::open("/proc/1/maps").map(drop)),
    ("environment", || std::fs::read("/proc/1/environ").map(drop)),
    ("root", || std::fs::read_dir("/proc/1/root/").map(drop)),
    ("program", || std::fs::read_link("/proc/1/exe").map(drop)),
    ("descriptor", || std::fs::read_link("/proc/1/fd/0").map(drop)),
    ("oom-score", || open_for_writing(Path::new("/proc/1/oom_score_adj")).map(drop)),
    ("file", || std::fs::File::open("/caisson/agent").map(drop)),
    // SAFETY: takes plain integers.
    ("ptrace", || unsafe { call(libc::SYS_ptrace, [SEIZE, 1, 0, 0, 0, 0]) }.map(drop)),
    ("read-memory", read_memory),
    ("descriptor-copy", copy_descriptor),
    ("limits", set_limit),
    ("scheduler", set_scheduler),
    ("affinity", set_affinity),
    ("priority", || set_priority(libc::PRIO_PROCESS as i32, 1)),
    ("priority-of-user", || set_priority(libc::PRIO_USER as i32, 0)),
    // SAFETY: takes plain integers.
    ("io-priority", || unsafe { call(libc::SYS_ioprio_set, [IO_PROCESS, 1, IO_DEFAULT, 0, 0, 0]) }.map(drop)),
    // A process of its own group and session can't join the agent's.
    // SAFETY: takes plain integers.
    ("group", || crate::sys::check(unsafe { libc::setpgid(0, FIRST) }.into()).map(drop)),
    // SAFETY: takes plain integers.
    ("compare", || unsafe { call(libc::SYS_kcmp, [1, 1, 0, 0, 0, 0]) }.map(drop)),
];

pub(super) fn print() {
    for (name, attempt) in ATTEMPTS {
        fact(&format!("reach.{name}"), in_child(attempt));
    }
    // Signals do nothing to PID 1 whether or not they may be sent; see [`kill`].
    // SAFETY: takes plain integers.
    fact("signal.none", outcome(crate::sys::check(unsafe { libc::kill(FIRST, 0) }.into())));
    let score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    fact("oom-score", score.trim_end());
    fact("oom-score.lower", in_child(|| std::fs::write("/proc/self/oom_score_adj", "0")));
}

/// Sends PID 1 what ends any other process. Who reads this fact knows that it did nothing; where it does something, nobody
/// is left to pass the fact on, so it is asked for by itself and last.
pub(super) fn kill() {
    // SAFETY: takes plain integers; `super::run` made sure that PID 1 is the agent of a sandbox.
    fact("signal.kill", outcome(crate::sys::check(unsafe { libc::kill(FIRST, libc::SIGKILL) }.into())));
}

fn read_memory() -> io::Result<()> {
    let mut byte = 0_u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(0x1000), iov_len: 1 };
    // SAFETY: both vectors are live and have one element; the local one is to a live byte.
    let read = unsafe { libc::process_vm_readv(FIRST, &local, 1, &remote, 1, 0) };
    match crate::sys::check(read as libc::c_long) {
        // Nothing is mapped there, but we were let in.
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn copy_descriptor() -> io::Result<()> {
    // SAFETY: takes plain integers.
    let process = unsafe { call(libc::SYS_pidfd_open, [1, 0, 0, 0, 0, 0]) }?;
    // SAFETY: takes plain integers.
    unsafe { call(libc::SYS_pidfd_getfd, [process as usize, 0, 0, 0, 0, 0]) }.map(drop)
}

fn set_limit() -> io::Result<()> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live value of the right type; nothing is set.
    crate::sys::check(unsafe { libc::prlimit(FIRST, libc::RLIMIT_NOFILE, std::ptr::null(), &mut now) }.into())?;
    // SAFETY: as above, the other way round.
    crate::sys::check(unsafe { libc::prlimit(FIRST, libc::RLIMIT_NOFILE, &now, std::ptr::null_mut()) }.into()).map(drop)
}

fn set_scheduler() -> io::Result<()> {
    // SAFETY: a `sched_param` of zeroes is the one that the ordinary policy takes.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the right type.
    crate::sys::check(unsafe { libc::sched_setscheduler(FIRST, libc::SCHED_OTHER, &parameters) }.into()).map(drop)
}

fn set_affinity() -> io::Result<()> {
    // SAFETY: a set of zeroes is the empty one, to be overwritten.
    let mut own: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: the pointer is to a live value of the size given.
    crate::sys::check(unsafe { libc::sched_getaffinity(0, size, &mut own) }.into())?;
    // SAFETY: as above.
    crate::sys::check(unsafe { libc::sched_setaffinity(FIRST, size, &own) }.into()).map(drop)
}

/// Asks for the priority that everything has here.
fn set_priority(which: i32, who: usize) -> io::Result<()> {
    // SAFETY: takes plain integers.
    unsafe { call(libc::SYS_setpriority, [which as usize, who, 0, 0, 0, 0]) }.map(drop)
}
