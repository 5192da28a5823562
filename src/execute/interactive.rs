//! A job's single test with its streams passed through as they come, for a person at a terminal.

use tokio::sync::mpsc;

use super::step::{broken, evidence, not_started, request};
use super::{Run, StepResult};
use crate::capture::CaptureBudget;
use crate::plan::Plan;
use crate::protocol::{Stdin, StepEnding};
use crate::sandbox::slots::Permit;
use crate::sandbox::spec::Labels;
use crate::sandbox::{Resized, SandboxError, Sandboxes, StepOutcome};
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
        let image = sandboxes.resolve_image(&plan.image).await?;
        let mut ready = Run { sandboxes, plan, labels, image: &image }.prepare(permit, &mut CaptureBudget::new(plan.capture_bytes)).await?;
        if let Some(compile) = ready.compile.take().filter(|compile| compile.verdict == Verdict::CompileError) {
            ready.destroy();
            return Ok(compile);
        }
        let command = &plan.tests[0].command;
        let mut result = StepResult::skipped();
        let Some(mut sandbox) = ready.sandbox else { return Ok(StepResult::not_run_after_breaking(1)) };
        match sandbox.resize(command.limits.memory_bytes, command.limits.processes).await? {
            Resized::Done => {}
            Resized::TooLittle => return Ok(StepResult::too_little_memory(&command.limits)),
            Resized::Broken { oom, detail } => {
                result.evidence = broken(&sandbox, oom, &detail);
                (result.verdict, result.reason) = judge(&result.evidence, &command.limits);
                return Ok(result);
            }
        }
        let step = request(command, false, Stdin::Stream);
        result.evidence = match sandbox.run_streaming(step, &mut self.stdin, self.output).await? {
            StepOutcome::Ended(ended) => {
                if let StepEnding::NotStarted(errno) = ended.ending {
                    result.detail = Some(not_started(command, errno));
                }
                evidence(&ended)
            }
            StepOutcome::Broken { oom, detail } => broken(&sandbox, oom, &detail),
        };
        sandbox.destroy();
        (result.verdict, result.reason) = judge(&result.evidence, &command.limits);
        Ok(result)
    }
}
