//! Single faults between a worker and its queues, each with what must come of it. Those of the engine have a file of their
//! own; everything at once is in `chaos`.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::engine::{holding, let_go};
use support::jobs::{bash, held, id, test, verdict};
use support::proxy::{Fault, Proxy};
use support::queue::{Counts, EMPTY, Queue};
use support::until;
use support::worker::Worker;

async fn queues() -> (Queue, Queue) {
    (Queue::create("jobs").await, Queue::create("results").await)
}

fn quick() -> Value {
    bash("echo done", json!({ "tests": [test("1", "", "done\n")] }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_two_workers_get_at_once_is_answered_by_both_and_alike() {
    let (incoming, outgoing) = queues().await;
    let job = held();
    incoming.send_job(&job).await;
    // An earlier receipt of ours: with it the message is made visible while a worker has it.
    let earlier = incoming.receive(0).await.pop().expect("the message is there");
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 60";
    let first = Worker::start(&incoming, &outgoing, more).await;
    let of_first = holding(&first.name, &job).await;
    // At work before the message is shown: the first one's next sign of life hides it again.
    let second = Worker::start(&incoming, &outgoing, more).await;
    let handle = earlier.receipt_handle().expect("a received message has a handle");
    let showing = incoming.client.change_message_visibility().queue_url(&incoming.url).receipt_handle(handle);
    showing.visibility_timeout(0).send().await.expect("its visibility can be changed");
    let of_second = holding(&second.name, &job).await;
    let_go(&of_first).await;
    let_go(&of_second).await;

    let answers = outgoing.answers(2).await;
    incoming.becomes(EMPTY).await;
    first.stop().await;
    second.stop().await;
    assert_eq!(outgoing.counts().await, EMPTY);
    let (one, other) = (&answers[0].report, &answers[1].report);
    for report in [one, other] {
        assert_eq!((report["job_id"].as_str(), verdict(report)), (Some(id(&job)), "accepted"), "{report:#}");
        assert_eq!(report["redelivered"], true, "{report:#}");
    }
    assert_eq!(one["message_id"], other["message_id"]);
    assert_ne!(one["execution_id"], other["execution_id"]);
    assert_ne!(one["attempt"], other["attempt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_shorter_than_the_visibility_timeout_costs_nothing() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    let job = held();
    incoming.send_job(&job).await;
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 60";
    let worker = Worker::behind(&proxy, &incoming, &outgoing, more).await;
    let container = holding(&worker.name, &job).await;
    // The first heartbeat is due after twenty seconds; it gets no answer, and one of those after it does.
    proxy.black_hole(true);
    until("a heartbeat that got no answer", async || worker.log().contains("heartbeat").then_some(())).await;
    proxy.black_hole(false);
    let_go(&container).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    let report = &answers[0].report;
    assert_eq!((verdict(report), &report["attempt"]), ("accepted", &json!(1)), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_any_kind_are_waited_out() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    // Before the worker starts, whose first long poll would be let through and might bring the job.
    // Throttled, or over the limit of messages in flight; credentials that have expired or are not allowed it.
    for status in [400, 403] {
        for operation in ["ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch"] {
            proxy.fail(operation, Fault::Answered(status), 2);
        }
    }
    let worker = Worker::behind(&proxy, &incoming, &outgoing, "worker.slots = 1").await;
    incoming.send_job(&quick()).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    for operation in ["ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch"] {
        assert_eq!(proxy.hits(operation), 4, "{operation}");
    }
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    assert_eq!((verdict(&answers[0].report), &answers[0].report["attempt"]), ("accepted", &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_confirms_nothing_is_no_success() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    let silent = [
        "{}",
        r#"{"Successful":[],"Failed":[]}"#,
        r#"{"Successful":[],"Failed":[{"Id":"7","Code":"InternalError","SenderFault":false}]}"#,
    ];
    for operation in ["SendMessageBatch", "DeleteMessageBatch"] {
        for body in silent {
            proxy.fail(operation, Fault::Says(body), 1);
        }
    }
    let worker = Worker::behind(&proxy, &incoming, &outgoing, "worker.slots = 1").await;
    incoming.send_job(&quick()).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    for operation in ["SendMessageBatch", "DeleteMessageBatch"] {
        assert_eq!(proxy.hits(operation), silent.len(), "{operation}");
    }
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY), "each was asked for until it was confirmed");
    assert_eq!((verdict(&answers[0].report), &answers[0].report["attempt"]), ("accepted", &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_off_or_drip_or_come_late_do_no_harm() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 10";
    let pieces = Duration::from_millis(20);
    let faults = [Fault::CutAfter(40), Fault::HalfClosed, Fault::Late(Duration::from_secs(1)), Fault::Drips(pieces)];
    for fault in faults {
        proxy.fail("ReceiveMessage", fault, 1);
    }
    proxy.fail("DeleteMessageBatch", Fault::CutAfter(40), 1);
    proxy.fail("DeleteMessageBatch", Fault::HalfClosed, 1);
    proxy.fail("DeleteMessageBatch", Fault::Drips(pieces), 1);
    let worker = Worker::behind(&proxy, &incoming, &outgoing, more).await;
    let job = quick();
    incoming.send_job(&job).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    until("every fault", async || (proxy.hits("ReceiveMessage") == faults.len()).then_some(())).await;
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY), "a deletion is tried again, not the job");
    assert_eq!((answers[0].report["job_id"].as_str(), verdict(&answers[0].report)), (Some(id(&job)), "accepted"));
    assert_eq!(proxy.hits("DeleteMessageBatch"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_to_a_worker_that_is_stopping_is_given_straight_back() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    proxy.fail("ReceiveMessage", Fault::Held, usize::MAX);
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 3600";
    let variables = [("CAISSON_QUEUE_WAIT_TIME_S", "20"), ("AWS_ENDPOINT_URL", proxy.endpoint.as_str())];
    let mut worker = Worker::start_with(&incoming, &outgoing, more, &variables).await;
    until("a long poll under way", async || (proxy.hits("ReceiveMessage") > 0).then_some(())).await;
    worker.signal(libc::SIGTERM);
    until("the signal seen", async || worker.log().contains("SIGTERM").then_some(())).await;
    incoming.send_job(&quick()).await;
    proxy.let_pass();
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    assert_eq!(incoming.counts().await, Counts { visible: 1, ..EMPTY }, "it is visible long before its timeout");
    let receipts = incoming.receive(0).await.pop().and_then(|mut message| message.attributes.take());
    let name = aws_sdk_sqs::types::MessageSystemAttributeName::ApproximateReceiveCount;
    assert_eq!(receipts.and_then(|mut all| all.remove(&name)).as_deref(), Some("2"), "the worker had received it");
    assert_eq!(outgoing.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_the_engine_that_breaks_while_a_program_runs_is_no_judgement_on_it() {
    let (incoming, outgoing) = queues().await;
    let engine = Proxy::before_the_engine(0, std::sync::Arc::new(support::proxy::Unobserved)).await;
    let job = held();
    incoming.send_job(&job).await;
    let more =
        format!("worker.slots = 1\nqueue.visibility_timeout_s = 30\nsandbox.engine_socket = \"{}\"", engine.endpoint);
    let worker = Worker::start(&incoming, &outgoing, &more).await;
    let first = holding(&worker.name, &job).await;
    engine.sever();
    let second = until("another container", async || {
        let container = holding(&worker.name, &job).await;
        (container != first).then_some(container)
    })
    .await;
    let_go(&second).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    let report = &answers[0].report;
    assert_eq!((answers.len(), verdict(report)), (1, "accepted"), "{report:#}");
    assert!(report["attempt"].as_u64() > Some(1), "{report:#}");
}
