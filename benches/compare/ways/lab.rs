//! Caisson's pipeline in this process: everything from a message's bytes to its report, without the queues.

use std::time::{Duration, Instant};

use caisson::answer::Origin;
use caisson::config::{Config, StoreConfig};
use caisson::job::Bounds;
use caisson::pipeline::Pipeline;
use caisson::plan::Policy;
use caisson::report::{Report, WorkerReport};
use caisson::sandbox::{PoolSettings, Sandboxes, Settings};
use caisson::store::Store;
use caisson::verdict::Verdict;
use serde_json::Value;

use crate::Fallible;
use crate::machine::socket;
use crate::options::Options;
use crate::workloads::Workload;

/// A pool's container waits longer than any phase of this takes.
const AGE: Duration = Duration::from_secs(3_600);
const MEMORY_BYTES: u64 = 8 << 30;
/// For a container to be made or removed, on a machine with much to do.
const SETTLE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Where a job's container comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// Made when the job is there.
    Cold,
    /// Made ahead.
    Warm,
    /// Used again.
    Recycled,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan<'a> {
    pub(crate) making: Making,
    pub(crate) slots: usize,
    pub(crate) runtime: Option<&'a str>,
    /// A CPU of its own for each slot, where there are enough.
    pub(crate) pinned: bool,
}

#[derive(Debug)]
pub(crate) struct Lab {
    pipeline: Pipeline,
    slots: usize,
    /// Whether something waits in the pool once nothing goes on.
    pooled: bool,
}

impl Lab {
    pub(crate) async fn open(options: &Options, images: &[&str], plan: &Plan<'_>) -> Fallible<Lab> {
        let allowed = serde_json::to_string(images)?;
        let config =
            Config::parse("bench.toml", &format!("images.allow = {allowed}")).map_err(|error| error.to_string())?;
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let worker = format!("bench-{}-{}", options.id, &unique[..8]);
        // One place for each slot as an operator would have at least; with one job at a time one is enough, and then nothing
        // is made ahead that isn't used.
        let containers = if plan.slots == 1 { 1 } else { 2 * plan.slots };
        let pooled = plan.making != Making::Cold;
        let settings = Settings {
            engine_socket: socket(),
            runtime: plan.runtime.map(str::to_owned),
            first_uid: config.sandbox.first_uid,
            uids: config.sandbox.uids,
            pin_cpus: plan.pinned,
            slots: plan.slots,
            memory_bytes: MEMORY_BYTES,
            worker_id: worker.clone(),
            pool: pooled.then_some(PoolSettings { containers, age: AGE }),
            recycle: plan.making == Making::Recycled,
            ..Settings::default()
        };
        let sandboxes = Sandboxes::open(settings).await?;
        let policy = Policy {
            languages: config.languages,
            images: config.images.allow,
            limits: config.limits,
            job_wall_ms: config.worker.max_job_wall_s * 1_000,
        };
        let worker = WorkerReport { id: worker, version: "0".to_owned(), host: "bench".to_owned() };
        let store = Store::open(StoreConfig::default()).await?;
        let bounds = Bounds::default();
        let pipeline = Pipeline { sandboxes, store, policy, worker, bounds, compile_cache: None };
        Ok(Lab { pipeline, slots: plan.slots, pooled })
    }

    /// A job of so many tests of the program.
    pub(crate) async fn run(&self, workload: &Workload, tests: usize) -> Fallible<Duration> {
        let (report, took) = self.report(&workload.job(tests)?).await?;
        if report.verdict == Verdict::Accepted {
            return Ok(took);
        }
        Err(format!("{}: {:?}: {}", workload.name, report.verdict, report.detail).into())
    }

    /// The report of a job, and how long it took from its slot being free.
    pub(crate) async fn report(&self, job: &Value) -> Fallible<(Report, Duration)> {
        let body = serde_json::to_vec(job)?;
        let permit = self.pipeline.sandboxes.permit().await;
        let begin = Instant::now();
        let outcome = self.pipeline.process(&body, Origin::now(None, 1, None), permit).await;
        let took = begin.elapsed();
        Ok((outcome.map_err(|failure| failure.to_string())?, took))
    }

    /// Until every container of a job is gone, and another one waits where there is a pool.
    pub(crate) async fn settle(&self) -> Fallible<()> {
        let settled = async {
            let mut permits = Vec::new();
            for _ in 0..self.slots {
                permits.push(self.pipeline.sandboxes.permit().await);
            }
            while self.pooled && self.pipeline.sandboxes.pool_figures().waiting == 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(SETTLE, settled).await.map_err(|_| "Caisson's containers don't settle".into())
    }

    pub(crate) async fn close(self) {
        self.pipeline.sandboxes.close().await;
    }
}
