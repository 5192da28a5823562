//! The three queues of a worker's life, and what must have come of jobs in the end.

use serde_json::{Value, json};

use super::jobs::{bash, id, test, verdict};
use super::queue::{Answer, EMPTY, Queue};

/// What the pages advise for an incoming queue.
pub(crate) const ADVISED: u64 = 5;

/// How many messages a worker may have in hand beside one for each slot: what waits to be published or deleted.
pub(crate) const ALLOWANCE: usize = 10;

#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) incoming: Queue,
    pub(crate) outgoing: Queue,
    /// Where messages of the incoming queue go that have been received too often.
    pub(crate) dead: Queue,
}

/// A job that is done as soon as it is begun.
pub(crate) fn quick() -> Value {
    bash("echo done", json!({ "tests": [test("1", "", "done\n")] }))
}

impl Queues {
    pub(crate) async fn create(max_receive_count: u64) -> Queues {
        let (dead, outgoing) = (Queue::create("dead").await, Queue::create("results").await);
        let incoming = Queue::create_with_dead_letters("jobs", &dead, max_receive_count).await;
        Queues { incoming, outgoing, dead }
    }

    /// Sends so many quick jobs.
    pub(crate) async fn send(&self, count: usize) -> Vec<Value> {
        let jobs: Vec<Value> = (0..count).map(|_| quick()).collect();
        for job in &jobs {
            self.incoming.send_job(job).await;
        }
        jobs
    }

    /// Sends a job for which nobody has an answer when all its receipts are spent, and so has SQS move it to the dead letters.
    pub(crate) async fn bury(&self, job: &Value, receipts: u64) {
        self.incoming.send_job(job).await;
        self.incoming.spend(receipts).await;
        assert_eq!(self.incoming.receive(0).await.len(), 0, "it has been moved");
    }

    /// Waits until the incoming queue is empty, and makes sure that nobody has been answered since, or was given up.
    pub(crate) async fn are_settled(&self) {
        self.incoming.becomes(EMPTY).await;
        assert_eq!((self.outgoing.counts().await, self.dead.counts().await), (EMPTY, EMPTY));
    }

    /// Makes sure that nobody has been answered yet and nobody was given up.
    pub(crate) async fn have_no_answer(&self) {
        assert_eq!((self.outgoing.counts().await, self.dead.counts().await), (EMPTY, EMPTY));
    }

    /// Takes an answer for each of these jobs, all with this verdict.
    pub(crate) async fn answer_all(&self, jobs: &[Value], expected: &str) -> Vec<Answer> {
        let answers = self.outgoing.answers(jobs.len()).await;
        are_of(&answers, jobs, expected);
        answers
    }
}

/// Makes sure that there is one answer for each job, with this verdict.
pub(crate) fn are_of(answers: &[Answer], jobs: &[Value], expected: &str) {
    let mut found: Vec<&str> = answers.iter().filter_map(|answer| answer.report["job_id"].as_str()).collect();
    let mut sent: Vec<&str> = jobs.iter().map(id).collect();
    found.sort_unstable();
    sent.sort_unstable();
    assert_eq!(found, sent, "each job has one answer");
    let other = answers.iter().find(|answer| verdict(&answer.report) != expected);
    assert!(other.is_none(), "{:#}", other.map(|answer| answer.report.clone()).unwrap_or_default());
}

/// How many receipts each of the answered messages had.
pub(crate) fn attempts(answers: &[Answer]) -> Vec<u64> {
    answers.iter().filter_map(|answer| answer.report["attempt"].as_u64()).collect()
}
