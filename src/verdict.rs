//! The judgement: the words a result can say, and the one place that decides among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::{Ending, RunEvidence};
use crate::limits::Limits;

/// What a result says of a job, or of one test of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Ran within every limit, exit code 0, output right.
    Accepted,
    /// Ran within every limit, exit code 0, and there was nothing to compare.
    Completed,
    /// Ran within every limit, exit code 0, output differs.
    WrongAnswer,
    /// The exit code was not 0, a signal ended the program, or it broke its own sandbox.
    RuntimeError,
    /// The CPU time or the wall time was used up.
    TimeLimit,
    /// The kernel killed something of the step for want of memory, or would have in the end, or a runtime's own heap, which
    /// fits into the limit, ran out.
    MemoryLimit,
    /// A stream grew over `output_bytes`.
    OutputLimit,
    /// The compile step failed, whatever the way; its own evidence says how.
    CompileError,
    /// Not run: an earlier test failed and the job said `stop_on_failure`; or, with a reason, the time that a whole job may
    /// take is used up but for less than this test may need.
    Skipped,
    /// The job itself is bad; `detail` names the field and the reason.
    Rejected,
    /// The job came too late: past `expires_at`.
    Expired,
    /// Caisson failed, and this was the last attempt; never a judgement on the program.
    InternalError,
}

/// Whose doing a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    Program,
    Job,
    Caisson,
    Nobody,
}

impl Verdict {
    pub const ALL: [Verdict; 12] = [
        Verdict::Accepted,
        Verdict::Completed,
        Verdict::WrongAnswer,
        Verdict::RuntimeError,
        Verdict::TimeLimit,
        Verdict::MemoryLimit,
        Verdict::OutputLimit,
        Verdict::CompileError,
        Verdict::Skipped,
        Verdict::Rejected,
        Verdict::Expired,
        Verdict::InternalError,
    ];

    /// The word used in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Completed => "completed",
            Verdict::WrongAnswer => "wrong_answer",
            Verdict::RuntimeError => "runtime_error",
            Verdict::TimeLimit => "time_limit",
            Verdict::MemoryLimit => "memory_limit",
            Verdict::OutputLimit => "output_limit",
            Verdict::CompileError => "compile_error",
            Verdict::Skipped => "skipped",
            Verdict::Rejected => "rejected",
            Verdict::Expired => "expired",
            Verdict::InternalError => "internal_error",
        }
    }

    pub fn blame(self) -> Blame {
        match self {
            Verdict::Accepted | Verdict::Completed | Verdict::Skipped => Blame::Nobody,
            Verdict::WrongAnswer
            | Verdict::RuntimeError
            | Verdict::TimeLimit
            | Verdict::MemoryLimit
            | Verdict::OutputLimit
            | Verdict::CompileError => Blame::Program,
            Verdict::Rejected | Verdict::Expired => Blame::Job,
            Verdict::InternalError => Blame::Caisson,
        }
    }

    /// Whether a test with this verdict lets the job go on under `stop_on_failure`.
    pub fn is_success(self) -> bool {
        matches!(self, Verdict::Accepted | Verdict::Completed)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Which of a verdict's several causes it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// `time_limit`: the CPU time was used up.
    Cpu,
    /// `time_limit`: the wall time was used up while CPU time was left.
    Wall,
    /// `runtime_error`: the exit code was not 0.
    ExitCode,
    /// `runtime_error`: a signal ended the program.
    Signal,
    /// `runtime_error`: the program broke its own sandbox, so that its supervisor died or fell silent.
    Sandbox,
    /// `skipped`: what the operator lets a whole job take of wall time was used up by the steps before.
    JobWall,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Cpu => "cpu",
            Reason::Wall => "wall",
            Reason::ExitCode => "exit_code",
            Reason::Signal => "signal",
            Reason::Sandbox => "sandbox",
            Reason::JobWall => "job_wall",
        }
    }
}

/// Judges one step from what was measured.
///
/// The precedence is `memory_limit`, `time_limit`, `output_limit`, `runtime_error`, `wrong_answer`. Every figure is
/// compared with its limit again after the step ended, so it doesn't matter who noticed first.
pub fn judge(evidence: &RunEvidence, limits: &Limits) -> (Verdict, Option<Reason>) {
    // A program that goes on where a thread of it ran out of heap, and is right all the same, has done its work.
    let has_succeeded = evidence.ending == Ending::Exited(0) && evidence.output_matches != Some(false);
    let is_full = evidence.oom_kills > 0 || evidence.thrashed || evidence.too_many_locks;
    if is_full || (evidence.heap_exhausted && !has_succeeded) {
        return (Verdict::MemoryLimit, None);
    }
    if evidence.cpu_time_us > limits.cpu_time_ms.saturating_mul(1_000) {
        return (Verdict::TimeLimit, Some(Reason::Cpu));
    }
    if evidence.wall_time_us.saturating_sub(evidence.host_wait_us) > limits.wall_time_ms.saturating_mul(1_000) {
        return (Verdict::TimeLimit, Some(Reason::Wall));
    }
    if evidence.stdout_total_bytes > limits.output_bytes || evidence.stderr_total_bytes > limits.output_bytes {
        return (Verdict::OutputLimit, None);
    }
    match evidence.ending {
        Ending::SandboxBroken => (Verdict::RuntimeError, Some(Reason::Sandbox)),
        Ending::Signalled(_) => (Verdict::RuntimeError, Some(Reason::Signal)),
        Ending::Exited(code) if code != 0 => (Verdict::RuntimeError, Some(Reason::ExitCode)),
        Ending::Exited(_) => match evidence.output_matches {
            None => (Verdict::Completed, None),
            Some(true) => (Verdict::Accepted, None),
            Some(false) => (Verdict::WrongAnswer, None),
        },
    }
}

/// The verdict on the whole job: that of the first test that is neither `accepted` nor `completed`; with none such,
/// `accepted` if anything was compared, else `completed`.
pub fn overall(tests: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut overall = Verdict::Completed;
    for verdict in tests {
        match verdict {
            Verdict::Completed => {}
            Verdict::Accepted => overall = Verdict::Accepted,
            failure => return failure,
        }
    }
    overall
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> RunEvidence {
        RunEvidence { ending: Ending::Exited(0), ..RunEvidence::default() }
    }

    /// Every combination of the seven findings, against the precedence written as a list.
    #[test]
    fn the_precedence_holds_in_every_combination() {
        let limits = Limits::RUN;
        for bits in 0..128u32 {
            let has = |bit: u32| bits & (1 << bit) != 0;
            let mut evidence = evidence();
            evidence.output_matches = Some(!has(0));
            if has(1) {
                evidence.ending = Ending::Exited(3);
            }
            if has(2) {
                evidence.ending = Ending::Signalled(11);
            }
            if has(3) {
                evidence.stderr_total_bytes = limits.output_bytes + 1;
            }
            if has(4) {
                evidence.wall_time_us = limits.wall_time_ms * 1_000 + 1;
            }
            if has(5) {
                evidence.cpu_time_us = limits.cpu_time_ms * 1_000 + 1;
            }
            if has(6) {
                evidence.oom_kills = 1;
            }
            let expected = [
                (6, Verdict::MemoryLimit, None),
                (5, Verdict::TimeLimit, Some(Reason::Cpu)),
                (4, Verdict::TimeLimit, Some(Reason::Wall)),
                (3, Verdict::OutputLimit, None),
                (2, Verdict::RuntimeError, Some(Reason::Signal)),
                (1, Verdict::RuntimeError, Some(Reason::ExitCode)),
                (0, Verdict::WrongAnswer, None),
            ]
            .into_iter()
            .find(|(bit, _, _)| has(*bit))
            .map_or((Verdict::Accepted, None), |(_, verdict, reason)| (verdict, reason));
            assert_eq!(judge(&evidence, &limits), expected, "findings {bits:07b}");
        }
    }

    #[test]
    fn a_figure_equal_to_its_limit_is_within_it() {
        let limits = Limits::RUN;
        let mut evidence = evidence();
        evidence.cpu_time_us = limits.cpu_time_ms * 1_000;
        evidence.wall_time_us = limits.wall_time_ms * 1_000;
        evidence.stdout_total_bytes = limits.output_bytes;
        assert_eq!(judge(&evidence, &limits), (Verdict::Completed, None));
    }

    #[test]
    fn what_the_host_kept_a_program_waiting_is_not_its_own_time() {
        let limits = Limits::RUN;
        let mut evidence = evidence();
        evidence.wall_time_us = limits.wall_time_ms * 1_000 + 200_000;
        evidence.host_wait_us = 200_000;
        assert_eq!(judge(&evidence, &limits), (Verdict::Completed, None));
        evidence.host_wait_us -= 1;
        assert_eq!(judge(&evidence, &limits), (Verdict::TimeLimit, Some(Reason::Wall)));
    }

    #[test]
    fn a_program_that_only_reads_its_pages_back_has_too_little_memory() {
        let mut evidence = RunEvidence { ending: Ending::Signalled(9), thrashed: true, ..RunEvidence::default() };
        evidence.cpu_time_us = u64::MAX;
        assert_eq!(judge(&evidence, &Limits::RUN), (Verdict::MemoryLimit, None));
    }

    #[test]
    fn locks_that_no_limit_counts_are_memory() {
        let evidence = RunEvidence { ending: Ending::Signalled(9), too_many_locks: true, ..RunEvidence::default() };
        assert_eq!(judge(&evidence, &Limits::RUN), (Verdict::MemoryLimit, None));
    }

    #[test]
    fn out_of_heap_is_the_memory_limit_unless_the_program_was_right_all_the_same() {
        let limits = Limits::RUN;
        let heap = |ending, output_matches| RunEvidence { ending, output_matches, heap_exhausted: true, ..evidence() };
        for ending in [Ending::Exited(1), Ending::Signalled(6)] {
            assert_eq!(judge(&heap(ending, Some(true)), &limits), (Verdict::MemoryLimit, None));
        }
        assert_eq!(judge(&heap(Ending::Exited(0), Some(false)), &limits), (Verdict::MemoryLimit, None));
        assert_eq!(judge(&heap(Ending::Exited(0), Some(true)), &limits), (Verdict::Accepted, None));
        assert_eq!(judge(&heap(Ending::Exited(0), None), &limits), (Verdict::Completed, None));
        let late = RunEvidence { wall_time_us: u64::MAX, ..heap(Ending::Signalled(9), None) };
        assert_eq!(judge(&late, &limits), (Verdict::MemoryLimit, None), "others waited for the thread that had died");
    }

    #[test]
    fn a_broken_sandbox_is_the_programs_runtime_error_unless_memory_ran_out() {
        let mut evidence = RunEvidence { ending: Ending::SandboxBroken, ..RunEvidence::default() };
        assert_eq!(judge(&evidence, &Limits::RUN), (Verdict::RuntimeError, Some(Reason::Sandbox)));
        evidence.oom_kills = 1;
        assert_eq!(judge(&evidence, &Limits::RUN), (Verdict::MemoryLimit, None));
    }

    #[test]
    fn the_overall_verdict_is_the_first_failure_or_says_whether_anything_was_compared() {
        use Verdict::*;
        assert_eq!(overall([]), Completed);
        assert_eq!(overall([Completed, Accepted, Completed]), Accepted);
        assert_eq!(overall([Accepted, TimeLimit, Skipped, WrongAnswer]), TimeLimit);
    }

    #[test]
    fn the_words_in_messages_are_those_of_the_serialization() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).expect("a verdict serializes"), verdict.as_str());
        }
    }
}
