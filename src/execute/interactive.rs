//! A job's single test with its streams passed through as they come, for a person at a terminal.

use tokio::sync::mpsc;

use super::step::{evidence, not_started, request, without_agent};
use super::{Allowance, Run, StepResult, Witness};
use crate::capture::CaptureBudget;
use crate::language::HeapWatch;
use crate::plan::{Command, Plan};
use crate::protocol::{Restore, Stdin, StepEnding};
use crate::sandbox::slots::Permit;
use crate::sandbox::spec::Labels;
use crate::sandbox::{Resized, Sandbox, SandboxError, Sandboxes, StepOutcome};
use crate::verdict::{Verdict, judge};

/// The caller's side of the streams.
pub struct Interactive<'a> {
    /// Chunks until it closes.
    pub stdin: mpsc::Receiver<Vec<u8>>,
    /// What the program prints (true: stdout, false: stderr).
    pub output: &'a mut (dyn FnMut(bool, &[u8]) + Send),
}

impl std::fmt::Debug for Interactive<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Interactive").field("stdin", &self.stdin).finish_non_exhaustive()
    }
}

impl Interactive<'_> {
    /// Compiles where there is something to compile, and runs the plan's first test. A compile step that failed is the
    /// result, with its output captured; otherwise the captured streams are empty.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn run(
        &mut self,
        sandboxes: &Sandboxes,
        permit: Permit,
        plan: &Plan,
        labels: &Labels,
    ) -> Result<StepResult, SandboxError> {
        match self.attempt(sandboxes, permit, plan, labels).await {
            // Found out before the program started; known from here on.
            Err(SandboxError::CannotResize) => self.attempt(sandboxes, sandboxes.permit().await, plan, labels).await,
            outcome => outcome,
        }
    }

    async fn attempt(
        &mut self,
        sandboxes: &Sandboxes,
        permit: Permit,
        plan: &Plan,
        labels: &Labels,
    ) -> Result<StepResult, SandboxError> {
        let image = sandboxes.resolve_image(&plan.image).await?;
        let (witness, allowance) = (Witness::default(), Allowance::of(plan));
        let run = Run { sandboxes, plan, labels, image: &image, cache: None, witness, allowance };
        let mut ready = run.prepare(permit, &mut CaptureBudget::new(plan.capture_bytes)).await?;
        if let Some(compile) = ready.compile.take().filter(|compile| compile.verdict == Verdict::CompileError) {
            ready.destroy();
            return Ok(compile);
        }
        let command = &plan.tests[0].command;
        let (mut sandbox, restore) = match (ready.sandbox, ready.archive) {
            (Some(sandbox), _) => (sandbox, Restore::No),
            (None, Some(archive)) => {
                let mut sandbox = run.fresh(sandboxes.permit().await, &command.limits).await?;
                sandbox.load(&archive).await;
                (sandbox, Restore::Last)
            }
            (None, None) => return Ok(StepResult::without_room()),
        };
        let result = self.run_in(&mut sandbox, command, restore, &run.allowance).await;
        sandbox.destroy();
        result
    }

    async fn run_in(
        &mut self,
        sandbox: &mut Sandbox,
        command: &Command,
        restore: Restore,
        allowance: &Allowance,
    ) -> Result<StepResult, SandboxError> {
        let limits = &command.limits;
        let mut result = StepResult::skipped();
        result.evidence = match sandbox.resize(limits.memory_bytes, limits.processes).await? {
            Resized::TooLittle => return Ok(StepResult::without_room()),
            Resized::Broken(broken) => without_agent(&broken),
            Resized::Done => {
                let step = request(command, restore, Stdin::Stream, allowance);
                let mut heap = HeapWatch::new(command.exhaustion.as_deref());
                let mut output = |is_stdout: bool, data: &[u8]| {
                    if !is_stdout {
                        heap.push(data);
                    }
                    (self.output)(is_stdout, data);
                };
                match sandbox.run_streaming(step, &mut self.stdin, &mut output).await? {
                    StepOutcome::Broken(broken) => without_agent(&broken),
                    StepOutcome::Ended(ended) => {
                        if let StepEnding::NotStarted(errno) = ended.ending {
                            result.detail = Some(not_started(command, errno));
                        }
                        evidence(&ended, &heap, limits, allowance)?
                    }
                }
            }
        };
        (result.verdict, result.reason) = judge(&result.evidence, limits);
        Ok(result)
    }
}
