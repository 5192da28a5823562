//! What a step may use, and who decides: the job asks, the operator's policy answers.
//!
//! Nothing ever means "unlimited": zero, negative and fractional numbers are refused when the job is read, and what is
//! above the operator's maximum is refused or clamped here, as the policy says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rejection::Rejection;

/// The limits in force for one step. All are upper bounds and none is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU time of everything the step started, in milliseconds, from the cgroup.
    pub cpu_time_ms: u64,
    /// Elapsed time on the monotonic clock, in milliseconds.
    pub wall_time_ms: u64,
    /// Memory of the cgroup in bytes, tmpfs and page tables included; swap adds nothing to it.
    pub memory_bytes: u64,
    /// Processes and threads alive at the same time.
    pub processes: u64,
    /// Bytes of each output stream; past it reading stops and the step is killed.
    pub output_bytes: u64,
    /// Size of one written file in bytes (`RLIMIT_FSIZE`).
    pub file_size_bytes: u64,
    /// Open descriptors of one process (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Stack of one process in bytes (`RLIMIT_STACK`).
    pub stack_bytes: u64,
    /// Capacity of each writable directory in bytes (a tmpfs, so it counts as memory too).
    pub disk_bytes: u64,
}

/// Limits as a job, a test or a language asks for them: what is absent falls back to a default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsRequest {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub cpu_time_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub wall_time_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub processes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub output_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub file_size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub open_files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub stack_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::whole::optional")]
    pub disk_bytes: Option<u64>,
}

/// The nine limits by name, with how to reach each; the one list that loops over limits use.
#[derive(Debug)]
pub struct LimitField {
    pub name: &'static str,
    /// The least value that makes sense, refused below it.
    pub minimum: u64,
    pub get: fn(&Limits) -> u64,
    pub set: fn(&mut Limits, u64),
    pub requested: fn(&LimitsRequest) -> Option<u64>,
    pub request: fn(&mut LimitsRequest, u64),
}

macro_rules! limit_field {
    ($name:ident, $minimum:expr) => {
        LimitField {
            name: stringify!($name),
            minimum: $minimum,
            get: |limits| limits.$name,
            set: |limits, value| limits.$name = value,
            requested: |request| request.$name,
            request: |request, value| request.$name = Some(value),
        }
    };
}

/// Every limit, in the order of the documentation.
///
/// The least memory is what the agent and a small static program need to start (measured: about 1.5 MiB with a page of
/// slack for each of the runtime's helpers); the engine itself refuses less than 6 MiB.
pub const LIMIT_FIELDS: [LimitField; 9] = [
    limit_field!(cpu_time_ms, 1),
    limit_field!(wall_time_ms, 1),
    limit_field!(memory_bytes, 8 << 20),
    limit_field!(processes, 1),
    limit_field!(output_bytes, 1),
    limit_field!(file_size_bytes, 1),
    limit_field!(open_files, 4),
    limit_field!(stack_bytes, 64 << 10),
    limit_field!(disk_bytes, 4 << 10),
];

/// What to do with a request above the operator's maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AboveMaximum {
    /// The job is answered `rejected`.
    Refuse,
    /// The maximum is taken instead; the result's `limits` say so.
    Clamp,
}

/// The operator's word on limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsPolicy {
    /// Defaults for a run.
    pub run: Limits,
    /// Defaults for a compile step.
    pub compile: Limits,
    /// Nothing above these, for either kind of step.
    pub maximum: Limits,
    pub above_maximum: AboveMaximum,
}

/// The default wall time for a CPU time: idle programs end soon, and a busy host doesn't end a busy one.
/// Three times the CPU time is the factor other judges use (DMOJ's tracer); the two seconds are for short limits.
pub fn default_wall_time_ms(cpu_time_ms: u64) -> u64 {
    cpu_time_ms.saturating_mul(3).max(cpu_time_ms.saturating_add(2_000))
}

const MIB: u64 = 1 << 20;

impl Limits {
    /// The contract's defaults for a run.
    pub const RUN: Limits = Limits {
        cpu_time_ms: 2_000,
        wall_time_ms: 6_000,
        memory_bytes: 256 * MIB,
        processes: 64,
        output_bytes: 16 * MIB,
        file_size_bytes: 64 * MIB,
        open_files: 256,
        stack_bytes: 256 * MIB,
        disk_bytes: 64 * MIB,
    };

    /// The contract's defaults for a compile step.
    pub const COMPILE: Limits =
        Limits { cpu_time_ms: 10_000, wall_time_ms: 30_000, memory_bytes: 512 * MIB, stack_bytes: 512 * MIB, ..Limits::RUN };

    /// The default maxima: what one job may ask of a worker.
    pub const MAXIMUM: Limits = Limits {
        cpu_time_ms: 60_000,
        wall_time_ms: 300_000,
        memory_bytes: 1_024 * MIB,
        processes: 256,
        output_bytes: 64 * MIB,
        file_size_bytes: 256 * MIB,
        open_files: 1_024,
        stack_bytes: 1_024 * MIB,
        disk_bytes: 256 * MIB,
    };
}

impl Limits {
    /// The two limits that are the container's own: memory in bytes, and processes.
    pub fn container_size(&self) -> (u64, u64) {
        (self.memory_bytes, self.processes)
    }
}

impl LimitsRequest {
    /// Takes `self`'s values where they are given, `fallback`'s elsewhere.
    pub fn or(&self, fallback: &LimitsRequest) -> LimitsRequest {
        let mut merged = *fallback;
        for field in &LIMIT_FIELDS {
            if let Some(value) = (field.requested)(self) {
                (field.request)(&mut merged, value);
            }
        }
        merged
    }

    /// Resolves the request against defaults and maxima.
    ///
    /// A wall time that is not given follows the CPU time that is, and a stack that is not given follows the memory;
    /// such derived values, and defaults, are quietly kept under the maximum.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field (prefixed with `at`) when a value is below its minimum, or above the maximum
    /// where the policy refuses that.
    pub fn resolve(&self, defaults: &Limits, policy: &LimitsPolicy, at: &str) -> Result<Limits, Rejection> {
        let mut limits = *defaults;
        for field in &LIMIT_FIELDS {
            let maximum = (field.get)(&policy.maximum);
            let value = match (field.requested)(self) {
                None => (field.get)(&limits).min(maximum),
                Some(value) if value < field.minimum => {
                    return Err(Rejection::new(format!("{at}.{}", field.name), format!("must be at least {}, is {value}", field.minimum)));
                }
                Some(value) if value > maximum => match policy.above_maximum {
                    AboveMaximum::Clamp => maximum,
                    AboveMaximum::Refuse => {
                        return Err(Rejection::new(
                            format!("{at}.{}", field.name),
                            format!("must be at most {maximum} (this operator's maximum), is {value}"),
                        ));
                    }
                },
                Some(value) => value,
            };
            (field.set)(&mut limits, value);
        }
        if self.wall_time_ms.is_none() && self.cpu_time_ms.is_some() {
            limits.wall_time_ms = default_wall_time_ms(limits.cpu_time_ms).min(policy.maximum.wall_time_ms);
        }
        if self.stack_bytes.is_none() && self.memory_bytes.is_some() {
            limits.stack_bytes = limits.memory_bytes.min(policy.maximum.stack_bytes);
        }
        Ok(limits)
    }
}
