//! A worker as a process, between two queues of its own.

use std::path::PathBuf;

use tokio::process::Child;

use super::engine::{Leftovers, gone};
use super::process::{self, caisson};
use super::proxy::Proxy;
use super::queue::Queue;
use super::{unique, until, within};

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    child: Child,
    log: PathBuf,
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

    async fn start_with(incoming: &Queue, outgoing: &Queue, more: &str, env: &[(&str, &str)]) -> Worker {
        // A short long poll: a worker that stops waits for the one under way.
        let (folder, file) = configuration(&format!(
            "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nqueue.wait_time_s = 1\n{more}\n",
            incoming.url, outgoing.url
        ));
        let name = unique("worker");
        let log = folder.path().join("log");
        let log_file = std::fs::File::create(&log).expect("the log can be made");
        let leftovers = Leftovers::of(&name);
        let child = caisson(&name, &["worker", "--config", file.to_str().expect("the path is UTF-8")])
            .envs(env.iter().copied())
            .stdout(std::process::Stdio::null())
            .stderr(log_file)
            .spawn()
            .expect("a worker can be started");
        let mut worker = Worker { name, child, log, leftovers, _folder: folder };
        until(60, "a worker at work", async || {
            if let Some(status) = worker.child.try_wait().expect("a child can be asked") {
                panic!("the worker has ended: {status}");
            }
            worker.log().contains("\"message\":\"working\"").then_some(())
        })
        .await;
        worker
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&mut self, signal: i32) {
        if signal == libc::SIGKILL {
            self.leftovers.volume = true;
        }
        process::signal(&self.child, signal);
    }

    /// Its exit code; `None` when a signal ended it.
    pub(crate) async fn ended(&mut self, seconds: u64) -> Option<i32> {
        within(seconds, "the end of a worker", self.child.wait()).await.expect("a child can be waited for").code()
    }

    /// Ends it as an operator would, and makes sure that it ends well and leaves nothing.
    pub(crate) async fn stop(mut self) {
        self.signal(libc::SIGTERM);
        assert_eq!(self.ended(60).await, Some(0), "{}", self.log());
        gone(&self.name, 1).await;
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
