//! Publishing and deleting, up to ten at a time: whatever is ready goes together, and nothing waits for company.
//!
//! Each has a task of its own that takes what has gathered while its last request was under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::sqs::{Outgoing, QueueError, Refused, Sqs};
use super::{BATCH, Message};
use crate::report::{CONTRACT_VERSION, Report, cut};
use crate::retry::Retry;

/// How many may wait before whoever brings more waits as well. Above any number of slots.
const WAITING: usize = 1_024;

/// Tries of one deletion. Its failure only means a duplicate.
const DELETE_TRIES: u32 = 5;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What a message's attributes and the envelope of a batch take beside its body.
const ENVELOPE_BYTES: usize = 1_024;

/// The outgoing queue.
#[derive(Debug, Clone)]
pub struct Outbox {
    sender: mpsc::Sender<Publication>,
    maximum_body_bytes: usize,
}

#[derive(Debug)]
struct Publication {
    message: Outgoing,
    published: oneshot::Sender<Result<(), QueueError>>,
}

impl Outbox {
    /// `maximum_message_bytes` is the queue's own, attributes included.
    pub fn start(sqs: Sqs, maximum_message_bytes: usize) -> Outbox {
        let (sender, receiver) = mpsc::channel(WAITING);
        let maximum_body_bytes = maximum_message_bytes.saturating_sub(ENVELOPE_BYTES);
        tokio::spawn(publish(sqs, receiver, maximum_message_bytes));
        Outbox { sender, maximum_body_bytes }
    }

    /// Publishes a result: when this returns without an error, the queue has it. One try; whether and when to try again
    /// is the caller's to say, who knows for how long the job is ours.
    ///
    /// # Errors
    /// When the queue refused it or couldn't be reached. It may have it all the same.
    pub async fn publish(&self, report: &Report) -> Result<(), QueueError> {
        let mut attributes =
            vec![("verdict", report.verdict.as_str().to_owned()), ("contract_version", CONTRACT_VERSION.to_string())];
        attributes.extend(report.job_id.clone().map(|id| ("job_id", id)));
        let message = Outgoing {
            body: cut::to_message(report, self.maximum_body_bytes),
            attributes,
            group: report.job_id.clone().or_else(|| report.message_id.clone()).unwrap_or_else(|| "none".to_owned()),
            deduplication: report.execution_id.clone(),
        };
        let (published, answer) = oneshot::channel();
        let gone = || QueueError { operation: "publish results", reason: "publishing has ended".to_owned(), code: None };
        self.sender.send(Publication { message, published }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn publish(sqs: Sqs, mut waiting: mpsc::Receiver<Publication>, maximum_batch_bytes: usize) {
    // One that was taken and didn't fit into the last batch any more.
    let mut left: Option<Publication> = None;
    loop {
        let first = match left.take() {
            Some(publication) => publication,
            None => match waiting.recv().await {
                Some(publication) => publication,
                None => return,
            },
        };
        let mut bytes = first.message.body.len() + ENVELOPE_BYTES;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.message.body.len() + ENVELOPE_BYTES;
            if bytes > maximum_batch_bytes {
                left = Some(next);
                break;
            }
            batch.push(next);
        }
        let messages: Vec<Outgoing> = batch.iter().map(|publication| publication.message.clone()).collect();
        let outcome = sqs.send(&messages).await;
        for (index, publication) in batch.into_iter().enumerate() {
            // Nobody waits any more for a job that was given up meanwhile.
            let _ = publication.published.send(of_entry(&outcome, index));
        }
    }
}

fn of_entry(outcome: &Result<Vec<Refused>, QueueError>, index: usize) -> Result<(), QueueError> {
    let operation = "publish a result";
    match outcome {
        Ok(refused) => match refused.iter().find(|refused| refused.index == index) {
            None => Ok(()),
            Some(refused) => Err(QueueError {
                operation,
                reason: refused.reason.clone(),
                code: Some(refused.code.clone()),
            }),
        },
        Err(error) => Err(QueueError { operation, reason: error.reason.clone(), code: error.code.clone() }),
    }
}

/// The task that deletes.
#[derive(Debug, Clone)]
pub(super) struct Deletions {
    sender: mpsc::Sender<Deletion>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Deletion {
    Of(Message, oneshot::Sender<()>),
    End,
}

impl Deletions {
    pub(super) fn start(sqs: Sqs) -> Deletions {
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(delete(sqs, receiver));
        Deletions { sender, task: Arc::new(Mutex::new(Some(task))) }
    }

    /// Deletes a message; returns when that has succeeded or was given up.
    pub(super) async fn delete(&self, message: Message) {
        let (done, finished) = oneshot::channel();
        if self.sender.send(Deletion::Of(message, done)).await.is_ok() {
            let _ = finished.await;
        }
    }

    /// Lets what was handed over be finished.
    pub(super) async fn close(&self) {
        let _ = self.sender.send(Deletion::End).await;
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

async fn delete(sqs: Sqs, mut waiting: mpsc::Receiver<Deletion>) {
    let mut end = false;
    while !end {
        let Some(Deletion::Of(message, done)) = waiting.recv().await else { return };
        let mut batch = vec![(message, done)];
        while batch.len() < BATCH {
            match waiting.try_recv() {
                Ok(Deletion::Of(message, done)) => batch.push((message, done)),
                Ok(Deletion::End) => {
                    end = true;
                    break;
                }
                Err(_) => break,
            }
        }
        delete_batch(&sqs, batch).await;
    }
}

async fn delete_batch(sqs: &Sqs, mut batch: Vec<(Message, oneshot::Sender<()>)>) {
    let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
    for attempt in 1..=DELETE_TRIES {
        let handles: Vec<String> = batch.iter().map(|(message, _)| message.receipt_handle.clone()).collect();
        let reason = match sqs.delete(&handles).await {
            Ok(refused) => {
                let mut index = 0;
                batch.retain(|_| {
                    index += 1;
                    refused.iter().any(|refused| refused.index == index - 1)
                });
                refused.first().map(|refused| refused.reason.clone()).unwrap_or_default()
            }
            Err(error) => error.to_string(),
        };
        if batch.is_empty() {
            return;
        }
        if attempt == DELETE_TRIES {
            for (message, _) in &batch {
                tracing::warn!(message.id, reason, "a message could not be deleted; its job may be answered twice");
            }
            return;
        }
        retry.pause().await;
    }
}
