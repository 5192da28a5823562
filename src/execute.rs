//! Running a plan: sandboxes in, judged steps out.
//!
//! One sandbox serves a job's compile step and all its tests, each test in a fresh copy of the workspace; with
//! `isolation: test` each test gets a sandbox of its own, and what the compile step made is carried over. A program that
//! breaks its sandbox gets its verdict and a new sandbox for the tests that follow, up to [`MAX_REPLACEMENTS`] times.

mod interactive;
mod step;

use std::time::{Duration, Instant};

use crate::capture::CaptureBudget;
use crate::job::Isolation;
use crate::plan::{Plan, PlannedTest};
use crate::report::{ImageReport, SandboxReport};
use crate::sandbox::slots::Permit;
use crate::sandbox::spec::Labels;
use crate::sandbox::{Need, Sandbox, SandboxError, Sandboxes};
use crate::verdict::{Reason, Verdict};

pub use interactive::Interactive;
pub use step::StepResult;

/// How many sandboxes a job may break and still get another: enough for a bad test or two, and no way to keep a worker
/// busy with nothing but starting containers.
pub const MAX_REPLACEMENTS: u32 = 3;

/// Of a compiled workspace, what is carried from one sandbox to another: far above what compilers make of a contest's
/// program, and little enough to be held in memory for every slot at once.
const MAX_ARCHIVE_BYTES: u64 = 32 << 20;

/// A job that was run.
#[derive(Debug)]
pub struct Execution {
    pub image: ImageReport,
    pub sandbox: SandboxReport,
    pub compile: Option<StepResult>,
    /// Empty when the compile step failed.
    pub tests: Vec<TestResult>,
    pub timing: Timing,
}

/// How long the parts of an execution took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// Until the sandbox was ready and the job's files were in it.
    pub prepare: Duration,
    pub compile: Option<Duration>,
    /// All tests, with what lies between them.
    pub run: Duration,
}

#[derive(Debug)]
pub struct TestResult {
    pub id: String,
    pub group: Option<String>,
    pub points: Option<f64>,
    pub step: StepResult,
}

/// Runs a plan. Dropping the future kills what runs and removes its container.
///
/// # Errors
/// Only what is ours; what the job's programs do, up to killing their supervisor, is in the result.
pub async fn execute(
    sandboxes: &Sandboxes,
    permit: Permit,
    plan: &Plan,
    labels: &Labels,
) -> Result<Execution, SandboxError> {
    let image = sandboxes.resolve_image(&plan.image).await?;
    let run = Run { sandboxes, plan, labels, image: &image };
    let mut budget = CaptureBudget::new(plan.capture_bytes);
    let mut timing = Timing::default();
    let started = Instant::now();
    let mut ready = run.prepare(permit, &mut budget).await?;
    timing.prepare = started.elapsed().saturating_sub(ready.compile_took);
    timing.compile = plan.compile.is_some().then_some(ready.compile_took);

    let compile = ready.compile.take();
    let sandbox = ready.confinement.clone();
    if compile.as_ref().is_some_and(|compile| compile.verdict != Verdict::Completed) {
        ready.destroy();
        return Ok(Execution { image, sandbox, compile, tests: Vec::new(), timing });
    }
    let started = Instant::now();
    let tests = match plan.isolation {
        Isolation::Job => run.all_in_one(ready, &mut budget).await?,
        Isolation::Test => run.each_in_its_own(ready, &mut budget).await?,
    };
    timing.run = started.elapsed();
    Ok(Execution { image, sandbox, compile, tests, timing })
}

struct Run<'a> {
    sandboxes: &'a Sandboxes,
    plan: &'a Plan,
    labels: &'a Labels,
    image: &'a ImageReport,
}

/// A sandbox with the job's files in it, compiled where there is something to compile.
struct Ready {
    /// `None` when the compile step broke it.
    sandbox: Option<Sandbox>,
    compile: Option<StepResult>,
    compile_took: Duration,
    /// What the compile step made, where each test gets a sandbox of its own.
    archive: Option<Vec<u8>>,
    confinement: SandboxReport,
}

impl Ready {
    fn destroy(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.destroy();
        }
    }
}

impl Run<'_> {
    async fn fresh(&self, permit: Permit, memory_bytes: u64, processes: u64) -> Result<Sandbox, SandboxError> {
        let need = Need {
            image: self.image.clone(),
            memory_bytes,
            processes,
            disk_bytes: self.plan.disk_bytes,
            labels: self.labels.clone(),
        };
        self.sandboxes.acquire(permit, &need).await
    }

    async fn prepare(&self, permit: Permit, budget: &mut CaptureBudget) -> Result<Ready, SandboxError> {
        let limits = self.plan.first_limits();
        let mut sandbox = self.fresh(permit, limits.memory_bytes, limits.processes).await?;
        self.write_files(&mut sandbox).await?;
        let confinement = sandbox.confinement().clone();
        let mut ready =
            Ready { sandbox: None, compile: None, compile_took: Duration::ZERO, archive: None, confinement };
        let Some(command) = &self.plan.compile else {
            if self.keeps_snapshot() {
                sandbox.snapshot().await?;
            }
            ready.sandbox = Some(sandbox);
            return Ok(ready);
        };
        let started = Instant::now();
        let (mut result, intact) = step::compile(&mut sandbox, command, budget).await?;
        if result.verdict == Verdict::Completed && self.keeps_snapshot() {
            let mut kept = sandbox.snapshot().await?;
            if kept && self.plan.isolation == Isolation::Test {
                ready.archive = sandbox.collect(MAX_ARCHIVE_BYTES).await?;
                kept = ready.archive.is_some();
            }
            if !kept {
                result.fail(Verdict::CompileError, Reason::Sandbox, "left more behind than a compiler makes");
            }
        }
        ready.compile_took = started.elapsed();
        if result.verdict == Verdict::Completed && intact && ready.archive.is_none() {
            ready.sandbox = Some(sandbox);
        } else {
            sandbox.destroy();
        }
        ready.compile = Some(result);
        Ok(ready)
    }

    /// A snapshot is what further tests start from; a single test runs in the workspace as it is.
    fn keeps_snapshot(&self) -> bool {
        match self.plan.isolation {
            Isolation::Job => self.plan.tests.len() > 1,
            Isolation::Test => self.plan.compile.is_some(),
        }
    }

    async fn write_files(&self, sandbox: &mut Sandbox) -> Result<(), SandboxError> {
        for file in &self.plan.files {
            sandbox.write_file(&file.path, false, &file.content).await?;
        }
        Ok(())
    }

    async fn all_in_one(&self, ready: Ready, budget: &mut CaptureBudget) -> Result<Vec<TestResult>, SandboxError> {
        let mut sandbox = ready.sandbox;
        let mut untouched = true;
        let mut replacements = 0;
        let mut results = Results::new(self.plan);
        for test in &self.plan.tests {
            if results.stopped() {
                results.skip(test);
                continue;
            }
            if sandbox.is_none() {
                if replacements == MAX_REPLACEMENTS {
                    results.push(test, StepResult::not_run_after_breaking(MAX_REPLACEMENTS));
                    continue;
                }
                replacements += 1;
                let again = self.prepare(self.sandboxes.permit().await, budget).await?;
                sandbox = again.sandbox;
                untouched = true;
            }
            let Some(live) = sandbox.as_mut() else {
                // The compile step succeeded once and breaks the sandbox now: nobody but the job can be behind that.
                results.push(test, StepResult::not_run_after_breaking(replacements));
                continue;
            };
            let (result, intact) = step::test(live, self.plan, test, !untouched, budget).await?;
            untouched = false;
            results.push(test, result);
            if !intact && let Some(broken) = sandbox.take() {
                broken.destroy();
            }
        }
        if let Some(sandbox) = sandbox {
            sandbox.destroy();
        }
        Ok(results.tests)
    }

    async fn each_in_its_own(&self, ready: Ready, budget: &mut CaptureBudget) -> Result<Vec<TestResult>, SandboxError> {
        let mut results = Results::new(self.plan);
        let Ready { sandbox: mut first, archive, .. } = ready;
        for test in &self.plan.tests {
            if results.stopped() {
                results.skip(test);
                continue;
            }
            let mut sandbox = match first.take() {
                // Nothing has run in it yet, so it is as good as a new one.
                Some(fresh) => fresh,
                None => {
                    let limits = &test.command.limits;
                    let permit = self.sandboxes.permit().await;
                    let mut sandbox = self.fresh(permit, limits.memory_bytes, limits.processes).await?;
                    match &archive {
                        Some(archive) => sandbox.load(archive).await?,
                        None => self.write_files(&mut sandbox).await?,
                    }
                    sandbox
                }
            };
            let (result, _) = step::test(&mut sandbox, self.plan, test, archive.is_some(), budget).await?;
            sandbox.destroy();
            results.push(test, result);
        }
        Ok(results.tests)
    }
}

/// The tests so far, and whether to go on.
struct Results {
    tests: Vec<TestResult>,
    stop_on_failure: bool,
    failed: bool,
}

impl Results {
    fn new(plan: &Plan) -> Results {
        Results { tests: Vec::with_capacity(plan.tests.len()), stop_on_failure: plan.stop_on_failure, failed: false }
    }

    fn stopped(&self) -> bool {
        self.stop_on_failure && self.failed
    }

    fn skip(&mut self, test: &PlannedTest) {
        self.push(test, StepResult::skipped());
    }

    fn push(&mut self, test: &PlannedTest, step: StepResult) {
        self.failed |= !step.verdict.is_success();
        self.tests.push(TestResult { id: test.id.clone(), group: test.group.clone(), points: test.points, step });
    }
}
