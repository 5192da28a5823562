//! The workers, each at a post of its own: behind its two proxies, started again whenever it ends, killed and told to stop
//! as ordered.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::settings::{GRACE_S, Settings};
use crate::support::process::{caisson, signal};
use crate::support::proxy::{ANY, Fault, Proxy};
use crate::support::queue::Queue;
use crate::support::within;
use crate::traffic::{EngineTraffic, QueueTraffic};

/// Before a worker that has ended is started again, as a supervisor waits.
const RESTART: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Kill,
    /// End in order, and begin again.
    Drain,
    /// End in order, for good.
    Stop,
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
    pub(crate) traffic: Arc<QueueTraffic>,
    pub(crate) history: Arc<Mutex<History>>,
    pub(crate) log: PathBuf,
    orders: mpsc::Sender<Order>,
    keeper: JoinHandle<()>,
}

impl Post {
    /// Sets up the proxies and starts the first worker.
    pub(crate) async fn open(
        prefix: &str,
        number: usize,
        settings: &Settings,
        folder: &Path,
        (incoming, outgoing): (&Queue, &Queue),
        calls: &Arc<EngineTraffic>,
    ) -> Post {
        let traffic = Arc::new(QueueTraffic::default());
        let seed = settings.seed.wrapping_mul(31).wrapping_add(number as u64);
        let engine = Proxy::before_the_engine(seed, calls.clone()).await;
        let queue = Proxy::before_sqs(seed.wrapping_add(1_000), traffic.clone()).await;
        let file = folder.join(format!("worker-{number}.toml"));
        let lines = format!(
            "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nqueue.wait_time_s = 2\n\
             queue.visibility_timeout_s = {}\nworker.slots = {}\nworker.grace_period_s = {GRACE_S}\n\
             sandbox.engine_socket = \"{}\"\npool.containers = {}\nsandbox.recycle = {}\nlog.format = \"json\"\n",
            incoming.url,
            outgoing.url,
            settings.visibility_s,
            settings.slots,
            engine.endpoint,
            settings.waiting,
            settings.recycle
        );
        std::fs::write(&file, lines).expect("the configuration can be written");
        let log = folder.join(format!("worker-{number}.log"));
        let history = Arc::new(Mutex::new(History::default()));
        let (orders, receiver) = mpsc::channel(16);
        let start = Start {
            name: format!("{prefix}-{number}"),
            file: file.to_str().expect("the path is UTF-8").to_owned(),
            endpoint: queue.endpoint.clone(),
            log: log.clone(),
        };
        let keeper = tokio::spawn(keep(start, history.clone(), receiver));
        Post { engine, queue, traffic, history, log, orders, keeper }
    }

    pub(crate) fn misbehave(&self, settings: &Settings) {
        // Long enough that the engine's answer to an attach has begun, and a program's output is under way.
        self.engine.sometimes("attach", Fault::CutAfter(400), settings.engine_reset / 2.0);
        self.engine.sometimes(ANY, Fault::Reset, settings.engine_reset);
        self.queue.sometimes(ANY, Fault::Refused, settings.sqs_refused);
        self.queue.sometimes(ANY, Fault::AnswerLost, settings.sqs_swallowed);
    }

    pub(crate) fn heal(&self) {
        self.engine.heal();
        self.queue.heal();
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
    name: String,
    file: String,
    endpoint: String,
    log: PathBuf,
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
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("the log can be opened");
        let mut command = caisson(&self.name, &["worker", "--config", &self.file]);
        command.env("AWS_ENDPOINT_URL", &self.endpoint).stdout(Stdio::null()).stderr(log);
        // SAFETY: between fork and exec nothing but one system call with plain integers. It lets the worker die with a run
        // that is killed outright.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let child = command.spawn().expect("a worker can be started");
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
}

async fn keep(start: Start, history: Arc<Mutex<History>>, mut orders: mpsc::Receiver<Order>) {
    loop {
        let before = start.log().len();
        let mut child = start.start(&history);
        let is_at_work = || {
            let log = start.log();
            String::from_utf8_lossy(&log[before.min(log.len())..]).contains("\"message\":\"working\"")
        };
        let (end, last) = stay(&mut child, &mut orders, is_at_work).await;
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
async fn stay(child: &mut Child, orders: &mut mpsc::Receiver<Order>, is_at_work: impl Fn() -> bool) -> (End, bool) {
    let mut told = None::<Told>;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.expect("a child can be waited for");
                return (ended(status, told), told.is_some_and(|told| told.last));
            }
            order = orders.recv() => match order {
                Some(Order::Kill) => {
                    // An id that is waited for is not somebody else's yet; a child that has just ended fails, and rightly.
                    let _ = child.start_kill();
                    let _ = child.wait().await;
                    return (End::Killed, told.is_some_and(|told| told.last));
                }
                Some(order) => {
                    let last = order == Order::Stop;
                    match &mut told {
                        // A second SIGTERM would mean: at once.
                        Some(told) => told.last |= last,
                        None if child.id().is_some() => {
                            let early = !is_at_work();
                            signal(child, libc::SIGTERM);
                            told = Some(Told { since: Instant::now(), early, last });
                        }
                        None => {}
                    }
                }
                None => {
                    let _ = child.start_kill();
                    return (End::Killed, true);
                }
            },
        }
    }
}

fn ended(status: ExitStatus, told: Option<Told>) -> End {
    match told {
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
