//! What was measured, before anybody judges it.

/// How the first process of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// It exited by itself, with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// The agent died or fell silent while the step ran; nothing else of the ending is known.
    #[default]
    SandboxBroken,
}

/// The measurements of one step. Times are microseconds, sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunEvidence {
    pub ending: Ending,
    /// From the cgroup: everything the step started, less the agent's own share.
    pub cpu_time_us: u64,
    /// Monotonic, from exec to the end of the first process (or to the kill).
    pub wall_time_us: u64,
    /// How much of the wall time the host is behind: time in which the program could have run and had no CPU, or waited for
    /// its image's files, as far as that is counted out.
    pub host_wait_us: u64,
    pub memory_peak_bytes: u64,
    /// The agent ended it because it only read its own pages back into a full memory any more, which the kernel may let go on
    /// for minutes before it kills.
    pub thrashed: bool,
    /// The agent ended it because it held more locks on files than a program may, which are memory that no limit counts.
    pub too_many_locks: bool,
    /// How many processes the kernel killed for want of memory during the step.
    pub oom_kills: u64,
    /// Whether a runtime said that its own heap, smaller than the limit, ran out, and ended as it does then.
    pub heap_exhausted: bool,
    /// How much the program wrote, as far as the agent read: one byte over the limit where it was cut off.
    pub stdout_total_bytes: u64,
    pub stderr_total_bytes: u64,
    /// `None` when there was nothing to compare with.
    pub output_matches: Option<bool>,
}
