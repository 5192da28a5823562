//! A real `caisson worker` between two queues, with jobs waiting: what the process itself takes.
//!
//! Its rate is not looked at: the local SQS and sixteen slots on a few cores decide that.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::Fallible;
use crate::cpu::process_ms;
use crate::machine::socket;
use crate::options::Options;
use crate::queues::Queue;
use crate::report::figures::{Figures, Worker};
use crate::report::statistics::median;

const SLOTS: usize = 16;
const JOBS: usize = 300;
const LEAST_JOBS: usize = 48;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Answering costs the worker CPU time, too.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const START: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(90);

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Fallible<()> {
    let jobs = options.share_of(JOBS, LEAST_JOBS);
    let (incoming, outgoing) = (
        Queue::create(&format!("bench-jobs-{}", options.id)).await?,
        Queue::create(&format!("bench-results-{}", options.id)).await?,
    );
    let bodies: Vec<String> = (0..jobs)
        .map(|number| {
            let file = json!({ "path": "main.py", "content": "print('hello,', input())\n" });
            let test = json!({ "id": "1", "stdin": "world\n", "expected_stdout": "hello, world\n" });
            // Sixteen at a time on a few cores are slow, and nothing here is about limits.
            let limits = json!({ "cpu_time_ms": 10_000, "wall_time_ms": 60_000 });
            json!({ "id": format!("bench-{number}"), "language": "python3", "files": [file], "tests": [test], "limits": limits })
                .to_string()
        })
        .collect();
    incoming.send(&bodies).await?;
    let mut worker = Process::start(options, &incoming, &outgoing).await?;
    let measured = tokio::time::timeout(LONGEST, worker.watch(jobs)).await;
    let stopped = worker.stop().await;
    figures.worker = Some(measured.map_err(|_| "the jobs aren't done in time")??);
    stopped
}

#[derive(Debug)]
struct Process {
    child: Child,
    pid: String,
    address: String,
}

impl Process {
    async fn start(options: &Options, incoming: &Queue, outgoing: &Queue) -> Fallible<Process> {
        let config = options.work.join("caisson.toml");
        let text = format!(
            "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nqueue.wait_time_s = 1\nworker.slots = {SLOTS}\n\
             worker.memory_bytes = {}\nhttp.listen = \"127.0.0.1:0\"\nsandbox.engine_socket = \"{}\"\n",
            incoming.url,
            outgoing.url,
            12_u64 << 30,
            socket().trim_start_matches("unix://")
        );
        std::fs::write(&config, text)?;
        let log = options.work.join("worker.log");
        let mut command = Command::new(std::env::current_exe()?.with_file_name("caisson"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CAISSON_")) {
            command.env_remove(name);
        }
        command
            .args(["worker", "--config"])
            .arg(&config)
            .env("CAISSON_WORKER_ID", format!("bench-{}-worker", options.id));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log)?).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("the worker has no process")?.to_string();
        let begin = Instant::now();
        let address = loop {
            let said = std::fs::read_to_string(&log)?;
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let address = lines.filter_map(|line| Some(line.get("address")?.as_str()?.to_owned())).next();
            if let Some(address) = address {
                break address;
            }
            if child.try_wait()?.is_some() || begin.elapsed() > START {
                return Err(format!("the worker doesn't start: {}", said.lines().last().unwrap_or_default()).into());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        Ok(Process { child, pid, address })
    }

    /// Until so many jobs are answered. The start is in the figures: it belongs to the process.
    async fn watch(&mut self, jobs: usize) -> Fallible<Worker> {
        let begin = Instant::now();
        let mut resident = Vec::new();
        loop {
            tokio::time::sleep(ASK_AGAIN).await;
            resident.extend(status_bytes(&self.pid, "VmRSS:").map(|bytes| bytes as f64));
            let metrics = self.metrics().await?;
            let answered = total(&metrics, "caisson_jobs_total");
            if (answered as usize) < jobs {
                continue;
            }
            let accepted = by_label(&metrics, "caisson_jobs_total").get("accepted").copied().unwrap_or_default();
            if (accepted as usize) < jobs {
                return Err(format!("only {accepted} of {jobs} jobs were accepted").into());
            }
            return Ok(Worker {
                slots: SLOTS,
                jobs,
                seconds: begin.elapsed().as_secs_f64(),
                cpu_ms_per_job: process_ms(&self.pid, false)? / jobs as f64,
                resident_bytes: median(&resident).unwrap_or_default() as u64,
                resident_peak_bytes: status_bytes(&self.pid, "VmHWM:").unwrap_or_default(),
                requests: by_label(&metrics, "caisson_queue_requests_total"),
            });
        }
    }

    async fn metrics(&self) -> Fallible<String> {
        let mut stream = tokio::net::TcpStream::connect(&self.address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: worker\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn stop(mut self) -> Fallible<()> {
        let told = Command::new("kill").args(["-TERM", &self.pid]).status().await?;
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if told.success() && status.success() => Ok(()),
            other => Err(format!("the worker doesn't end as it should: {other:?}").into()),
        }
    }
}

/// A line of `/proc/PID/status` that counts in kB, in bytes.
pub(crate) fn status_bytes(process: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// The samples of a metric with one label, by its value: `name{label="value"} number`.
fn by_label(metrics: &str, name: &str) -> BTreeMap<String, u64> {
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    samples
        .filter_map(|rest| {
            let (label, number) = rest.split_once("} ")?;
            let value = label.split('"').nth(1)?;
            Some((value.to_owned(), number.trim().parse::<f64>().ok()? as u64))
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn total(metrics: &str, name: &str) -> u64 {
    by_label(metrics, name).values().sum()
}
