//! The lives of the workers of one post: each started as the one before has ended, and ended as ordered.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, watch};

use crate::fleet::{AT_WORK, End, History, Order, lock};
use crate::ledger::{Ledger, What};
use crate::log;
use crate::messages::Messages;
use crate::support::process::{caisson, signal};

/// Before a worker that has ended is started again, as a supervisor waits.
const RESTART: Duration = Duration::from_millis(300);

/// From a first order to stop to the second one, where there is one.
const SECOND: Duration = Duration::from_secs(2);

/// What a post's workers are started with.
pub(crate) struct Start {
    pub(crate) post: usize,
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) endpoint: String,
    pub(crate) log: PathBuf,
    pub(crate) is_read: Arc<watch::Sender<bool>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) messages: Arc<Messages>,
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

/// Keeps a worker at work until one is ended for good.
pub(crate) async fn keep(start: Start, history: Arc<Mutex<History>>, mut orders: mpsc::Receiver<Order>) {
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
