//! Deleting, up to ten at a time. Nobody waits for a deletion, so it waits for company, for a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::flights::Flights;
use super::service::{Queue, QueueError, outcome_of};
use super::{BATCH, WAITING};

/// How long a deletion waits for others. At ten jobs a second and more it saves requests; a worker that is killed leaves as
/// many more jobs to be answered twice as end in this time. In a FIFO the rest of the group waits for it, so there it
/// doesn't wait.
const COMPANY: Duration = Duration::from_millis(100);

/// The task that deletes.
#[derive(Debug, Clone)]
pub(super) struct Deletions {
    sender: mpsc::Sender<Deletion>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Deletion {
    /// Of a receipt handle.
    Of(String, oneshot::Sender<Result<(), QueueError>>),
    End,
}

impl Deletions {
    pub(super) fn start(queue: Arc<dyn Queue>) -> Deletions {
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(delete(queue, receiver));
        Deletions { sender, task: Arc::new(Mutex::new(Some(task))) }
    }

    /// Deletes a message by its receipt handle, in one try.
    ///
    /// # Errors
    /// When the queue refused, or didn't say that it is done. It may be done all the same.
    pub(super) async fn delete(&self, handle: String) -> Result<(), QueueError> {
        let gone = || QueueError { operation: OPERATION, reason: "deleting has ended".to_owned(), code: None };
        let (done, outcome) = oneshot::channel();
        self.sender.send(Deletion::Of(handle, done)).await.map_err(|_| gone())?;
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Lets what was handed over be finished.
    pub(super) async fn close(&self) {
        let _ = self.sender.send(Deletion::End).await;
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

const OPERATION: &str = "delete a message";

type Batch = Vec<(String, oneshot::Sender<Result<(), QueueError>>)>;

async fn delete(queue: Arc<dyn Queue>, mut waiting: mpsc::Receiver<Deletion>) {
    let company = if queue.is_fifo() { Duration::ZERO } else { COMPANY };
    let mut flights = Flights::new();
    let mut end = false;
    while !end {
        let Some(Deletion::Of(handle, done)) = waiting.recv().await else { break };
        let mut batch = vec![(handle, done)];
        end = fill(&mut batch, &mut waiting, Instant::now() + company).await;
        flights.turn().await;
        if !end {
            end = fill(&mut batch, &mut waiting, Instant::now()).await;
        }
        let queue = queue.clone();
        flights.start(async move { delete_batch(queue.as_ref(), batch).await });
    }
    flights.land().await;
}

/// Fills a batch with what comes until then; what is there already is taken also when the time is over. Tells whether the end has
/// come.
async fn fill(batch: &mut Batch, waiting: &mut mpsc::Receiver<Deletion>, until: Instant) -> bool {
    while batch.len() < BATCH {
        match timeout_at(until, waiting.recv()).await {
            Ok(Some(Deletion::Of(handle, done))) => batch.push((handle, done)),
            Ok(Some(Deletion::End)) => return true,
            Ok(None) | Err(_) => return false,
        }
    }
    false
}

async fn delete_batch(queue: &dyn Queue, batch: Batch) {
    let handles: Vec<String> = batch.iter().map(|(handle, _)| handle.clone()).collect();
    let outcome = queue.delete(&handles).await;
    for (index, (_, done)) in batch.into_iter().enumerate() {
        // Nobody waits any more where the lease was lost meanwhile.
        let _ = done.send(outcome_of(OPERATION, &outcome, index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::pretended::Pretended;

    /// Has messages deleted, one every `pace`, and tells how many each request was for.
    async fn requests(queue: Pretended, count: usize, pace: Duration) -> Vec<usize> {
        let deletions = Deletions::start(Arc::new(queue.clone()));
        let mut under_way = Vec::new();
        for number in 0..count {
            let deletions = deletions.clone();
            under_way.push(tokio::spawn(async move { deletions.delete(format!("m{number}")).await }));
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
        let last = {
            let deletions = deletions.clone();
            tokio::spawn(async move { deletions.delete("last".to_owned()).await })
        };
        tokio::task::yield_now().await;
        deletions.close().await;
        last.await.expect("it doesn't panic").expect("it is deleted");
        assert_eq!(queue.deleted().len(), 1);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
