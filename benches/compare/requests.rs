//! Requests to SQS a job, at rates that the cores of a small machine and a local SQS don't reach: the worker with slots whose
//! jobs take time and do nothing, between two queues in memory. The queues are as far away as SQS may be: what gathers while a
//! request is under way is what fills the next one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use caisson::answer::{Origin, Request};
use caisson::execute::Remaining;
use caisson::health::Health;
use caisson::pipeline::Failure;
use caisson::queue::sources::{Permits, Source};
use caisson::queue::{Inbox, Message, Outbox, Outgoing, Queue, QueueError, Refused};
use caisson::rejection::Rejection;
use caisson::report::{MessageBody, Report, WorkerReport, cut};
use caisson::shutdown::Shutdown;
use caisson::trace::Trace;
use caisson::worker::{Answering, Unfit, Worker};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Fallible;
use crate::report::figures::{Figures, Requests};

const SLOTS: usize = 16;
/// What so many slots do at most, by how long a job takes: 1.6 s, 320, 80 and 32 ms.
const JOBS_PER_S: [usize; 4] = [10, 50, 200, 500];
/// What each request takes.
const DISTANCE: Duration = Duration::from_millis(15);
/// Of each rate.
const LENGTH_S: usize = 5;
const LONGEST: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const VISIBILITY: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(1);
const MAXIMUM_MESSAGE_BYTES: usize = 256 << 10;

pub(crate) async fn measure(figures: &mut Figures) -> Fallible<()> {
    for jobs_per_s in JOBS_PER_S {
        figures.requests.push(at_rate(jobs_per_s, (jobs_per_s * LENGTH_S).max(4 * SLOTS)).await?);
    }
    Ok(())
}

async fn at_rate(jobs_per_s: usize, jobs: usize) -> Fallible<Requests> {
    let (incoming, outgoing) = (Distant::of(jobs), Distant::of(0));
    let (made, answers) = (incoming.made.clone(), outgoing.made.clone());
    let pretended = Pretended::new(Duration::from_secs_f64(SLOTS as f64 / jobs_per_s as f64));
    let settled = pretended.settled.clone();
    let outbox = Outbox::start(outgoing, MAXIMUM_MESSAGE_BYTES);
    let source = Source { inbox: Inbox::new(incoming, VISIBILITY, WAIT), weight: 1 };
    let worker = Worker::new(pretended, vec![source], outbox, Health::new(VISIBILITY));
    let begin = Instant::now();
    let shutdown = Shutdown::default();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    let done = async {
        while settled.load(Ordering::SeqCst) < jobs {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        begin.elapsed()
    };
    let took = tokio::time::timeout(LONGEST, done).await;
    shutdown.intake.cancel();
    running.await?;
    let took = took.map_err(|_| "the jobs aren't done in time")?;
    let mut requests = made.lock().unwrap_or_else(PoisonError::into_inner).clone();
    requests.extend(answers.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let jobs_per_s = jobs as f64 / took.as_secs_f64();
    Ok(Requests { slots: SLOTS, jobs, distance_ms: DISTANCE.as_millis() as u64, jobs_per_s, requests })
}

/// A queue in memory that answers after a while, and counts what it is asked by operation.
#[derive(Debug)]
struct Distant {
    waiting: AtomicUsize,
    made: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Distant {
    fn of(messages: usize) -> Distant {
        Distant { waiting: AtomicUsize::new(messages), made: Arc::default() }
    }

    fn done<T: Send + 'static>(&self, operation: &str, answer: T) -> BoxFuture<'static, Result<T, QueueError>> {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner).entry(operation.to_owned()).or_default() += 1;
        tokio::time::sleep(DISTANCE).map(move |()| Ok(answer)).boxed()
    }
}

impl Queue for Distant {
    fn url(&self) -> &str {
        "memory"
    }

    fn receive(&self, count: usize, _: Duration, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        let mut taken = 0;
        let _ = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiting| {
            taken = waiting.min(count);
            Some(waiting - taken)
        });
        if taken == 0 {
            // All have been handed out. What is asked from here on says nothing of load.
            return tokio::time::sleep(wait).map(|()| Ok(Vec::new())).boxed();
        }
        let message = |_| Message {
            id: "bench".to_owned(),
            receipt_handle: "bench".to_owned(),
            body: "{}".to_owned(),
            receive_count: 1,
            sent: None,
            group: None,
            sender: None,
            trace: Trace::default(),
        };
        self.done("receive", (0..taken).map(message).collect())
    }

    fn extend<'a>(&'a self, _: &'a [String], _: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.done("change visibility", Vec::new())
    }

    fn release<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        self.done("change visibility", ())
    }

    fn delete<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.done("delete", Vec::new())
    }

    fn send<'a>(&'a self, _: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.done("send", Vec::new())
    }
}

/// Slots whose jobs end after a while.
#[derive(Debug)]
struct Pretended {
    free: Arc<Semaphore>,
    takes: Duration,
    settled: Arc<AtomicUsize>,
    turns: AtomicU32,
}

/// Of the lengths that jobs have.
const SPREAD: u32 = 16;

impl Pretended {
    fn new(takes: Duration) -> Pretended {
        Pretended { free: Arc::new(Semaphore::new(SLOTS)), takes, settled: Arc::default(), turns: AtomicU32::new(0) }
    }

    fn worker(&self) -> WorkerReport {
        WorkerReport { id: self.worker_id().to_owned(), version: String::new(), host: String::new() }
    }
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
        "bench"
    }

    async fn probe(&self) -> Result<(), String> {
        Ok(())
    }

    fn slots(&self) -> usize {
        SLOTS
    }

    async fn probe_store(&self) -> Result<(), String> {
        Ok(())
    }

    async fn fitness(&self) -> Result<(), Unfit> {
        Ok(())
    }

    async fn answer(
        &self,
        body: &[u8],
        origin: Origin,
        permit: OwnedSemaphorePermit,
        _: &Remaining,
    ) -> Result<Report, Box<Failure>> {
        let _permit = permit;
        // From half of it to one and a half, or all slots would keep step.
        let turn = self.turns.fetch_add(1, Ordering::Relaxed) % SPREAD;
        tokio::time::sleep(self.takes.mul_f64(0.5 + f64::from(turn * 7 % SPREAD) / f64::from(SPREAD))).await;
        let mut request = self.request(body, origin).await;
        // Without one it would count as no job, and be copied to the dead letters.
        request.job_id = Some("bench".to_owned());
        Ok(request.rejected(&Rejection::new("job", "is pretended"), &self.worker()))
    }

    async fn request(&self, _: &[u8], origin: Origin) -> Request {
        Request::of_unread(origin)
    }

    fn internal_error(&self, request: Request, reason: &str) -> Report {
        request.internal_error(reason, &self.worker())
    }

    async fn message(&self, report: &Report, max_bytes: usize) -> MessageBody {
        MessageBody::of(cut::to_message(report, max_bytes))
    }

    async fn settled(&self, _: &str) {
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    async fn close(&self) {}
}
