//! One live sandbox: what it is, and the files that go in and out of it. How it comes to life is in [`acquire`], how
//! programs run in it in [`program`], how it ends in [`teardown`].

mod acquire;
pub(crate) mod birth;
mod blame;
mod conduct;
mod program;
mod teardown;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::conversation::{Conversation, Lost};
use super::owned::Ownership;
use super::pool::{Kind, Past};
use super::slots::Slot;
use super::spec::AGENT_PROCESSES;
use super::{EngineError, SandboxError, Shared};
use crate::protocol::{CHUNK, Event, Request};
use crate::report::SandboxReport;

use birth::greet;
use blame::Cause;
use conduct::Conduct;

pub(crate) use acquire::acquire;
pub use blame::Broken;
pub use program::StepOutcome;

/// How the engine words it that runtime or kernel refused new limits ("Cannot update container …").
const REFUSED: &str = "annot update container";

/// What came of new limits for a live sandbox.
#[derive(Debug)]
pub enum Resized {
    Done,
    /// What earlier programs left takes more memory than that, so that the kernel refuses.
    TooLittle,
    /// The sandbox died of it, or had died before: as [`StepOutcome::Broken`].
    Broken(Broken),
}

/// A container that is one job's, with an agent that has answered.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    id: String,
    conversation: Option<Conversation>,
    /// Until it is torn down.
    holds: Option<(Slot, Ownership)>,
    /// Memory in bytes and processes, as they were asked for last.
    size: (u64, u64),
    /// What the kernel holds the container to: memory in bytes, and pids with the agent's.
    in_force: (u64, u64),
    confinement: SandboxReport,
    /// Which folders programs can write to, as the agent said.
    places: u8,
    /// Whether anything that programs of the job did or made has been in it: from then on, a failing agent is evidence about
    /// them.
    touched: bool,
    /// What container of the pool it is, where that may be started again.
    of_pool: Option<(Kind, Past)>,
    conduct: Conduct,
}

impl Sandbox {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The CPU that it is pinned to; `None` where it isn't.
    pub fn cpu(&self) -> Option<usize> {
        self.holds.as_ref().and_then(|(slot, _)| slot.cpu.number)
    }

    /// Memory in bytes and processes, as they were asked for last.
    pub fn size(&self) -> (u64, u64) {
        self.size
    }

    /// What confines whatever runs here.
    pub fn confinement(&self) -> &SandboxReport {
        &self.confinement
    }

    /// Writes a file of the job into the workspace. It goes together with whatever is asked of the agent next. False when the
    /// job's files have no room in the sandbox's memory, as far as that shows already; the sandbox is then used up.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn write_file(&mut self, path: &str, executable: bool, content: &[u8]) -> Result<bool, SandboxError> {
        let size = content.len() as u64;
        self.conduct.begins();
        let fed = async {
            self.feed(&Request::File { path: path.as_bytes().to_vec(), executable, size }).await?;
            self.feed_data(content).await
        };
        match fed.await {
            Ok(()) => {
                self.conduct.is_done();
                Ok(true)
            }
            Err(error) => self.broken(error.into()).await.map(|_| false),
        }
    }

    /// Sets what the kernel holds the container to, if it isn't that already.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn resize(&mut self, memory_bytes: u64, processes: u64) -> Result<Resized, SandboxError> {
        let wanted = (memory_bytes, processes + AGENT_PROCESSES);
        let made_for_it = self.shared.cannot_resize.load(Ordering::Relaxed) && self.size == (memory_bytes, processes);
        if wanted == self.in_force || made_for_it {
            return Ok(Resized::Done);
        }
        match self.shared.engine.resize(&self.id, wanted.0, wanted.1).await {
            Ok(()) => {
                self.size = (memory_bytes, processes);
                self.in_force = wanted;
                Ok(Resized::Done)
            }
            Err(error) if error.status.is_some() => self.not_resized(error).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The engine is there and refuses other limits: finds out why.
    async fn not_resized(&mut self, error: EngineError) -> Result<Resized, SandboxError> {
        // It may have died of what is in it.
        if !self.shared.engine.is_running(&self.id).await? {
            return self.broken(Cause::Ended(error.to_string())).await.map(Resized::Broken);
        }
        // In its own words or it is an engine in trouble, from which nothing follows for program or runtime.
        if !error.reason.contains(REFUSED) {
            return Err(error.into());
        }
        // It lives. A runtime that can change limits at all takes those that are in force already; then it was the kernel
        // that couldn't get below the new one by dropping caches (cgroup v1 says so, version 2 kills).
        let (memory_bytes, pids) = self.in_force;
        match self.shared.engine.resize(&self.id, memory_bytes, pids).await {
            Ok(()) => {
                self.conduct.misbehaved();
                return Ok(Resized::TooLittle);
            }
            Err(error) if !error.reason.contains(REFUSED) => return Err(error.into()),
            Err(_) => {}
        }
        // Or it has just died, and the engine doesn't know yet.
        let patience = self.shared.settings.patience.ready;
        let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
        let answer = timeout(patience, greet(conversation)).await.unwrap_or(Err(SandboxError::NotReady(patience)));
        if let Err(lost) = answer {
            return self.broken(lost.into()).await.map(Resized::Broken);
        }
        tracing::warn!(%error, "this runtime can't change a live container's limits");
        self.shared.cannot_resize.store(true, Ordering::Relaxed);
        Err(SandboxError::CannotResize)
    }

    /// Keeps the workspace as it is now, for the steps that restore it, and answers in how many bytes. `None` when that is
    /// more than there is memory for or, after a program of the job has run, than a compiler makes; the sandbox is then used
    /// up.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn snapshot(&mut self) -> Result<Option<u64>, SandboxError> {
        self.conduct.begins();
        let taken = async {
            self.send(&Request::Snapshot).await?;
            self.event().await
        };
        let reason = match taken.await {
            Ok(Event::Snapshotted { size }) => {
                self.conduct.is_done();
                return Ok(Some(size));
            }
            Ok(Event::Failed { operation, errno }) => agent_failure(&operation, errno),
            Ok(other) => SandboxError::Unexpected(format!("{other:?}")),
            Err(error) => error,
        };
        self.broken(reason.into()).await.map(|_| None)
    }

    /// The memory that the kernel holds it to, in bytes. Before its first program that may be more than was asked for.
    pub fn memory_bytes(&self) -> u64 {
        self.in_force.0
    }

    /// The snapshot's bytes, for another sandbox. They are the agent's own format and hold what the job's programs made:
    /// nothing here ever looks into them. `None` when it is over `limit` bytes or can't be had.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn collect(&mut self, limit: u64) -> Result<Option<Vec<u8>>, SandboxError> {
        let mut archive = Vec::new();
        self.conduct.begins();
        let reason = match self.send(&Request::Collect).await {
            Err(error) => error,
            Ok(()) => loop {
                match self.event().await {
                    Ok(Event::Data(data)) if (archive.len() + data.len()) as u64 <= limit => {
                        archive.extend_from_slice(&data);
                    }
                    Ok(Event::Collected) => {
                        self.conduct.is_done();
                        return Ok(Some(archive));
                    }
                    Ok(Event::Data(_)) => return Ok(None),
                    Ok(other) => break SandboxError::Unexpected(format!("{other:?}")),
                    Err(error) => break error,
                }
            },
        };
        self.broken(reason.into()).await.map(|_| None)
    }

    /// Gives the agent a snapshot that another one took. It holds what the job's programs made, so that an agent which dies of
    /// it (of memory, say) is evidence: the next step finds that out.
    pub async fn load(&mut self, archive: &[u8]) {
        self.touched = true;
        self.conduct.begins();
        let sent = async {
            self.feed(&Request::Load { size: archive.len() as u64 }).await?;
            self.feed_data(archive).await?;
            self.flush().await
        };
        match sent.await {
            Ok(()) => self.conduct.is_done(),
            Err(error) => tracing::debug!(container.id = self.id, %error, "a snapshot could not be loaded"),
        }
    }

    async fn event(&mut self) -> Result<Event, SandboxError> {
        let silence = self.silence();
        in_time(silence, self.conversation.as_mut().ok_or_else(used_up)?.next()).await
    }

    async fn send(&mut self, request: &Request) -> Result<(), SandboxError> {
        self.feed(request).await?;
        self.flush().await
    }

    /// As [`Conversation::feed`].
    async fn feed(&mut self, request: &Request) -> Result<(), SandboxError> {
        let silence = self.silence();
        in_time(silence, self.conversation.as_mut().ok_or_else(used_up)?.feed(request)).await
    }

    async fn feed_data(&mut self, data: &[u8]) -> Result<(), SandboxError> {
        for chunk in data.chunks(CHUNK) {
            self.feed(&Request::Data(chunk.to_vec())).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SandboxError> {
        let silence = self.silence();
        in_time(silence, self.conversation.as_mut().ok_or_else(used_up)?.flush()).await
    }

    /// How long the agent may take for anything but a program.
    fn silence(&self) -> Duration {
        self.shared.settings.patience.silence
    }
}

/// An agent that takes or gives nothing any more isn't waited for.
async fn in_time<T>(silence: Duration, words: impl Future<Output = Result<T, Lost>>) -> Result<T, SandboxError> {
    match timeout(silence, words).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Lost::Frame(error))) => Err(SandboxError::Protocol(error)),
        Ok(Err(Lost::Ended(reason))) => Err(SandboxError::Conversation(reason)),
        Err(_) => Err(SandboxError::NotReady(silence)),
    }
}

fn used_up() -> SandboxError {
    SandboxError::Lost("the sandbox is used up".to_owned())
}

fn agent_failure(operation: &[u8], errno: i32) -> SandboxError {
    SandboxError::Agent { operation: String::from_utf8_lossy(operation).into_owned(), errno }
}
