//! Sends the jobs, spread over the time in which things go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::{Value, json};

use crate::jobs::Kind;
use crate::ledger::{Ledger, Way};
use crate::settings::Settings;
use crate::support::bucket::Bucket;
use crate::support::chance::Chance;
use crate::support::jobs::{id, with};
use crate::support::queue::Queue;

/// How many messages may wait for their result, for each worker. The local SQS is slow with long queues.
const WAITING: usize = 40;

/// A job on its way into the queue.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) kind: Kind,
    pub(crate) job: Value,
    pub(crate) way: Way,
    pub(crate) body: String,
}

impl Parcel {
    pub(crate) fn plain(kind: Kind, job: Value) -> Parcel {
        Parcel { kind, way: Way::Plain, body: job.to_string(), job }
    }

    /// The job is put into the bucket, and the message says where.
    async fn pointer(kind: Kind, job: Value, bucket: &Bucket) -> Parcel {
        bucket.put(id(&job), job.to_string().as_bytes()).await;
        Parcel { kind, way: Way::Pointer, body: bucket.pointer(id(&job)), job }
    }
}

pub(crate) struct Sender {
    pub(crate) settings: Settings,
    pub(crate) chance: Chance,
    pub(crate) incoming: Queue,
    pub(crate) bucket: Bucket,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) all_sent: Arc<AtomicBool>,
}

impl Sender {
    /// Sends all jobs; how many were sent twice.
    pub(crate) async fn send(mut self) -> usize {
        let (mut sent, mut twice) = (0, 0);
        let (begin, jobs) = (Instant::now(), self.settings.jobs);
        while sent < jobs && begin.elapsed() < self.settings.longest {
            // A first part at once, the others while there are faults.
            let share = 0.25 + begin.elapsed().as_secs_f64() / self.settings.faults_for.as_secs_f64();
            let due = jobs.min((share * jobs as f64) as usize);
            let is_full = self.ledger.unanswered() > WAITING * self.settings.workers;
            if sent >= due || is_full {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            let mut batch = Vec::new();
            while batch.len() < 9 && sent < due {
                let parcel = self.draw(sent).await;
                if self.chance.happens(self.settings.sent_twice) {
                    batch.push(parcel.clone());
                    twice += 1;
                }
                batch.push(parcel);
                sent += 1;
            }
            send_batch(&self.incoming, &batch, &self.ledger).await;
        }
        // Not when the time was over before: then the run isn't done.
        self.all_sent.store(sent == jobs, Ordering::SeqCst);
        twice
    }

    async fn draw(&mut self, number: usize) -> Parcel {
        let kind = Kind::draw(&mut self.chance);
        let name = json!({ "id": format!("{}-{number}", self.settings.seed) });
        let job = with(kind.job(&mut self.chance), name);
        if self.chance.happens(self.settings.pointers) {
            Parcel::pointer(kind, job, &self.bucket).await
        } else {
            Parcel::plain(kind, job)
        }
    }
}

/// Sends jobs, straight to the queue.
pub(crate) async fn send_batch(incoming: &Queue, batch: &[Parcel], ledger: &Ledger) {
    // SQS takes ten; a job that is sent twice may have made it eleven.
    for part in batch.chunks(10) {
        let entries = part.iter().enumerate().map(|(index, parcel)| {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&parcel.body);
            entry.build().expect("an entry has an id and a body")
        });
        let sending =
            incoming.client.send_message_batch().queue_url(&incoming.url).set_entries(Some(entries.collect()));
        let sent = sending.send().await.expect("messages can be sent");
        assert!(sent.failed.is_empty(), "{:?}", sent.failed);
        for entry in sent.successful {
            let parcel = &part[entry.id.parse::<usize>().expect("it is ours")];
            ledger.sent(entry.message_id, id(&parcel.job), parcel.kind, parcel.way);
        }
    }
}
