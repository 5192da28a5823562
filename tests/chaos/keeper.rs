//! Takes care of a run's queues: makes them, changes what they allow, has messages moved to the dead letters, and reads these at
//! the end.

use aws_sdk_sqs::types::{Message, QueueAttributeName};
use serde_json::json;

use crate::ledger::{Ledger, Letter, Way};
use crate::sender::{Parcel, send_batch};
use crate::settings::{INCOMING, OUTGOING, Settings};
use crate::support::queue::{EMPTY, Queue};
use crate::support::until;

/// Bytes of a message that the outgoing queue takes, at first and while its limits are lower.
const SIZES: [usize; 2] = [256 << 10, 32 << 10];

/// Receipts that the incoming queue allows while its limits are lower. Afterwards they stay so: a letter that was moved under the
/// lower limit is told by its receipts where the service doesn't say where it comes from, as the local one doesn't.
const FEW_RECEIPTS: u64 = 3;

pub(crate) struct Keeper {
    pub(crate) incoming: Queue,
    pub(crate) outgoing: Queue,
    pub(crate) dead: Queue,
    receipts: u64,
}

impl Keeper {
    pub(crate) async fn open(settings: &Settings, ledger: &Ledger) -> Keeper {
        let (dead, outgoing) = (Queue::create("chaos-dead").await, Queue::create(OUTGOING).await);
        let incoming = Queue::create_with_dead_letters(INCOMING, &dead, settings.receipts).await;
        ledger.entries().fewest_receipts = settings.receipts;
        Keeper { incoming, outgoing, dead, receipts: settings.receipts }
    }

    /// Sends jobs and spends all their receipts, so that the queue moves them to the dead letters. Nobody else may use it yet.
    pub(crate) async fn bury(&self, parcels: Vec<Parcel>, ledger: &Ledger) {
        let buried: Vec<Parcel> = parcels.into_iter().map(|parcel| Parcel { way: Way::Buried, ..parcel }).collect();
        send_batch(&self.incoming, &buried, ledger).await;
        until("dead letters", async || {
            self.incoming.receive(0).await;
            (self.dead.counts().await.visible == buried.len()).then_some(())
        })
        .await;
    }

    /// From now on the queues allow less.
    pub(crate) async fn lower_limits(&self, ledger: &Ledger) {
        let fewer = self.receipts.min(FEW_RECEIPTS);
        ledger.entries().fewest_receipts = fewer;
        let policy = json!({ "deadLetterTargetArn": self.dead.arn().await, "maxReceiveCount": fewer }).to_string();
        set(&self.incoming, QueueAttributeName::RedrivePolicy, policy).await;
        set(&self.outgoing, QueueAttributeName::MaximumMessageSize, SIZES[1].to_string()).await;
    }

    /// The outgoing queue takes as much as before.
    pub(crate) async fn raise_limits(&self) {
        set(&self.outgoing, QueueAttributeName::MaximumMessageSize, SIZES[0].to_string()).await;
    }

    /// Takes all dead letters. Those that a worker hid when it ended come back by themselves.
    pub(crate) async fn read_letters(&self, ledger: &Ledger) {
        until("all dead letters", async || {
            for letter in self.dead.receive(60).await {
                ledger.entries().letters.push(read(&letter));
                self.dead.delete(&letter).await;
            }
            (self.dead.counts().await == EMPTY).then_some(())
        })
        .await;
    }

    pub(crate) async fn results_are_taken(&self) {
        until("the last results", async || (self.outgoing.counts().await == EMPTY).then_some(())).await;
    }

    pub(crate) async fn close(&self) {
        for queue in [&self.incoming, &self.outgoing, &self.dead] {
            let _ = queue.client.delete_queue().queue_url(&queue.url).send().await;
        }
    }
}

async fn set(queue: &Queue, name: QueueAttributeName, value: String) {
    let setting = queue.client.set_queue_attributes().queue_url(&queue.url).attributes(name, value);
    setting.send().await.expect("a queue's attributes can be set");
}

fn read(letter: &Message) -> Letter {
    let text = |name: &str| letter.message_attributes()?.get(name)?.string_value().map(str::to_owned);
    let own = || letter.message_id().unwrap_or_default().to_owned();
    Letter { message: text("caisson_message_id").unwrap_or_else(own), answered: text("caisson_answered") }
}
