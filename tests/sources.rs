//! Several incoming queues against a local SQS, before slots that are only counted: shares, idle queues, and that there are
//! never more messages than permits.

mod support;

use std::sync::Arc;
use std::time::Duration;

use caisson::queue::sources::{Intake, Permits, Source};
use caisson::queue::{Delivery, Inbox, Message, Outgoing, QueueError, Refused, Sqs};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use support::queue::{EMPTY, Queue};
use support::within;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots that nothing runs in.
#[derive(Clone)]
struct Slots(std::sync::Arc<Semaphore>);

impl Slots {
    fn new(count: usize) -> Slots {
        Slots(std::sync::Arc::new(Semaphore::new(count)))
    }
}

impl Permits for Slots {
    type Permit = OwnedSemaphorePermit;

    async fn permit(&self) -> OwnedSemaphorePermit {
        self.0.clone().acquire_owned().await.expect("it is never closed")
    }

    fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}

async fn source(queue: &Queue, weight: u32) -> Source {
    let inbox = Inbox::new(Sqs::open(&queue.url).await, Duration::from_secs(30), Duration::from_secs(20));
    Source { inbox, weight }
}

/// A queue whose long poll ends with a message and not before: who waits for its end without need waits for ever.
#[derive(Debug, Clone)]
struct Patient(Sqs);

impl caisson::queue::Queue for Patient {
    fn url(&self) -> &str {
        self.0.url()
    }

    fn receive(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        async move {
            loop {
                let messages = self.0.receive(count, visibility, wait).await?;
                if !messages.is_empty() || wait.is_zero() {
                    return Ok(messages);
                }
            }
        }
        .boxed()
    }

    fn extend<'a>(&'a self, handles: &'a [String], to: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.0.extend(handles, to)
    }

    fn release<'a>(&'a self, handle: &'a str, delay: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        self.0.release(handle, delay)
    }

    fn delete<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.0.delete(handles)
    }

    fn send<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.0.send(messages)
    }
}

async fn patient(queue: &Queue, weight: u32) -> Source {
    let inbox = Inbox::new(Patient(Sqs::open(&queue.url).await), Duration::from_secs(30), Duration::from_secs(20));
    Source { inbox, weight }
}

async fn fill(queue: &Queue, count: usize) {
    for number in 0..count {
        queue.send(&number.to_string()).await;
    }
}

async fn next(intake: &mut Intake<OwnedSemaphorePermit>, slots: &Slots) -> Vec<(Delivery, OwnedSemaphorePermit)> {
    within("a delivery", intake.next(slots)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn full_queues_share_the_slots_by_weight() {
    let (interactive, batch) = (Queue::create("interactive").await, Queue::create("batch").await);
    fill(&interactive, 60).await;
    fill(&batch, 60).await;
    let slots = Slots::new(4);
    let mut intake =
        Intake::new(vec![source(&interactive, 3).await, source(&batch, 1).await], usize::MAX, Arc::new(()));
    let (mut of_interactive, mut all) = (0, 0);
    while all < 60 {
        for (delivery, permit) in next(&mut intake, &slots).await {
            of_interactive += usize::from(delivery.queue_url() == interactive.url);
            all += 1;
            delivery.delete().await.expect("it is deleted");
            drop(permit);
        }
    }
    let share = of_interactive as f64 / all as f64;
    assert!((0.65..=0.85).contains(&share), "{of_interactive} of {all}");
    for (delivery, _) in intake.close().await {
        delivery.release(Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_queue_with_a_great_weight_holds_nobody_up_and_is_heard_at_once() {
    let (interactive, batch) = (Queue::create("interactive").await, Queue::create("batch").await);
    fill(&batch, 30).await;
    let slots = Slots::new(2);
    let sources = vec![patient(&interactive, 100).await, patient(&batch, 1).await];
    let mut intake = Intake::new(sources, usize::MAX, Arc::new(()));
    let mut count = 0;
    while count < 30 {
        for (delivery, _permit) in next(&mut intake, &slots).await {
            assert_eq!(delivery.queue_url(), batch.url);
            delivery.delete().await.expect("it is deleted");
            count += 1;
        }
    }
    // Now both are idle, and whichever gets something is heard, while the other's long poll goes on.
    for queue in [&interactive, &batch] {
        let (arrived, _) = tokio::join!(next(&mut intake, &slots), async {
            // So that both are being asked; sooner would show less, and no harm.
            tokio::time::sleep(Duration::from_millis(300)).await;
            queue.send("late").await
        });
        for (delivery, _permit) in arrived {
            assert_eq!(delivery.queue_url(), queue.url);
            delivery.delete().await.expect("it is deleted");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_never_more_messages_than_slots_and_with_one_slot_all_queues_have_their_turn() {
    let queues = [Queue::create("a").await, Queue::create("b").await, Queue::create("c").await];
    for queue in &queues {
        fill(queue, 5).await;
    }
    let slots = Slots::new(1);
    let mut sources = Vec::new();
    for queue in &queues {
        sources.push(source(queue, 1).await);
    }
    let mut intake = Intake::new(sources, usize::MAX, Arc::new(()));
    for _ in 0..15 {
        let mut arrived = next(&mut intake, &slots).await;
        assert_eq!(arrived.len(), 1, "there is one slot");
        let (delivery, permit) = arrived.pop().expect("it is there");
        let mut in_flight = 0;
        for queue in &queues {
            in_flight += queue.counts().await.in_flight;
        }
        assert_eq!(in_flight, 1, "what is held has a slot");
        delivery.delete().await.expect("it is deleted");
        drop(permit);
    }
    for queue in &queues {
        queue.becomes(EMPTY).await;
    }
    intake.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_gives_one_message_of_a_group_at_a_time_and_in_order() {
    let fifo = Queue::create_fifo("groups").await;
    for number in 0..4 {
        let sending = fifo.client.send_message().queue_url(&fifo.url).message_body(number.to_string());
        let sending = sending.message_group_id("g").message_deduplication_id(number.to_string());
        sending.send().await.expect("it can be sent");
    }
    let slots = Slots::new(4);
    let mut intake = Intake::new(vec![source(&fifo, 1).await], usize::MAX, Arc::new(()));
    let mut order = Vec::new();
    let mut is_given_back = false;
    while order.len() < 4 {
        let mut arrived = next(&mut intake, &slots).await;
        assert_eq!(arrived.len(), 1, "the next of a group waits for the one before it");
        let (delivery, _permit) = arrived.pop().expect("it is there");
        assert_eq!(delivery.message.group.as_deref(), Some("g"));
        if delivery.message.body == "1" && !std::mem::replace(&mut is_given_back, true) {
            delivery.release(Duration::ZERO).await;
            continue;
        }
        order.push(delivery.message.body.clone());
        delivery.delete().await.expect("it is deleted");
    }
    assert_eq!(order, ["0", "1", "2", "3"]);
    intake.close().await;
}
