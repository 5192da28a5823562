//! The configuration: one TOML file, over it the environment's `CAISSON_*` variables, under it a default for everything
//! that can have one. All mistakes are found in one go, and a configuration with a mistake is no configuration.
//!
//! [`settings()`] is the one table of what can be set. Reading, checking, `caisson config show`, the schema and
//! docs/configuration.md all follow from it.

mod bucket_place;
mod check;
mod environment;
mod error;
mod file;
mod rules;
mod schema;
mod setting;
mod settings;
mod show;

use std::collections::BTreeMap;
use std::path::Path;

pub use bucket_place::BucketPlace;
pub use environment::{OTHER_VARIABLES, environment};
pub use error::ConfigErrors;
pub use schema::schema;
pub use setting::{Fallback, Setting};
pub use settings::{TABLES, settings};

use crate::language::Languages;
use crate::limits::{AboveMaximum, Limits, LimitsPolicy};
use crate::strict_toml::{Field, Mistake, Place, Source, Value};

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub queue: QueueConfig,
    pub worker: WorkerConfig,
    pub sandbox: SandboxConfig,
    pub instance: InstanceConfig,
    pub store: StoreConfig,
    pub pool: PoolConfig,
    pub compile_cache: CompileCacheConfig,
    pub limits: LimitsPolicy,
    pub images: ImagesConfig,
    pub languages: Languages,
    pub log: LogConfig,
    pub http: HttpConfig,
    pub metrics: MetricsConfig,
    /// Where each value that isn't a built-in default comes from, by key; for messages and for `show`.
    origins: BTreeMap<String, Origin>,
}

/// The two queues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueConfig {
    /// The queue jobs come from; a worker needs it, a single local run doesn't.
    pub incoming_url: Option<String>,
    /// Several such queues instead, each as `URL` or `URL weight=N`. [`QueueConfig::incoming`] reads them.
    pub incoming_urls: Vec<String>,
    /// The queue results go to.
    pub outgoing_url: Option<String>,
    /// How long a received message stays hidden without a heartbeat, in seconds (10 to 43 200).
    pub visibility_timeout_s: u64,
    /// How long one receive waits for a message, in seconds (0 to 20).
    pub wait_time_s: u64,
    /// Whether a copy of what is no job goes to the incoming queue's dead-letter queue.
    pub copy_unparsable: bool,
    /// Whether workers answer what SQS moved to the incoming queue's dead-letter queue and nobody answered.
    pub answer_dead_letters: bool,
}

/// One of the queues that jobs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub url: String,
    /// Its share of the slots among the queues that have messages (1 to 100).
    pub weight: u32,
}

impl QueueConfig {
    /// The queues that jobs come from, whichever way they were given.
    pub fn incoming(&self) -> Vec<Incoming> {
        match &self.incoming_url {
            Some(url) => vec![Incoming { url: url.clone(), weight: 1 }],
            None => self.incoming_urls.iter().filter_map(|text| rules::incoming(text)).collect(),
        }
    }
}

/// The worker on its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerConfig {
    /// `None`: made from the host's name.
    pub id: Option<String>,
    /// Jobs at the same time (1 to 512). `None`: one for each physical core.
    pub slots: Option<usize>,
    /// Memory for all live sandboxes together. `None`: 80 % of the host's memory.
    pub memory_bytes: Option<u64>,
    /// How long running jobs may go on after the signal to stop, in seconds (0 to 3 600).
    pub grace_period_s: u64,
    /// The longest that all steps of a job may take together, in seconds (1 to 39 600).
    pub max_job_wall_s: u64,
    /// Bytes that must be free on the engine's disk for a job to be taken; 0 asks for nothing.
    pub minimum_free_bytes: u64,
    /// The same for inodes.
    pub minimum_free_inodes: u64,
    /// The languages that jobs may name; empty: all that there are.
    pub languages: Vec<String>,
}

/// The engine, and what containers get from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxConfig {
    /// An absolute path or a `unix://` address. `None`: `DOCKER_HOST`, else `/var/run/docker.sock`.
    pub engine_socket: Option<String>,
    /// The engine's name for a runtime. `None`: the engine's default.
    pub runtime: Option<String>,
    /// The first of the uids that programs run with (at least 1 000).
    pub first_uid: u32,
    /// How many uids there are (at least 100). The range ends below 2³² − 1 and leaves out 65 534, which others share.
    pub uids: u32,
    /// Whether each slot has CPUs of its own.
    pub pin_cpus: bool,
    /// Whether containers of the pool are started again after a job that ended in order.
    pub recycle: bool,
}

/// The EC2 instance the worker runs on, if it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceConfig {
    pub metadata: Switch,
    /// How often the metadata is looked at, in seconds (1 to 60).
    pub poll_interval_s: u64,
    /// What is left of a Spot notice's time when jobs must be done, in seconds (0 to 110).
    pub interruption_margin_s: u64,
    pub on_rebalance: OnRebalance,
    /// How long running jobs may go on when Auto Scaling ends the instance, in seconds (0 to 172 800).
    pub scale_in_grace_s: u64,
    /// `None`: Auto Scaling is asked.
    pub auto_scaling_group: Option<String>,
    /// `None`: the group's only hook before termination.
    pub lifecycle_hook: Option<String>,
    pub scale_in_protection: bool,
    /// The least time between two changes of that protection, in seconds (1 to 3 600).
    pub protection_interval_s: u64,
    /// How long this host alone can't run jobs until Auto Scaling is told, in seconds (0 to 86 400); 0: never.
    pub unhealthy_after_s: u64,
}

/// Whether something is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Switch {
    /// Where it is there.
    #[default]
    Auto,
    On,
    Off,
}

/// What follows from a rebalance recommendation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnRebalance {
    #[default]
    Ignore,
    Drain,
}

/// Data in S3: jobs and results too large for a message, and what jobs refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where messages may point to for their jobs: each of the form that [`BucketPlace::read`] takes.
    pub incoming_buckets: Vec<String>,
    /// Bytes of the largest such job.
    pub maximum_job_bytes: u64,
    /// Whether such an object is deleted when its job is answered.
    pub delete_incoming_payloads: bool,
    /// Where results go that are too large for the queue. `None`: they are cut.
    pub results_bucket: Option<String>,
    /// What the keys of results begin with.
    pub results_prefix: String,
    /// Where jobs may take data from, in the same form.
    pub data_buckets: Vec<String>,
    /// Bytes of the largest object of data.
    pub maximum_object_bytes: u64,
    /// Bytes of all data of one job.
    pub maximum_data_bytes: u64,
    /// Bytes that all jobs' messages and data from S3 may take of the worker's memory.
    pub memory_bytes: u64,
    /// An absolute path. `None`: where this user's programs keep such things.
    pub cache_dir: Option<String>,
    /// Bytes of all data that is kept there.
    pub cache_bytes: u64,
}

/// Containers made ahead of their jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolConfig {
    pub enabled: bool,
    /// How many there may be (0 to 1 024). `None`: twice the slots.
    pub containers: Option<usize>,
    /// Of the memory for sandboxes, the most that waiting ones may take (0 to 50).
    pub memory_percent: u64,
    /// How long one waits at most, in seconds (5 to 86 400).
    pub age_s: u64,
}

/// Compile results that are kept for identical jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompileCacheConfig {
    pub enabled: bool,
    /// Bytes of the worker's own memory that they may take together (1 MiB to 1 TiB).
    pub max_bytes: u64,
}

/// Images beyond those of the languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagesConfig {
    /// The references that a job's `image` may name, letter by letter.
    pub allow: Vec<String>,
}

/// The worker's own log, on stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A directive for tracing's `EnvFilter`.
    pub level: String,
}

/// The listener for probes and scrapers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// An address with its port. `None`: there is no listener.
    pub listen: Option<String>,
}

/// Metrics that are not fetched but sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Whether a line for CloudWatch is written to stdout each minute.
    pub cloudwatch: bool,
    /// The namespace that CloudWatch puts them in, 1 to 255 characters.
    pub cloudwatch_namespace: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    Json,
    Text,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File(Place),
    Environment(String),
    /// It follows from another setting, in words.
    Derived(String),
}

impl Config {
    /// Reads the file at `path`, if one is given, and the variables of `env`; [`environment()`] gives the process's own.
    ///
    /// # Errors
    /// Every mistake in both, or that the file cannot be read.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigErrors> {
        let Some(path) = path else { return Config::read(None, env, Vec::new()) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Config::read(Some(Source { name: &name, text: &text }), env, Vec::new()),
            Err(error) => {
                let unreadable = Mistake {
                    place: Place::File(name),
                    key: String::new(),
                    problem: format!("cannot be read: {error}"),
                };
                Config::read(None, env, vec![unreadable])
            }
        }
    }

    /// Reads `text`, called `name` in messages.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(name: &str, text: &str) -> Result<Config, ConfigErrors> {
        Config::read(Some(Source { name, text }), std::iter::empty(), Vec::new())
    }

    fn read(
        source: Option<Source<'_>>,
        env: impl Iterator<Item = (String, String)>,
        mut mistakes: Vec<Mistake>,
    ) -> Result<Config, ConfigErrors> {
        let mut config = Config::with_defaults(&mut mistakes);
        if let Some(source) = source {
            file::apply(&mut config, &source, &mut mistakes);
        }
        environment::apply(&mut config, env, &mut mistakes);
        check::apply(&mut config, &mut mistakes);
        crate::strict_toml::settle(&mut mistakes);
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigErrors(mistakes)) }
    }

    /// The table's defaults; what they aren't from the table is never seen.
    fn with_defaults(mistakes: &mut Vec<Mistake>) -> Config {
        let languages = Languages::built_in().unwrap_or_else(|more| {
            mistakes.extend(more);
            Languages::default()
        });
        let mut config = Config {
            queue: QueueConfig::default(),
            worker: WorkerConfig::default(),
            sandbox: SandboxConfig::default(),
            instance: InstanceConfig::default(),
            store: StoreConfig::default(),
            pool: PoolConfig::default(),
            compile_cache: CompileCacheConfig::default(),
            limits: LimitsPolicy {
                run: Limits::RUN,
                compile: Limits::COMPILE,
                maximum: Limits::MAXIMUM,
                above_maximum: AboveMaximum::Refuse,
            },
            images: ImagesConfig::default(),
            languages,
            log: LogConfig::default(),
            http: HttpConfig::default(),
            metrics: MetricsConfig::default(),
            origins: BTreeMap::new(),
        };
        for setting in settings() {
            if let Fallback::Value(value) = &setting.fallback {
                setting.set(&mut config, value.clone());
            }
        }
        config
    }

    /// The configuration in force as TOML that loads back to the same, each value with where it came from.
    pub fn show(&self) -> String {
        show::show(self)
    }
}

/// An enum that stands in the file as one of a few words.
macro_rules! words {
    ($type:ty, $($word:literal => $variant:path),+) => {
        impl Field for $type {
            fn value(&self) -> Option<Value> {
                match self { $($variant => Some(Value::Text($word.to_owned()))),+ }
            }
            fn assign(&mut self, value: Value) {
                match value { $(Value::Text(word) if word == $word => *self = $variant,)+ _ => {} }
            }
        }
    };
}
words!(LogFormat, "auto" => LogFormat::Auto, "json" => LogFormat::Json, "text" => LogFormat::Text);
words!(Switch, "auto" => Switch::Auto, "on" => Switch::On, "off" => Switch::Off);
words!(OnRebalance, "ignore" => OnRebalance::Ignore, "drain" => OnRebalance::Drain);
words!(AboveMaximum, "refuse" => AboveMaximum::Refuse, "clamp" => AboveMaximum::Clamp);

#[cfg(test)]
mod tests;
