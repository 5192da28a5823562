//! Where a job's time goes, step by step, by the marks that the code itself sets (`caisson::steps`). A real worker, engine
//! and agent, and a queue in memory that answers at once, so that nothing but the worker's own way is measured.

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use caisson::health::Health;
use caisson::queue::sources::Source;
use caisson::queue::{Inbox, Message, Outbox, Outgoing, Queue, QueueError, Refused};
use caisson::sandbox::PoolSettings;
use caisson::shutdown::Shutdown;
use caisson::steps;
use caisson::trace::Trace;
use caisson::worker::Worker;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use support::jobs::bash;
use support::lab::Lab;
use support::{unique, until, within};
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::Id;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One mark of one job.
#[derive(Debug, Clone)]
struct Mark {
    step: String,
    at: Instant,
    /// How long the program ran, in microseconds, where the step was one.
    wall_us: Option<u64>,
}

/// Collects the marks of each job until its span closes. Marks outside of a job's span, as of what is made for the pool,
/// are nobody's.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Vec<Mark>>>>);

struct Marks(Vec<Mark>);

impl Collector {
    fn jobs(&self) -> Vec<Vec<Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let at = Instant::now();
        if event.metadata().target() != steps::TARGET {
            return;
        }
        let Some(job) =
            context.event_scope(event).and_then(|scope| scope.from_root().find(|span| span.name() == "job"))
        else {
            return;
        };
        let mut mark = Mark { step: String::new(), at, wall_us: None };
        event.record(&mut mark);
        let mut extensions = job.extensions_mut();
        match extensions.get_mut::<Marks>() {
            Some(marks) => marks.0.push(mark),
            None => extensions.insert(Marks(vec![mark])),
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(Marks(marks)) = span.extensions_mut().remove::<Marks>() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(marks);
        }
    }
}

impl Visit for Mark {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "wall_us" {
            self.wall_us = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.step = format!("{value:?}");
        }
    }
}

/// A queue in memory that hands out what was put into it once.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<State>);

#[derive(Debug, Default)]
struct State {
    messages: Mutex<VecDeque<String>>,
    arrived: Notify,
}

impl Memory {
    fn put(&self, body: String) {
        self.0.messages.lock().unwrap_or_else(PoisonError::into_inner).push_back(body);
        self.0.arrived.notify_one();
    }

    fn next(&self) -> Option<String> {
        self.0.messages.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Queue for Memory {
    fn url(&self) -> &'static str {
        "memory://queue"
    }

    fn receive(
        &self,
        _count: usize,
        _visibility: Duration,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        async move {
            let body = async {
                loop {
                    match self.next() {
                        Some(body) => return body,
                        None => self.0.arrived.notified().await,
                    }
                }
            };
            let message = |body| Message {
                id: unique("message"),
                receipt_handle: unique("receipt"),
                body,
                receive_count: 1,
                sent: None,
                group: None,
                sender: None,
                trace: Trace::default(),
            };
            Ok(tokio::time::timeout(wait, body).await.ok().map(message).into_iter().collect())
        }
        .boxed()
    }

    fn extend<'a>(&'a self, _: &'a [String], _: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn release<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        async { Ok(()) }.boxed()
    }

    fn delete<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn send<'a>(&'a self, _: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

/// The marks of `jobs` jobs that do next to nothing, one after another, each in a container that waited for it.
async fn warm_jobs(jobs: usize) -> Vec<Vec<Mark>> {
    let collector = Collector::default();
    let listening = tracing_subscriber::registry().with(collector.clone().with_filter(
        tracing_subscriber::filter::filter_fn(|of| of.target() == steps::TARGET || of.is_span() && of.name() == "job"),
    ));
    // Each test binary runs each test in a process of its own, or this fails for the second.
    tracing::subscriber::set_global_default(listening).expect("nobody else listens");
    let lab = Lab::set(1, "", |settings| {
        settings.pool = Some(PoolSettings { containers: 1, age: Duration::from_secs(300) });
    })
    .await;
    // What is left of it removes whatever a failing test leaves.
    let Lab { pipeline, .. } = lab;
    let sandboxes = pipeline.sandboxes.clone();
    let incoming = Memory::default();
    let visibility = Duration::from_secs(60);
    let inbox = Inbox::new(incoming.clone(), visibility, Duration::from_secs(20));
    let pipeline = Arc::try_unwrap(pipeline).expect("nobody else has it");
    let outbox = Outbox::start(Memory::default(), 1 << 20);
    let worker = Worker::new(pipeline, vec![Source { inbox, weight: 1 }], outbox, Health::new(visibility));
    let shutdown = Shutdown::default();
    let working = tokio::spawn(worker.run(shutdown.clone()));
    let body = bash(":", json!({})).to_string();
    // The first is for the pool to learn the kind from.
    for done in 0..=jobs {
        incoming.put(body.clone());
        until("the job's last mark", async || (collector.jobs().len() > done).then_some(())).await;
        until("a waiting container", async || (sandboxes.pool_figures().waiting == 1).then_some(())).await;
    }
    shutdown.intake.cancel();
    within("the worker's end", working).await.expect("it doesn't panic");
    collector.jobs().split_off(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_a_waiting_container_passes_every_mark_once_and_in_order() {
    for marks in warm_jobs(2).await {
        let passed: Vec<&str> = marks.iter().map(|mark| mark.step.as_str()).collect();
        assert_eq!(passed, steps::WARM);
        assert!(marks.iter().all(|mark| mark.wall_us.is_some() == (mark.step == "ended")), "{marks:#?}");
    }
}

/// For a person to read; nothing is asserted about time. `CAISSON_STEPS_JOBS` is how many jobs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release --test steps measure -- --ignored --nocapture"]
async fn measure_each_step_of_a_job_in_a_waiting_container() {
    let jobs = std::env::var("CAISSON_STEPS_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(100);
    let jobs = warm_jobs(jobs).await;
    let mut rows: Vec<(String, Vec<Duration>)> = Vec::new();
    let mut add = |name: &str, took: Duration| match rows.iter_mut().find(|(row, _)| row == name) {
        Some((_, times)) => times.push(took),
        None => rows.push((name.to_owned(), vec![took])),
    };
    for marks in &jobs {
        for pair in marks.windows(2) {
            let took = pair[1].at - pair[0].at;
            let program = Duration::from_micros(pair[1].wall_us.unwrap_or(0));
            if pair[1].wall_us.is_some() {
                add("the program itself", program);
                add("ended (around the program)", took.saturating_sub(program));
            } else {
                add(&pair[1].step, took);
            }
        }
        add("all", marks[marks.len() - 1].at - marks[0].at);
    }
    println!("{} jobs, milliseconds until                 median      p95", jobs.len());
    for (step, times) in &mut rows {
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        println!("{step:<40} {:>8.3} {:>8.3}", at(50), at(95));
    }
}
