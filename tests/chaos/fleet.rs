//! The workers, each at a post of its own: behind its two proxies, started again whenever it ends, killed, suspended and told to
//! stop as ordered.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::life::{Start, keep};
use crate::messages::Messages;
use crate::settings::{GRACE_S, Settings};
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::traffic::{EngineTraffic, OfPost};

/// What a worker's log says once it takes in messages.
pub(crate) const AT_WORK: &str = "\"message\":\"working\"";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Kill,
    /// End in order, and begin again.
    Drain,
    /// End in order, for good.
    Stop,
    /// End in order, and when that isn't done soon, at once.
    Swallow,
    /// Run no further for now.
    Suspend,
    /// Go on.
    Resume,
}

/// How one run of a worker ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Killed,
    /// `early`: told before it was at work, so that it may not have been listening yet, or had no queue or engine to go to.
    Drained {
        took: Duration,
        early: bool,
        status: ExitStatus,
    },
    /// Told a second time; `took` counts from then.
    Hurried {
        took: Duration,
        status: ExitStatus,
    },
    /// By itself.
    Failed {
        status: String,
    },
}

/// What a post has seen.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) starts: usize,
    pub(crate) ends: Vec<End>,
    /// The process that runs now.
    pub(crate) pid: Option<u32>,
    /// The most that any of its workers had, in bytes and in open files.
    pub(crate) most: Usage,
}

/// What a process has.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) rss_bytes: u64,
    pub(crate) descriptors: usize,
}

pub(crate) struct Post {
    pub(crate) engine: Proxy,
    pub(crate) queue: Proxy,
    pub(crate) messages: Arc<Messages>,
    pub(crate) history: Arc<Mutex<History>>,
    pub(crate) log: PathBuf,
    is_read: Arc<watch::Sender<bool>>,
    orders: mpsc::Sender<Order>,
    keeper: JoinHandle<()>,
}

/// What all posts have to do with.
pub(crate) struct Surroundings<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) settings: &'a Settings,
    pub(crate) folder: &'a Path,
    pub(crate) keeper: &'a Keeper,
    pub(crate) bucket: &'a str,
    pub(crate) calls: &'a Arc<EngineTraffic>,
    pub(crate) ledger: &'a Arc<Ledger>,
}

impl Surroundings<'_> {
    fn configuration(&self, engine: &str) -> String {
        let Settings { visibility_s, slots, waiting, recycle, .. } = self.settings;
        let (incoming, outgoing) = (&self.keeper.incoming.url, &self.keeper.outgoing.url);
        format!(
            "queue.incoming_url = \"{incoming}\"\nqueue.outgoing_url = \"{outgoing}\"\nqueue.wait_time_s = 2\n\
             queue.visibility_timeout_s = {visibility_s}\nworker.slots = {slots}\nworker.grace_period_s = {GRACE_S}\n\
             sandbox.engine_socket = \"{engine}\"\npool.containers = {waiting}\nsandbox.recycle = {recycle}\n\
             store.incoming_buckets = [\"{}\"]\nlog.format = \"json\"\n",
            self.bucket
        )
    }
}

impl Post {
    /// Sets up the proxies and starts the first worker.
    pub(crate) async fn open(number: usize, around: &Surroundings<'_>) -> Post {
        let ledger = around.ledger.clone();
        let messages = Arc::new(Messages::new(number, ledger.clone()));
        let seed = around.settings.seed.wrapping_mul(31).wrapping_add(number as u64);
        let calls = OfPost { post: number, calls: around.calls.clone(), ledger: ledger.clone() };
        let engine = Proxy::before_the_engine(seed, Arc::new(calls)).await;
        let queue = Proxy::before_sqs(seed.wrapping_add(1_000), messages.clone()).await;
        let file = around.folder.join(format!("worker-{number}.toml"));
        std::fs::write(&file, around.configuration(&engine.endpoint)).expect("the configuration can be written");
        let log = around.folder.join(format!("worker-{number}.log"));
        let history = Arc::new(Mutex::new(History::default()));
        let (orders, receiver) = mpsc::channel(16);
        let is_read = Arc::new(watch::Sender::new(true));
        let start = Start {
            post: number,
            name: format!("{}-{number}", around.prefix),
            file: file.to_str().expect("the path is UTF-8").to_owned(),
            endpoint: queue.endpoint.clone(),
            log: log.clone(),
            is_read: is_read.clone(),
            ledger,
            messages: messages.clone(),
        };
        let keeper = tokio::spawn(keep(start, history.clone(), receiver));
        Post { engine, queue, messages, history, log, is_read, orders, keeper }
    }

    /// Whether somebody reads its workers' log from now on.
    pub(crate) fn read_log(&self, on: bool) {
        self.is_read.send_replace(on);
    }

    /// Whether its first worker has begun.
    pub(crate) fn is_at_work(&self) -> bool {
        std::fs::read_to_string(&self.log).is_ok_and(|log| log.contains(AT_WORK))
    }

    pub(crate) fn heal(&self) {
        self.engine.heal();
        self.queue.heal();
        self.read_log(true);
    }

    pub(crate) async fn order(&self, order: Order) {
        // A post that was stopped takes no orders.
        let _ = self.orders.send(order).await;
    }

    /// Stops the worker in order, and waits for its end.
    pub(crate) async fn close(&mut self) {
        self.order(Order::Stop).await;
        within("the end of a worker that was told to", &mut self.keeper).await.expect("its keeper doesn't panic");
    }

    pub(crate) fn ends(&self) -> Vec<End> {
        lock(&self.history).ends.clone()
    }

    pub(crate) fn starts(&self) -> usize {
        lock(&self.history).starts
    }
}

impl Drop for Post {
    /// The process is killed with its handle, which is the keeper's.
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

pub(crate) fn lock(history: &Mutex<History>) -> std::sync::MutexGuard<'_, History> {
    history.lock().expect("nobody panics with it")
}

/// What a process has right now; `None` when it is gone.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(Usage { rss_bytes: kibibytes.trim().parse::<u64>().ok()? << 10, descriptors })
}
