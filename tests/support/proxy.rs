//! A man in the middle, for faults: between a worker and its queues, or between a worker and its engine. It knows each
//! request by its operation and can refuse it, lose it, lose its answer, cut the answer off, let it drip, or hold up
//! everything at once; and it counts what it did. What it injects can be changed at any time.
//!
//! ```text
//! worker ─► Proxy ─┬─ SQS:    TCP,  operations by the header `X-Amz-Target` (`SendMessageBatch`)
//!                  └─ engine: Unix, operations by method and path (`create`, `attach`: see `http`)
//! ```
//!
//! A client may keep its connection for further requests, as with the services themselves; each request has its own luck.
//! Where a connection is handed over to another protocol (the engine's `attach`) or never ends (`events`), its bytes pass as
//! they come.
//!
//! An operation is meant by its name, and that of one queue by `SendMessageBatch@dead`, where the queue's name begins so. An
//! operation of S3 is method and path, and is meant by how it begins: `GET /bucket`.

mod batch;
pub(crate) mod fault;
mod http;
mod serve;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::chance::Chance;
use super::engine;
pub(crate) use fault::Fault;
pub(crate) use http::{Dialect, Request};
use wire::{Listener, Upstream};

/// Whoever wants to know what passes. Called in order within a connection, at once from several.
pub(crate) trait Observer: Send + Sync {
    /// A request has come; it may still meet a fault.
    fn request(&self, _request: &Request) {}
    /// A request meets this fault, before anything is done.
    fn meets(&self, _request: &Request, _fault: Fault) {}
    /// The other side has answered with `done`, and the client is about to hear `told`; `None` where the fault lets it hear
    /// nothing whole.
    fn answer(&self, _request: &Request, _status: u16, _done: &[u8], _told: Option<&[u8]>) {}
    /// Whether this answer is to reach the client unharmed, whatever the fault.
    fn spares(&self, _request: &Request, _done: &[u8]) -> bool {
        false
    }
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
    /// How many connections were made.
    connections: usize,
    /// How many requests of each operation came.
    seen: BTreeMap<String, usize>,
    /// How many of them were answered by the other side.
    answered: BTreeMap<String, usize>,
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
    /// While it is true no request meets a fault.
    spared: AtomicBool,
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
            connections: 0,
            seen: BTreeMap::new(),
            answered: BTreeMap::new(),
            bodies: Vec::new(),
            hits: BTreeMap::new(),
            severed: CancellationToken::new(),
        };
        let (black_hole, _) = watch::channel(false);
        let (holding, _) = watch::channel(true);
        let (state, spared) = (Mutex::new(state), AtomicBool::new(false));
        let control = Arc::new(Control { dialect, upstream, state, black_hole, spared, holding, observer });
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

    /// From now on nothing goes wrong any more by what was said of exactly this operation.
    pub(crate) fn mend(&self, operation: &str) {
        self.control.lock().rules.retain(|rule| rule.operation != operation);
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

    /// While it is on, no new request meets a fault.
    pub(crate) fn spare(&self, on: bool) {
        self.control.spared.store(on, Ordering::SeqCst);
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
        let mut hits = BTreeMap::new();
        for ((name, fault), count) in &self.control.lock().hits {
            *hits.entry((operation_of(name).to_owned(), *fault)).or_default() += count;
        }
        hits
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.control.lock().connections
    }

    /// How many requests of this operation came, the unlucky ones included.
    pub(crate) fn requests(&self, operation: &str) -> usize {
        let control = self.control.lock();
        control.seen.iter().filter(|(of, _)| is_meant(operation, of)).map(|(_, count)| count).sum()
    }

    /// How many of them the other side has answered, and the client has the answer before it.
    pub(crate) fn answers(&self, operation: &str) -> usize {
        let control = self.control.lock();
        control.answered.iter().filter(|(of, _)| is_meant(operation, of)).map(|(_, count)| count).sum()
    }

    /// The bodies of the requests of this operation so far.
    pub(crate) fn bodies(&self, operation: &str) -> Vec<serde_json::Value> {
        let control = self.control.lock();
        let meant = control.bodies.iter().filter(|(of, _)| is_meant(operation, of));
        meant.map(|(_, body)| serde_json::from_slice(body).expect("SQS speaks JSON")).collect()
    }
}

/// The operation of what a request is counted under.
fn operation_of(name: &str) -> &str {
    name.split_once('@').map_or(name, |(operation, _)| operation)
}

fn is_meant(pattern: &str, name: &str) -> bool {
    let goes_on = pattern.contains('@') || name.contains(' ');
    pattern == ANY || pattern == operation_of(name) || goes_on && name.starts_with(pattern)
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Counts a request, and draws its fault if it is to have one.
    fn fault(&self, request: &Request) -> Option<Fault> {
        let name = request.name();
        let mut state = self.lock();
        if self.dialect == Dialect::Sqs {
            state.bodies.push((name.clone(), request.body.clone()));
        }
        *state.seen.entry(name.clone()).or_default() += 1;
        if self.spared.load(Ordering::SeqCst) {
            return None;
        }
        let State { rules, chance, hits, .. } = &mut *state;
        let rule = rules.iter_mut().find(|rule| {
            is_meant(rule.operation, &name)
                && rule.left > 0
                && (rule.probability >= 1.0 || chance.happens(rule.probability))
        })?;
        rule.left -= 1;
        *hits.entry((name, rule.fault.name())).or_default() += 1;
        Some(rule.fault)
    }

    /// Counts an answer that was handed on.
    fn answered(&self, request: &Request) {
        *self.lock().answered.entry(request.name()).or_default() += 1;
    }

    /// Counts an answer that needed no fault of ours to be one.
    fn failed_by_itself(&self, request: &Request) {
        *self.lock().hits.entry((request.name(), "failed by itself")).or_default() += 1;
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
