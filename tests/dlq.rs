//! `caisson dlq` as a process against a local SQS: whatever happens, each message is in the dead-letter queue, in the queue
//! it came from, or in both.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};
use support::process::{Ended, caisson, finish, signal};
use support::queue::{Counts, EMPTY, Queue};
use support::worker::configuration;
use support::{unique, until, within};

/// An incoming queue, its dead-letter queue, and a configuration that names the first.
struct Office {
    incoming: Queue,
    dead: Queue,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Office {
    async fn open() -> Office {
        let dead = Queue::create("dead").await;
        let incoming = Queue::create_with_dead_letters("incoming", &dead, 3).await;
        Office::between(incoming, dead)
    }

    async fn open_fifo() -> Office {
        let dead = Queue::create_fifo("dead").await;
        let policy = json!({ "deadLetterTargetArn": dead.arn().await, "maxReceiveCount": 3 }).to_string();
        let attributes = [(QueueAttributeName::FifoQueue, "true"), (QueueAttributeName::RedrivePolicy, &policy)];
        let incoming = Queue::create_with(&format!("{}.fifo", unique("incoming")), &attributes).await;
        Office::between(incoming, dead)
    }

    fn between(incoming: Queue, dead: Queue) -> Office {
        let (folder, file) = configuration(&format!("queue.incoming_url = \"{}\"\n", incoming.url));
        Office { incoming, dead, file, _folder: folder }
    }

    fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let file = self.file.to_str().expect("the path is UTF-8");
        caisson("dlq", &[&["dlq", "--config", file], arguments].concat())
    }

    async fn dlq(&self, arguments: &[&str]) -> Ended {
        finish(self.command(arguments), b"").await
    }

    /// Runs it, which must go well.
    async fn well(&self, arguments: &[&str]) -> Ended {
        let ended = self.dlq(arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        ended
    }

    /// The messages that `list` shows.
    async fn listed(&self) -> Vec<Value> {
        let ended = self.well(&["list", "--json"]).await;
        ended.lines().iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

fn visible(visible: usize) -> Counts {
    Counts { visible, ..EMPTY }
}

fn body(id: &str) -> String {
    json!({ "id": id, "language": "c", "files": [] }).to_string()
}

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().expect("it is an attribute")
}

/// Everything visible, taken for good.
async fn drained(queue: &Queue) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(60).await;
        if some.is_empty() {
            return all;
        }
        queue.delete_all(&some).await;
        all.extend(some);
    }
}

/// Sends many jobs; their bodies.
async fn fill(queue: &Queue, count: usize) -> BTreeSet<String> {
    let bodies: Vec<String> = (0..count).map(|number| body(&format!("job-{number}"))).collect();
    for ten in bodies.chunks(10) {
        let mut batch = queue.client.send_message_batch().queue_url(&queue.url);
        for (index, body) in ten.iter().enumerate() {
            let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder();
            batch = batch.entries(entry.id(index.to_string()).message_body(body).build().expect("it is an entry"));
        }
        within("send messages", batch.send()).await.expect("messages can be sent");
    }
    bodies.into_iter().collect()
}

fn bodies(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.body.clone().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_tells_what_is_there_and_gives_it_back() {
    let office = Office::open().await;
    fill(&office.dead, 23).await;
    office.dead.send("\u{1b}no job\n").await;
    let ended = office.well(&["list"]).await;
    assert_eq!(ended.lines().len(), 25, "{}", ended.text());
    assert!(ended.lines()[0].starts_with("MESSAGE ID"), "{}", ended.text());
    for number in 0..23 {
        assert!(ended.text().contains(&format!("  job-{number} ")), "job-{number}: {}", ended.text());
    }
    assert!(ended.stderr.contains("24 messages"), "{}", ended.stderr);
    // Not after the half minute for which they were hidden, but now, when the process has ended.
    office.dead.has(visible(24)).await;
    let rows = office.listed().await;
    assert_eq!(rows.len(), 24);
    let of_job = rows.iter().filter(|row| row["language"] == "c" && row["job_id"].is_string()).count();
    assert_eq!(of_job, 23);
    assert!(rows.iter().all(|row| row["receive_count"] == 2), "receiving counts");
    assert_eq!(office.well(&["list", "--limit", "5"]).await.lines().len(), 6);
    office.dead.has(visible(24)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_is_shown_with_all_that_it_has() {
    let office = Office::open().await;
    fill(&office.dead, 3).await;
    let sending = office.dead.client.send_message().queue_url(&office.dead.url).message_body("{\"a\": \"\u{e4}\"}");
    let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255]));
    let sending = sending
        .message_attributes("note", text("hello"))
        .message_attributes("raw", bytes.build().expect("it is an attribute"));
    let id = sending.send().await.expect("it can be sent").message_id.expect("it has an id");
    let shown: Value = serde_json::from_str(office.well(&["show", &id]).await.text()).expect("it is JSON");
    assert_eq!((&shown["message_id"], &shown["body"]), (&json!(id), &json!("{\"a\": \"\u{e4}\"}")));
    assert_eq!(shown["attributes"]["note"], json!({ "type": "String", "text": "hello" }));
    assert_eq!(shown["attributes"]["raw"], json!({ "type": "Binary", "base64": "AP8=" }));
    assert_eq!(office.well(&["show", &id, "--body"]).await.text(), "{\"a\": \"\u{e4}\"}");
    let ended = office.dlq(&["show", "no-such-id"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no-such-id"), "{}", ended.stderr);
    office.dead.has(visible(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_back_with_its_attributes_and_its_group() {
    let office = Office::open().await;
    let sent = fill(&office.dead, 34).await;
    // What a pointer to S3 looks like is nothing to us: it goes back as it is.
    let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;
    let size = MessageAttributeValue::builder().data_type("Number").string_value("2000000").build();
    let sending = office.dead.client.send_message().queue_url(&office.dead.url).message_body(pointer);
    let sending = sending
        .message_attributes("ExtendedPayloadSize", size.expect("it is an attribute"))
        .message_group_id("tenant-7");
    sending.send().await.expect("it can be sent");
    let ended = office.well(&["redrive", "--per-second", "1000"]).await;
    assert!(ended.stderr.contains("35 messages sent"), "{}", ended.stderr);
    office.dead.has(EMPTY).await;
    let arrived = drained(&office.incoming).await;
    assert_eq!(arrived.len(), 35);
    let pointers: Vec<&Message> = arrived.iter().filter(|message| message.body() == Some(pointer)).collect();
    let attributes = pointers[0].message_attributes().expect("it has attributes");
    assert_eq!(attributes["ExtendedPayloadSize"].data_type(), "Number");
    assert_eq!(attributes["ExtendedPayloadSize"].string_value(), Some("2000000"));
    let system = pointers[0].attributes().expect("it has attributes");
    assert_eq!(system.get(&MessageSystemAttributeName::MessageGroupId).map(String::as_str), Some("tenant-7"));
    let rest: BTreeSet<String> = bodies(&arrived).into_iter().filter(|body| body != pointer).collect();
    assert_eq!(rest, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_touches_nothing_and_a_choice_moves_only_what_was_chosen() {
    let office = Office::open().await;
    fill(&office.dead, 12).await;
    let ended = office.well(&["redrive", "--dry-run"]).await;
    assert_eq!((ended.lines().len(), ended.stderr.contains("12 messages would be sent")), (12, true));
    let ended = office.well(&["drop", "--all", "--dry-run"]).await;
    assert_eq!(ended.lines().len(), 12);
    office.dead.has(visible(12)).await;
    office.incoming.has(EMPTY).await;

    let rows = office.listed().await;
    let id = rows.iter().find(|row| row["job_id"] == "job-3").expect("it is there")["message_id"].clone();
    let id = id.as_str().expect("an id is text");
    let ended = office.well(&["redrive", "--job", "job-7", "--message", id, "--message", "gone"]).await;
    assert!(ended.stderr.contains("2 messages sent") && ended.stderr.contains("gone: not found"), "{}", ended.stderr);
    office.dead.has(visible(10)).await;
    let arrived: BTreeSet<String> = bodies(&drained(&office.incoming).await).into_iter().collect();
    assert_eq!(arrived, BTreeSet::from([body("job-3"), body("job-7")]));
    office.well(&["redrive", "--limit", "4"]).await;
    office.dead.has(visible(6)).await;
    office.incoming.has(visible(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_takes_a_yes_and_a_choice() {
    let office = Office::open().await;
    fill(&office.dead, 11).await;
    assert_eq!(office.dlq(&["drop", "--all"]).await.code, Some(2), "there is nobody to ask");
    assert_eq!(office.dlq(&["drop", "--yes"]).await.code, Some(2), "of what?");
    office.dead.has(visible(11)).await;
    office.well(&["drop", "--job", "job-2", "--yes"]).await;
    office.dead.has(visible(10)).await;
    let ended = office.well(&["drop", "--all", "--yes"]).await;
    assert!(ended.stderr.contains("10 messages deleted"), "{}", ended.stderr);
    office.dead.has(EMPTY).await;
    office.incoming.has(EMPTY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_was_no_job_shows_its_reason_and_is_only_sent_when_asked_for() {
    let office = Office::open().await;
    fill(&office.dead, 2).await;
    let sending = office.dead.client.send_message().queue_url(&office.dead.url).message_body("{");
    let sending = sending
        .message_attributes("caisson_copy", text("1"))
        .message_attributes("caisson_reason", text("job: isn't JSON"))
        .message_attributes("caisson_message_id", text("m-1"));
    sending.send().await.expect("it can be sent");
    let rows = office.listed().await;
    let copy = rows.iter().find(|row| row["copy_of"] == "m-1").expect("the copy is listed");
    assert_eq!(copy["reason"], "job: isn't JSON");
    office.well(&["redrive"]).await;
    office.incoming.has(visible(2)).await;
    office.dead.has(visible(1)).await;
    office.well(&["redrive", "--copies"]).await;
    office.dead.has(EMPTY).await;
    let arrived = drained(&office.incoming).await;
    let copy = arrived.iter().find(|message| message.body() == Some("{")).expect("it was sent");
    assert!(copy.message_attributes().is_none_or(|all| all.is_empty()), "ours are taken off again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_gets_its_messages_back_in_order_and_swallows_none() {
    let office = Office::open_fifo().await;
    for number in 0..6 {
        // As after a move by SQS: the deduplication id is one that the incoming queue has just seen.
        for queue in [&office.incoming, &office.dead] {
            let sending = queue.client.send_message().queue_url(&queue.url).message_body(format!("{number}"));
            let group = format!("group-{}", number % 2);
            let sending = sending.message_group_id(group).message_deduplication_id(format!("d-{number}"));
            sending.send().await.expect("it can be sent");
        }
    }
    office.well(&["redrive", "--per-second", "1000"]).await;
    office.dead.has(EMPTY).await;
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in drained(&office.incoming).await {
        let group =
            message.attributes().expect("it has attributes")[&MessageSystemAttributeName::MessageGroupId].clone();
        groups.entry(group).or_default().push(message.body.expect("it has a body"));
    }
    assert_eq!(groups["group-0"], ["0", "2", "4", "0", "2", "4"]);
    assert_eq!(groups["group-1"], ["1", "3", "5", "1", "3", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_redrive_loses_nothing() {
    // Side by side, since each waits for what its process held.
    futures_util::future::join_all([7, 23, 41].map(redrive_killed_after)).await;
}

/// Kills a redrive once so many messages were moved; where it is by then is chance.
async fn redrive_killed_after(moved: usize) {
    // So many that it is not done when it is seen to have begun, however slow the looking is.
    const MESSAGES: usize = 200;
    let office = Office::open().await;
    let sent = fill(&office.dead, MESSAGES).await;
    let mut child = office.command(&["redrive", "--per-second", "30"]).spawn().expect("it can be started");
    until("a redrive on its way", async || (office.incoming.counts().await.visible >= moved).then_some(())).await;
    signal(&child, libc::SIGKILL);
    let status = within("its end", child.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), None, "it was killed, and hadn't ended by itself");
    let first = bodies(&drained(&office.incoming).await);
    assert!((moved..=MESSAGES).contains(&first.len()), "{}", first.len());
    // What it held is hidden, and counted where it is.
    let left = office.dead.counts().await;
    assert!(first.len() + left.visible + left.in_flight >= MESSAGES, "{} moved, {left:?} left", first.len());
    unhide(&office.dead).await;
    let rest = bodies(&drained(&office.dead).await);
    let all: BTreeSet<String> = first.iter().chain(&rest).cloned().collect();
    assert_eq!(all, sent, "{} moved, {} left", first.len(), rest.len());
    // Sent before it is deleted, so at most what one request holds is in both.
    assert!(first.len() + rest.len() <= MESSAGES + 10, "{} moved, {} left", first.len(), rest.len());
}

/// Waits until what a killed process held is visible again.
async fn unhide(queue: &Queue) {
    until("what was hidden", async || (queue.counts().await.in_flight == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_says_what_was_done_and_gives_back_the_rest() {
    let office = Office::open().await;
    fill(&office.dead, 40).await;
    let mut command = office.command(&["redrive", "--per-second", "2"]);
    let child = command.spawn().expect("it can be started");
    until("a redrive on its way", async || (office.incoming.counts().await.visible >= 2).then_some(())).await;
    signal(&child, libc::SIGINT);
    let output = within("its end", child.wait_with_output()).await.expect("it can be waited for");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("messages sent; interrupted"), "{told}");
    let moved = office.incoming.counts().await.visible;
    assert!(told.contains(&format!("{moved} messages sent")), "{moved}: {told}");
    office.dead.has(visible(40 - moved)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_during_a_redrive_is_not_sent_round_for_ever() {
    let office = Office::open().await;
    fill(&office.dead, 8).await;
    let mut child = office.command(&["redrive", "--per-second", "4"]).spawn().expect("it can be started");
    // A consumer that fails everything at once: after three receipts a message is a dead letter again.
    until("the end of the redrive", async || {
        office.incoming.receive(0).await;
        child.try_wait().expect("it can be asked")
    })
    .await;
    let output = within("its end", child.wait_with_output()).await.expect("it can be waited for");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("8 messages sent"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_to_work_on_it_says_what_to_set() {
    let (_folder, empty) = configuration("");
    let empty = empty.to_str().expect("the path is UTF-8");
    let ended = finish(caisson("dlq", &["dlq", "--config", empty, "list"]), b"").await;
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("queue.incoming_url"), "{}", ended.stderr);

    let alone = Queue::create("alone").await;
    let (_folder, file) = configuration(&format!("queue.incoming_url = \"{}\"", alone.url));
    let file = file.to_str().expect("the path is UTF-8");
    let ended = finish(caisson("dlq", &["dlq", "--config", file, "redrive"]), b"").await;
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("redrive policy"), "{}", ended.stderr);

    let other = Queue::create("other").await;
    other.send("x").await;
    let named = ["dlq", "--config", file, "redrive", "--queue", &other.url];
    let ended = finish(caisson("dlq", &named), b"").await;
    assert!(ended.code == Some(64) && ended.stderr.contains("--to"), "{}", ended.stderr);
    let ended = finish(caisson("dlq", &[&named[..], &["--to", &alone.url]].concat()), b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    alone.has(visible(1)).await;
    other.has(EMPTY).await;
}
