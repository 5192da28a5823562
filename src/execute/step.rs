//! One step in a live sandbox: its command and limits in, evidence judged out.

use std::time::{Duration, Instant};

use super::Allowance;
use crate::capture::{CaptureBudget, Captured};
use crate::evidence::{Ending, RunEvidence};
use crate::language::HeapWatch;
use crate::limits::Limits;
use crate::plan::{Command, Plan, PlannedTest};
use crate::protocol::{Ended, Hindrance, Restore, Stdin, Step, StepEnding};
use crate::sandbox::{Broken, Resized, Sandbox, SandboxError, StepOutcome};
use crate::steps;
use crate::verdict::{Reason, Verdict, judge};

/// A step that was judged, and what of its output comes back.
#[derive(Debug, Clone)]
pub struct StepResult {
    pub verdict: Verdict,
    pub reason: Option<Reason>,
    pub evidence: RunEvidence,
    /// What kept it from running.
    pub hindrance: Hindrance,
    /// What the verdict leaves out, for a person.
    pub detail: Option<String>,
    pub stdout: Captured,
    pub stderr: Captured,
    /// Whether it was run for an earlier job, and not again.
    pub cached: bool,
}

impl StepResult {
    /// A test that `stop_on_failure` left out.
    pub(crate) fn skipped() -> StepResult {
        StepResult {
            verdict: Verdict::Skipped,
            reason: None,
            evidence: RunEvidence::default(),
            hindrance: Hindrance::default(),
            detail: None,
            stdout: Captured::default(),
            stderr: Captured::default(),
            cached: false,
        }
    }

    pub(super) fn not_run_after_breaking(sandboxes: u32) -> StepResult {
        StepResult {
            verdict: Verdict::RuntimeError,
            reason: Some(Reason::Sandbox),
            detail: Some(format!("not run: earlier tests of the job broke {sandboxes} sandboxes")),
            ..StepResult::skipped()
        }
    }

    /// What is left of the job's time might not suffice for it.
    pub(super) fn out_of_time(whole_ms: u64) -> StepResult {
        let detail = format!(
            "was not run: a whole job may take {} s, and what is left of them is less than its wall time limit",
            whole_ms as f64 / 1e3
        );
        StepResult { reason: Some(Reason::JobWall), detail: Some(detail), ..StepResult::skipped() }
    }

    /// Each of so many sandboxes broke for want of memory.
    pub(super) fn not_run_after_filling(sandboxes: u32) -> StepResult {
        StepResult {
            verdict: Verdict::MemoryLimit,
            detail: Some(format!("not run: earlier tests of the job filled the memory of {sandboxes} sandboxes")),
            ..StepResult::skipped()
        }
    }

    /// The job's files, or what an earlier step left of them, are more than this step may use altogether.
    pub(super) fn without_room() -> StepResult {
        StepResult {
            verdict: Verdict::MemoryLimit,
            evidence: RunEvidence { oom_kills: 1, ..RunEvidence::default() },
            detail: Some("had no room: the files that it was given take more memory than it may use".to_owned()),
            ..StepResult::skipped()
        }
    }

    pub(super) fn fail(&mut self, verdict: Verdict, reason: Reason, detail: &str) {
        self.verdict = verdict;
        self.reason = Some(reason);
        self.detail = Some(detail.to_owned());
    }
}

/// What a shell answers for a program that it could not find, or not run.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// The compile step of a job whose files had no room in its sandbox.
pub(super) fn compile_without_room() -> StepResult {
    StepResult { verdict: Verdict::CompileError, ..StepResult::without_room() }
}

/// The compile step. The flag says whether the sandbox is still good.
pub(super) async fn compile(
    sandbox: &mut Sandbox,
    command: &Command,
    allowance: &Allowance,
    budget: &mut CaptureBudget,
) -> Result<(StepResult, bool), SandboxError> {
    let (mut result, intact) = run(sandbox, command, Restore::No, &[], allowance, budget, &mut |_| {}).await?;
    if result.verdict != Verdict::Completed {
        result.verdict = Verdict::CompileError;
    }
    Ok((result, intact))
}

/// One test, in the workspace as it is or restored.
pub(super) async fn test(
    sandbox: &mut Sandbox,
    plan: &Plan,
    test: &PlannedTest,
    restore: Restore,
    allowance: &Allowance,
    budget: &mut CaptureBudget,
) -> Result<(StepResult, bool), SandboxError> {
    let mut comparison = test.expected_stdout.as_ref().map(|expected| plan.checker.compare(expected.clone()));
    let mut compare = |data: &[u8]| {
        if let Some(comparison) = &mut comparison {
            comparison.push(data);
        }
    };
    let (mut result, intact) =
        run(sandbox, &test.command, restore, &test.stdin, allowance, budget, &mut compare).await?;
    if let Some(comparison) = comparison {
        result.evidence.output_matches = Some(comparison.finish());
        (result.verdict, result.reason) = judge(&result.evidence, &test.command.limits);
    }
    Ok((result, intact))
}

async fn run(
    sandbox: &mut Sandbox,
    command: &Command,
    restore: Restore,
    stdin: &[u8],
    allowance: &Allowance,
    budget: &mut CaptureBudget,
    on_stdout: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(StepResult, bool), SandboxError> {
    let limits = &command.limits;
    match sandbox.resize(limits.memory_bytes, limits.processes).await? {
        Resized::Done => {}
        Resized::TooLittle => return Ok((StepResult::without_room(), true)),
        Resized::Broken(broken) => {
            let mut result = StepResult::skipped();
            result.evidence = without_agent(&broken);
            (result.verdict, result.reason) = judge(&result.evidence, limits);
            return Ok((result, false));
        }
    }
    steps::passed!("resized");
    let (mut stdout, mut stderr) = budget.next_step();
    let mut heap = HeapWatch::new(command.exhaustion.as_deref());
    let mut output = |is_stdout: bool, data: &[u8]| {
        if is_stdout {
            stdout.push(data);
            on_stdout(data);
        } else {
            stderr.push(data);
            heap.push(data);
        }
    };
    let request = request(command, restore, Stdin::Bytes(stdin.len() as u64), allowance);
    let began = Instant::now();
    let outcome = sandbox.run(request, stdin, &mut output).await?;
    let (stdout, stderr) = (stdout.finish(), stderr.finish());
    budget.spend(&stdout);
    budget.spend(&stderr);
    let (evidence, hindrance, detail, intact) = match outcome {
        StepOutcome::Ended(ended) => {
            steps::passed!("ended", ended.wall_time_us);
            let detail = match ended.ending {
                StepEnding::NotStarted(errno) => Some(not_started(command, errno)),
                _ => None,
            };
            (evidence(&ended, &heap, limits, allowance)?, ended.hindrance, detail, true)
        }
        StepOutcome::Broken(broken) => {
            allowance.spend_own(began.elapsed(), limits);
            let evidence = RunEvidence {
                stdout_total_bytes: stdout.total,
                stderr_total_bytes: stderr.total,
                ..without_agent(&broken)
            };
            (evidence, Hindrance::default(), None, false)
        }
    };
    let (verdict, reason) = judge(&evidence, limits);
    steps::passed!("judged");
    Ok((StepResult { verdict, reason, evidence, hindrance, detail, stdout, stderr, cached: false }, intact))
}

/// What is known when the agent died or fell silent.
pub(crate) fn without_agent(broken: &Broken) -> RunEvidence {
    RunEvidence { ending: Ending::SandboxBroken, oom_kills: u64::from(broken.oom), ..RunEvidence::default() }
}

/// The step as the agent is told it.
pub(crate) fn request(command: &Command, restore: Restore, stdin: Stdin, allowance: &Allowance) -> Step {
    let Limits { cpu_time_ms, wall_time_ms, output_bytes, file_size_bytes, open_files, .. } = command.limits;
    Step {
        argv: command.argv.iter().map(|argument| argument.clone().into_bytes()).collect(),
        env: command.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect(),
        stdin,
        restore,
        cpu_time_us: cpu_time_ms.saturating_mul(1_000),
        wall_time_us: wall_time_ms.saturating_mul(1_000),
        cpu_wait_us: allowance.cpu_wait_us(),
        file_wait_us: allowance.file_wait_us(),
        output_bytes,
        file_size_bytes,
        open_files,
        stack_bytes: command.stack_bytes,
    }
}

/// What the agent measured and the runtime said, in the words of judgement. What the program took, and what the host kept it
/// waiting, is taken off `allowance`.
///
/// # Errors
/// [`SandboxError::HostBusy`] when the step was ended for nothing else than that.
pub(crate) fn evidence(
    ended: &Ended,
    heap: &HeapWatch<'_>,
    limits: &Limits,
    allowance: &Allowance,
) -> Result<RunEvidence, SandboxError> {
    let ending = match ended.ending {
        StepEnding::Exited(code) => Ending::Exited(code),
        StepEnding::Signalled(signal) => Ending::Signalled(signal),
        StepEnding::NotStarted(libc::ENOENT | libc::ENOTDIR) => Ending::Exited(NOT_FOUND),
        StepEnding::NotStarted(_) => Ending::Exited(NOT_EXECUTABLE),
    };
    let evidence = RunEvidence {
        ending,
        cpu_time_us: ended.cpu_time_us,
        wall_time_us: ended.wall_time_us,
        host_wait_us: allowance.counted_us(&ended.hindrance),
        // The largest process's resident size counts pages of the image that others were charged for (overlay2 shares them).
        memory_peak_bytes: ended.memory_peak_bytes.min(limits.memory_bytes),
        thrashed: ended.thrashed,
        too_many_locks: ended.too_many_locks,
        oom_kills: ended.oom_kills,
        heap_exhausted: heap.exhausted(ending),
        stdout_total_bytes: ended.stdout_total_bytes,
        stderr_total_bytes: ended.stderr_total_bytes,
        output_matches: None,
    };
    let cpu_wait_us = ended.hindrance.cpu_wait_us.unwrap_or(0);
    let was_killed = evidence.ending == Ending::Signalled(libc::SIGKILL);
    if was_killed && cpu_wait_us > allowance.cpu_wait_us() && judge(&evidence, limits).1 == Some(Reason::Signal) {
        return Err(SandboxError::HostBusy(Duration::from_micros(cpu_wait_us)));
    }
    allowance.spend(evidence.host_wait_us);
    allowance.spend_own(Duration::from_micros(evidence.wall_time_us.saturating_sub(evidence.host_wait_us)), limits);
    Ok(evidence)
}

pub(crate) fn not_started(command: &Command, errno: i32) -> String {
    let program = command.argv.first().map_or("", String::as_str);
    format!("{program} could not be started: {}", std::io::Error::from_raw_os_error(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn killed(cpu_wait_us: u64) -> Ended {
        let hindrance = Hindrance { cpu_wait_us: Some(cpu_wait_us), ..Hindrance::default() };
        Ended { ending: StepEnding::Signalled(libc::SIGKILL), wall_time_us: cpu_wait_us, hindrance, ..Ended::default() }
    }

    #[test]
    fn no_more_memory_is_told_than_the_limit_that_held() {
        let limits = Limits::RUN;
        for (seen, told) in
            [(limits.memory_bytes - 1, limits.memory_bytes - 1), (limits.memory_bytes * 107 / 100, limits.memory_bytes)]
        {
            let ended = Ended { memory_peak_bytes: seen, ..Ended::default() };
            let allowance = Allowance::new(limits.wall_time_ms, limits.wall_time_ms);
            let found = evidence(&ended, &HeapWatch::new(None), &limits, &allowance).expect("it ended by itself");
            assert_eq!(found.memory_peak_bytes, told);
        }
    }

    #[test]
    fn a_program_that_the_host_kept_waiting_for_too_long_is_not_judged() {
        let limits = Limits::RUN;
        let allowance = || Allowance::new(limits.wall_time_ms, limits.wall_time_ms);
        let most_us = allowance().cpu_wait_us();
        let error = evidence(&killed(most_us + 1), &HeapWatch::new(None), &limits, &allowance())
            .expect_err("the host was too busy");
        assert!(matches!(error, SandboxError::HostBusy(_)), "{error}");

        // Up to there, a signal is a signal; and so is a limit that was passed.
        evidence(&killed(most_us), &HeapWatch::new(None), &limits, &allowance()).expect("it was killed by itself");
        let busy = Ended { cpu_time_us: limits.cpu_time_ms * 1_000 + 1, ..killed(most_us + 1) };
        evidence(&busy, &HeapWatch::new(None), &limits, &allowance()).expect("it used up its CPU time");
        let idle = Ended { wall_time_us: 2 * most_us + limits.wall_time_ms * 1_000, ..killed(most_us + 1) };
        evidence(&idle, &HeapWatch::new(None), &limits, &allowance()).expect("it waited by itself for too long, too");
        let through = Ended { ending: StepEnding::Exited(0), ..killed(most_us + 1) };
        evidence(&through, &HeapWatch::new(None), &limits, &allowance()).expect("it got through");
    }
}
