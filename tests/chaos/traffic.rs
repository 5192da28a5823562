//! What passes between the workers and their two servers, and what must never pass: a deletion without a confirmed result
//! before it (I2), a container that is weaker than promised (I6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

use crate::support::hardening::{uid, weaknesses};
use crate::support::proxy::{Observer, Request};

/// Between one worker and SQS.
#[derive(Debug, Default)]
pub(crate) struct QueueTraffic(Mutex<Messages>);

#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// The message of each receipt handle.
    received: BTreeMap<String, String>,
    /// Messages whose result the queue has confirmed, to the worker.
    published: BTreeSet<String>,
    pub(crate) publications: usize,
    pub(crate) deletions: usize,
    pub(crate) violations: Vec<String>,
}

impl QueueTraffic {
    pub(crate) fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().expect("nobody panics with it")
    }
}

fn entries(body: &Value) -> impl Iterator<Item = &Value> {
    body["Entries"].as_array().into_iter().flatten()
}

impl Observer for QueueTraffic {
    fn request(&self, request: &Request) {
        if !["DeleteMessage", "DeleteMessageBatch"].contains(&request.operation.as_str()) {
            return;
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let single = body["ReceiptHandle"].as_str();
        let handles = entries(&body).filter_map(|entry| entry["ReceiptHandle"].as_str()).chain(single);
        let mut messages = self.messages();
        for handle in handles {
            messages.deletions += 1;
            let message = messages.received.get(handle).cloned();
            if !message.as_ref().is_some_and(|message| messages.published.contains(message)) {
                messages.violations.push(format!("deleted without a confirmed result: {message:?}"));
            }
        }
    }

    fn answer(&self, request: &Request, status: u16, body: &[u8], told: Option<&[u8]>) {
        if status != 200 || told.is_none() {
            return;
        }
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut messages = self.messages();
        match request.operation.as_str() {
            "ReceiveMessage" => {
                for message in answer["Messages"].as_array().into_iter().flatten() {
                    if let (Some(handle), Some(id)) = (message["ReceiptHandle"].as_str(), message["MessageId"].as_str())
                    {
                        messages.received.insert(handle.to_owned(), id.to_owned());
                    }
                }
            }
            "SendMessageBatch" => {
                let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                for entry in entries(&sent) {
                    let accepted = answer["Successful"].as_array().into_iter().flatten();
                    if !accepted.into_iter().any(|accepted| accepted["Id"] == entry["Id"]) {
                        continue;
                    }
                    let report: Value = entry["MessageBody"]
                        .as_str()
                        .and_then(|body| serde_json::from_str(body).ok())
                        .unwrap_or_default();
                    if let Some(message) = report["message_id"].as_str() {
                        messages.published.insert(message.to_owned());
                        messages.publications += 1;
                    }
                }
            }
            _ => {}
        }
    }
}

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
