//! What passes between the workers and the engine, and what must never pass: a container that is weaker than promised (I6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use crate::ledger::{Hit, Ledger, Side};
use crate::support::hardening::{uid, weaknesses};
use crate::support::proxy::{Fault, Observer, Request};

/// Between all workers and the engine.
#[derive(Debug, Default)]
pub(crate) struct EngineTraffic(Mutex<Calls>);

/// What a sandbox was created with.
#[derive(Debug, Clone)]
pub(crate) struct Created {
    pub(crate) uid: u32,
    pub(crate) cpus: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Sandboxes by their container's name.
    pub(crate) created: BTreeMap<String, Created>,
    /// Containers that are no sandboxes; they carry the agent into its volume and never start.
    carriers: BTreeSet<String>,
    /// Whether the workers start containers of their pools again.
    recycles: bool,
    pub(crate) violations: Vec<String>,
}

impl EngineTraffic {
    pub(crate) fn new(recycles: bool) -> EngineTraffic {
        EngineTraffic(Mutex::new(Calls { recycles, ..Calls::default() }))
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Observer for EngineTraffic {
    fn request(&self, request: &Request) {
        let mut calls = self.calls();
        match request.operation.as_str() {
            "create" => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let name = request.query("name").unwrap_or_default().to_owned();
                if body["Labels"]["caisson.agent"].is_string() {
                    return;
                }
                // Only what waited in the pool is started again.
                let is_recycled = calls.recycles && body["Labels"]["caisson.pool"].is_string();
                let weak = weaknesses(&body, is_recycled);
                calls.violations.extend(weak.iter().map(|weakness| format!("{name} lacks: {weakness}")));
                let cpus = body["HostConfig"]["CpusetCpus"].as_str().map(str::to_owned);
                calls.created.insert(name, Created { uid: uid(&body).unwrap_or(0), cpus });
            }
            "exec" | "copy" => {
                calls.violations.push(format!("{} {}", request.method, request.path));
            }
            "start" if request.container().is_some_and(|id| calls.carriers.contains(id)) => {
                calls.violations.push("a container that only carries the agent was started".to_owned());
            }
            _ => {}
        }
    }

    fn answer(&self, request: &Request, status: u16, body: &[u8], _told: Option<&[u8]>) {
        if request.operation != "create" || status != 201 {
            return;
        }
        let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if let (true, Some(id)) = (sent["Labels"]["caisson.agent"].is_string(), answer["Id"].as_str()) {
            self.calls().carriers.insert(id.to_owned());
        }
    }
}

/// The same of one post, where what goes wrong is entered.
#[derive(Debug)]
pub(crate) struct OfPost {
    pub(crate) post: usize,
    pub(crate) calls: Arc<EngineTraffic>,
    pub(crate) ledger: Arc<Ledger>,
}

impl OfPost {
    fn hit(&self, request: &Request, fault: &'static str) {
        let (operation, at) = (request.operation.clone(), self.ledger.at(request.arrived));
        let hit = Hit { post: self.post, side: Side::Engine, operation, fault, messages: Vec::new(), at };
        self.ledger.entries().hits.push(hit);
    }
}

impl Observer for OfPost {
    fn request(&self, request: &Request) {
        self.calls.request(request);
    }

    fn meets(&self, request: &Request, fault: Fault) {
        self.hit(request, fault.name());
    }

    fn answer(&self, request: &Request, status: u16, body: &[u8], told: Option<&[u8]>) {
        // A limit that is below what a sandbox uses already is the job's doing, and answered with a 500 as well.
        if status >= 500 && request.operation != "update" {
            self.hit(request, "failed by itself");
        }
        self.calls.answer(request, status, body, told);
    }
}
