//! A stack, deployed into the local AWS, and real workers on its queues: how many there are follows from the policy in the
//! template and from the queue's own numbers, and nothing else.
//!
//! CloudWatch's minute is a second here, a booting instance is a starting process, and Auto Scaling is the loop below. The
//! numbers it decides by are those of the template.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use caisson::simulate::{Datapoint, load};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::health::{LISTEN, metrics};
use support::jobs::bash;
use support::queue::{EMPTY, Queue, client};
use support::worker::Worker;
use support::{PATIENCE, unique, within};
use tokio::process::Command;
use tokio::task::JoinSet;

/// What a minute is in this test.
const MINUTE: Duration = Duration::from_secs(1);
/// Minutes above or below its target before tracking acts, as CloudWatch's alarms for it are set up.
const TRACK_OUT: usize = 3;
const TRACK_IN: usize = 15;
/// The test's own bounds: from nothing, and as many as two CPUs can start in time.
const CEILING: usize = 4;
const JOBS: usize = 48;

/// The scaling policy, as `tests/deploy/template.py policy` reads it from the template.
#[derive(Debug, Deserialize)]
struct Policy {
    target: f64,
    backlog_per_slot: f64,
    burst_from: f64,
    burst_least: usize,
    burst_steps: Vec<BurstStep>,
    wake_by: usize,
}

#[derive(Debug, Deserialize)]
struct BurstStep {
    from: f64,
    percent: usize,
}

/// One look at queue and fleet.
#[derive(Debug, Clone, Serialize)]
struct Sample {
    seconds: f64,
    waiting: usize,
    in_work: usize,
    desired: usize,
    running: usize,
    load: f64,
}

/// What the policy has seen of late.
#[derive(Debug, Default)]
struct Memory {
    above: usize,
    below: usize,
}

impl Policy {
    /// How many instances there should be. `desired` is what was wanted until now; nothing is decided while instances
    /// start, because what they will take is not seen yet.
    fn decide(&self, sample: &Sample, memory: &mut Memory) -> usize {
        let Sample { desired, running, load, .. } = *sample;
        memory.above = if load > self.target { memory.above + 1 } else { 0 };
        memory.below = if load < 0.9 * self.target { memory.below + 1 } else { 0 };
        if running != desired {
            return desired;
        }
        if desired == 0 {
            return if sample.waiting > 0 { self.wake_by } else { 0 };
        }
        let times = load / self.target;
        let step = self.burst_steps.iter().rev().find(|step| times - self.burst_from >= step.from);
        if let Some(step) = step {
            return desired + (desired * step.percent / 100).max(self.burst_least);
        }
        let tracked = (running as f64 * load / self.target).ceil() as usize;
        if memory.above >= TRACK_OUT {
            return desired.max(tracked);
        }
        if memory.below >= TRACK_IN { desired.min(tracked) } else { desired }
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn python(arguments: &[&str]) -> String {
    let mut command = Command::new(project().join(".tools/venv/bin/python"));
    let run = command.args(arguments).current_dir(project()).kill_on_drop(true).output();
    let output = within(&arguments.join(" "), run).await.expect("scripts/tools.sh sqs deploy has been run");
    assert!(output.status.success(), "{}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("its output is UTF-8")
}

/// The workers that are there, come and go.
#[derive(Debug)]
struct Fleet {
    incoming: Queue,
    outgoing: Queue,
    running: Vec<Worker>,
    starting: JoinSet<Worker>,
    stopping: JoinSet<()>,
}

impl Fleet {
    /// Starts or stops as many as are wanted, and takes in those that have started.
    async fn become_of(&mut self, desired: usize) {
        while let Some(started) = self.starting.try_join_next() {
            self.running.push(started.expect("a worker starts"));
        }
        while let Some(stopped) = self.stopping.try_join_next() {
            stopped.expect("a worker ends well");
        }
        for _ in self.running.len() + self.starting.len()..desired {
            let (incoming, outgoing) = (self.incoming.clone(), self.outgoing.clone());
            let more = format!("worker.slots = 1\n{LISTEN}");
            self.starting.spawn_local(async move { Worker::start(&incoming, &outgoing, &more).await });
        }
        while self.running.len() > desired {
            let worker = self.running.remove(0);
            self.stopping.spawn_local(worker.stop());
        }
    }

    /// The mean of what those at work say of themselves, as CloudWatch would have it; `None` while nobody says anything.
    async fn mean(&self, metric: &str) -> Option<f64> {
        let mut said = Vec::new();
        for worker in &self.running {
            said.extend(metrics(worker).await.value(metric, &[]));
        }
        (!said.is_empty()).then(|| said.iter().sum::<f64>() / said.len() as f64)
    }

    async fn end(mut self) {
        self.become_of(0).await;
        while let Some(stopped) = within("the last workers' end", self.stopping.join_next()).await {
            stopped.expect("a worker ends well");
        }
    }
}

/// Where the data of the run and its plot go: to the documents when asked to, else to a folder that goes away.
fn place() -> (Option<tempfile::TempDir>, PathBuf) {
    if std::env::var_os("CAISSON_WRITE_PLOT").is_some() {
        return (None, project().join("docs/fleet"));
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().to_owned();
    (Some(folder), path)
}

#[tokio::test]
async fn the_fleet_of_a_stack_follows_its_backlog_from_nothing_and_back() {
    // Workers come and go beside the loop, on its own thread: they are processes, and waiting for them is no work.
    tokio::task::LocalSet::new().run_until(follow()).await;
}

async fn follow() {
    let policy: Policy = serde_json::from_str(&python(&["tests/deploy/template.py", "policy"]).await)
        .expect("the policy is as expected");
    let stack = unique("fleet");
    let outputs: Value = serde_json::from_str(&python(&["tests/deploy/stack.py", "create", &stack]).await)
        .expect("the outputs are JSON");
    let url = |name: &str| outputs[name].as_str().expect("the stack says its queues").to_owned();
    let incoming = Queue { client: client().await, url: url("IncomingQueueUrl") };
    let outgoing = Queue { client: client().await, url: url("OutgoingQueueUrl") };

    let mut wanted = BTreeSet::new();
    for number in 0..JOBS {
        let id = format!("burst-{number}");
        incoming.send_job(&bash("sleep 1; echo done", json!({ "id": id }))).await;
        wanted.insert(id);
    }

    let mut fleet = Fleet {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        running: Vec::new(),
        starting: JoinSet::new(),
        stopping: JoinSet::new(),
    };
    let (mut desired, mut memory, mut samples) = (0, Memory::default(), Vec::<Sample>::new());
    let begin = Instant::now();
    let mut minutes = tokio::time::interval(MINUTE);
    loop {
        minutes.tick().await;
        fleet.become_of(desired).await;
        let counts = incoming.counts().await;
        let running = fleet.running.len();
        let datapoint = Datapoint {
            waiting: counts.visible as f64,
            in_flight: counts.in_flight as f64,
            in_service: running as f64,
            utilisation: fleet.mean("caisson_utilisation").await,
            held_up: fleet.mean("caisson_held_up").await,
        };
        // The template's rule, as tests/deploy/load.json says it. Each worker has one slot here.
        let load = load(&datapoint, 1.0, policy.backlog_per_slot, policy.target);
        let sample = Sample {
            seconds: begin.elapsed().as_secs_f64(),
            waiting: counts.visible,
            in_work: counts.in_flight,
            desired,
            running,
            load,
        };
        desired = policy.decide(&sample, &mut memory).min(CEILING);
        samples.push(sample);
        if samples.len() > 1 && counts == EMPTY && desired == 0 && fleet.running.is_empty() {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the fleet didn't come to rest: {samples:#?}");
    }
    fleet.end().await;

    let (_folder, place) = place();
    std::fs::create_dir_all(&place).expect("the folder can be made");
    let (data, plot) = (place.join("run.json"), place.join("run.svg"));
    let rounded: Vec<Value> = samples
        .iter()
        .map(|sample| {
            let mut value = serde_json::to_value(sample).expect("a sample is JSON");
            for name in ["seconds", "load"] {
                value[name] = json!((value[name].as_f64().expect("it is a number") * 100.0).round() / 100.0);
            }
            value
        })
        .collect();
    let run = json!({ "target": policy.target, "ceiling": CEILING, "jobs": JOBS, "samples": rounded });
    std::fs::write(&data, format!("{run:#}\n")).expect("the data can be written");
    python(&["scripts/plot_fleet.py", data.to_str().expect("UTF-8"), plot.to_str().expect("UTF-8")]).await;
    assert!(std::fs::read_to_string(&plot).expect("there is a plot").contains("</svg>"));

    // Everything was answered, and the queue never grew again once all was sent: no worker that left gave up a job.
    for answer in outgoing.answers(JOBS).await {
        wanted.remove(answer.report["job_id"].as_str().expect("each has an id"));
    }
    assert!(wanted.is_empty(), "not answered: {wanted:?}");
    let left = |sample: &Sample| sample.waiting + sample.in_work;
    for (earlier, later) in samples.iter().zip(&samples[1..]) {
        assert!(left(later) <= left(earlier), "the backlog grew: {earlier:?}, {later:?}");
    }
    // From nothing to the ceiling while there was still something to do, below the target, and back to nothing.
    let full = samples.iter().find(|sample| sample.running == CEILING).expect("the fleet reached its ceiling");
    assert!(left(full) > 0, "the ceiling was reached when all was done: {samples:#?}");
    assert!(samples.iter().all(|sample| sample.desired <= CEILING && sample.running <= CEILING));
    let calm = samples.iter().position(|sample| sample.load <= policy.target).expect("the target was met");
    assert!(
        samples[calm..].iter().all(|sample| sample.load <= policy.target || sample.running < CEILING),
        "the load rose above its target again with all workers there: {samples:#?}"
    );
    let sizes: Vec<usize> = samples.iter().map(|sample| sample.desired).collect();
    assert!(sizes.starts_with(&[0]) && sizes.windows(2).any(|pair| pair[1] < pair[0]), "{sizes:?}");

    python(&["tests/deploy/stack.py", "delete", &stack]).await;
}
