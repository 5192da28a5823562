//! The workers, each at a post of its own: behind its two proxies, started again whenever it ends, killed, suspended and told to
//! stop as ordered.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::keeper::Keeper;
use crate::ledger::{Ledger, What};
use crate::log;
use crate::messages::Messages;
use crate::settings::{GRACE_S, Settings};
use crate::support::process::{caisson, signal};
use crate::support::proxy::Proxy;
use crate::support::within;
use crate::traffic::{EngineTraffic, OfPost};

/// Before a worker that has ended is started again, as a supervisor waits.
const RESTART: Duration = Duration::from_millis(300);

/// From a first order to stop to the second one, where there is one.
const SECOND: Duration = Duration::from_secs(2);

/// What a worker's log says once it takes in messages.
const AT_WORK: &str = "\"message\":\"working\"";

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

struct Start {
    post: usize,
    name: String,
    file: String,
    endpoint: String,
    log: PathBuf,
    is_read: Arc<watch::Sender<bool>>,
    ledger: Arc<Ledger>,
    messages: Arc<Messages>,
}

impl Start {
    /// What all workers of this post have said so far.
    fn log(&self) -> Vec<u8> {
        std::fs::read(&self.log).unwrap_or_default()
    }

    /// Under the same name each time, as where a supervisor's unit file names it: so that it sweeps at its start what the
    /// one before it had created and not yet started. Nothing else removes that before its deadline.
    fn start(&self, history: &Mutex<History>) -> Child {
        let mut history = lock(history);
        let mut command = caisson(&self.name, &["worker", "--config", &self.file]);
        command.env("AWS_ENDPOINT_URL", &self.endpoint).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: between fork and exec nothing but one system call with plain integers. It lets the worker die with a run
        // that is killed outright.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let mut child = command.spawn().expect("a worker can be started");
        let pipe = child.stderr.take().expect("it is a pipe");
        // It ends with the process, once it is read.
        tokio::spawn(log::read(pipe, self.log.clone(), self.is_read.subscribe()));
        history.starts += 1;
        history.pid = child.id();
        child
    }
}

/// That a worker was told to end.
#[derive(Debug, Clone, Copy)]
struct Told {
    since: Instant,
    early: bool,
    /// For good.
    last: bool,
    /// To be told once more.
    hurry: bool,
    again: Option<Instant>,
}

async fn keep(start: Start, history: Arc<Mutex<History>>, mut orders: mpsc::Receiver<Order>) {
    loop {
        let before = start.log().len();
        let mut child = start.start(&history);
        let is_at_work = || {
            let log = start.log();
            String::from_utf8_lossy(&log[before.min(log.len())..]).contains(AT_WORK)
        };
        let (end, last) = stay(&mut child, &mut orders, &start, is_at_work).await;
        // Whatever it had in hand, it has no more.
        start.messages.in_hand.drop_all();
        match end {
            End::Killed | End::Failed { .. } => start.ledger.happens(What::Killed, start.post),
            End::Hurried { .. } => start.ledger.happens(What::Swallowed, start.post),
            End::Drained { .. } => {}
        }
        start.ledger.ends(What::Drained, Some(start.post));
        {
            let mut history = lock(&history);
            history.pid = None;
            history.ends.push(end);
        }
        if last {
            return;
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// One worker's life: how it ended, and whether it was the last.
async fn stay(
    child: &mut Child,
    orders: &mut mpsc::Receiver<Order>,
    start: &Start,
    is_at_work: impl Fn() -> bool,
) -> (End, bool) {
    let mut told = None::<Told>;
    loop {
        let due = told.filter(|told| told.hurry && told.again.is_none()).map(|told| told.since + SECOND);
        let second = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let order = tokio::select! {
            status = child.wait() => {
                let status = status.expect("a child can be waited for");
                return (ended(status, told), told.is_some_and(|told| told.last));
            }
            () = second => {
                send(child, libc::SIGTERM);
                told = told.map(|told| Told { again: Some(Instant::now()), ..told });
                continue;
            }
            order = orders.recv() => order,
        };
        match order {
            Some(Order::Kill) => {
                // An id that is waited for is not somebody else's yet; a child that has just ended fails, and rightly.
                let _ = child.start_kill();
                let _ = child.wait().await;
                return (End::Killed, told.is_some_and(|told| told.last));
            }
            Some(Order::Suspend) => send(child, libc::SIGSTOP),
            Some(Order::Resume) => send(child, libc::SIGCONT),
            Some(order @ (Order::Drain | Order::Stop | Order::Swallow)) => {
                let (last, hurry) = (order == Order::Stop, order == Order::Swallow);
                match &mut told {
                    // A second SIGTERM would mean: at once.
                    Some(told) => told.last |= last,
                    None if child.id().is_some() => {
                        let early = !is_at_work();
                        start.ledger.begins(What::Drained, Some(start.post));
                        send(child, libc::SIGTERM);
                        told = Some(Told { since: Instant::now(), early, last, hurry, again: None });
                    }
                    None => {}
                }
            }
            None => {
                let _ = child.start_kill();
                return (End::Killed, true);
            }
        }
    }
}

/// A child that has ended gets no signal any more.
fn send(child: &Child, which: i32) {
    if child.id().is_some() {
        signal(child, which);
    }
}

fn ended(status: ExitStatus, told: Option<Told>) -> End {
    match told {
        Some(Told { again: Some(again), .. }) => End::Hurried { took: again.elapsed(), status },
        Some(Told { since, early, .. }) => End::Drained { took: since.elapsed(), early, status },
        None => End::Failed { status: status.to_string() },
    }
}

/// What a process has right now; `None` when it is gone.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(Usage { rss_bytes: kibibytes.trim().parse::<u64>().ok()? << 10, descriptors })
}
