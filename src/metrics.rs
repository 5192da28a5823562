//! What is counted and measured, for dashboards and alarms. Whoever has something to count calls one of the functions
//! here, which go to the one set of this process.
//!
//! [`TABLE`] is the one table of metrics. Prometheus scrapes [`Metrics::prometheus`]; CloudWatch gets a line a minute by
//! [`cloudwatch`].

pub mod cloudwatch;
mod labels;
mod load;
mod process;
mod set;
mod table;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub use labels::{GivenBack, QueueRequest, Stage};
pub use set::Metrics;
pub use table::{Kind, Label, Metric, PREFIX, Row, TABLE, Unit};

use crate::report::Report;

/// The set of this process.
pub fn all() -> &'static Metrics {
    static ALL: LazyLock<Metrics> = LazyLock::new(Metrics::default);
    &ALL
}

/// A result is published.
pub fn answered(report: &Report) {
    all().answered(report);
}

impl Metrics {
    fn answered(&self, report: &Report) {
        self.count_by(Metric::Jobs, report.verdict.as_str(), 1);
        self.observe(Metric::Attempts, "", report.attempt as f64);
        let timeline = &report.timeline;
        let stages = [
            (Stage::Queue, timeline.queue_ms),
            (Stage::Prepare, timeline.prepare_ms),
            (Stage::Compile, timeline.compile_ms),
            (Stage::Run, timeline.run_ms),
        ];
        for (stage, milliseconds) in stages {
            if let Some(milliseconds) = milliseconds {
                self.observe(Metric::StageSeconds, stage.as_str(), milliseconds as f64 / 1e3);
            }
        }
    }
}

/// A delivery ended without an answer.
pub fn given_back(reason: GivenBack) {
    all().count_by(Metric::GivenBack, reason.as_str(), 1);
}

/// Messages were received.
pub fn received(messages: usize) {
    all().count_by(Metric::Deliveries, "", messages as u64);
}

/// The incoming queue has answered a receive, with messages or without.
pub fn polled() {
    all().polled(Instant::now());
}

/// How many jobs at a time, and with how much memory together, this process can run.
pub fn capacity(slots: usize, memory_bytes: u64) {
    all().set(Metric::Slots, slots as f64);
    all().set(Metric::MemoryBudget, memory_bytes as f64);
    all().load.has_slots(slots);
    all().move_by(Metric::SlotsBusy, 0.0);
    all().move_by(Metric::MemoryBusy, 0.0);
}

/// A slot that is in use, with its memory, until this is dropped.
#[derive(Debug)]
pub struct Occupied(u64);

/// A slot with this much memory is in use from now on.
pub fn occupied(memory_bytes: u64) -> Occupied {
    all().move_by(Metric::SlotsBusy, 1.0);
    all().load.busy(1.0);
    all().move_by(Metric::MemoryBusy, memory_bytes as f64);
    Occupied(memory_bytes)
}

impl Drop for Occupied {
    fn drop(&mut self) {
        all().move_by(Metric::SlotsBusy, -1.0);
        all().load.busy(-1.0);
        all().move_by(Metric::MemoryBusy, -(self.0 as f64));
    }
}

/// Whether something keeps this worker from taking jobs; `None` while it starts or stops.
pub fn held_up(is_held_up: Option<bool>) {
    all().load.is_held_up(is_held_up);
}

/// How many containers wait for a job.
pub fn warm(containers: usize) {
    all().set(Metric::SlotsWarm, containers as f64);
}

/// A sandbox was made for a job that waited for it.
pub fn cold_start() {
    all().count(Metric::ColdStarts);
}

/// A sandbox was taken from those made before.
pub fn warm_start() {
    all().count(Metric::WarmStarts);
}

/// A compile step was looked for in the cache.
pub fn compile_cache_asked(found: bool) {
    all().count(if found { Metric::CompileCacheHits } else { Metric::CompileCacheMisses });
}

/// What the cache of compile results holds now, and how many it has dropped to get there.
pub fn compile_cache_holds(bytes: u64, evicted: u64) {
    all().set(Metric::CompileCacheHeld, bytes as f64);
    all().count_by(Metric::CompileCacheEvictions, "", evicted);
}

/// A container of the pool was started again.
pub fn recycled_start() {
    all().count(Metric::RecycledStarts);
}

pub fn lease_lost() {
    all().count(Metric::LeasesLost);
}

pub fn heartbeat_failed() {
    all().count(Metric::HeartbeatFailures);
}

pub fn publish_failed() {
    all().count(Metric::PublishFailures);
}

/// Messages stay although they are answered.
pub fn delete_failed(messages: usize) {
    all().count_by(Metric::DeleteFailures, "", messages as u64);
}

/// A call of the engine failed, and not because what it asked for isn't there.
pub fn engine_failed(operation: &'static str) {
    all().count_by(Metric::EngineFailures, operation, 1);
}

/// A container's removal is tried again.
pub fn removal_retried() {
    all().count(Metric::RemovalRetries);
}

/// A container that nobody owned was removed.
pub fn orphan_removed() {
    all().count(Metric::Orphans);
}

/// The breaker is open (no jobs are taken) or closed. Saying the same twice is one opening.
pub fn breaker(open: bool) {
    all().breaker(open);
}

impl Metrics {
    fn breaker(&self, open: bool) {
        if self.exchange(Metric::BreakerOpen, f64::from(u8::from(open))) != Some(1.0) && open {
            self.count(Metric::BreakerOpenings);
        }
    }
}

/// A request to a queue is about to be made.
pub fn queue_request(request: QueueRequest) {
    all().count_by(Metric::QueueRequests, request.as_str(), 1);
}

/// A line of the log was lost.
pub fn log_line_lost() {
    all().count(Metric::LogLinesLost);
}

/// What is free where the engine keeps its data.
pub fn disk_free(bytes: u64, inodes: u64) {
    all().set(Metric::DiskFree, bytes as f64);
    all().set(Metric::InodesFree, inodes as f64);
}

/// Everything is settled, that long after intake had ended.
pub fn drained(took: Duration) {
    all().set(Metric::DrainSeconds, took.as_secs_f64());
}

#[cfg(test)]
mod tests;
