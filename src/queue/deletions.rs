//! Deleting, up to ten at a time. Nobody waits for a deletion, so it waits for company, for a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::service::Queue;
use super::{BATCH, Message, WAITING};
use crate::metrics;
use crate::retry::Retry;

/// How long a deletion waits for others. At ten jobs a second and more it saves requests; a worker that is killed leaves as
/// many more jobs to be answered twice as end in this time. In a FIFO the rest of the group waits for it, so there it
/// doesn't wait.
const COMPANY: Duration = Duration::from_millis(100);

/// Tries of one deletion. Its failure only means a duplicate.
const DELETE_TRIES: u32 = 5;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

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
    pub(super) fn start(queue: Arc<dyn Queue>) -> Deletions {
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(delete(queue, receiver));
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

async fn delete(queue: Arc<dyn Queue>, mut waiting: mpsc::Receiver<Deletion>) {
    let company = if queue.is_fifo() { Duration::ZERO } else { COMPANY };
    let mut end = false;
    while !end {
        let Some(Deletion::Of(message, done)) = waiting.recv().await else { return };
        let mut batch = vec![(message, done)];
        let until = Instant::now() + company;
        while batch.len() < BATCH {
            // What is there already is taken also when the time is over.
            match timeout_at(until, waiting.recv()).await {
                Ok(Some(Deletion::Of(message, done))) => batch.push((message, done)),
                Ok(Some(Deletion::End)) => {
                    end = true;
                    break;
                }
                Ok(None) | Err(_) => break,
            }
        }
        delete_batch(queue.as_ref(), batch).await;
    }
}

async fn delete_batch(queue: &dyn Queue, mut batch: Vec<(Message, oneshot::Sender<()>)>) {
    let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
    for attempt in 1..=DELETE_TRIES {
        let handles: Vec<String> = batch.iter().map(|(message, _)| message.receipt_handle.clone()).collect();
        let reason = match queue.delete(&handles).await {
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
            metrics::delete_failed(batch.len());
            for (message, _) in &batch {
                tracing::warn!(message.id, reason, "a message could not be deleted; its job may be answered twice");
            }
            return;
        }
        retry.pause().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::pretended::{Pretended, message};

    /// Has messages deleted, one every `pace`, and tells how many each request was for.
    async fn requests(queue: Pretended, count: usize, pace: Duration) -> Vec<usize> {
        let deletions = Deletions::start(Arc::new(queue.clone()));
        let mut under_way = Vec::new();
        for number in 0..count {
            let (deletions, message) = (deletions.clone(), message(&format!("m{number}")));
            under_way.push(tokio::spawn(async move { deletions.delete(message).await }));
            tokio::time::sleep(pace).await;
        }
        futures_util::future::join_all(under_way).await;
        queue.deleted().into_iter().map(|(_, count)| count).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn deletions_that_come_soon_one_after_another_go_together_and_a_lone_one_goes_soon() {
        assert_eq!(requests(Pretended::default(), 25, COMPANY / 20).await, [10, 10, 5]);
        assert_eq!(requests(Pretended::default(), 3, COMPANY * 2).await, [1, 1, 1]);
        let begin = Instant::now();
        requests(Pretended::default(), 1, Duration::ZERO).await;
        assert!(begin.elapsed() <= COMPANY + Duration::from_millis(1), "after {:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_fifo_none_waits_because_its_group_does() {
        assert_eq!(requests(Pretended::fifo(), 3, COMPANY / 20).await, [1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_none_waits() {
        let queue = Pretended::default();
        let deletions = Deletions::start(Arc::new(queue.clone()));
        let begin = Instant::now();
        let last = { let deletions = deletions.clone(); tokio::spawn(async move { deletions.delete(message("last")).await }) };
        tokio::task::yield_now().await;
        deletions.close().await;
        last.await.expect("it doesn't panic");
        assert_eq!(queue.deleted().len(), 1);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
