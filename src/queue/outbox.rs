//! Publishing, up to ten at a time: what has gathered while the last request was under way. No result waits for company, and
//! none for long behind a request that is slow.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::flights::Flights;
use super::heartbeat::Lease;
use super::message_size::{ENVELOPE_BYTES, MessageSize};
use super::service::{Outgoing, Queue, QueueError, outcome_of};
use super::sqs::{TRACEPARENT, TRACESTATE};
use super::{BATCH, WAITING};
use crate::report::{self, CONTRACT_VERSION, MessageBody, Report, cut};

/// The outgoing queue.
#[derive(Debug, Clone)]
pub struct Outbox {
    sender: mpsc::Sender<Publication>,
    queue: Arc<dyn Queue>,
    size: Arc<MessageSize>,
}

/// What of an incoming message goes along with its result.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Tells whether the message is still ours.
    pub lease: Arc<Lease>,
    /// The message group that the job came with. A standard queue gets it too, so that it is as fair to those who wait for
    /// results; in a FIFO the job's id is the group.
    pub group: Option<String>,
}

#[derive(Debug)]
struct Publication {
    report: Report,
    lease: Arc<Lease>,
    message: Outgoing,
    published: oneshot::Sender<Result<(), QueueError>>,
}

impl Outbox {
    /// `maximum_message_bytes` is the queue's own, attributes included.
    pub fn start(queue: impl Queue, maximum_message_bytes: usize) -> Outbox {
        let (sender, receiver) = mpsc::channel(WAITING);
        let queue: Arc<dyn Queue> = Arc::new(queue);
        let size = Arc::new(MessageSize::new(maximum_message_bytes));
        tokio::spawn(publish(queue.clone(), receiver, size.clone()));
        Outbox { sender, queue, size }
    }

    /// Bytes of the largest body that the queue takes, as far as is known now: it may be changed at any time.
    pub fn maximum_body_bytes(&self) -> usize {
        self.size.maximum_body()
    }

    /// Asks the queue again how large a message may be.
    pub async fn look_again(&self) {
        self.size.read_again(self.queue.as_ref()).await;
    }

    /// Publishes a result, cut to what the queue takes.
    ///
    /// # Errors
    /// As [`publish_as`](Outbox::publish_as).
    pub async fn publish(&self, report: Report, reply: Reply) -> Result<(), QueueError> {
        let body = MessageBody::of(cut::to_message(&report, self.maximum_body_bytes()));
        self.publish_as(report, body, reply).await
    }

    /// Publishes a result in this form: when this returns without an error, the queue has it. One try; whether and when
    /// to try again is the caller's to say, who knows for how long the job is ours. The result says whether the message
    /// was certainly ours when it was sent.
    ///
    /// # Errors
    /// When the queue refused it or couldn't be reached. It may have it all the same.
    pub async fn publish_as(&self, report: Report, body: MessageBody, reply: Reply) -> Result<(), QueueError> {
        let Reply { lease, group } = reply;
        let message = Outgoing {
            body: body.text,
            payload_bytes: body.payload_bytes,
            attributes: attributes(&report),
            aws_trace_header: report.trace.aws_header().map(str::to_owned),
            group: report.job_id.clone().or_else(|| report.message_id.clone()).unwrap_or_else(|| "none".to_owned()),
            deduplication: report.execution_id.clone(),
            fair_group: group,
        };
        let (published, answer) = oneshot::channel();
        let gone =
            || QueueError { operation: "publish results", reason: "publishing has ended".to_owned(), code: None };
        let publication = Publication { report, lease, message, published };
        self.sender.send(publication).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn attributes(report: &Report) -> Vec<(&'static str, String)> {
    let mut attributes =
        vec![("verdict", report.verdict.as_str().to_owned()), ("contract_version", CONTRACT_VERSION.to_string())];
    attributes.extend(report.job_id.clone().map(|id| ("job_id", id)));
    attributes.extend(report.trace.traceparent().map(|header| (TRACEPARENT, header)));
    attributes.extend(report.trace.tracestate().map(|header| (TRACESTATE, header.to_owned())));
    attributes
}

impl Publication {
    /// The message as it is true at this moment: it may have waited for the batch before it.
    fn current(&mut self, maximum_body_bytes: usize) -> Outgoing {
        if self.report.lease == report::Lease::Held && !self.lease.is_held() {
            self.report.lease = report::Lease::Uncertain;
            // What is in S3 would have to be written there anew, and the others of the batch wait.
            self.message.body = cut::to_message(&self.report, maximum_body_bytes);
            self.message.payload_bytes = None;
        }
        self.message.clone()
    }
}

/// Takes what waits, and sends it. Each batch says for itself what became of its results.
async fn publish(queue: Arc<dyn Queue>, mut waiting: mpsc::Receiver<Publication>, size: Arc<MessageSize>) {
    let mut flights = Flights::new();
    // One that was taken and didn't fit into the last batch any more.
    let mut left: Option<Publication> = None;
    loop {
        let first = match left.take() {
            Some(publication) => publication,
            None => match waiting.recv().await {
                Some(publication) => publication,
                None => break,
            },
        };
        flights.turn().await;
        let mut bytes = first.message.body.len() + ENVELOPE_BYTES;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.message.body.len() + ENVELOPE_BYTES;
            if bytes > size.maximum() {
                left = Some(next);
                break;
            }
            batch.push(next);
        }
        let (queue, size) = (queue.clone(), size.clone());
        flights.start(async move { send(queue.as_ref(), batch, &size).await });
    }
    flights.land().await;
}

async fn send(queue: &dyn Queue, mut batch: Vec<Publication>, size: &MessageSize) {
    let messages: Vec<Outgoing> =
        batch.iter_mut().map(|publication| publication.current(size.maximum_body())).collect();
    let outcome = queue.send(&messages).await;
    // A refusal may mean that the queue takes less than it did. Silence doesn't.
    let is_refused = match &outcome {
        Ok(refused) => !refused.is_empty(),
        Err(error) => error.code.is_some(),
    };
    if is_refused {
        size.read_again(queue).await;
    }
    for (index, publication) in batch.into_iter().enumerate() {
        // Nobody waits any more for a job that was given up meanwhile.
        let _ = publication.published.send(outcome_of("publish a result", &outcome, index));
    }
}
