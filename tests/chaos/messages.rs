//! What passes between one worker and its queues, entered as it passes: which message was received, published, renewed, given back
//! and deleted, and which request met a fault. A deletion without a confirmed result before it must never pass (I2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use crate::ledger::{End, Entries, Hit, Ledger, Publication, Receipt, Side};
use crate::settings::{INCOMING, OUTGOING};
use crate::support::in_hand::{InHand, done, entries};
use crate::support::proxy::{Fault, Observer, Request};

/// Between the workers of one post and SQS.
#[derive(Debug)]
pub(crate) struct Messages {
    post: usize,
    ledger: Arc<Ledger>,
    pub(crate) in_hand: InHand,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The place of each receipt handle's entry among the receipts.
    receipts: BTreeMap<String, usize>,
    /// Messages whose result the queue has confirmed, to this post.
    published: BTreeSet<String>,
    deletions: usize,
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Messages {
    pub(crate) fn new(post: usize, ledger: Arc<Ledger>) -> Messages {
        Messages { post, ledger, in_hand: InHand::of(INCOMING), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics with it")
    }

    /// Deletions that were asked for, and results that were confirmed.
    pub(crate) fn figures(&self) -> (usize, usize) {
        let known = self.known();
        (known.deletions, known.published.len())
    }

    /// Enters a request that went wrong.
    fn hit(&self, request: &Request, fault: &'static str) {
        let (known, mut ledger) = (self.known(), self.ledger.entries());
        let messages = known.messages(&ledger, request);
        let at = self.ledger.at(request.arrived);
        let operation = request.operation.clone();
        ledger.hits.push(Hit { post: self.post, side: Side::Queue, operation, fault, messages, at });
    }

    fn received(&self, request: &Request, answer: &Value, is_told: bool) {
        let visibility = Duration::from_secs(read(&request.body)["VisibilityTimeout"].as_u64().unwrap_or(0));
        let from = self.ledger.at(request.arrived);
        let (mut known, mut ledger) = (self.known(), self.ledger.entries());
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let attempt = text(&message["Attributes"]["ApproximateReceiveCount"]).parse().unwrap_or(0);
            known.receipts.insert(text(&message["ReceiptHandle"]), ledger.receipts.len());
            ledger.receipts.push(Receipt {
                message: text(&message["MessageId"]),
                attempt,
                post: self.post,
                is_dead: !is_of(request, INCOMING),
                from,
                until: self.ledger.now() + visibility,
                is_told,
                end: None,
            });
        }
    }

    fn published(&self, sent: &Value, answer: &Value, told: Option<&Value>) {
        let heard = told.map(|told| done(sent, told)).unwrap_or_default();
        let at = self.ledger.now();
        for entry in done(sent, answer) {
            let report = read(entry["MessageBody"].as_str().unwrap_or_default().as_bytes());
            let (message, execution) = (text(&report["message_id"]), text(&report["execution_id"]));
            let is_told = heard.contains(&entry);
            if is_told {
                self.known().published.insert(message.clone());
            }
            let publication = Publication { message, execution, post: self.post, at, is_told };
            self.ledger.entries().publications.push(publication);
        }
    }

    fn changed(&self, request: &Request, sent: &Value, answer: &Value) {
        let now = self.ledger.now();
        let (known, mut ledger) = (self.known(), self.ledger.entries());
        for entry in done(sent, answer) {
            let Some(receipt) = known.receipt(&mut ledger, entry) else { continue };
            let visibility = Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap_or(0));
            // What is renewed goes in batches; what is given back goes alone.
            match request.operation.as_str() {
                "ChangeMessageVisibilityBatch" if !visibility.is_zero() => receipt.until = now + visibility,
                _ => {
                    let end = if visibility.is_zero() { End::GivenBack } else { End::Rests };
                    receipt.end.get_or_insert((now, end));
                }
            }
        }
    }

    fn deleted(&self, sent: &Value, answer: &Value) {
        let now = self.ledger.now();
        let (known, mut ledger) = (self.known(), self.ledger.entries());
        for entry in done(sent, answer) {
            if let Some(receipt) = known.receipt(&mut ledger, entry) {
                receipt.end = Some((now, End::Deleted));
            }
        }
    }
}

impl Known {
    fn receipt<'a>(&self, ledger: &'a mut Entries, entry: &Value) -> Option<&'a mut Receipt> {
        ledger.receipts.get_mut(*self.receipts.get(entry["ReceiptHandle"].as_str()?)?)
    }

    /// The messages that a request is about, as far as it says so.
    fn messages(&self, ledger: &Entries, request: &Request) -> Vec<String> {
        if request.queue.is_none() {
            // An object is called as its job.
            let key = request.path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            let of_job = ledger.sent.iter().filter(|(_, sent)| sent.job_id == key);
            return of_job.map(|(message, _)| message.clone()).collect();
        }
        let of_entry = |entry: &Value| match (entry["ReceiptHandle"].as_str(), entry["MessageBody"].as_str()) {
            (Some(handle), _) => self.receipts.get(handle).map(|at| ledger.receipts[*at].message.clone()),
            (None, Some(body)) => read(body.as_bytes())["message_id"].as_str().map(str::to_owned),
            (None, None) => None,
        };
        let body = read(&request.body);
        entries(&body).into_iter().filter_map(of_entry).collect()
    }
}

fn is_of(request: &Request, queue: &str) -> bool {
    request.queue.as_ref().is_some_and(|name| name.starts_with(queue))
}

impl Observer for Messages {
    fn request(&self, request: &Request) {
        if !["DeleteMessage", "DeleteMessageBatch"].contains(&request.operation.as_str()) {
            return;
        }
        let body = read(&request.body);
        let (mut known, mut ledger) = (self.known(), self.ledger.entries());
        for entry in entries(&body) {
            known.deletions += 1;
            let message = known.receipt(&mut ledger, entry).map(|receipt| receipt.message.clone());
            if !message.as_ref().is_some_and(|message| known.published.contains(message)) {
                ledger.violations.push(format!("deleted without a confirmed result: {message:?}"));
            }
        }
    }

    fn meets(&self, request: &Request, fault: Fault) {
        self.hit(request, fault.name());
    }

    fn answer(&self, request: &Request, status: u16, body: &[u8], told: Option<&[u8]>) {
        self.in_hand.answer(request, status, body, told);
        if status >= 500 {
            self.hit(request, "failed by itself");
        } else if told.is_none() {
            self.hit(request, "not heard");
        }
        if status != 200 {
            return;
        }
        let (sent, answer, told) = (read(&request.body), read(body), told.map(read));
        match request.operation.as_str() {
            "ReceiveMessage" => self.received(request, &answer, told.is_some()),
            "SendMessageBatch" if is_of(request, OUTGOING) => self.published(&sent, &answer, told.as_ref()),
            "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => self.changed(request, &sent, &answer),
            "DeleteMessage" | "DeleteMessageBatch" => self.deleted(&sent, &answer),
            _ => {}
        }
    }
}
