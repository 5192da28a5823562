//! What disturbed the measurement of a job: for a consumer who may want it judged again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What took time from the job's programs that wasn't theirs, as far as the kernel tells: what it doesn't tell is absent.
/// Times are milliseconds, rounded up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TimingReport {
    /// From before the first step to after the last: what `steal_ms` and `host_pressure` are of.
    pub span_ms: u64,
    /// How many CPUs `steal_ms` is of: those that the job's sandboxes were pinned to, else all of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u64>,
    /// Time that the hypervisor gave to other machines while one of these CPUs had something to run. In steps of 10 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steal_ms: Option<u64>,
    /// For how long the sandboxes had used up their share of CPU time and were stopped, all steps together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_ms: Option<u64>,
    /// In how many of the scheduler's periods (of 100 ms) that happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_periods: Option<u64>,
    /// How often the kernel took the CPU from one of the job's processes for somebody else, another of them included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub involuntary_switches: Option<u64>,
    /// For how long the programs could have run and had no CPU, all steps together. It isn't counted against their wall limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_wait_ms: Option<u64>,
    /// For how long they waited for files of their image, all steps together. It isn't counted against their wall limits,
    /// up to 30 s a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_wait_ms: Option<u64>,
    /// On the whole host, between the same two moments as `span_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_pressure: Option<PressureReport>,
    /// In the job's own sandboxes, all steps together. Only control groups of version 2 tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_pressure: Option<PressureReport>,
}

/// For how long at least one process waited for something (the kernel's pressure stall information, "some"), in
/// milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PressureReport {
    /// For a CPU that others had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// For memory that had to be freed or read back first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_ms: Option<u64>,
    /// For a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_ms: Option<u64>,
}

impl PressureReport {
    /// From microseconds; `None` when all three are unknown.
    pub fn of(cpu_us: Option<u64>, memory_us: Option<u64>, io_us: Option<u64>) -> Option<PressureReport> {
        let [cpu_ms, memory_ms, io_ms] = [cpu_us, memory_us, io_us].map(|time| time.map(|time| time.div_ceil(1_000)));
        let report = PressureReport { cpu_ms, memory_ms, io_ms };
        (report != PressureReport::default()).then_some(report)
    }
}
