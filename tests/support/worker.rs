//! A worker as a process, between two queues of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Child;

use super::engine::{Leftovers, nothing_left_of};
use super::process::{self, caisson};
use super::proxy::Proxy;
use super::queue::Queue;
use super::{unique, until, within};

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    child: Child,
    log: PathBuf,
    /// Where its stdout goes.
    output: PathBuf,
    leftovers: Leftovers,
    _folder: tempfile::TempDir,
}

/// A configuration file with these lines, and the folder to keep as long as it is needed.
pub(crate) fn configuration(lines: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("caisson.toml");
    std::fs::write(&file, lines).expect("the configuration can be written");
    (folder, file)
}

impl Worker {
    /// Starts one and waits until it works. `more` are further lines of its configuration, as `worker.slots = 1`.
    pub(crate) async fn start(incoming: &Queue, outgoing: &Queue, more: &str) -> Worker {
        Worker::start_with(incoming, outgoing, more, &[]).await
    }

    /// One that reaches its queues through `proxy` and nothing else.
    pub(crate) async fn behind(proxy: &Proxy, incoming: &Queue, outgoing: &Queue, more: &str) -> Worker {
        Worker::start_with(incoming, outgoing, more, &[("AWS_ENDPOINT_URL", &proxy.endpoint)]).await
    }

    /// One with several incoming queues, each with its weight.
    pub(crate) async fn of_several(incoming: &[(&Queue, u32)], outgoing: &Queue, more: &str) -> Worker {
        let urls: Vec<String> =
            incoming.iter().map(|(queue, weight)| format!("\"{} weight={weight}\"", queue.url)).collect();
        let incoming = format!("queue.incoming_urls = [{}]", urls.join(", "));
        Worker::spawn_from(&unique("worker"), &incoming, outgoing, more, &[]).working().await
    }

    /// One with these variables in its environment.
    pub(crate) async fn start_with(incoming: &Queue, outgoing: &Queue, more: &str, env: &[(&str, &str)]) -> Worker {
        Worker::spawn(incoming, outgoing, more, env).working().await
    }

    /// As [`Self::start`], under a name that another one had before.
    pub(crate) async fn start_as(name: &str, incoming: &Queue, outgoing: &Queue, more: &str) -> Worker {
        Worker::spawn_as(name, incoming, outgoing, more, &[]).working().await
    }

    async fn working(self) -> Worker {
        let mut worker = self;
        until("a worker at work", async || {
            if let Some(status) = worker.child.try_wait().expect("a child can be asked") {
                panic!("the worker has ended: {status}");
            }
            worker.log().contains("\"message\":\"working\"").then_some(())
        })
        .await;
        worker
    }

    /// Starts one and doesn't wait for anything.
    pub(crate) fn spawn(incoming: &Queue, outgoing: &Queue, more: &str, env: &[(&str, &str)]) -> Worker {
        Worker::spawn_as(&unique("worker"), incoming, outgoing, more, env)
    }

    fn spawn_as(name: &str, incoming: &Queue, outgoing: &Queue, more: &str, env: &[(&str, &str)]) -> Worker {
        Worker::spawn_from(name, &format!("queue.incoming_url = \"{}\"", incoming.url), outgoing, more, env)
    }

    fn spawn_from(name: &str, incoming: &str, outgoing: &Queue, more: &str, env: &[(&str, &str)]) -> Worker {
        // A short long poll: a worker that stops waits for the one under way.
        let (folder, file) = configuration(&format!(
            "{incoming}\nqueue.outgoing_url = \"{}\"\nqueue.wait_time_s = 1\n{more}\n",
            outgoing.url
        ));
        let name = name.to_owned();
        let log = folder.path().join("log");
        let log_file = std::fs::File::create(&log).expect("the log can be made");
        let output = folder.path().join("output");
        let output_file = std::fs::File::create(&output).expect("the file can be made");
        let leftovers = Leftovers::of(&name);
        let child = caisson(&name, &["worker", "--config", file.to_str().expect("the path is UTF-8")])
            .envs(env.iter().copied())
            .stdout(output_file)
            .stderr(log_file)
            .spawn()
            .expect("a worker can be started");
        Worker { name, child, log, output, leftovers, _folder: folder }
    }

    /// To be said of one that will not end in order, and so can't remove the agent's volume itself.
    pub(crate) fn leaves_the_volume(&mut self) {
        self.leftovers.volume = true;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the process has not been waited for")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log has these words, as long as there is hope.
    pub(crate) async fn says(&mut self, words: &str) {
        until(words, async || {
            let ended = self.has_ended();
            if self.log().contains(words) {
                return Some(());
            }
            assert!(!ended, "it has ended and never said: {words}");
            None
        })
        .await;
    }

    /// What it wrote to stdout.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Its log, line by line; every line has to be JSON.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        let log = self.log();
        let lines =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
        lines.collect()
    }

    /// Where it answers probes and scrapers, with `http.listen = "127.0.0.1:0"` in its configuration.
    pub(crate) fn address(&self) -> SocketAddr {
        let lines = self.log_lines();
        let line = lines.iter().find(|line| line["message"] == "listening for probes and scrapers");
        let address = line.and_then(|line| line["address"].as_str()).expect("the log says where");
        address.parse().expect("it is an address")
    }

    /// The same of one that has just been started, whatever keeps it from working yet.
    pub(crate) async fn listening(&self) -> SocketAddr {
        until("a worker that listens", async || {
            let log = self.log();
            let line =
                log.split_inclusive('\n').find(|line| line.contains("listening for probes") && line.ends_with('\n'))?;
            let line: Value = serde_json::from_str(line).expect("its log is JSON");
            line["address"].as_str()?.parse().ok()
        })
        .await
    }

    pub(crate) fn signal(&mut self, signal: i32) {
        if signal == libc::SIGKILL {
            self.leftovers.volume = true;
        }
        process::signal(&self.child, signal);
    }

    /// Its exit code; `None` when a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        within("the end of a worker", self.child.wait()).await.expect("a child can be waited for").code()
    }

    /// The same of one that should end soon; `None` when it hasn't after this time.
    pub(crate) async fn ended_within(&mut self, limit: Duration) -> Option<Option<i32>> {
        let status = tokio::time::timeout(limit, self.child.wait()).await.ok()?;
        Some(status.expect("a child can be waited for").code())
    }

    /// Ends it as an operator would, and makes sure that it ends well and leaves nothing.
    pub(crate) async fn stop(mut self) {
        self.signal(libc::SIGTERM);
        assert_eq!(self.ended().await, Some(0), "{}", self.log());
        nothing_left_of(&self.name).await;
    }
}

impl Drop for Worker {
    /// The log of a failed test. The process itself is killed with its handle.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}
