//! Requests to SQS a job, at rates that the cores of a small machine don't reach: a worker with its real queues, whose jobs
//! take time and do nothing. The queues are kept at a distance, because how much gathers while a request is under way is what
//! fills the next one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use caisson::answer::{Origin, Request};
use caisson::execute::Remaining;
use caisson::health::Health;
use caisson::metrics;
use caisson::pipeline::Failure;
use caisson::queue::sources::{Permits, Source};
use caisson::queue::{Inbox, Message, Outbox, Outgoing, QueueError, Refused, Sqs};
use caisson::rejection::Rejection;
use caisson::report::{MessageBody, Report, WorkerReport, cut};
use caisson::shutdown::Shutdown;
use caisson::worker::{Answering, Worker};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Fallible;
use crate::options::Options;
use crate::queues::Queue;
use crate::report::figures::{Figures, Requests};
use crate::worker::by_label;

const SLOTS: usize = 16;
/// What so many slots do at most, by how long a job takes: 1.6 s, 320, 80 and 32 ms.
const JOBS_PER_S: [usize; 4] = [10, 50, 200, 500];
/// Put before each request.
const DISTANCE: Duration = Duration::from_millis(15);
/// Of each rate.
const LENGTH_S: usize = 6;
const LONGEST: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const VISIBILITY: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(1);
const MAXIMUM_MESSAGE_BYTES: usize = 256 << 10;

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Fallible<()> {
    for jobs_per_s in JOBS_PER_S {
        let jobs = (jobs_per_s * LENGTH_S).max(4 * SLOTS);
        figures.requests.push(at_rate(options, jobs_per_s, jobs).await?);
    }
    Ok(())
}

async fn at_rate(options: &Options, jobs_per_s: usize, jobs: usize) -> Fallible<Requests> {
    let name = |side: &str| format!("bench-{side}-{}-{jobs_per_s}", options.id);
    let (incoming, outgoing) = (Queue::create(&name("jobs")).await?, Queue::create(&name("results")).await?);
    let bodies: Vec<String> = (0..jobs).map(|number| json!({ "id": format!("bench-{number}") }).to_string()).collect();
    incoming.send(&bodies).await?;

    let pretended = Pretended::new(Duration::from_secs_f64(SLOTS as f64 / jobs_per_s as f64));
    let settled = pretended.settled.clone();
    let sqs = Sqs::open(&incoming.url).await;
    let outbox = Outbox::start(Distant(sqs.sibling(&outgoing.url)), MAXIMUM_MESSAGE_BYTES);
    let source = Source { inbox: Inbox::new(Distant(sqs), VISIBILITY, WAIT), weight: 1 };
    let worker = Worker::new(pretended, vec![source], outbox, Health::new(VISIBILITY));
    let (before, begin) = (counted(), Instant::now());
    let shutdown = Shutdown::default();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    let done = async {
        while settled.load(Ordering::SeqCst) < jobs {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        begin.elapsed()
    };
    let took = tokio::time::timeout(LONGEST, done).await;
    // Before the worker's last poll of an empty queue.
    let after = counted();
    shutdown.intake.cancel();
    running.await?;
    let took = took.map_err(|_| "the jobs aren't done in time")?;
    let made = |(operation, count): (String, u64)| {
        let earlier = before.get(&operation).copied().unwrap_or_default();
        (operation, count - earlier)
    };
    let requests = after.into_iter().map(made).filter(|(_, count)| *count > 0).collect();
    Ok(Requests {
        slots: SLOTS,
        jobs,
        distance_ms: DISTANCE.as_millis() as u64,
        jobs_per_s: jobs as f64 / took.as_secs_f64(),
        requests,
    })
}

fn counted() -> BTreeMap<String, u64> {
    by_label(&metrics::all().prometheus(), "caisson_queue_requests_total")
}

/// A queue whose every answer takes longer.
#[derive(Debug)]
struct Distant(Sqs);

impl caisson::queue::Queue for Distant {
    fn url(&self) -> &str {
        self.0.url()
    }

    fn receive(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        after(self.0.receive(count, visibility, wait))
    }

    fn extend<'a>(&'a self, handles: &'a [String], to: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        after(self.0.extend(handles, to))
    }

    fn release<'a>(&'a self, handle: &'a str, delay: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        after(self.0.release(handle, delay))
    }

    fn delete<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        after(self.0.delete(handles))
    }

    fn send<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        after(self.0.send(messages))
    }
}

fn after<'a, T: Send + 'a>(answer: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    tokio::time::sleep(DISTANCE).then(move |()| answer).boxed()
}

/// Slots whose jobs end after a while.
#[derive(Debug)]
struct Pretended {
    free: Arc<Semaphore>,
    takes: Duration,
    settled: Arc<AtomicUsize>,
}

impl Pretended {
    fn new(takes: Duration) -> Pretended {
        Pretended { free: Arc::new(Semaphore::new(SLOTS)), takes, settled: Arc::default() }
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

    async fn room(&self) -> Result<(), String> {
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
        tokio::time::sleep(self.takes).await;
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
