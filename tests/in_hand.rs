//! A bounded pipe: however the outgoing queue is, a worker never has more messages in hand than its slots and a stated few.
//! What it doesn't hold is there for others.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::in_hand::InHand;
use support::proxy::{Fault, Proxy};
use support::queue::{Answer, Counts, EMPTY};
use support::queues::{ADVISED, ALLOWANCE, Queues, are_of, attempts};
use support::until;
use support::worker::Worker;

const SLOTS: usize = 2;

/// Far more than may be in hand.
const JOBS: usize = 60;

/// So often in a row must the same messages be in hand for the worker to count as one that takes nothing more: a job is done
/// in less than that where there is nothing else to do. On a busier machine the outage is only shorter than it could be.
const LOOKS: usize = 120;

/// Until when the outgoing queue is as it is.
enum Until {
    /// So many requests have come to it.
    Requests(usize),
    /// The worker takes in nothing more.
    NothingMore,
}

async fn never_too_many(fault: Fault, end: Until) {
    let queues = Queues::create(ADVISED).await;
    let in_hand = Arc::new(InHand::of("jobs"));
    let proxy = Proxy::before_sqs(0, in_hand.clone()).await;
    let jobs = queues.send(JOBS).await;
    proxy.fail("SendMessageBatch", fault, usize::MAX);
    let more = format!("worker.slots = {SLOTS}");
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    // By the queue's own count, and by one of what passes: a worker may be quicker than whoever asks.
    let bounded = async || {
        let Counts { in_flight, .. } = queues.incoming.counts().await;
        let most = in_hand.most().max(in_flight);
        assert!(most <= SLOTS + ALLOWANCE, "{most} messages are in hand while the outgoing queue: {fault:?}");
    };
    let (mut before, mut looks) = (0, 0);
    until("an outgoing queue that is so for a while", async || {
        bounded().await;
        let now = in_hand.received();
        looks = if now == before { looks + 1 } else { 0 };
        before = now;
        let is_enough = match end {
            Until::Requests(count) => proxy.requests("SendMessageBatch") >= count,
            Until::NothingMore => proxy.requests("SendMessageBatch") > 0 && looks >= LOOKS,
        };
        is_enough.then_some(())
    })
    .await;
    proxy.heal();
    let mut answers: Vec<Answer> = Vec::new();
    // A result whose publication is confirmed later than the worker waits for is published again, and its job isn't run again.
    let is_new = |answers: &[Answer], answer: &Answer| {
        !answers.iter().any(|known| known.report["execution_id"] == answer.report["execution_id"])
    };
    while answers.len() < jobs.len() {
        for answer in queues.outgoing.answers(1).await {
            if is_new(&answers, &answer) {
                answers.push(answer);
            }
        }
        bounded().await;
    }
    are_of(&answers, &jobs, "accepted");
    assert!(attempts(&answers).iter().all(|attempt| *attempt == 1), "no receipt is spent: {:?}", attempts(&answers));
    queues.incoming.becomes(EMPTY).await;
    worker.stop().await;
    let left = queues.outgoing.counts().await.visible;
    for answer in queues.outgoing.answers(left).await {
        assert!(!is_new(&answers, &answer), "one more execution: {:#}", answer.report);
    }
    assert_eq!(queues.dead.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_slow_outgoing_queue_no_more_is_in_hand_than_slots_and_ten() {
    never_too_many(Fault::Late(Duration::from_secs(9)), Until::Requests(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_an_outgoing_queue_that_never_answers_no_more_is_in_hand_than_slots_and_ten() {
    never_too_many(Fault::Hangs, Until::NothingMore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_an_outgoing_queue_that_refuses_no_more_is_in_hand_than_slots_and_ten() {
    never_too_many(Fault::Refused, Until::NothingMore).await;
}
