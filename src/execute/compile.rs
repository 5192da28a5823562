//! The compile step: run in a sandbox of its own job, or taken from an earlier job whose step was the same.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::cache::{CompileCache, Compiled, Inputs, Key};
use super::{MAX_ARCHIVE_BYTES, Ready, Run, StepResult, step};
use crate::capture::CaptureBudget;
use crate::plan::Command;
use crate::protocol::{Hindrance, Restore};
use crate::sandbox::slots::Permit;
use crate::sandbox::{Sandbox, SandboxError};
use crate::verdict::{Reason, Verdict};

/// What the agent, the kernel's records of files, and a program's start take of a sandbox's memory beside what was compiled.
const OVERHEAD_BYTES: u64 = 4 << 20;

/// Where a compile step's result goes.
pub(super) struct Place<'a> {
    cache: &'a CompileCache,
    key: Key,
    /// What the key says that confines the step.
    profile: String,
}

/// What of a workspace is kept.
enum Kept {
    /// Nothing: the one test runs in it as it is.
    Nothing,
    /// The agent's own snapshot.
    Snapshot,
    /// The same, and here too.
    Archive(Bytes),
    /// There is more than the job's tests can be given.
    TooMuch,
    /// The sandbox broke while a copy was taken that only the cache had asked for.
    Lost,
}

impl Run<'_> {
    /// The compile step's result, from the cache if it is there.
    pub(super) async fn compile_once(
        &self,
        permit: Permit,
        command: &Command,
        budget: &mut CaptureBudget,
    ) -> Result<Ready, SandboxError> {
        let Some(cache) = self.cache else { return self.compile(permit, command, budget, None).await };
        let place = self.place(cache, command);
        let suits = |found: &Compiled| found.archive.as_ref().is_none_or(|archive| self.has_room(archive.len() as u64));
        match cache.find(place.key, suits) {
            Some(found) => self.resume(permit, &found, budget).await,
            None => self.compile(permit, command, budget, Some(place)).await,
        }
    }

    fn place<'a>(&self, cache: &'a CompileCache, command: &Command) -> Place<'a> {
        let profile = self.sandboxes.profile();
        let key = Key::of(&Inputs {
            image: &self.image.digest,
            profile: &profile,
            command,
            files: &self.plan.files,
            capture_bytes: self.plan.capture_bytes,
        });
        Place { cache, key, profile }
    }

    /// Goes on where an earlier job's compile step ended. A step that failed needs no sandbox at all.
    async fn resume(
        &self,
        permit: Permit,
        found: &Compiled,
        budget: &mut CaptureBudget,
    ) -> Result<Ready, SandboxError> {
        // What disturbed it then has nothing to do with this job.
        let result = StepResult { cached: true, hindrance: Hindrance::default(), ..found.result.clone() };
        budget.spend(&result.stdout);
        budget.spend(&result.stderr);
        let mut ready = Ready {
            sandbox: None,
            no_room_in: 0,
            compile: Some(result),
            compile_took: Duration::ZERO,
            archive: found.archive.clone(),
            restore: self.restored(),
            confinement: found.confinement.clone(),
        };
        if let Some(archive) = &found.archive {
            let mut sandbox = self.fresh(permit, &self.plan.tests[0].command.limits).await?;
            sandbox.load(archive).await;
            self.witness.begin();
            ready.confinement = sandbox.confinement().clone();
            ready.sandbox = Some(sandbox);
        }
        Ok(ready)
    }

    /// Runs the compile step. `place` is for jobs whose first step it is.
    pub(super) async fn compile(
        &self,
        permit: Permit,
        command: &Command,
        budget: &mut CaptureBudget,
        place: Option<Place<'_>>,
    ) -> Result<Ready, SandboxError> {
        let mut sandbox = self.fresh(permit, &command.limits).await?;
        let confinement = sandbox.confinement().clone();
        let has_room = self.write_files(&mut sandbox).await?;
        // What a runtime needs is learnt with the first sandbox.
        let place = place.filter(|place| place.profile == confinement.profile);
        let started = Instant::now();
        let (mut result, intact) = match has_room {
            true => step::compile(&mut sandbox, command, &self.allowance, budget).await?,
            false => (step::compile_without_room(), false),
        };
        let kept = match result.verdict {
            Verdict::Completed => self.keep(&mut sandbox, place.as_ref().map(|place| place.cache.largest())).await?,
            _ => Kept::Nothing,
        };
        let (mut archive, mut restore) = (None, Restore::No);
        match kept {
            Kept::Nothing => {}
            Kept::Snapshot => restore = Restore::Keep,
            Kept::Archive(bytes) if self.carries_over() && bytes.len() as u64 > self.plan.run_limits.disk_bytes => {
                let detail = "left more behind than a test's disk_bytes holds";
                result.fail(Verdict::CompileError, Reason::Sandbox, detail);
            }
            Kept::Archive(bytes) => (archive, restore) = (Some(bytes), self.restored()),
            Kept::TooMuch => {
                result.fail(Verdict::CompileError, Reason::Sandbox, "left more behind than a compiler makes");
            }
            Kept::Lost => {
                // Without the cache it would have been no matter, so it is none: from the start, as without it.
                sandbox.destroy();
                *budget = CaptureBudget::new(self.plan.capture_bytes);
                let permit = self.sandboxes.permit().await;
                return Box::pin(self.compile(permit, command, budget, None)).await;
            }
        }
        if let Some(place) = place.filter(|_| intact && is_worth_keeping(&result, archive.as_ref())) {
            let (result, archive, confinement) = (result.clone(), archive.clone(), confinement.clone());
            place.cache.keep(place.key, Compiled { result, archive, confinement });
        }
        let compile_took = started.elapsed();
        let stays = result.verdict == Verdict::Completed && intact && !self.carries_over();
        let sandbox = if stays {
            Some(sandbox)
        } else {
            sandbox.destroy();
            None
        };
        Ok(Ready { sandbox, no_room_in: 0, compile: Some(result), compile_took, archive, restore, confinement })
    }

    /// Keeps what tests in this sandbox and in others need, and what the cache takes, up to `largest` bytes.
    async fn keep(&self, sandbox: &mut Sandbox, largest: Option<u64>) -> Result<Kept, SandboxError> {
        let is_needed = self.shares_sandboxes() || self.carries_over();
        if !is_needed && largest.is_none() {
            return Ok(Kept::Nothing);
        }
        let Some(bytes) = sandbox.snapshot().await? else {
            return Ok(if is_needed { Kept::TooMuch } else { Kept::Lost });
        };
        if self.carries_over() {
            let archive = sandbox.collect(MAX_ARCHIVE_BYTES).await?;
            return Ok(archive.map_or(Kept::TooMuch, |archive| Kept::Archive(exact(archive))));
        }
        if let Some(largest) = largest.filter(|largest| bytes <= *largest && self.has_room(bytes)) {
            let archive = sandbox.collect(largest).await?;
            return Ok(archive.map_or(Kept::Lost, |archive| Kept::Archive(exact(archive))));
        }
        if is_needed {
            return Ok(Kept::Snapshot);
        }
        // Its memory is the test's.
        sandbox.load(&[]).await;
        Ok(Kept::Nothing)
    }

    /// Whether every test has room for a workspace of so many bytes beside the snapshot that it is restored from.
    fn has_room(&self, bytes: u64) -> bool {
        let fits = |memory_bytes, stdin: &Bytes| 2 * bytes + stdin.len() as u64 + OVERHEAD_BYTES <= memory_bytes;
        let mut tests = self.plan.tests.iter();
        bytes <= self.plan.run_limits.disk_bytes
            && tests.all(|test| fits(test.command.limits.memory_bytes, &test.stdin))
    }
}

/// Whether the same step would end like this again: it did what it does, and no limit or accident ended it.
fn is_worth_keeping(result: &StepResult, archive: Option<&Bytes>) -> bool {
    match result.verdict {
        Verdict::Completed => archive.is_some(),
        _ => result.reason == Some(Reason::ExitCode) && result.detail.is_none(),
    }
}

/// Without room for more: it is kept for long, and counted by its length.
fn exact(mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    Bytes::from(bytes)
}
