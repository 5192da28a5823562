//! The two queues against a local SQS: what is received is held, given back or deleted, and what is published arrives.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use caisson::capture::Captured;
use caisson::queue::{Delivery, Inbox, Lease, Outbox, Queue as _, Reply, Sqs};
use caisson::report::{Report, Stream};
use caisson::sha256::Sha256;
use serde_json::{Value, json};
use support::queue::{Answer, Counts, EMPTY, Queue};
use support::{unique, until, within};

/// The least that the tests can wait for: the queue counts in whole seconds.
const VISIBILITY: Duration = Duration::from_secs(6);

async fn inbox(queue: &Queue, visibility: Duration) -> Inbox {
    Inbox::new(Sqs::open(&queue.url).await, visibility, Duration::from_secs(1))
}

/// The next delivery.
async fn next(inbox: &Inbox) -> Delivery {
    until("a delivery", async || inbox.receive(1).await.expect("the queue answers").pop()).await
}

/// A result with these tests.
fn report(tests: Value) -> Report {
    let report = json!({
        "version": 1,
        "job_id": unique("job"),
        "execution_id": unique("execution"),
        "verdict": "accepted",
        "detail": "All is well.",
        "tests": tests,
        "attempt": 1,
        "redelivered": false,
        "lease": "held",
        "worker": { "id": "w", "version": "0", "host": "h" },
        "timeline": { "received": "2026-01-01T00:00:00.000Z", "finished": "2026-01-01T00:00:01.000Z" },
    });
    serde_json::from_value(report).expect("it is a report")
}

/// A test that printed this.
fn printed(id: &str, stdout: &[u8], stderr: &[u8]) -> Value {
    let stream = |bytes: &[u8]| {
        Stream::from(Captured { bytes: bytes.to_vec(), total: bytes.len() as u64, ..Captured::default() })
    };
    let (out, err) = (stream(stdout), stream(stderr));
    let mut test = json!({
        "id": id, "verdict": "accepted", "exit_code": 0,
        "cpu_time_ms": 1, "wall_time_ms": 2, "memory_peak_bytes": 3,
        "stdout_total_bytes": stdout.len(), "stdout_truncated": false,
        "stderr_total_bytes": stderr.len(), "stderr_truncated": false,
    });
    for (name, value) in
        [("stdout", out.text), ("stdout_base64", out.base64), ("stderr", err.text), ("stderr_base64", err.base64)]
    {
        if let Some(value) = value {
            test[name] = value.into();
        }
    }
    test
}

async fn outbox(queue: &Queue) -> Outbox {
    let sqs = Sqs::open(&queue.url).await;
    let attributes = within("the queue's attributes", sqs.attributes()).await.expect("the queue answers");
    Outbox::start(sqs, attributes.maximum_message_bytes)
}

/// Of no message at all.
fn reply() -> Reply {
    Reply { lease: Lease::unending(), group: None }
}

async fn publish(outbox: &Outbox, report: &Report) {
    within("publish a result", outbox.publish(report.clone(), reply())).await.expect("the queue takes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_brings_what_the_queue_knows_of_its_message() {
    let queue = Queue::create("jobs").await;
    let before = jiff::Timestamp::now();
    let id = queue.send("{\"a\": \"\u{444}\"}").await;
    let inbox = inbox(&queue, VISIBILITY).await;
    let delivery = next(&inbox).await;
    assert_eq!((delivery.message.id.as_str(), delivery.message.body.as_str()), (id.as_str(), "{\"a\": \"\u{444}\"}"));
    assert_eq!(delivery.message.receive_count, 1);
    let sent = delivery.message.sent.expect("the queue says when it was sent");
    // The queue counts in milliseconds.
    assert!(sent.as_millisecond() >= before.as_millisecond() && sent <= jiff::Timestamp::now(), "{sent}");
    delivery.release(Duration::ZERO).await;
    assert_eq!(next(&inbox).await.message.receive_count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_received_than_was_asked_for() {
    let queue = Queue::create("jobs").await;
    for number in 0..12 {
        queue.send(&number.to_string()).await;
    }
    let inbox = inbox(&queue, Duration::from_secs(60)).await;
    let mut seen = BTreeSet::new();
    for asked in [3, 100] {
        let deliveries = inbox.receive(asked).await.expect("the queue answers");
        assert!(!deliveries.is_empty() && deliveries.len() <= asked.min(10), "{} of {asked}", deliveries.len());
        seen.extend(deliveries.iter().map(|delivery| delivery.message.body.clone()));
        assert_eq!(queue.counts().await, Counts { visible: 12 - seen.len(), in_flight: seen.len(), ..EMPTY });
        // Not dropped at once, or their heartbeats would end; they are only counted here.
        std::mem::forget(deliveries);
    }
    let empty = Queue::create("jobs").await;
    let begun = Instant::now();
    let inbox = Inbox::new(Sqs::open(&empty.url).await, VISIBILITY, Duration::from_secs(1));
    let nothing = within("an empty receive", inbox.receive(1)).await.expect("the queue answers");
    assert!(
        nothing.is_empty() && begun.elapsed() >= Duration::from_millis(900),
        "it waits for a message before it says so"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_stays_hidden_as_long_as_it_is_held_and_reappears_when_it_is_abandoned() {
    let queue = Queue::create("jobs").await;
    queue.send("held").await;
    let inbox = inbox(&queue, VISIBILITY).await;
    let delivery = next(&inbox).await;
    let held = Instant::now();
    // More than two timeouts: the first renewal alone would not do.
    while held.elapsed() < VISIBILITY * 5 / 2 {
        assert!(queue.receive(0).await.is_empty(), "visible after {:?}", held.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(delivery.reply().lease.is_held());
    assert!(tokio::time::timeout(Duration::from_millis(100), delivery.lease_lost()).await.is_err());

    drop(delivery);
    let abandoned = Instant::now();
    let again = until("the message", async || queue.receive(60).await.pop()).await;
    assert_eq!(again.body.as_deref(), Some("held"));
    assert!(abandoned.elapsed() > Duration::from_secs(1), "an abandoned message waits for its timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_message_is_visible_at_once_or_after_its_rest() {
    let queue = Queue::create("jobs").await;
    queue.send("released").await;
    // Far longer than any test is waited for: what becomes visible was made so.
    let inbox = inbox(&queue, Duration::from_secs(3_600)).await;
    next(&inbox).await.release(Duration::ZERO).await;
    assert_eq!(queue.counts().await, Counts { visible: 1, ..EMPTY });

    let delivery = next(&inbox).await;
    let rest = Duration::from_secs(2);
    let begun = Instant::now();
    delivery.release(rest).await;
    let delivery = next(&inbox).await;
    assert_eq!(delivery.message.receive_count, 3);
    assert!(begun.elapsed() >= rest / 2, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_deleted_is_and_nothing_else() {
    let queue = Queue::create("jobs").await;
    for number in 0..25 {
        queue.send(&number.to_string()).await;
    }
    let inbox = inbox(&queue, Duration::from_secs(60)).await;
    let mut deliveries = Vec::new();
    while deliveries.len() < 25 {
        let more = within("messages", inbox.receive(10)).await.expect("the queue answers");
        assert!(!more.is_empty(), "only {} of 25 messages came", deliveries.len());
        deliveries.extend(more);
    }
    let (kept, done): (Vec<_>, Vec<_>) =
        deliveries.into_iter().partition(|delivery| ["3", "14"].contains(&delivery.message.body.as_str()));
    let deleted = futures_util::future::join_all(done.iter().map(Delivery::delete));
    assert!(within("23 deletions", deleted).await.iter().all(Result::is_ok));
    assert_eq!(queue.counts().await, Counts { in_flight: 2, ..EMPTY });
    for delivery in kept {
        delivery.release(Duration::ZERO).await;
    }
    assert_eq!(queue.counts().await, Counts { visible: 2, ..EMPTY });
    within("the end of the deletions", inbox.close()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_a_message_that_somebody_deleted_is_lost_and_no_other() {
    let queue = Queue::create("jobs").await;
    for body in ["deleted", "kept"] {
        queue.send(body).await;
    }
    let inbox = inbox(&queue, VISIBILITY).await;
    let (first, second) = (next(&inbox).await, next(&inbox).await);
    let (deleted, kept) = if first.message.body == "deleted" { (first, second) } else { (second, first) };
    let handle = &deleted.message.receipt_handle;
    let deleting = queue.client.delete_message().queue_url(&queue.url).receipt_handle(handle).send();
    within("delete the message", deleting).await.expect("it can be deleted");

    assert!(deleted.reply().lease.is_held(), "nobody knows yet");
    within("the loss of the lease", deleted.lease_lost()).await;
    assert!(!deleted.reply().lease.is_held());
    assert!(kept.reply().lease.is_held());
}

#[tokio::test(flavor = "multi_thread")]
async fn results_published_at_once_all_arrive_with_their_attributes() {
    let queue = Queue::create("results").await;
    let outbox = outbox(&queue).await;
    let reports: Vec<Report> = (0..25).map(|_| report(json!([printed("1", b"out", b"err")]))).collect();
    let published =
        futures_util::future::join_all(reports.iter().map(|report| outbox.publish(report.clone(), reply())));
    for outcome in within("25 results", published).await {
        outcome.expect("the queue takes it");
    }
    let answers = queue.answers(25).await;
    assert_eq!((answers.len(), queue.counts().await), (25, EMPTY));
    for report in reports {
        let job_id = report.job_id.clone().expect("it has one");
        let answer = answers.iter().find(|answer| answer.report["job_id"] == job_id.as_str());
        let answer = answer.unwrap_or_else(|| panic!("{job_id} did not arrive"));
        assert_eq!(answer.report, serde_json::to_value(&report).expect("a report serializes"));
        let attribute = |name: &str| answer.attributes.get(name).map(String::as_str);
        assert_eq!(
            (attribute("job_id"), attribute("verdict"), attribute("contract_version")),
            (Some(job_id.as_str()), Some("accepted"), Some("1"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_bytes_a_program_printed_its_result_gets_through_unchanged() {
    let queue = Queue::create("results").await;
    let outbox = outbox(&queue).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let controls: String = (0..0x20u8).chain([0x7f]).map(char::from).collect();
    let outputs: [&[u8]; 8] = [
        "\u{ffff}\u{fffe}\u{fffd}".as_bytes(),
        "\u{0}".as_bytes(),
        controls.as_bytes(),
        &every_byte,
        b"\xff\xfe\x00\xed\xa0\x80",
        "\u{1f980} \u{10ffff} \u{feff} \u{202e} \u{85} \u{2028}".as_bytes(),
        br#""\"\\u0000\/</script>"#,
        b"",
    ];
    for output in outputs {
        let report = report(json!([printed("1", output, output)]));
        publish(&outbox, &report).await;
        let answer = queue.answers(1).await.pop().expect("there is one");
        assert_eq!(answer.report, serde_json::to_value(&report).expect("a report serializes"), "{output:?}");
        assert_eq!(stdout_of(&answer), output);
        // What SQS accepts: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.
        let refused = answer
            .body
            .chars()
            .find(|it| matches!(it, '\u{fffe}' | '\u{ffff}') || (*it < ' ' && !"\t\n\r".contains(*it)));
        assert_eq!(refused, None, "a character that the real queue would refuse");
    }
}

/// What the first test printed, decoded.
fn stdout_of(answer: &Answer) -> Vec<u8> {
    let test = &answer.report["tests"][0];
    match (test["stdout"].as_str(), test["stdout_base64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(base64)) => BASE64.decode(base64).expect("it is base64"),
        _ => panic!("a stream comes in one of the two ways: {test:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_larger_than_the_queue_takes_is_cut_where_it_is_longest_and_says_so() {
    let maximum = 16_384;
    let attributes = [(QueueAttributeName::MaximumMessageSize, "16384")];
    let queue = Queue::create_with(&unique("results"), &attributes).await;
    let sqs = Sqs::open(&queue.url).await;
    let found = within("the queue's attributes", sqs.attributes()).await.expect("the queue answers");
    assert_eq!(found.maximum_message_bytes, maximum);
    // The queue means it: or whatever follows would prove nothing.
    let too_large = "x".repeat(maximum + 1);
    let refused = queue.client.send_message().queue_url(&queue.url).message_body(&too_large).send().await;
    assert!(refused.is_err(), "the queue takes more than its maximum");

    let outbox = Outbox::start(sqs, found.maximum_message_bytes);
    let (long, longer) = ("long ".repeat(10_000), "\u{ffff}\0\"".repeat(30_000));
    let tests =
        [printed("1", long.as_bytes(), b"short"), printed("2", longer.as_bytes(), b""), printed("3", b"\xff\xfe", b"")];
    let report = report(json!(tests));
    publish(&outbox, &report).await;
    let answer = queue.answers(1).await.pop().expect("there is one");
    let attributes: usize =
        answer.attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len()).sum();
    assert!(answer.body.len() + attributes <= maximum, "{} bytes", answer.body.len());
    assert!(answer.body.len() > maximum / 2, "{} bytes: more was cut than had to be", answer.body.len());

    let mut expected = serde_json::to_value(&report).expect("a report serializes");
    for (index, whole) in [(0, &long), (1, &longer)] {
        let test = &answer.report["tests"][index];
        let kept = test["stdout"].as_str().expect("it is still text");
        assert!(whole.starts_with(kept) && !kept.is_empty() && kept.len() < whole.len(), "{} bytes", kept.len());
        expected["tests"][index]["stdout"] = kept.into();
        expected["tests"][index]["stdout_truncated"] = true.into();
        expected["tests"][index]["stdout_sha256"] = Sha256::of(whole.as_bytes()).to_string().into();
    }
    // Verdicts, figures, totals and short streams are as they were.
    assert_eq!(answer.report, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_gets_group_and_deduplication_and_one_message_for_a_result_published_twice() {
    let queue = Queue::create_fifo("results").await;
    assert!(Sqs::open(&queue.url).await.is_fifo());
    let outbox = outbox(&queue).await;
    let named = report(json!([]));
    let mut nameless = report(json!([]));
    (nameless.job_id, nameless.message_id) = (None, Some("message".to_owned()));
    for report in [&named, &named, &nameless] {
        publish(&outbox, report).await;
    }
    let answers = queue.answers(2).await;
    assert_eq!((answers.len(), queue.counts().await), (2, EMPTY));
    for (answer, report, group) in
        [(&answers[0], &named, named.job_id.as_deref()), (&answers[1], &nameless, Some("message"))]
    {
        assert_eq!(answer.group.as_deref(), group);
        assert_eq!(answer.deduplication.as_deref(), Some(report.execution_id.as_str()));
    }
    assert_eq!(answers[1].attributes.get("job_id"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_or_is_not_there_is_an_error_that_says_what_failed() {
    let queue = Queue::create("results").await;
    let absent = Sqs::open(&queue.url).await.sibling(&format!("{}-absent", queue.url));
    let error = within("the attributes", absent.attributes()).await.expect_err("there is no such queue");
    assert_eq!(error.operation, "read the queue's attributes");
    assert!(
        error
            .code
            .as_deref()
            .is_some_and(|code| code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist")),
        "{error:?}"
    );

    let inbox = Inbox::new(absent.clone(), VISIBILITY, Duration::ZERO);
    let error = within("a receive", inbox.receive(1)).await.expect_err("there is no such queue");
    assert_eq!(error.operation, "receive messages");

    let outbox = Outbox::start(absent, 1 << 20);
    let error =
        within("a publication", outbox.publish(report(json!([])), reply())).await.expect_err("there is no such queue");
    assert_eq!(error.operation, "publish a result");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_queues_threshold_is_read_from_the_queue() {
    let dead = Queue::create("dead").await;
    let arn = dead.arn().await;
    let without = Sqs::open(&dead.url).await.attributes().await.expect("the queue answers");
    assert_eq!(without.max_receive_count, None);
    for count in [json!(5), json!("5")] {
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string();
        let queue = Queue::create_with(&unique("jobs"), &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
        let attributes = Sqs::open(&queue.url).await.attributes().await.expect("the queue answers");
        assert_eq!(attributes.max_receive_count, Some(5), "{policy}");
    }
}
