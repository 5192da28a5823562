//! A man in the middle, for faults: between a worker and its queues, or between a worker and its engine. It knows each
//! request by its operation and can refuse it, lose it, lose its answer, cut the answer off, let it drip, or hold up
//! everything at once; and it counts what it did. What it injects can be changed at any time.
//!
//! ```text
//! worker ─► Proxy ─┬─ SQS:    TCP,  operations by the header `X-Amz-Target` (`SendMessageBatch`)
//!                  └─ engine: Unix, operations by method and path (`create`, `attach`: see `http`)
//! ```
//!
//! Each connection carries one request, so that each has its own luck. Where a connection is handed over to another
//! protocol (the engine's `attach`) or never ends (`events`), its bytes pass as they come.

mod http;
mod serve;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::chance::Chance;
use super::engine;
pub(crate) use http::{Dialect, Request};
use wire::{Listener, Upstream};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Answered as a service in trouble does, with a 500, without anything being done.
    Refused,
    /// Answered with this status, without anything being done. A 400 from SQS is a throttled request.
    Answered(u16),
    /// Answered with a 200 and this, without anything being done.
    Says(&'static str),
    /// Answered as S3 does where the credentials are good and not enough.
    Denied,
    /// Never answered, and nothing is done.
    Hangs,
    /// Done, but the answer is lost with its connection.
    AnswerLost,
    /// Not done: the connection is reset. (A Unix socket knows no reset; it just ends.)
    Reset,
    /// Done, this much later.
    Late(Duration),
    /// Done, when [`Proxy::let_pass`] says so.
    Held,
    /// Done; the connection is reset when so many bytes of the answer have passed.
    CutAfter(usize),
    /// Done; the answer comes in pieces of 16 bytes, so long apart.
    Drips(Duration),
    /// Done; half of the answer comes, then the end of the stream, while the other direction stays open.
    HalfClosed,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Refused | Fault::Answered(_) | Fault::Denied => "refused",
            Fault::Says(_) => "confirms nothing",
            Fault::Hangs => "hangs",
            Fault::AnswerLost => "answer lost",
            Fault::Reset => "reset",
            Fault::Late(_) | Fault::Held => "late",
            Fault::CutAfter(_) => "cut off",
            Fault::Drips(_) => "drips",
            Fault::HalfClosed => "half closed",
        }
    }
}

/// Whoever wants to know what passes. Called in order within a connection, at once from several.
pub(crate) trait Observer: Send + Sync {
    /// A request has come; it may still meet a fault.
    fn request(&self, _request: &Request) {}
    /// The other side has answered, and the client is about to hear of it. `delivered`: no fault will damage the answer.
    fn answer(&self, _request: &Request, _status: u16, _body: &[u8], _delivered: bool) {}
}

#[derive(Debug)]
pub(crate) struct Unobserved;

impl Observer for Unobserved {}

/// Every operation.
pub(crate) const ANY: &str = "*";

#[derive(Debug)]
struct Rule {
    operation: &'static str,
    fault: Fault,
    left: usize,
    probability: f64,
}

#[derive(Debug)]
struct State {
    rules: Vec<Rule>,
    chance: Chance,
    /// How many requests of each operation came.
    seen: BTreeMap<String, usize>,
    /// Their bodies.
    bodies: Vec<(String, Vec<u8>)>,
    /// How many of them met which fault.
    hits: BTreeMap<(String, &'static str), usize>,
    /// Ends every connection there is; a new one for those that follow.
    severed: CancellationToken,
}

/// What the connections share.
struct Control {
    dialect: Dialect,
    upstream: Upstream,
    state: Mutex<State>,
    black_hole: watch::Sender<bool>,
    /// Whether requests that are to be held still are.
    holding: watch::Sender<bool>,
    observer: Arc<dyn Observer>,
}

/// Listens until it is dropped.
pub(crate) struct Proxy {
    /// What to tell the worker: a URL for SQS, a socket's path for the engine.
    pub(crate) endpoint: String,
    control: Arc<Control>,
    _task: AbortOnDropHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

impl Proxy {
    /// In front of the local SQS.
    pub(crate) async fn start() -> Proxy {
        Proxy::before_sqs(0, Arc::new(Unobserved)).await
    }

    pub(crate) async fn before_sqs(seed: u64, observer: Arc<dyn Observer>) -> Proxy {
        let behind =
            std::env::var("CAISSON_TEST_SQS_URL").expect("this test needs the local SQS; run it by `just test`");
        let behind = behind.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (listener, address) = Listener::tcp().await;
        Proxy::run(listener, format!("http://{address}"), Dialect::Sqs, Upstream::Tcp(behind), seed, observer, None)
    }

    /// In front of the engine.
    pub(crate) async fn before_the_engine(seed: u64, observer: Arc<dyn Observer>) -> Proxy {
        let behind = PathBuf::from(engine::socket().trim_start_matches("unix://"));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let socket = folder.path().join("engine.sock");
        let listener = Listener::unix(&socket);
        let endpoint = socket.to_str().expect("the path is UTF-8").to_owned();
        Proxy::run(listener, endpoint, Dialect::Engine, Upstream::Unix(behind), seed, observer, Some(folder))
    }

    /// In front of anything that speaks HTTP at this TCP address.
    pub(crate) async fn before(address: String) -> Proxy {
        let (listener, own) = Listener::tcp().await;
        let observer = Arc::new(Unobserved);
        Proxy::run(listener, format!("http://{own}"), Dialect::Sqs, Upstream::Tcp(address), 0, observer, None)
    }

    fn run(
        listener: Listener,
        endpoint: String,
        dialect: Dialect,
        upstream: Upstream,
        seed: u64,
        observer: Arc<dyn Observer>,
        folder: Option<tempfile::TempDir>,
    ) -> Proxy {
        let state = State {
            rules: Vec::new(),
            chance: Chance::new(seed),
            seen: BTreeMap::new(),
            bodies: Vec::new(),
            hits: BTreeMap::new(),
            severed: CancellationToken::new(),
        };
        let (black_hole, _) = watch::channel(false);
        let (holding, _) = watch::channel(true);
        let control = Arc::new(Control { dialect, upstream, state: Mutex::new(state), black_hole, holding, observer });
        let task = tokio::spawn(serve::serve(listener, control.clone()));
        Proxy { endpoint, control, _task: AbortOnDropHandle::new(task), _folder: folder }
    }

    /// From now on the next `count` requests of this operation go wrong.
    pub(crate) fn fail(&self, operation: &'static str, fault: Fault, count: usize) {
        self.control.lock().rules.push(Rule { operation, fault, left: count, probability: 1.0 });
    }

    /// From now on requests of this operation go wrong with this probability.
    pub(crate) fn sometimes(&self, operation: &'static str, fault: Fault, probability: f64) {
        self.control.lock().rules.push(Rule { operation, fault, left: usize::MAX, probability });
    }

    /// From now on all goes well again. What hangs in a black hole goes on; what was lost stays lost.
    pub(crate) fn heal(&self) {
        self.control.lock().rules.clear();
        self.black_hole(false);
    }

    /// Lets everything go on that is [held](Fault::Held), now and from now on.
    pub(crate) fn let_pass(&self) {
        self.control.holding.send_replace(false);
    }

    /// While it is on, connections are taken and bytes accepted, and nothing comes out on the other side. Afterwards what
    /// waited goes on, as after a cable was pulled for a while.
    pub(crate) fn black_hole(&self, on: bool) {
        self.control.black_hole.send_replace(on);
    }

    /// Resets every connection that there is.
    pub(crate) fn sever(&self) {
        let severed = std::mem::take(&mut self.control.lock().severed);
        severed.cancel();
    }

    /// How many requests of this operation went wrong.
    pub(crate) fn hits(&self, operation: &str) -> usize {
        let control = self.control.lock();
        control.hits.iter().filter(|((of, _), _)| is_meant(operation, of)).map(|(_, count)| count).sum()
    }

    /// How many requests met which fault, by operation and the fault's name.
    pub(crate) fn all_hits(&self) -> BTreeMap<(String, &'static str), usize> {
        self.control.lock().hits.clone()
    }

    /// How many requests of this operation came, the unlucky ones included.
    pub(crate) fn requests(&self, operation: &str) -> usize {
        let control = self.control.lock();
        control.seen.iter().filter(|(of, _)| is_meant(operation, of)).map(|(_, count)| count).sum()
    }

    /// The bodies of the requests of this operation so far.
    pub(crate) fn bodies(&self, operation: &str) -> Vec<serde_json::Value> {
        let control = self.control.lock();
        let meant = control.bodies.iter().filter(|(of, _)| is_meant(operation, of));
        meant.map(|(_, body)| serde_json::from_slice(body).expect("SQS speaks JSON")).collect()
    }
}

/// An operation of S3 is method and path, and is meant by how it begins: `GET /bucket`.
fn is_meant(pattern: &str, operation: &str) -> bool {
    pattern == ANY || pattern == operation || operation.contains(' ') && operation.starts_with(pattern)
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Counts a request, and draws its fault if it is to have one.
    fn fault(&self, operation: &str, body: &[u8]) -> Option<Fault> {
        let mut state = self.lock();
        if self.dialect == Dialect::Sqs {
            state.bodies.push((operation.to_owned(), body.to_vec()));
        }
        *state.seen.entry(operation.to_owned()).or_default() += 1;
        let State { rules, chance, hits, .. } = &mut *state;
        let rule = rules.iter_mut().find(|rule| {
            is_meant(rule.operation, operation)
                && rule.left > 0
                && (rule.probability >= 1.0 || chance.happens(rule.probability))
        })?;
        rule.left -= 1;
        *hits.entry((operation.to_owned(), rule.fault.name())).or_default() += 1;
        Some(rule.fault)
    }

    /// Counts an answer that needed no fault of ours to be one.
    fn failed_by_itself(&self, operation: &str) {
        *self.lock().hits.entry((operation.to_owned(), "failed by itself")).or_default() += 1;
    }

    /// Waits until nothing is held any more.
    async fn released(&self) {
        let _ = self.holding.subscribe().wait_for(|on| !on).await;
    }

    /// Waits until there is no black hole.
    async fn passable(&self) {
        // The sender is in `self`, so waiting can't fail.
        let _ = self.black_hole.subscribe().wait_for(|on| !on).await;
    }
}
