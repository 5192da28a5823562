//! A real worker before several queues, FIFOs and dead letters.

mod support;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use serde_json::{Value, json};
use support::jobs::{bash, id, verdict};
use support::queue::{Answer, Counts, EMPTY, Queue};
use support::unique;
use support::worker::Worker;

fn quick() -> Value {
    bash("echo done", json!({}))
}

/// Sends a job as one of a group.
async fn send_of(queue: &Queue, group: &str, job: &Value) {
    let sending = queue.client.send_message().queue_url(&queue.url).message_body(job.to_string());
    let sending = sending.message_group_id(group);
    let sending = if queue.url.ends_with(".fifo") { sending.message_deduplication_id(id(job)) } else { sending };
    sending.send().await.expect("it can be sent");
}

fn ids(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|answer| answer.report["job_id"].as_str().expect("it has an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_full_queues_share_a_worker_by_weight_and_both_are_emptied() {
    const EACH: usize = 16;
    let (interactive, batch) = (Queue::create("interactive").await, Queue::create("batch").await);
    let outgoing = Queue::create("results").await;
    for _ in 0..EACH {
        let (mut one, mut other) = (quick(), quick());
        one["id"] = unique("interactive").into();
        other["id"] = unique("batch").into();
        interactive.send_job(&one).await;
        batch.send_job(&other).await;
    }
    let worker = Worker::of_several(&[(&interactive, 3), (&batch, 1)], &outgoing, "worker.slots = 1").await;
    let mut answers = outgoing.answers(2 * EACH).await;
    interactive.becomes(EMPTY).await;
    batch.becomes(EMPTY).await;
    worker.stop().await;
    assert!(answers.iter().all(|answer| verdict(&answer.report) == "completed"));
    // By when they were received; the queue of results keeps no order.
    answers.sort_by_key(|answer| answer.report["timeline"]["received"].as_str().map(str::to_owned));
    let first = &ids(&answers)[..16];
    let of_interactive = first.iter().filter(|id| id.starts_with("interactive")).count();
    assert!((10..=14).contains(&of_interactive), "12 of 16 would be right: {first:?}");
    assert!(ids(&answers)[..5].iter().any(|id| id.starts_with("batch")), "{:?}", ids(&answers));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_is_worked_in_order_into_a_fifo() {
    let (incoming, outgoing) = (Queue::create_fifo("jobs").await, Queue::create_fifo("results").await);
    let jobs: Vec<Value> = (0..4).map(|_| quick()).collect();
    for job in &jobs {
        send_of(&incoming, "one-group", job).await;
    }
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 2").await;
    let mut answers = outgoing.answers(jobs.len()).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    for answer in &answers {
        assert_eq!(answer.group.as_deref(), answer.report["job_id"].as_str());
        assert_eq!(answer.deduplication.as_deref(), answer.report["execution_id"].as_str());
    }
    answers.sort_by_key(|answer| answer.report["timeline"]["received"].as_str().map(str::to_owned));
    assert_eq!(ids(&answers), jobs.iter().map(id).collect::<Vec<_>>());
    let time =
        |answer: &Answer, which: &str| answer.report["timeline"][which].as_str().expect("it has a time").to_owned();
    for pair in answers.windows(2) {
        assert!(time(&pair[0], "finished") <= time(&pair[1], "received"), "one after the other");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_on_a_standard_queue_is_passed_on_to_a_standard_queue() {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let (grouped, alone) = (quick(), quick());
    send_of(&incoming, "tenant-7", &grouped).await;
    incoming.send_job(&alone).await;
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let answers = outgoing.answers(2).await;
    worker.stop().await;
    for answer in answers {
        let expected = (answer.report["job_id"] == id(&grouped)).then_some("tenant-7");
        assert_eq!(answer.group.as_deref(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_answered_and_its_copy_is_a_dead_letter() {
    let (dead, outgoing) = (Queue::create("dead").await, Queue::create("results").await);
    let incoming = Queue::create_with_dead_letters("jobs", &dead, 3).await;
    let message_id = incoming.send("{\"id\": ").await;
    let mut known = quick();
    known["colour"] = "red".into();
    incoming.send_job(&known).await;
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let answers = outgoing.answers(2).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    assert!(answers.iter().all(|answer| verdict(&answer.report) == "rejected"));
    let nameless = answers.iter().find(|answer| answer.report["job_id"].is_null()).expect("one has no id");
    dead.becomes(Counts { visible: 1, ..EMPTY }).await;
    let copies = dead.receive(60).await;
    let [copy] = copies.as_slice() else { panic!("there is one copy: {copies:?}") };
    assert_eq!(copy.body(), Some("{\"id\": "));
    let attributes = copy.message_attributes().expect("it has attributes");
    let text = |name: &str| attributes[name].string_value().expect("it is text").to_owned();
    assert_eq!((text("caisson_copy"), text("caisson_message_id")), ("1".to_owned(), message_id));
    assert_eq!(Some(text("caisson_reason").as_str()), nameless.report["detail"].as_str());
    assert!(copy.attributes().is_none_or(|all| !all.contains_key(&MessageSystemAttributeName::MessageGroupId)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_of_another_system_is_told_as_such_and_copied() {
    let (dead, outgoing) = (Queue::create("dead").await, Queue::create("results").await);
    let incoming = Queue::create_with_dead_letters("jobs", &dead, 3).await;
    let inner = quick();
    let eventbridge = json!({
        "version": "0", "id": "6a7e8feb-0000-4000-8000-000000000000", "detail-type": "JobQueued", "source": "app",
        "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [], "detail": inner,
    });
    let cloudevents = json!({ "specversion": "1.0", "id": "c-1", "source": "/app", "type": "job", "data": inner });
    let sns = json!({ "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:::t", "Message": inner.to_string() });
    let envelopes = [eventbridge.to_string(), cloudevents.to_string(), sns.to_string()];
    for body in &envelopes {
        incoming.send(body).await;
    }
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let answers = outgoing.answers(envelopes.len()).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    for answer in &answers {
        let detail = answer.report["detail"].as_str().expect("it has a detail");
        assert_eq!(verdict(&answer.report), "rejected");
        assert!(answer.report["job_id"].is_null() && detail.starts_with("job: looks like a"), "{detail}");
    }
    dead.becomes(Counts { visible: envelopes.len(), ..EMPTY }).await;
    let mut copied = Vec::new();
    while copied.len() < envelopes.len() {
        let received = dead.receive(60).await;
        copied.extend(received.iter().map(|copy| copy.body().expect("it has a body").to_owned()));
    }
    copied.sort();
    let mut expected = envelopes.to_vec();
    expected.sort();
    assert_eq!(copied, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fails_holds_up_no_answer_and_is_told_once() {
    let (dead, outgoing) = (Queue::create("dead").await, Queue::create("results").await);
    let incoming = Queue::create_with_dead_letters("jobs", &dead, 3).await;
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let deleting = dead.client.delete_queue().queue_url(&dead.url).send();
    deleting.await.expect("it can be deleted");
    incoming.send("no job").await;
    incoming.send("no job either").await;
    let answers = outgoing.answers(2).await;
    assert!(answers.iter().all(|answer| verdict(&answer.report) == "rejected"));
    incoming.becomes(EMPTY).await;
    assert_eq!(worker.log().matches("could not be copied to the dead-letter queue").count(), 1, "{}", worker.log());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_is_copied() {
    let (dead, outgoing) = (Queue::create("dead").await, Queue::create("results").await);
    let incoming = Queue::create_with_dead_letters("jobs", &dead, 3).await;
    incoming.send("no job").await;
    let worker = Worker::start(&incoming, &outgoing, "queue.copy_unparsable = false").await;
    outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    assert_eq!(dead.counts().await, EMPTY);
}
