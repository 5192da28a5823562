//! Slots and jobs that take time and do nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::link::Life;
use super::world::{Rng, VISIBILITY, World, truth};
use crate::answer::{Origin, Request};
use crate::execute::Remaining;
use crate::job;
use crate::pipeline::Failure;
use crate::queue::sources::Permits;
use crate::rejection::Rejection;
use crate::report::{MessageBody, Report, SandboxReport, WorkerReport, cut};
use crate::sandbox::SandboxError;
use crate::verdict::Verdict;
use crate::worker::{Answering, Unfit};

#[derive(Debug)]
pub(super) struct Pretended {
    world: Arc<World>,
    slots: usize,
    free: Arc<Semaphore>,
    running: AtomicUsize,
    life: Arc<Life>,
    rng: Mutex<Rng>,
}

/// Counts a running job for as long as its future lives.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pretended {
    pub(super) fn new(world: Arc<World>, slots: usize, life: Arc<Life>, rng: Rng) -> Pretended {
        let free = Arc::new(Semaphore::new(slots));
        Pretended { world, slots, free, running: AtomicUsize::new(0), life, rng: Mutex::new(rng) }
    }

    fn rng<T>(&self, choose: impl FnOnce(&mut Rng) -> T) -> T {
        choose(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn request_of(body: &[u8], origin: Origin) -> Request {
    Request::of(&job::parse(body).expect("the model's jobs are good"), origin)
}

fn worker() -> WorkerReport {
    WorkerReport { id: "model".to_owned(), version: String::new(), host: String::new() }
}

impl Permits for Pretended {
    type Permit = OwnedSemaphorePermit;

    async fn permit(&self) -> OwnedSemaphorePermit {
        self.free.clone().acquire_owned().await.expect("it is never closed")
    }

    fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_owned().ok()
    }
}

impl Answering for Pretended {
    fn worker_id(&self) -> &str {
        "model"
    }

    fn slots(&self) -> usize {
        self.slots
    }

    async fn probe_store(&self) -> Result<(), String> {
        Ok(())
    }

    async fn probe(&self) -> Result<(), String> {
        let away = self.world.is_faulty() && self.rng(|rng| rng.chance(300));
        if away { Err("the engine is away".to_owned()) } else { Ok(()) }
    }

    async fn fitness(&self) -> Result<(), Unfit> {
        Ok(())
    }

    async fn answer(
        &self,
        body: &[u8],
        origin: Origin,
        permit: Self::Permit,
        _: &Remaining,
    ) -> Result<Report, Box<Failure>> {
        let _permit = permit;
        self.life.step().await;
        if self.running.fetch_add(1, Ordering::Relaxed) >= self.slots {
            self.world.violated("more jobs than slots");
        }
        let _running = Running(&self.running);
        let longest = 3 * VISIBILITY.as_millis() as usize;
        let (takes, fails) = self.rng(|rng| (rng.below(longest), rng.chance(150)));
        tokio::time::sleep(Duration::from_millis(takes as u64)).await;
        self.life.step().await;
        if fails && self.world.is_faulty() {
            self.world.note_failure();
            let cause = SandboxError::Conversation("the engine went away".to_owned()).into();
            return Err(Box::new(Failure { cause, request: request_of(body, origin) }));
        }
        let request = request_of(body, origin);
        let verdict = if request.job_id.as_deref().is_some_and(|id| truth(id) == "accepted") {
            Verdict::Accepted
        } else {
            Verdict::WrongAnswer
        };
        let mut report = request.rejected(&Rejection::new("job", "is pretended"), &worker());
        report.verdict = verdict;
        report.sandbox =
            Some(SandboxReport { profile: String::new(), runtime: None, landlock: 0, cgroup: 0, pinned: false });
        Ok(report)
    }

    async fn request(&self, body: &[u8], origin: Origin) -> Request {
        request_of(body, origin)
    }

    fn internal_error(&self, request: Request, reason: &str) -> Report {
        request.internal_error(reason, &worker())
    }

    async fn message(&self, report: &Report, max_bytes: usize) -> MessageBody {
        MessageBody::of(cut::to_message(report, max_bytes))
    }

    async fn settled(&self, _: &str) {}

    async fn close(&self) {}
}
