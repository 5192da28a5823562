//! The ways to run one program, all behind one face.

pub(crate) mod bare;
mod docker_run;
mod engine_api;
pub(crate) mod lab;

use std::time::Duration;

use crate::Fallible;
use crate::options::Options;
use crate::report::figures::{BARE, COLD, DOCKER_RUN, ENGINE_API, Figures, RECYCLED, WARM};
use crate::workloads::{Workload, Workloads};

use bare::Bare;
use docker_run::DockerRun;
pub(crate) use docker_run::flags;
use engine_api::EngineApi;
use lab::{Lab, Making};

/// CPU, memory and processes of every container that is compared; what a job of Caisson has by default.
pub(crate) const MEMORY_BYTES: u64 = 256 << 20;
pub(crate) const PROCESSES: u64 = 64;
pub(crate) const DISK_BYTES: u64 = 64 << 20;
/// Outside the range of Caisson's own.
pub(crate) const UID: u32 = 19_999;

/// What is compared, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    kind: Kind,
    /// `None` for the engine's default.
    runtime: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bare,
    DockerRun,
    EngineApi,
    Caisson(Making),
}

const KINDS: [(&str, Kind); 6] = [
    (BARE, Kind::Bare),
    (DOCKER_RUN, Kind::DockerRun),
    (ENGINE_API, Kind::EngineApi),
    (COLD, Kind::Caisson(Making::Cold)),
    (WARM, Kind::Caisson(Making::Warm)),
    (RECYCLED, Kind::Caisson(Making::Recycled)),
];

/// All that can be had here: each with the engine's default runtime, and those with containers with the others that work.
pub(crate) fn choices(figures: &Figures) -> Vec<Choice> {
    let here = KINDS.into_iter();
    let mut choices: Vec<Choice> =
        here.clone().map(|(name, kind)| Choice { name: name.to_owned(), kind, runtime: None }).collect();
    // A quick run is for trying it, and gVisor alone would double its time.
    let others = if figures.quick { 0 } else { figures.machine.runtimes.len() };
    for runtime in figures.machine.runtimes.iter().skip(1).take(others) {
        choices.extend(here.clone().filter(|(_, kind)| *kind != Kind::Bare).map(|(name, kind)| Choice {
            name: format!("{name} ({runtime})"),
            kind,
            runtime: Some(runtime.clone()),
        }));
    }
    choices
}

impl Choice {
    /// Whether it is one of those with the engine's own runtime.
    pub(crate) fn is_default(&self) -> bool {
        self.runtime.is_none()
    }

    /// Makes it ready for so many jobs at a time.
    pub(crate) async fn open(
        &self,
        options: &Options,
        workloads: &Workloads,
        workload: &Workload,
        at_a_time: usize,
    ) -> Fallible<Way> {
        let runtime = self.runtime.as_deref();
        Ok(match self.kind {
            Kind::Bare => Way::Bare(Bare::open(workload, at_a_time).await?),
            Kind::DockerRun => Way::DockerRun(DockerRun::open(options, runtime)?),
            Kind::EngineApi => Way::EngineApi(EngineApi::open(options, runtime).await?),
            Kind::Caisson(making) => {
                let plan = lab::Plan { making, slots: at_a_time, runtime, pinned: false };
                Way::Caisson(Box::new(Lab::open(options, &workloads.images(), &plan).await?))
            }
        })
    }
}

#[derive(Debug)]
pub(crate) enum Way {
    Bare(Bare),
    DockerRun(DockerRun),
    EngineApi(EngineApi),
    Caisson(Box<Lab>),
}

impl Way {
    /// From the order to run the program until its output and its exit code are here, and right.
    pub(crate) async fn run(&self, workload: &Workload) -> Fallible<Duration> {
        match self {
            Way::Bare(bare) => bare.run(workload).await,
            Way::DockerRun(docker_run) => docker_run.run(workload).await,
            Way::EngineApi(api) => api.run(workload).await,
            Way::Caisson(lab) => lab.run(workload, 1).await,
        }
    }

    /// Waits until nothing is going on any more that the last run started.
    pub(crate) async fn settle(&self) -> Fallible<()> {
        match self {
            Way::Caisson(lab) => lab.settle().await,
            _ => Ok(()),
        }
    }

    pub(crate) async fn close(self) {
        if let Way::Caisson(lab) = self {
            lab.close().await;
        }
    }
}

/// Every way's run ends here: what came back is what was to come, or the figure is worth nothing.
pub(crate) fn check(workload: &Workload, is_good_exit: bool, stdout: &[u8], complaint: &[u8]) -> Fallible<()> {
    if is_good_exit && stdout == workload.expected.as_bytes() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(complaint);
    Err(format!("{}: not the right answer: {}", workload.name, complaint.trim()).into())
}
