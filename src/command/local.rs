//! From a configuration to what commands work with.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use crate::config::Config;
use crate::execute::CompileCache;
use crate::job::Bounds;
use crate::pipeline::{Cause, Pipeline};
use crate::plan::Policy;
use crate::report::WorkerReport;
use crate::sandbox::slots;
use crate::sandbox::{Patience, PoolSettings, Sandboxes, Settings, WAITING_BYTES, Watermarks};
use crate::store::Store;

/// Of the host's memory, what all sandboxes together may have where the configuration says nothing. The rest is for the
/// engine, the page cache and ourselves.
const MEMORY_SHARE: f64 = 0.8;

/// Assumed where `/proc/meminfo` can't be read.
const FALLBACK_MEMORY_BYTES: u64 = 2 << 30;

/// This process's name, its own among all of the host until it ends.
static NAME: OnceLock<slots::Name> = OnceLock::new();

/// How a command departs from the configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Local {
    /// What [`worker_id`] gave. `None`: the same, or another one where another process has that.
    pub(super) id: Option<String>,
    /// In place of the configuration's.
    pub(super) slots: Option<usize>,
    pub(super) bounds: Bounds,
    /// Sandboxes stay when their jobs are over.
    pub(super) keep: bool,
    /// Many jobs come, so that containers made ahead and kept compile results find theirs.
    pub(super) many: bool,
}

/// Opens the engine and the store, and puts the parts together.
pub(super) async fn pipeline(config: &Config, local: Local) -> Result<Pipeline, Cause> {
    let Local { id, slots, bounds, keep, many } = local;
    let worker = worker_report(id.unwrap_or_else(|| worker_id(config).unwrap_or_else(|_| made_up_id())));
    let store = Store::open(config.store.clone()).await?;
    let settings = settings(config, slots, &worker.id);
    let pool = if many { pool(config, &settings) } else { None };
    let sandboxes = Sandboxes::open(Settings { keep, pool, ..settings }).await?;
    let compile_cache =
        (many && config.compile_cache.enabled).then(|| CompileCache::new(config.compile_cache.max_bytes));
    Ok(Pipeline { sandboxes, store, policy: policy(config), worker, bounds, compile_cache })
}

pub(super) fn policy(config: &Config) -> Policy {
    Policy {
        languages: config.languages.clone(),
        images: config.images.allow.clone(),
        limits: config.limits.clone(),
        job_wall_ms: config.worker.max_job_wall_s.saturating_mul(1_000),
    }
}

pub(super) fn settings(config: &Config, slots: Option<usize>, worker_id: &str) -> Settings {
    let slots = slots.or(config.worker.slots).unwrap_or_else(slots::default_count);
    let memory = config.worker.memory_bytes.unwrap_or_else(|| (host_memory() as f64 * MEMORY_SHARE) as u64);
    Settings {
        engine_socket: engine_socket(config),
        runtime: config.sandbox.runtime.clone(),
        first_uid: config.sandbox.first_uid,
        uids: config.sandbox.uids,
        pin_cpus: config.sandbox.pin_cpus,
        slots,
        memory_bytes: memory,
        worker_id: worker_id.to_owned(),
        keep: false,
        pool: None,
        recycle: config.sandbox.recycle,
        watermarks: Watermarks { bytes: config.worker.minimum_free_bytes, inodes: config.worker.minimum_free_inodes },
        patience: Patience::default(),
    }
}

/// What the configuration allows, and memory and uids have room for. What the largest job may need is never the pool's.
fn pool(config: &Config, settings: &Settings) -> Option<PoolSettings> {
    if !config.pool.enabled {
        return None;
    }
    let share = settings.memory_bytes / 100 * config.pool.memory_percent;
    let left = settings.memory_bytes.saturating_sub(config.limits.maximum.memory_bytes);
    let by_memory = usize::try_from(share.min(left) / WAITING_BYTES).unwrap_or(usize::MAX);
    let by_uids = (settings.uids as usize).saturating_sub(settings.slots);
    let wanted = config.pool.containers.unwrap_or(2 * settings.slots);
    let containers = wanted.min(by_memory).min(by_uids);
    if containers < wanted {
        tracing::info!(wanted, containers, "memory or user ids leave room for fewer waiting containers");
    }
    Some(PoolSettings { containers, age: Duration::from_secs(config.pool.age_s) })
}

fn engine_socket(config: &Config) -> String {
    let configured = config.sandbox.engine_socket.clone();
    let from_environment = || std::env::var("DOCKER_HOST").ok().filter(|host| host.starts_with("unix://"));
    configured.or_else(from_environment).unwrap_or_else(|| "/var/run/docker.sock".to_owned())
}

/// The host's memory in bytes, from the first line of `/proc/meminfo` (`MemTotal: N kB`).
fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.map_or(FALLBACK_MEMORY_BYTES, |kibibytes| kibibytes * 1024)
}

/// The name of this process, in results and on its containers; nobody else on the host takes it from here on.
///
/// # Errors
/// When another process has it.
pub(super) fn worker_id(config: &Config) -> Result<String, String> {
    let id = config.worker.id.clone().unwrap_or_else(made_up_id);
    match slots::Name::claim(&id) {
        Ok(name) => {
            // A process has one name; a second call would have failed.
            let _ = NAME.set(name);
            Ok(id)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(format!(
            "worker.id: a worker called {id} runs on this host already, and two of one name would remove each other's containers; give \
             each its own worker.id, or leave the setting out"
        )),
        Err(error) => Err(format!("worker.id: the name {id} could not be claimed on this host: {error}")),
    }
}

/// One that no other process has, not even a restarted one's dying predecessor.
fn made_up_id() -> String {
    format!("{}-{}", host(), &uuid::Uuid::new_v4().simple().to_string()[..8])
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn worker_report(id: String) -> WorkerReport {
    WorkerReport { id, version: env!("CARGO_PKG_VERSION").to_owned(), host: host() }
}
