//! Everything that one run found out, as it is written to `result.json`. Samples are kept whole, so that other figures can be
//! made of them later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::statistics::{median, percentile, slope};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    /// Of this file's form.
    pub(crate) version: u32,
    pub(crate) quick: bool,
    /// When the run began, RFC 3339.
    pub(crate) taken: String,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) machine: Machine,
    /// The hardened `docker run`, argument by argument, up to the image.
    pub(crate) flags: Vec<String>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) jobs_of_tests: Vec<JobsOfTests>,
    pub(crate) agent: Option<Agent>,
    pub(crate) checkers: Vec<Checker>,
    pub(crate) parts: Vec<Part>,
    pub(crate) worker: Option<Worker>,
    pub(crate) requests: Vec<Requests>,
    pub(crate) spread: Option<Spread>,
    pub(crate) flips: Option<Flips>,
    pub(crate) absent: Vec<Absent>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) system: String,
    pub(crate) kernel: String,
    pub(crate) engine: String,
    pub(crate) storage: String,
    pub(crate) cgroup: String,
    pub(crate) runtimes: Vec<String>,
    pub(crate) caisson: String,
    /// Percent of one core that everything else on the machine used just before the run.
    pub(crate) background_percent: f64,
}

/// One program run one at a time, one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) workload: String,
    pub(crate) way: String,
    pub(crate) samples_ms: Vec<f64>,
}

/// Jobs one after another, so many at a time, one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Throughput {
    pub(crate) workload: String,
    pub(crate) way: String,
    pub(crate) at_a_time: usize,
    /// Of each slice of time.
    pub(crate) jobs_per_s: Vec<f64>,
    pub(crate) latency_ms: Vec<f64>,
    pub(crate) cpu: Option<Cpu>,
}

/// CPU time of one job, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cpu {
    /// dockerd, containerd, shims, the runtime, the kernel's own threads: what the others don't account for.
    pub(crate) engine_ms: f64,
    /// What was counted in containers: the program, the agent, and the end of the runtime's start.
    pub(crate) container_ms: f64,
    /// The process that drives the engine: the worker's code, or the `docker` program.
    pub(crate) driver_ms: f64,
}

/// Jobs of several tests, four jobs at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) workload: String,
    pub(crate) way: String,
    pub(crate) tests: usize,
    /// Of each round.
    pub(crate) tests_per_s: Vec<f64>,
}

/// Jobs of several tests, one at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobsOfTests {
    pub(crate) workload: String,
    pub(crate) tests: usize,
    pub(crate) job_ms: Vec<f64>,
}

/// The same program started by the agent over two pipes, without a container, and bare.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) agent_ms: Vec<f64>,
    pub(crate) bare_ms: Vec<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checker {
    pub(crate) name: String,
    pub(crate) megabytes_per_s: f64,
    /// By how much the process's memory grew at most while it compared.
    pub(crate) grown_bytes: u64,
    pub(crate) compared_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) microseconds: f64,
    pub(crate) bytes: u64,
}

/// A process of `caisson worker` with its queues full.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) slots: usize,
    pub(crate) jobs: usize,
    pub(crate) seconds: f64,
    pub(crate) cpu_ms_per_job: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) resident_peak_bytes: u64,
    /// By operation.
    pub(crate) requests: BTreeMap<String, u64>,
}

/// Requests to SQS of a worker whose jobs take time and do nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Requests {
    pub(crate) slots: usize,
    pub(crate) jobs: usize,
    /// What each request takes.
    pub(crate) distance_ms: u64,
    /// As it came out.
    pub(crate) jobs_per_s: f64,
    /// By operation.
    pub(crate) requests: BTreeMap<String, u64>,
}

/// CPU time that one deterministic program was found to use, run after run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) slots: usize,
    /// Without a container, as the kernel accounts for it, in turn with `alone_ms`.
    #[serde(default)]
    pub(crate) bare_ms: Vec<f64>,
    pub(crate) alone_ms: Vec<f64>,
    pub(crate) busy_ms: Vec<f64>,
}

/// A program near its CPU limit, beside hostile neighbours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Flips {
    pub(crate) runs: usize,
    pub(crate) limit_ms: u64,
    pub(crate) used_ms: Vec<f64>,
    /// The verdicts that were not the right one.
    pub(crate) wrong: Vec<String>,
    pub(crate) neighbours: usize,
}

/// What could not be measured here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absent {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// The ways' names, which figures are found by. With another runtime than the engine's default, ` (RUNTIME)` follows.
pub(crate) const BARE: &str = "bare exec";
pub(crate) const DOCKER_RUN: &str = "docker run, hardened";
pub(crate) const ENGINE_API: &str = "engine API, cold";
pub(crate) const COLD: &str = "Caisson, cold";
pub(crate) const WARM: &str = "Caisson, warm";
pub(crate) const RECYCLED: &str = "Caisson, recycled";

/// The workloads' names.
pub(crate) const PROGRAM: &str = "C, returns 0";
pub(crate) const PYTHON: &str = "Python hello";
pub(crate) const JAVA: &str = "Java hello";

/// How many run at a time where figures are compared.
pub(crate) const COMPARED_AT: usize = 4;

impl Figures {
    pub(crate) fn latencies(&self, workload: &str, way: &str) -> Option<&[f64]> {
        let found = self.latency.iter().find(|it| it.workload == workload && it.way == way)?;
        Some(&found.samples_ms)
    }

    /// A percentile of a way less the median of bare exec.
    pub(crate) fn added_ms(&self, workload: &str, way: &str, percent: f64) -> Option<f64> {
        let bare = median(self.latencies(workload, BARE)?)?;
        Some(percentile(self.latencies(workload, way)?, percent)? - bare)
    }

    pub(crate) fn throughput_of(&self, workload: &str, way: &str, at_a_time: usize) -> Option<&Throughput> {
        self.throughput.iter().find(|it| it.workload == workload && it.way == way && it.at_a_time == at_a_time)
    }

    pub(crate) fn jobs_per_s(&self, workload: &str, way: &str, at_a_time: usize) -> Option<f64> {
        median(&self.throughput_of(workload, way, at_a_time)?.jobs_per_s)
    }

    pub(crate) fn tests_per_s(&self, workload: &str, way: &str, tests: usize) -> Option<f64> {
        let found = self.batches.iter().find(|it| it.workload == workload && it.way == way && it.tests == tests)?;
        median(&found.tests_per_s)
    }

    /// What a further test of a job takes, the program itself included.
    pub(crate) fn test_ms(&self, workload: &str) -> Option<f64> {
        let of = |tests: usize| self.jobs_of_tests.iter().find(|it| it.workload == workload && it.tests == tests);
        slope((20, &of(20)?.job_ms), (100, &of(100)?.job_ms))
    }

    /// What a further test of a job takes beside the program.
    pub(crate) fn added_test_ms(&self, workload: &str) -> Option<f64> {
        Some(self.test_ms(workload)? - median(self.latencies(workload, BARE)?)?)
    }

    pub(crate) fn agent_ms(&self) -> Option<f64> {
        let agent = self.agent.as_ref()?;
        Some(median(&agent.agent_ms)? - median(&agent.bare_ms)?)
    }

    /// Of the worker with its queue full, and with containers.
    pub(crate) fn requests_per_job(&self) -> Option<f64> {
        let worker = self.worker.as_ref()?;
        Some(per_job(&worker.requests, worker.jobs))
    }

    pub(crate) fn checker(&self, name: &str) -> Option<&Checker> {
        self.checkers.iter().find(|checker| checker.name == name)
    }

    /// The workloads and the ways in the order in which they were first measured.
    pub(crate) fn workloads(&self) -> Vec<&str> {
        first_seen(self.latency.iter().map(|it| it.workload.as_str()))
    }

    pub(crate) fn ways(&self) -> Vec<&str> {
        first_seen(
            self.latency.iter().map(|it| it.way.as_str()).chain(self.throughput.iter().map(|it| it.way.as_str())),
        )
    }
}

/// Each once, in the order of first appearance.
pub(crate) fn first_seen<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// Of all operations together.
fn per_job(requests: &BTreeMap<String, u64>, jobs: usize) -> f64 {
    requests.values().sum::<u64>() as f64 / jobs.max(1) as f64
}

impl Requests {
    pub(crate) fn per_job(&self) -> f64 {
        per_job(&self.requests, self.jobs)
    }

    pub(crate) fn of(&self, operation: &str) -> f64 {
        self.requests.get(operation).copied().unwrap_or_default() as f64 / self.jobs.max(1) as f64
    }
}

impl Cpu {
    pub(crate) fn total_ms(&self) -> f64 {
        self.engine_ms + self.container_ms + self.driver_ms
    }
}
