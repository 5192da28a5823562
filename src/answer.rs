//! Every way a job can be answered, as the message that says so.
//!
//! Here a judged execution, a rejection or an expiry becomes a [`Report`]; sentences for people are in [`detail`].

mod detail;
mod timing;

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::evidence::Ending;
use crate::execute::{Execution, StepResult, TestResult};
use crate::job::{InvalidJob, Job, Rejection};
use crate::limits::Limits;
use crate::plan::Plan;
use crate::points;
use crate::protocol::MOST_LOCKS;
use crate::report::{
    CONTRACT_VERSION, Lease, LimitsReport, Report, StepReport, Stream, TestReport, Timeline, WorkerReport,
};
use crate::trace::Trace;
use crate::verdict::{Reason, Verdict, overall};

/// What is known of a job before anything of it has run.
#[derive(Debug, Clone)]
pub struct Request {
    pub job_id: Option<String>,
    pub metadata: Option<Box<RawValue>>,
    pub execution_id: String,
    pub origin: Origin,
    started: Option<jiff::Timestamp>,
}

/// Where the job came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The queue's id of the message; `None` without a queue.
    pub message_id: Option<String>,
    /// The queue's receive count; 1 without a queue.
    pub attempt: u64,
    pub sent: Option<jiff::Timestamp>,
    /// Who sent its message, as the queue says.
    pub sender: Option<String>,
    /// The trace that its message belongs to.
    pub trace: Trace,
    received: jiff::Timestamp,
    received_at: Instant,
}

impl Origin {
    pub fn now(message_id: Option<String>, attempt: u64, sent: Option<jiff::Timestamp>) -> Origin {
        let (received, received_at) = (jiff::Timestamp::now(), Instant::now());
        Origin { message_id, attempt, sent, sender: None, trace: Trace::default(), received, received_at }
    }

    #[must_use]
    pub fn in_trace(self, trace: &Trace) -> Origin {
        Origin { trace: trace.clone(), ..self }
    }

    #[must_use]
    pub fn sent_by(self, sender: Option<String>) -> Origin {
        Origin { sender, ..self }
    }
}

impl Request {
    pub fn of(job: &Job, origin: Origin) -> Request {
        Request::new(Some(job.id.clone()), job.metadata.clone(), origin)
    }

    /// A message that is no job, with what could be read of it.
    pub fn of_invalid(invalid: &InvalidJob, origin: Origin) -> Request {
        Request::new(invalid.job_id.clone(), invalid.metadata.clone(), origin)
    }

    /// A message whose body could not be read.
    pub fn of_unread(origin: Origin) -> Request {
        Request::new(None, None, origin)
    }

    fn new(job_id: Option<String>, metadata: Option<Box<RawValue>>, origin: Origin) -> Request {
        let execution_id = uuid::Uuid::new_v4().to_string();
        Request { job_id, metadata, execution_id, origin, started: None }
    }

    /// Notes that its programs begin to run.
    pub fn start(&mut self) {
        self.started = Some(jiff::Timestamp::now());
    }

    /// The answer to a bad job.
    pub fn rejected(self, rejection: &Rejection, worker: &WorkerReport) -> Report {
        self.bare(Verdict::Rejected, rejection.to_string(), worker)
    }

    /// The answer to a job that came too late.
    pub fn expired(self, expires_at: jiff::Timestamp, worker: &WorkerReport) -> Report {
        let detail = format!("the job was to be run before {expires_at}");
        self.bare(Verdict::Expired, detail, worker)
    }

    /// The answer to a job that we could not run and won't try again.
    pub fn internal_error(self, reason: &str, worker: &WorkerReport) -> Report {
        let detail = format!("Caisson could not run the job: {reason}");
        self.bare(Verdict::InternalError, detail, worker)
    }

    /// The answer to a job that was run.
    pub fn executed(self, plan: &Plan, execution: Execution, worker: &WorkerReport) -> Report {
        let failed = execution.compile.as_ref().filter(|compile| compile.verdict == Verdict::CompileError);
        let (verdict, reason, detail) = match failed {
            Some(compile) => (Verdict::CompileError, compile.reason, detail::compile(compile, plan)),
            None => {
                let verdict = overall(execution.tests.iter().map(|test| test.step.verdict));
                let decisive = execution.tests.iter().find(|test| test.step.verdict == verdict);
                let reason = decisive.and_then(|test| test.step.reason);
                (verdict, reason, detail::tests(verdict, &execution.tests, plan))
            }
        };
        let score = score(&execution.tests);
        let timing = execution.timing;
        let has_run = failed.is_none();
        let mut report = self.bare(verdict, detail, worker);
        report.reason = reason;
        report.score = score;
        report.limits =
            Some(LimitsReport { run: plan.run_limits, compile: plan.compile.as_ref().map(|command| command.limits) });
        report.image = Some(execution.image);
        report.sandbox = Some(execution.sandbox);
        report.timing = timing::report(
            execution.host,
            execution.compile.iter().chain(execution.tests.iter().map(|test| &test.step)),
        );
        report.timeline.prepare_ms = Some(milliseconds(timing.prepare));
        report.timeline.compile_ms = timing.compile.map(milliseconds);
        report.timeline.run_ms = has_run.then(|| milliseconds(timing.run));
        report.compile = execution.compile.map(step_report);
        report.tests = execution.tests.into_iter().map(test_report).collect();
        report
    }

    fn bare(self, verdict: Verdict, detail: String, worker: &WorkerReport) -> Report {
        let Origin { message_id, attempt, sent, sender, trace, received, received_at } = self.origin;
        let finished = received + received_at.elapsed();
        Report {
            version: CONTRACT_VERSION,
            trace_id: trace.id().map(str::to_owned),
            trace: trace.continued(&self.execution_id),
            job_id: self.job_id,
            execution_id: self.execution_id,
            verdict,
            reason: None,
            detail,
            score: None,
            compile: None,
            tests: Vec::new(),
            limits: None,
            attempt,
            redelivered: attempt > 1,
            lease: Lease::Held,
            message_id,
            sender,
            worker: worker.clone(),
            image: None,
            sandbox: None,
            timing: None,
            timeline: Timeline {
                sent: sent.map(|sent| rfc3339(&sent)),
                received: rfc3339(&received),
                started: self.started.map(|started| rfc3339(&started)),
                finished: rfc3339(&finished),
                // The queue's clock and ours may differ; a negative wait is none.
                queue_ms: sent
                    .map(|sent| u64::try_from(received.as_millisecond() - sent.as_millisecond()).unwrap_or(0)),
                ..Timeline::default()
            },
            metadata: self.metadata,
        }
    }
}

/// `None` when no test has points.
fn score(tests: &[TestResult]) -> Option<f64> {
    tests.iter().any(|test| test.points.is_some()).then(|| {
        points::sum(tests.iter().filter(|test| test.step.verdict == Verdict::Accepted).filter_map(|test| test.points))
    })
}

fn test_report(test: TestResult) -> TestReport {
    TestReport { id: test.id, group: test.group, points: test.points, step: step_report(test.step) }
}

fn step_report(step: StepResult) -> StepReport {
    let (stdout, stderr) = (Stream::from(step.stdout), Stream::from(step.stderr));
    let not_run = step.verdict == Verdict::Skipped;
    let (exit_code, signal) = match step.evidence.ending {
        Ending::Exited(code) => (Some(code), None),
        Ending::Signalled(signal) => (None, Some(signal)),
        Ending::SandboxBroken => (None, None),
    };
    StepReport {
        verdict: step.verdict,
        reason: step.reason,
        exit_code: exit_code.filter(|_| !not_run),
        signal,
        cpu_time_ms: step.evidence.cpu_time_us.div_ceil(1_000),
        wall_time_ms: step.evidence.wall_time_us.div_ceil(1_000),
        host_wait_ms: milliseconds_of(step.evidence.host_wait_us),
        memory_peak_bytes: step.evidence.memory_peak_bytes,
        throttled_ms: step.hindrance.throttled_us.and_then(milliseconds_of),
        stdout: stdout.text,
        stdout_base64: stdout.base64,
        stdout_total_bytes: step.evidence.stdout_total_bytes,
        stdout_truncated: stdout.truncated,
        stdout_sha256: stdout.sha256.map(|sha256| sha256.to_string()),
        stderr: stderr.text,
        stderr_base64: stderr.base64,
        stderr_total_bytes: step.evidence.stderr_total_bytes,
        stderr_truncated: stderr.truncated,
        stderr_sha256: stderr.sha256.map(|sha256| sha256.to_string()),
        cached: step.cached,
    }
}

/// `None` for nothing.
fn milliseconds_of(us: u64) -> Option<u64> {
    (us > 0).then(|| us.div_ceil(1_000))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// UTC with milliseconds.
fn rfc3339(timestamp: &jiff::Timestamp) -> String {
    format!("{timestamp:.3}")
}

/// The part of a sentence that follows "the program": what it did, under these limits.
pub fn sentence(step: &StepResult, limits: &Limits) -> String {
    let evidence = &step.evidence;
    let seconds = |microseconds: u64| microseconds as f64 / 1e6;
    if let Some(detail) = &step.detail {
        return detail.clone();
    }
    match (step.reason, evidence.ending) {
        (Some(Reason::Cpu), _) => format!(
            "used {:.2} s of CPU time, the limit is {:.2} s",
            seconds(evidence.cpu_time_us),
            limits.cpu_time_ms as f64 / 1e3
        ),
        (Some(Reason::Wall), _) => format!(
            "ran for {:.2} s (with {:.2} s of CPU time), the limit is {:.2} s",
            seconds(evidence.wall_time_us.saturating_sub(evidence.host_wait_us)),
            seconds(evidence.cpu_time_us),
            limits.wall_time_ms as f64 / 1e3
        ),
        (_, _) if evidence.too_many_locks => {
            format!("held more than {MOST_LOCKS} locks on files, which are memory that no limit counts")
        }
        (_, _) if evidence.oom_kills > 0 || evidence.thrashed || evidence.heap_exhausted => {
            format!("needed more than its {} MiB of memory", limits.memory_bytes >> 20)
        }
        (_, _) if evidence.stdout_total_bytes > limits.output_bytes => {
            format!("printed more than {} bytes to stdout", limits.output_bytes)
        }
        (_, _) if evidence.stderr_total_bytes > limits.output_bytes => {
            format!("printed more than {} bytes to stderr", limits.output_bytes)
        }
        (Some(Reason::Signal), Ending::Signalled(signal)) => format!("was ended by {}", detail::signal_name(signal)),
        (_, Ending::Exited(code)) if code != 0 => format!("ended with exit code {code}"),
        (_, Ending::SandboxBroken) => "broke its sandbox".to_owned(),
        _ => "printed something else than expected".to_owned(),
    }
}
