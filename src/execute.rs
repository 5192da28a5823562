//! Running a plan: sandboxes in, judged steps out.
//!
//! One sandbox serves a job's compile step and all its tests, each test in a fresh copy of the workspace. A new one is
//! needed for each test with `isolation: test`, for another disk than the compile step's, for other limits where the
//! runtime can't change a live container's, and after a program broke the one it was in, which the job gets up to [`MAX_REPLACEMENTS`] times. What the compile step
//! made is then carried over. Where the operator has it so, it also serves later jobs whose compile step is the same.

mod cache;
mod compile;
mod interactive;
mod allowance;
mod remaining;
mod stage;
mod step;
mod witness;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::capture::CaptureBudget;
use crate::job::Isolation;
use crate::limits::Limits;
use crate::plan::Plan;
use crate::protocol::Restore;
use crate::report::{ImageReport, SandboxReport};
use crate::sandbox::slots::Permit;
use crate::sandbox::spec::Labels;
use crate::sandbox::{Need, Sandbox, SandboxError, Sandboxes};
use crate::steps;
use crate::verdict::Verdict;

use stage::Stage;
use witness::Witness;

pub use cache::CompileCache;
pub use interactive::Interactive;
pub(crate) use allowance::Allowance;
pub use remaining::Remaining;
pub use step::StepResult;
pub use witness::HostTime;

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
    /// What the host counted while the job's programs ran.
    pub host: Option<HostTime>,
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

/// Runs a plan. Dropping the future kills what runs and removes its container. `remaining` is kept up to date.
///
/// # Errors
/// Only what is ours; what the job's programs do, up to killing their supervisor, is in the result.
pub async fn execute(
    sandboxes: &Sandboxes,
    cache: Option<&CompileCache>,
    permit: Permit,
    plan: &Plan,
    labels: &Labels,
    remaining: &Remaining,
) -> Result<Execution, SandboxError> {
    let run = |permit| attempt(sandboxes, cache, permit, plan, labels, remaining);
    match run(permit).await {
        // Found out just now, and known from here on: the second attempt doesn't need to change a live container.
        Err(SandboxError::CannotResize) => run(sandboxes.permit().await).await,
        outcome => outcome,
    }
}

async fn attempt(
    sandboxes: &Sandboxes,
    cache: Option<&CompileCache>,
    permit: Permit,
    plan: &Plan,
    labels: &Labels,
    remaining: &Remaining,
) -> Result<Execution, SandboxError> {
    remaining.at_most(Duration::from_millis(plan.longest_ms()));
    let image = sandboxes.resolve_image(&plan.image).await?;
    steps::passed!("image known");
    let (witness, allowance) = (Witness::default(), Allowance::of(plan));
    let run = Run { sandboxes, plan, labels, image: &image, cache, witness, allowance };
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
        let host = run.witness.end();
        return Ok(Execution { image, sandbox, compile, tests: Vec::new(), timing, host });
    }
    let started = Instant::now();
    let tests = Stage::new(&run, ready).run_all(&mut budget, remaining).await?;
    timing.run = started.elapsed();
    let host = run.witness.end();
    Ok(Execution { image, sandbox, compile, tests, timing, host })
}

struct Run<'a> {
    sandboxes: &'a Sandboxes,
    plan: &'a Plan,
    labels: &'a Labels,
    image: &'a ImageReport,
    cache: Option<&'a CompileCache>,
    witness: Witness,
    allowance: Allowance,
}

/// A sandbox with the job's files in it, compiled where there is something to compile.
struct Ready {
    /// `None` when the compile step failed, its tests need other sandboxes, or the job's files had no room.
    sandbox: Option<Sandbox>,
    /// The memory in which the job's files had no room, in bytes; 0 where they had.
    no_room_in: u64,
    compile: Option<StepResult>,
    compile_took: Duration,
    /// What the compile step made, where other sandboxes need it or later jobs may.
    archive: Option<Bytes>,
    /// What a test finds in the sandbox.
    restore: Restore,
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
    async fn fresh(&self, permit: Permit, limits: &Limits) -> Result<Sandbox, SandboxError> {
        let need = Need {
            image: self.image.clone(),
            memory_bytes: limits.memory_bytes,
            most_memory_bytes: self.plan.most_memory_bytes(limits),
            processes: limits.processes,
            disk_bytes: limits.disk_bytes,
            labels: self.labels.clone(),
        };
        let sandbox = self.sandboxes.acquire(permit, &need).await?;
        self.witness.on(sandbox.cpu());
        Ok(sandbox)
    }

    async fn prepare(&self, permit: Permit, budget: &mut CaptureBudget) -> Result<Ready, SandboxError> {
        if let Some(command) = &self.plan.compile {
            return Box::pin(self.compile_once(permit, command, budget)).await;
        }
        let mut sandbox = self.fresh(permit, self.plan.first_limits()).await?;
        let confinement = sandbox.confinement().clone();
        let restore = self.move_in(&mut sandbox).await?;
        let (sandbox, no_room_in) = match restore {
            Some(_) => (Some(sandbox), 0),
            None => (None, sandbox.memory_bytes()),
        };
        let restore = restore.unwrap_or(Restore::No);
        Ok(Ready { sandbox, no_room_in, compile: None, compile_took: Duration::ZERO, archive: None, restore, confinement })
    }

    /// Puts the job's files into a sandbox, and keeps them for every test that it may serve. What a test finds there; `None`
    /// when they have no room in its memory, which is then used up.
    async fn move_in(&self, sandbox: &mut Sandbox) -> Result<Option<Restore>, SandboxError> {
        if !self.write_files(sandbox).await? {
            return Ok(None);
        }
        if !self.shares_sandboxes() {
            return Ok(Some(Restore::No));
        }
        Ok(sandbox.snapshot().await?.map(|_| Restore::Keep))
    }

    /// What a test finds where there is a snapshot, made here or loaded.
    fn restored(&self) -> Restore {
        if self.shares_sandboxes() { Restore::Keep } else { Restore::Last }
    }

    /// Whether one sandbox may serve several tests, and so needs a snapshot that each starts from. A single test runs in
    /// the workspace as it is.
    fn shares_sandboxes(&self) -> bool {
        self.plan.isolation == Isolation::Job && self.plan.tests.len() > 1
    }

    /// Whether what the compile step makes has to get into other sandboxes than its own.
    fn carries_over(&self) -> bool {
        let first = self.plan.first_limits();
        let same = self.plan.tests.iter().all(|test| test.command.limits.container_size() == first.container_size());
        // The size of a tmpfs is decided when its container is made.
        let same_disk = first.disk_bytes == self.plan.run_limits.disk_bytes;
        self.plan.compile.is_some()
            && (self.plan.isolation == Isolation::Test || !same_disk || !same && !self.sandboxes.can_resize())
    }

    /// As [`Sandbox::write_file`], with all of them. The programs begin when they are sent.
    async fn write_files(&self, sandbox: &mut Sandbox) -> Result<bool, SandboxError> {
        for file in &self.plan.files {
            if !sandbox.write_file(&file.path, file.executable, &file.content).await? {
                return Ok(false);
            }
        }
        steps::passed!("files sent");
        self.witness.begin();
        Ok(true)
    }
}
