//! How many messages a worker has in hand at a time: received, and neither deleted nor given back, nor lost to a lease that
//! was not renewed. Counted at the queue's side of a proxy, so that it is never more than the worker itself would say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::proxy::{Observer, Request};

#[derive(Debug)]
pub(crate) struct InHand {
    /// How the names of the queues begin whose messages count.
    queue: &'static str,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    receipts: BTreeMap<String, Held>,
    received: usize,
    most: usize,
}

/// One receipt of a message.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) message_id: String,
    /// How often it had been received by then.
    pub(crate) attempt: u64,
    /// In seconds, as it was asked for.
    visibility: u64,
    until: Instant,
}

impl InHand {
    pub(crate) fn of(queue: &'static str) -> InHand {
        InHand { queue, counted: Mutex::default() }
    }

    /// The most at a time so far.
    pub(crate) fn most(&self) -> usize {
        self.counted().most
    }

    /// Those in hand now.
    pub(crate) fn now(&self) -> Vec<Held> {
        let now = Instant::now();
        self.counted().receipts.values().filter(|held| held.until > now).cloned().collect()
    }

    /// How many were received so far, repeated ones included.
    pub(crate) fn received(&self) -> usize {
        self.counted().received
    }

    /// The worker is gone, and with it whatever it had.
    pub(crate) fn drop_all(&self) {
        self.counted().receipts.clear();
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().expect("nobody panics with it")
    }
}

impl Counted {
    fn receive(&mut self, request: &Request, sent: &Value, answer: &Value) {
        self.receipts.retain(|_, held| held.until > request.arrived);
        let visibility = sent["VisibilityTimeout"].as_u64().unwrap_or(0);
        let until = request.arrived + Duration::from_secs(visibility);
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let attempt = text(&message["Attributes"]["ApproximateReceiveCount"]).parse().unwrap_or(1);
            let held = Held { message_id: text(&message["MessageId"]), attempt, visibility, until };
            self.receipts.insert(text(&message["ReceiptHandle"]), held);
            self.received += 1;
        }
        self.most = self.most.max(self.receipts.len());
    }

    /// An entry has another visibility timeout from now on, and the worker may have been told so.
    fn change(&mut self, request: &Request, entry: &Value, is_told: bool) {
        let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
        let Some(held) = self.receipts.get_mut(receipt) else { return };
        // With another timeout than at its receive it isn't renewed but given back.
        if entry["VisibilityTimeout"].as_u64() != Some(held.visibility) {
            self.receipts.remove(receipt);
        } else if is_told {
            held.until = request.arrived + Duration::from_secs(held.visibility);
        }
    }
}

/// A request's entries, or itself where it is for one message.
pub(crate) fn entries(body: &Value) -> Vec<&Value> {
    body["Entries"].as_array().map_or_else(|| vec![body], |entries| entries.iter().collect())
}

/// Those of a request's entries that the answer calls done; a request for one message is done when it is answered.
pub(crate) fn done<'a>(sent: &'a Value, answer: &Value) -> Vec<&'a Value> {
    let ids: Option<BTreeSet<&str>> = answer["Successful"]
        .as_array()
        .map(|entries| entries.iter().filter_map(|entry| entry["Id"].as_str()).collect());
    let is_done = |entry: &&Value| match (&ids, entry["Id"].as_str()) {
        (Some(ids), Some(id)) => ids.contains(id),
        (None, Some(_)) => false,
        (_, None) => true,
    };
    entries(sent).into_iter().filter(is_done).collect()
}

impl Observer for InHand {
    fn answer(&self, request: &Request, status: u16, body: &[u8], told: Option<&[u8]>) {
        if status != 200 || !request.queue.as_ref().is_some_and(|queue| queue.starts_with(self.queue)) {
            return;
        }
        let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap_or_default();
        let (sent, answer) = (read(&request.body), read(body));
        let mut counted = self.counted();
        match request.operation.as_str() {
            "ReceiveMessage" if told.is_some() => counted.receive(request, &sent, &answer),
            "DeleteMessage" | "DeleteMessageBatch" => {
                for receipt in done(&sent, &answer).iter().filter_map(|entry| entry["ReceiptHandle"].as_str()) {
                    counted.receipts.remove(receipt);
                }
            }
            "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => {
                let told = told.map(read);
                let told = told.as_ref().map(|told| done(&sent, told)).unwrap_or_default();
                for entry in done(&sent, &answer) {
                    counted.change(request, entry, told.contains(&entry));
                }
            }
            _ => {}
        }
    }
}
