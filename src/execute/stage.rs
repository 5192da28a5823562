//! Where a job's tests run: one sandbox after another, as few as its isolation, its limits and its programs' manners allow.

use std::time::Duration;

use bytes::Bytes;

use super::{MAX_REPLACEMENTS, Ready, Remaining, Run, StepResult, TestResult, step};
use crate::capture::CaptureBudget;
use crate::job::Isolation;
use crate::plan::{PlannedTest, longest_ms};
use crate::protocol::Restore;
use crate::sandbox::{Sandbox, SandboxError};
use crate::verdict::Verdict;

pub(super) struct Stage<'a> {
    run: &'a Run<'a>,
    sandbox: Option<Sandbox>,
    /// What the compile step made, where it is here for other sandboxes.
    archive: Option<Bytes>,
    /// What a test finds in the sandbox.
    restore: Restore,
    /// Whether no test has run in the sandbox yet.
    untouched: bool,
    /// How many sandboxes the job has broken since.
    broken: u32,
    /// How many of them for want of memory.
    filled: u32,
    /// The most memory in which the job's files were seen to have no room, in bytes.
    no_room_in: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(run: &'a Run<'a>, ready: Ready) -> Stage<'a> {
        let Ready { sandbox, no_room_in, archive, restore, .. } = ready;
        Stage { run, sandbox, archive, restore, untouched: true, broken: 0, filled: 0, no_room_in }
    }

    pub(super) async fn run_all(
        mut self,
        budget: &mut CaptureBudget,
        remaining: &Remaining,
    ) -> Result<Vec<TestResult>, SandboxError> {
        let plan = self.run.plan;
        let mut results: Vec<TestResult> = Vec::with_capacity(plan.tests.len());
        let (mut failed, mut out_of_time) = (false, false);
        let mut longest = Duration::from_millis(longest_ms(&plan.tests));
        for test in &plan.tests {
            let left = self.run.allowance.own();
            remaining.at_most(longest.min(left));
            let limit = Duration::from_millis(test.command.limits.wall_time_ms);
            longest = longest.saturating_sub(limit);
            // One that is begun has all of its own time, or it would be ended for what others took.
            out_of_time |= left < limit;
            let step = if plan.stop_on_failure && failed {
                StepResult::skipped()
            } else if self.broken > MAX_REPLACEMENTS {
                self.not_run()
            } else if out_of_time {
                StepResult::out_of_time(plan.wall_ms)
            } else {
                self.run_one(test, budget).await?
            };
            failed |= !out_of_time && !step.verdict.is_success();
            results.push(TestResult { id: test.id.clone(), group: test.group.clone(), points: test.points, step });
        }
        self.leave();
        Ok(results)
    }

    async fn run_one(&mut self, test: &PlannedTest, budget: &mut CaptureBudget) -> Result<StepResult, SandboxError> {
        if !self.fits(test) && self.has_room_for(test) {
            self.leave();
            self.enter(test, budget).await?;
        }
        if !self.has_room_for(test) {
            return Ok(StepResult::without_room());
        }
        let Some(sandbox) = self.sandbox.as_mut() else {
            // The compile step succeeded once and breaks the sandbox now: nobody but the job can be behind that.
            self.broken += 1;
            return Ok(StepResult::not_run_after_breaking(self.broken));
        };
        let (result, intact) =
            step::test(sandbox, self.run.plan, test, self.restore, &self.run.allowance, budget).await?;
        self.untouched = false;
        if !intact {
            self.broken += 1;
            self.filled += u32::from(result.verdict == Verdict::MemoryLimit);
            self.leave();
        }
        Ok(result)
    }

    /// For a test that gets no sandbox any more. What every earlier one died of is what this one would have died of.
    fn not_run(&self) -> StepResult {
        match self.filled == self.broken {
            true => StepResult::not_run_after_filling(self.broken),
            false => StepResult::not_run_after_breaking(self.broken),
        }
    }

    /// Whether the test has more memory than what the job's files had no room in.
    fn has_room_for(&self, test: &PlannedTest) -> bool {
        test.command.limits.memory_bytes > self.no_room_in
    }

    /// Whether the test may run in the sandbox that is there.
    fn fits(&self, test: &PlannedTest) -> bool {
        let Some(sandbox) = &self.sandbox else { return false };
        let may_be_shared = self.untouched || self.run.plan.isolation == Isolation::Job;
        may_be_shared && (self.run.sandboxes.can_resize() || sandbox.size() == test.command.limits.container_size())
    }

    /// Gets another sandbox, for this test and those after it.
    async fn enter(&mut self, test: &PlannedTest, budget: &mut CaptureBudget) -> Result<(), SandboxError> {
        let run = self.run;
        let permit = run.sandboxes.permit().await;
        self.untouched = true;
        if let (None, Some(command)) = (&self.archive, &run.plan.compile) {
            // Only after a program broke the sandbox it was compiled in.
            let ready = run.compile(permit, command, budget, None).await?;
            (self.sandbox, self.restore) = (ready.sandbox, ready.restore);
            return Ok(());
        }
        let mut sandbox = run.fresh(permit, &test.command.limits).await?;
        match &self.archive {
            Some(archive) => {
                sandbox.load(archive).await;
                self.restore = run.restored();
            }
            None => match run.move_in(&mut sandbox).await? {
                Some(restore) => self.restore = restore,
                None => {
                    self.no_room_in = self.no_room_in.max(sandbox.memory_bytes());
                    (self.broken, self.filled) = (self.broken + 1, self.filled + 1);
                    return Ok(());
                }
            },
        }
        self.sandbox = Some(sandbox);
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.destroy();
        }
    }
}
