//! The pipeline in the test's own process: real engine, real containers, no queue.

use std::sync::Arc;

use caisson::answer::Origin;
use caisson::config::{Config, StoreConfig};
use caisson::execute::CompileCache;
use caisson::job::Bounds;
use caisson::pipeline::{Cause, Pipeline};
use caisson::plan::Policy;
use caisson::report::{Report, WorkerReport};
use caisson::sandbox::{SandboxError, Sandboxes, Settings};
use caisson::store::Store;
use serde_json::Value;

use super::engine::{self, Leftovers, containers_of};
use super::{unique, within};

#[derive(Debug, Clone)]
pub(crate) struct Lab {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) worker: String,
    _leftovers: Arc<Leftovers>,
}

impl Lab {
    pub(crate) async fn open(slots: usize) -> Lab {
        Lab::with(slots, "").await
    }

    /// With a configuration of the test's own, for what a policy is made of.
    pub(crate) async fn with(slots: usize, toml: &str) -> Lab {
        Lab::set(slots, toml, |_| {}).await
    }

    /// With settings of the test's own too, for what no configuration says.
    pub(crate) async fn set(slots: usize, toml: &str, change: impl FnOnce(&mut Settings)) -> Lab {
        let config = Config::parse("test.toml", toml).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let worker = unique("lab");
        let mut settings = Settings {
            engine_socket: engine::socket(),
            first_uid: config.sandbox.first_uid,
            uids: config.sandbox.uids,
            pin_cpus: config.sandbox.pin_cpus,
            slots,
            memory_bytes: 4 << 30,
            worker_id: worker,
            ..Settings::default()
        };
        change(&mut settings);
        let worker = settings.worker_id.clone();
        let leftovers = Arc::new(Leftovers::of(&worker));
        let opened = within("open the engine", Sandboxes::open(settings)).await;
        let sandboxes = opened.unwrap_or_else(|error| panic!("{error}"));
        let policy = Policy {
            languages: config.languages,
            images: config.images.allow,
            limits: config.limits,
            job_wall_ms: config.worker.max_job_wall_s * 1_000,
        };
        let report = WorkerReport { id: worker.clone(), version: "0".to_owned(), host: "test".to_owned() };
        let store = Store::open(StoreConfig::default()).await.expect("a store of nothing needs nothing");
        let cache = config.compile_cache;
        let pipeline = Pipeline {
            sandboxes,
            store,
            policy,
            worker: report,
            bounds: Bounds { body_bytes: 64 << 20 },
            compile_cache: cache.enabled.then(|| CompileCache::new(cache.max_bytes)),
        };
        Lab { pipeline: Arc::new(pipeline), worker, _leftovers: leftovers }
    }

    pub(crate) async fn try_run(&self, job: &Value) -> Result<Report, SandboxError> {
        let body = serde_json::to_vec(job).expect("a job serializes");
        let run = async {
            let permit = self.pipeline.sandboxes.permit().await;
            let outcome = self.pipeline.process(&body, Origin::now(None, 1, None), permit).await;
            outcome.map_err(|failure| match failure.cause {
                Cause::Sandbox(error) => error,
                Cause::Store(error) => panic!("there is no store: {error}"),
            })
        };
        within("a job", run).await
    }

    /// Runs a job; its report as a consumer reads it.
    pub(crate) async fn run(&self, job: &Value) -> Value {
        let report = self.try_run(job).await.unwrap_or_else(|error| panic!("{error}\n{job:#}"));
        serde_json::to_value(report).expect("a report serializes")
    }

    /// Ends it, and makes sure that nothing of it is left.
    pub(crate) async fn close(self) {
        within("close the sandboxes", self.pipeline.sandboxes.close()).await;
        assert_eq!(containers_of(&self.worker).await, Vec::<String>::new(), "containers were left behind");
    }
}
