//! The outgoing message: what a consumer reads about one execution of one job.

pub mod cut;
mod stream;
mod timing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::Limits;
use crate::trace::Trace;
use crate::verdict::{Reason, Verdict};

pub use cut::to_message;
pub use stream::Stream;
pub use timing::{PressureReport, TimingReport};

/// The version of both messages that this build speaks.
pub const CONTRACT_VERSION: u64 = 1;

/// A result as a queue takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageBody {
    pub text: String,
    /// Bytes of the result, where the text is only a pointer to it.
    pub payload_bytes: Option<u64>,
}

impl MessageBody {
    /// The result itself.
    pub fn of(text: String) -> MessageBody {
        MessageBody { text, payload_bytes: None }
    }
}

/// The result of a job. The expected output is never in it, nor anything that shows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The contract's version, 1.
    pub version: u64,
    /// The job's id as the producer gave it; null when the message could not be read so far. Consumers drop duplicates by it.
    pub job_id: Option<String>,
    /// A fresh UUID for each execution: two results with one `job_id` and two `execution_id`s are two executions.
    pub execution_id: String,
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// One sentence for a person.
    pub detail: String,
    /// Sum of the `points` of accepted tests; absent when no test has points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The compile step, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile: Option<StepReport>,
    /// The tests in the job's order; a job without `tests` has one, with the id "1".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestReport>,
    /// The limits in force; absent when the job was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsReport>,
    /// How often the queue had handed out the message by then (its receive count); 1 without a queue.
    pub attempt: u64,
    /// Whether the message had been handed out before.
    pub redelivered: bool,
    /// Whether the message was certainly still ours when the result was published.
    pub lease: Lease,
    /// The queue's id of the incoming message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Who sent the incoming message, as SQS knows them (its `SenderId`): the id of an IAM user, or of a role with `:` and the
    /// session's name. Whoever may send jobs can give any `job_id`, and can't choose this. Absent without a queue, and where the
    /// queue doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The trace that the message belonged to, 32 hexadecimal digits; absent when it named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The trace as it goes on from here, for the attributes of the result's message.
    #[serde(skip)]
    pub trace: Trace,
    pub worker: WorkerReport,
    /// The image the job ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReport>,
    /// What confined the job; absent when it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxReport>,
    /// What disturbed its measurement; absent when it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<TimingReport>,
    pub timeline: Timeline,
    /// As the producer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub metadata: Option<Box<RawValue>>,
}

impl Report {
    /// Bytes of all streams that are kept in it.
    pub fn stream_bytes(&self) -> usize {
        let steps = self.compile.iter().chain(self.tests.iter().map(|test| &test.step));
        let streams = steps.flat_map(|step| [&step.stdout, &step.stdout_base64, &step.stderr, &step.stderr_base64]);
        streams.flatten().map(String::len).sum()
    }
}

/// One step as it was measured. Streams come as `stdout` when valid UTF-8, else as `stdout_base64`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// CPU time of everything the step started, in milliseconds, rounded up.
    pub cpu_time_ms: u64,
    /// Elapsed time in milliseconds, rounded up.
    pub wall_time_ms: u64,
    /// How much of `wall_time_ms` the host kept the program waiting for a CPU or for files of its image, in milliseconds,
    /// rounded up. It isn't counted against the wall limit. Absent when it was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_wait_ms: Option<u64>,
    pub memory_peak_bytes: u64,
    /// For how long the step was stopped for having used up its share of CPU time, in milliseconds, rounded up; absent when
    /// it wasn't, or when the kernel doesn't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    /// How much the program wrote, as far as it was read.
    pub stdout_total_bytes: u64,
    pub stdout_truncated: bool,
    /// The SHA-256 of everything that was read of it, where the result has less: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    pub stderr_total_bytes: u64,
    pub stderr_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_sha256: Option<String>,
    /// Of a compile step, `true` where an earlier job's was taken for it: all figures are those of that time. Absent
    /// otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// One test: its id, and the step. A skipped test has no step.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TestReport {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<f64>,
    #[serde(flatten)]
    pub step: StepReport,
}

/// The limits a job ran under. A test with limits of its own is reported in its `tests` entry's figures only.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct LimitsReport {
    pub run: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile: Option<Limits>,
}

/// Whether the message was still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lease {
    /// Held without a gap.
    Held,
    /// A heartbeat was late or refused: another worker may answer the same job.
    Uncertain,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WorkerReport {
    pub id: String,
    /// Caisson's version.
    pub version: String,
    pub host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageReport {
    pub reference: String,
    /// The engine's id of the image's content.
    pub digest: String,
}

/// What confined a job: two results with equal values here were made under equal conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxReport {
    /// A hash of everything in the container's configuration that confines and is the same for all jobs, and of the agent.
    pub profile: String,
    /// The engine's runtime, where the operator named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The kernel's Landlock ABI that programs were put under; 0 without.
    pub landlock: u8,
    /// The version of the cgroup hierarchy that measured, 1 or 2.
    pub cgroup: u8,
    /// Whether the job had CPUs of its own.
    pub pinned: bool,
}

/// When things happened (RFC 3339, UTC) and how long they took (milliseconds, monotonic).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// When the producer's message entered the queue, by the queue's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    pub received: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    pub finished: String,
    /// From sent to received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// From received until the sandbox was ready for the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile_ms: Option<u64>,
    /// All tests together, with what lies between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<u64>,
}
