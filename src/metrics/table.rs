//! THE table of metrics. The set that is counted in, the page for operators, the scraped text and the lines for
//! CloudWatch all follow from it.

use super::labels::{GivenBack, QueueRequest, Stage};
use crate::verdict::Verdict;

/// Every metric; its place in [`TABLE`] is its number here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    Jobs,
    GivenBack,
    StageSeconds,
    Deliveries,
    Attempts,
    Slots,
    SlotsBusy,
    SlotsWarm,
    Utilisation,
    HeldUp,
    MemoryBudget,
    MemoryBusy,
    ColdStarts,
    WarmStarts,
    CompileCacheHits,
    CompileCacheMisses,
    CompileCacheEvictions,
    CompileCacheHeld,
    RecycledStarts,
    LeasesLost,
    HeartbeatFailures,
    PublishFailures,
    DeleteFailures,
    EngineFailures,
    RemovalRetries,
    Orphans,
    BreakerOpen,
    BreakerOpenings,
    QueueRequests,
    PollAge,
    LogLinesLost,
    DiskFree,
    InodesFree,
    DrainSeconds,
    Build,
    ProcessMemory,
    ProcessDescriptors,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    Gauge,
    /// With the upper ends of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    Seconds,
    Bytes,
}

impl Unit {
    /// CloudWatch's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Count => "Count",
            Unit::Seconds => "Seconds",
            Unit::Bytes => "Bytes",
        }
    }
}

/// The one label of a metric that has one.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    pub name: &'static str,
    /// Its values, each counted from the start so that a rate can be taken of the first occurrence. Empty: the code at
    /// the call site says them, and there are as many as there are such places.
    pub values: fn() -> Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub metric: Metric,
    /// The whole name.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub label: Option<Label>,
    /// One sentence: what it measures.
    pub meaning: &'static str,
    /// What an operator does about it.
    pub action: &'static str,
}

impl Row {
    /// The name in CloudWatch, where the namespace says whose it is.
    pub fn short_name(&self) -> &'static str {
        self.name.strip_prefix(PREFIX).unwrap_or(self.name)
    }
}

pub const PREFIX: &str = "caisson_";

/// From a few milliseconds (a warm container) to an hour (a queue that waits for the fleet to grow), about three steps a
/// decade.
const SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];

/// Around the usual `maxReceiveCount` of 5.
const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0];

const fn row(
    metric: Metric,
    name: &'static str,
    kind: Kind,
    unit: Unit,
    meaning: &'static str,
    action: &'static str,
) -> Row {
    Row { metric, name, kind, unit, label: None, meaning, action }
}

const fn by(row: Row, name: &'static str, values: fn() -> Vec<&'static str>) -> Row {
    Row { label: Some(Label { name, values }), ..row }
}

use Kind::{Counter, Gauge, Histogram};
use Unit::{Bytes, Count, Seconds};

pub const TABLE: [Row; 37] = [
    by(
        row(
            Metric::Jobs,
            "caisson_jobs_total",
            Counter,
            Count,
            "Jobs answered: their results are in the outgoing queue.",
            "`internal_error` is ours: look at the log's errors. Much `rejected` is a producer that sends what is no job.",
        ),
        "verdict",
        || Verdict::ALL.iter().map(|verdict| verdict.as_str()).collect(),
    ),
    by(
        row(
            Metric::GivenBack,
            "caisson_jobs_given_back_total",
            Counter,
            Count,
            "Deliveries that ended without an answer, so that the job is run again.",
            "`failed` is our own failure: the log names it. `stopping` comes with every drain. `lease_lost`: see that metric.",
        ),
        "reason",
        || GivenBack::ALL.iter().map(|reason| reason.as_str()).collect(),
    ),
    by(
        row(
            Metric::StageSeconds,
            "caisson_job_stage_seconds",
            Histogram(SECONDS),
            Seconds,
            "How long an answered job spent in each stage: waiting in the queue, getting its sandbox, compiling, running.",
            "`queue` growing: more slots are needed. `prepare` growing: the engine or its disk is slow. The others are the \
             programs' own.",
        ),
        "stage",
        || Stage::ALL.iter().map(|stage| stage.as_str()).collect(),
    ),
    row(
        Metric::Deliveries,
        "caisson_deliveries_total",
        Counter,
        Count,
        "Messages received from the incoming queue, repeated ones included.",
        "Far above the answered jobs: messages come back. Look at given back and lost leases.",
    ),
    row(
        Metric::Attempts,
        "caisson_job_attempts",
        Histogram(ATTEMPTS),
        Count,
        "How often the message of an answered job had been received by then.",
        "Nearly all should be 1. Others were interrupted, or failed on our side.",
    ),
    row(
        Metric::Slots,
        "caisson_slots",
        Gauge,
        Count,
        "Jobs that this worker can run at the same time.",
        "The fleet's capacity is their sum; 0 or no data: no worker runs.",
    ),
    row(
        Metric::SlotsBusy,
        "caisson_slots_busy",
        Gauge,
        Count,
        "Slots with a live container for a job, until the engine has said that it is gone.",
        "All busy for long, with messages waiting: add workers. Busy with nothing answered: see the engine's failures.",
    ),
    row(
        Metric::SlotsWarm,
        "caisson_slots_warm",
        Gauge,
        Count,
        "Containers made ahead of need that wait for a job.",
        "0 for long while jobs come: the pool can't keep up, and jobs wait for their containers.",
    ),
    row(
        Metric::Utilisation,
        "caisson_utilisation",
        Gauge,
        Count,
        "The share of this worker's slots that jobs used over the last minute, from 0 to 1. Time in which it was held up counts as \
         unused; there is none before it takes jobs and while it drains.",
        "The fleet is scaled by its mean: near 1 for long, with messages waiting, it needs more instances.",
    ),
    row(
        Metric::HeldUp,
        "caisson_held_up",
        Gauge,
        Count,
        "The share of the last minute in which something kept this worker from taking jobs, from 0 to 1. There is none before it takes \
         jobs and while it drains.",
        "`/readyz` and `systemctl status caisson` say what it is. On one host: its engine, images or disk. On all: a queue, S3, or what \
         they are configured with.",
    ),
    row(
        Metric::MemoryBudget,
        "caisson_memory_budget_bytes",
        Gauge,
        Bytes,
        "Memory that all live sandboxes together may have.",
        "Follows from `worker.memory_bytes`.",
    ),
    row(
        Metric::MemoryBusy,
        "caisson_memory_busy_bytes",
        Gauge,
        Bytes,
        "The part of that budget that live sandboxes hold, each counted with its limit.",
        "At the budget with slots free: jobs ask for much memory; use hosts with more of it.",
    ),
    row(
        Metric::ColdStarts,
        "caisson_cold_starts_total",
        Counter,
        Count,
        "Sandboxes made for a job that was already waiting.",
        "Many beside few warm starts: the jobs ask for other containers than the pool keeps.",
    ),
    row(
        Metric::WarmStarts,
        "caisson_warm_starts_total",
        Counter,
        Count,
        "Sandboxes taken from those made ahead of need.",
        "The share of these in all starts is the pool's worth.",
    ),
    row(
        Metric::CompileCacheHits,
        "caisson_compile_cache_hits_total",
        Counter,
        Count,
        "Compile steps that were not run, because an earlier job's was the same.",
        "Their share in hits and misses is the cache's worth.",
    ),
    row(
        Metric::CompileCacheMisses,
        "caisson_compile_cache_misses_total",
        Counter,
        Count,
        "Compile steps that were looked for in the cache and had to be run.",
        "Nearly all: the jobs differ, or evictions take what would be asked for; if the former, turn the cache off.",
    ),
    row(
        Metric::CompileCacheEvictions,
        "caisson_compile_cache_evictions_total",
        Counter,
        Count,
        "Compile results that were dropped to make room for newer ones.",
        "Many, with few hits: raise `compile_cache.max_bytes` if the host has memory to spare.",
    ),
    row(
        Metric::CompileCacheHeld,
        "caisson_compile_cache_held_bytes",
        Gauge,
        Bytes,
        "The worker's memory that the cache of compile results takes; there is none where it is off.",
        "Never above `compile_cache.max_bytes`.",
    ),
    row(
        Metric::RecycledStarts,
        "caisson_recycled_starts_total",
        Counter,
        Count,
        "Containers of the pool started again after their job had ended in order, ahead of need or for a job.",
        "Few beside many starts, with `sandbox.recycle` on: jobs end in ways after which a container is removed.",
    ),
    row(
        Metric::LeasesLost,
        "caisson_leases_lost_total",
        Counter,
        Count,
        "Messages that may have gone to another worker while we had them.",
        "More than a few: the queue can't be reached in time, or the host is overloaded. Such jobs may be answered twice.",
    ),
    row(
        Metric::HeartbeatFailures,
        "caisson_heartbeat_failures_total",
        Counter,
        Count,
        "Renewals that failed or were refused, each batch or message once.",
        "Each is tried again. Steady growth comes before lost leases: look at the network and the queue's permissions.",
    ),
    row(
        Metric::PublishFailures,
        "caisson_publish_failures_total",
        Counter,
        Count,
        "Tries to publish a result that failed.",
        "Each is tried again while the job is ours. Steady growth: the outgoing queue, its permissions, its policy.",
    ),
    row(
        Metric::DeleteFailures,
        "caisson_delete_failures_total",
        Counter,
        Count,
        "Answered messages that could not be deleted after several tries.",
        "Each is answered a second time, flagged as redelivered. Look at the permission to delete.",
    ),
    by(
        row(
            Metric::EngineFailures,
            "caisson_engine_failures_total",
            Counter,
            Count,
            "Calls of the container engine that failed or got no answer in time.",
            "Look at the engine's own log and at the disk; `caisson doctor` tries everything once.",
        ),
        "operation",
        Vec::new,
    ),
    row(
        Metric::RemovalRetries,
        "caisson_removal_retries_total",
        Counter,
        Count,
        "Removals of containers that had to be tried again.",
        "Steady growth: the engine can't end containers; its slots stay busy. Restart the engine or replace the host.",
    ),
    row(
        Metric::Orphans,
        "caisson_orphans_removed_total",
        Counter,
        Count,
        "Containers that nobody owned any more and that were removed.",
        "Some after a worker was killed. Without such an event it is a fault of Caisson: keep the log and report it.",
    ),
    row(
        Metric::BreakerOpen,
        "caisson_breaker_open",
        Gauge,
        Count,
        "1 while no jobs are taken because the engine failed several times in a row, else 0.",
        "It closes by itself once the engine works. `caisson_held_up` tells of this and of every other reason.",
    ),
    row(
        Metric::BreakerOpenings,
        "caisson_breaker_openings_total",
        Counter,
        Count,
        "How often that began.",
        "Again and again on one host: replace it. On all hosts at once: look for what they share.",
    ),
    by(
        row(
            Metric::QueueRequests,
            "caisson_queue_requests_total",
            Counter,
            Count,
            "Requests to the queues, failed ones included; a batch is one.",
            "Their sum by answered jobs is what a job costs in requests. Many `receive` with few deliveries: idle workers.",
        ),
        "operation",
        || QueueRequest::ALL.iter().map(|request| request.as_str()).collect(),
    ),
    row(
        Metric::PollAge,
        "caisson_poll_age_seconds",
        Gauge,
        Seconds,
        "Since the incoming queue last answered a receive; there is none before the first.",
        "Above a minute with slots free: the queue can't be reached, and `/healthz` says so. With all slots busy it grows \
         as it should.",
    ),
    row(
        Metric::LogLinesLost,
        "caisson_log_lines_lost_total",
        Counter,
        Count,
        "Lines of the worker's log that nobody took in time, and that are nowhere.",
        "Look at what reads the worker's stderr. The worker itself doesn't wait for it.",
    ),
    row(
        Metric::DiskFree,
        "caisson_engine_disk_free_bytes",
        Gauge,
        Bytes,
        "Free space where the engine keeps its data.",
        "Low: remove images that nobody uses. Below the worker's own floor no jobs are taken.",
    ),
    row(
        Metric::InodesFree,
        "caisson_engine_inodes_free",
        Gauge,
        Count,
        "Files that can still be made there.",
        "As for the space.",
    ),
    row(
        Metric::DrainSeconds,
        "caisson_drain_seconds",
        Gauge,
        Seconds,
        "From the end of intake until everything was settled; there is none before a worker stops.",
        "Near the grace period: jobs are longer than it, and are given back at every stop.",
    ),
    by(
        row(
            Metric::Build,
            "caisson_build_info",
            Gauge,
            Count,
            "1, with the version of the worker that runs.",
            "Two versions for longer than an upgrade takes: some hosts were left out.",
        ),
        "version",
        || vec![env!("CARGO_PKG_VERSION")],
    ),
    row(
        Metric::ProcessMemory,
        "caisson_process_resident_memory_bytes",
        Gauge,
        Bytes,
        "Memory of the worker's own process.",
        "It stays flat however many jobs were run. Growth is a fault of Caisson: report it.",
    ),
    row(
        Metric::ProcessDescriptors,
        "caisson_process_open_descriptors",
        Gauge,
        Count,
        "Open files and sockets of the worker's own process.",
        "As for its memory.",
    ),
];
