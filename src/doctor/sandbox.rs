//! What every sandbox is promised to be, judged on what a probe found inside one.
//!
//! [`judge`] is a list of checks; each takes the probe's facts and what was asked for, and knows nothing of engines. A
//! fact that is missing is never taken for a good one.

mod calls;
mod limits;
mod places;
mod privilege;
mod supervisor;

use std::ops::Range;

use super::facts::Facts;
use super::finding::{Area, Check, Finding};

pub use calls::{CALLS, NAMESPACES, NETWORK, SOCKETS};
pub use limits::{CPUS, MEMORY, PROCESSES, RESIZE, RLIMITS, SWAP};
pub use places::{DEVICES, KERNEL_FILES, MASKED, PLACES, ROOT};
pub use privilege::{CAPABILITIES, HOSTNAME, MODULE, NO_NEW_PRIVILEGES, SECCOMP, SEEN, USER};
pub use supervisor::{OOM_SCORE, SUPERVISOR};

const fn check(id: &'static str, promise: &'static str) -> Check {
    Check::new(Area::Sandbox, id, promise)
}

pub const START: Check = check("sandbox.start", "a sandbox starts, and its agent answers");
pub const SIGNALS: Check = check("sandbox.signals", "the agent can end a program");

pub const CHECKS: [Check; 26] = [
    START,
    SIGNALS,
    USER,
    CAPABILITIES,
    NO_NEW_PRIVILEGES,
    SECCOMP,
    CALLS,
    NAMESPACES,
    SOCKETS,
    NETWORK,
    MODULE,
    ROOT,
    PLACES,
    KERNEL_FILES,
    MASKED,
    DEVICES,
    SUPERVISOR,
    OOM_SCORE,
    SEEN,
    HOSTNAME,
    MEMORY,
    SWAP,
    PROCESSES,
    CPUS,
    RLIMITS,
    RESIZE,
];

/// What the sandbox was made with, and what is known of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub memory_bytes: u64,
    /// The limit on processes, the agent among them.
    pub processes: u64,
    /// Each writable place may have this much at most.
    pub disk_bytes: u64,
    pub inodes: u64,
    pub uids: Range<u32>,
    /// Whether the sandbox was to have a CPU of its own, rather than one CPU's worth of time.
    pub pinned: bool,
    pub host_kernel: String,
    pub host_swaps: bool,
    /// Whether the engine has AppArmor.
    pub apparmor: bool,
    /// Whether the engine puts containers into a user namespace.
    pub remapped: bool,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// No sandbox could be made.
    NotStarted(String),
    /// The agent may not signal the processes of its own container; in the agent's words.
    EndsNobody(String),
    /// One was made with a network, in which nothing is ever run.
    HasNetwork,
    /// The probe ended otherwise than it should.
    Silent(String),
    Told(Box<Told>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub facts: Facts,
    /// From the create call to the agent's answer.
    pub start_ms: u64,
    pub resized: Resize,
    /// What ended PID 1, if something did.
    pub end: Option<End>,
}

/// What PID 1 ended of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Of SIGKILL, sent by a program.
    Signal,
    /// While or after the probe ran, in the engine's or the agent's words.
    Probe(String),
}

/// What came of setting other limits on the live sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resize {
    /// What a second probe saw, and what was asked for: memory in bytes, and processes.
    Done {
        facts: Facts,
        memory_bytes: u64,
        processes: u64,
    },
    /// PID 1 was gone by then.
    NotTried,
    /// The runtime has no such operation.
    Unsupported,
    Failed(String),
}

pub fn judge(probe: &Probe, asked: &Asked) -> Vec<Finding> {
    let rest = "the other promises could not be looked at";
    let told = match probe {
        Probe::Told(told) => told,
        Probe::HasNetwork => {
            return vec![NETWORK.broken(
                format!("there is an interface beside the loopback; nothing was run, so {rest}"),
                "a sandbox has no network at all: see what else changes containers on this engine (a plugin, an authorization \
                 proxy, the runtime's own configuration)",
            )];
        }
        Probe::EndsNobody(reason) => {
            return vec![SIGNALS.broken(
                format!("{reason}; {rest}"),
                "no job can run here. Under AppArmor, the container's profile allows signals only between processes of its own \
                 name; a profile for the runtime's program (/etc/apparmor.d/crun, runc) gives them another. Take it out: \
                 ln -s /etc/apparmor.d/crun /etc/apparmor.d/disable/ and apparmor_parser --remove /etc/apparmor.d/crun",
            )];
        }
        Probe::NotStarted(reason) => {
            return vec![START.broken(
                format!("{reason}; {rest}"),
                "no job can run here: see the engine's log (journalctl -u docker) and, with a runtime other than runc, whether \
                 it starts any container (docker run --runtime NAME)",
            )];
        }
        Probe::Silent(reason) => {
            return vec![START.broken(
                format!("the probe told nothing: {reason}; {rest}"),
                "programs don't run as they should: try caisson run with a program that prints something",
            )];
        }
    };
    let Told { facts, start_ms, resized, end } = told.as_ref();
    let view = View { facts, asked };
    let mut findings = vec![
        START.good(format!("in {start_ms} ms")),
        SIGNALS.good("it ended a process of its own"),
        privilege::user(view),
        privilege::capabilities(view),
        privilege::no_new_privileges(view),
        privilege::seccomp(view),
        calls::calls(view),
        calls::namespaces(view),
        calls::sockets(view),
        calls::network(view),
        privilege::module(view),
        places::root(view),
        places::places(view),
        places::kernel_files(view),
        places::masked(view),
        places::devices(view),
        supervisor::reach(view, end.as_ref()),
        supervisor::oom_score(view),
        privilege::seen(view),
        privilege::hostname(view),
        limits::memory(view),
        limits::swap(view),
        limits::processes(view),
        limits::cpus(view),
        limits::rlimits(view),
    ];
    findings.extend(limits::resize(resized));
    findings
}

/// What a check looks at.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    facts: &'a Facts,
    asked: &'a Asked,
}

impl View<'_> {
    /// Whether the sandbox has a kernel of its own, as gVisor's and Kata's have: the host's files aren't in it then, and
    /// limits are held outside of it.
    fn has_own_kernel(&self) -> bool {
        self.facts.one("kernel").is_some_and(|kernel| kernel != self.asked.host_kernel)
    }

    /// For a fact that isn't there: harmless where the sandbox has a kernel of its own, which may not have the thing.
    fn unseen(&self, check: &Check, what: &str) -> Finding {
        if self.has_own_kernel() {
            return check.note(
                format!("{what} can't be seen in a sandbox with a kernel of its own"),
                "the runtime holds it from outside; its own documentation says how far",
            );
        }
        check.warning(
            format!("the probe could not see {what}"),
            "it can't be told whether the promise holds: look at a container by hand (caisson run --keep), and report it",
        )
    }
}

/// Of a group of attempts those that went through: `name (errno)` where the kernel answered, `name` where it obeyed.
/// `None` when nothing was tried.
fn let_through(facts: &Facts, prefix: &str, is_refusal: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let mut tried = facts.group(prefix).peekable();
    tried.peek()?;
    Some(
        tried
            .filter(|(_, outcome)| !outcome.strip_prefix("refused ").is_some_and(&is_refusal))
            .map(|(name, outcome)| match outcome.strip_prefix("refused ") {
                Some(errno) => format!("{name} ({errno})"),
                None => name.to_owned(),
            })
            .collect(),
    )
}

/// The answers of a filter and of a kernel that doesn't have the call. Others come from a kernel that looked at the
/// call's arguments.
fn is_refused(errno: &str) -> bool {
    matches!(errno, "EPERM" | "EACCES" | "ENOSYS")
}

#[cfg(test)]
#[path = "sandbox/tests.rs"]
mod tests;
