//! A dependency that is away for a while, or refuses one thing only: what waits is kept, no receipt is spent on it, readiness
//! says what is missing, and afterwards each job has one answer.

mod support;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;
use support::bucket::Bucket;
use support::health::{LISTEN, becomes_ready, loses, metrics, readiness};
use support::jobs::{bash, id, verdict};
use support::proxy::fault::Entry;
use support::proxy::{Fault, Proxy};
use support::queue::{Counts, EMPTY};
use support::queues::{Queues, are_of, attempts, quick};
use support::until;
use support::worker::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn while_s3_is_away_jobs_wait_for_it_and_hardly_a_receipt_is_spent() {
    let queues = Queues::create(3).await;
    let bucket = Bucket::create("jobs").await;
    let proxy = Proxy::start().await;
    proxy.fail("GET", Fault::Refused, usize::MAX);
    let jobs: Vec<_> = (0..20).map(|_| quick()).collect();
    for job in &jobs {
        bucket.put(id(job), job.to_string().as_bytes()).await;
        queues.incoming.send(&bucket.pointer(id(job))).await;
    }
    let more = format!("worker.slots = 2\n{LISTEN}\nstore.incoming_buckets = [\"{}\"]", bucket.name);
    let variables = [("AWS_ENDPOINT_URL_S3", proxy.endpoint.as_str())];
    let worker = Worker::start_with(&queues.incoming, &queues.outgoing, &more, &variables).await;
    until("a worker that says that S3 is away", async || {
        queues.have_no_answer().await;
        (readiness(&worker).await.holds("store") == Some(false)).then_some(())
    })
    .await;
    let hits = proxy.hits("GET");
    until("further tries", async || {
        queues.have_no_answer().await;
        (proxy.hits("GET") >= hits + 9).then_some(())
    })
    .await;
    proxy.heal();
    let answers = queues.answer_all(&jobs, "accepted").await;
    assert!(attempts(&answers).iter().all(|attempt| *attempt <= 2), "{:?}", attempts(&answers));
    queues.are_settled().await;
    becomes_ready(&worker).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_after_two_polls_without_an_answer_is_answered_at_once() {
    let queues = Queues::create(2).await;
    let proxy = Proxy::start().await;
    proxy.fail("ReceiveMessage", Fault::Hangs, 2);
    let jobs = queues.send(1).await;
    // Each of the two polls is given up after eleven seconds: together, more than the timeout.
    let more = format!("worker.slots = 1\nqueue.visibility_timeout_s = 20\n{LISTEN}");
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    let answers = queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    let report = &answers[0].report;
    assert_eq!((&report["attempt"], &report["lease"]), (&json!(1), &json!("held")), "{report:#}");
    let page = metrics(&worker).await;
    assert_eq!((page.sum("caisson_leases_lost_total"), page.sum("caisson_deliveries_total")), (0.0, 1.0));
    assert_eq!(proxy.hits("ReceiveMessage"), 2);
    worker.stop().await;
}

/// Five jobs, whose messages nobody may delete for a while: each is answered once, and deleted when that is allowed again.
async fn deletions_are_denied(fault: Fault) {
    let queues = Queues::create(3).await;
    let proxy = Proxy::start().await;
    proxy.fail("DeleteMessageBatch", fault, usize::MAX);
    let jobs = queues.send(5).await;
    let more = format!("worker.slots = 5\nqueue.visibility_timeout_s = 10\n{LISTEN}");
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    let answers = queues.answer_all(&jobs, "accepted").await;
    assert_eq!(attempts(&answers), [1; 5]);
    // For several visibility timeouts, which are renewed: had they ended, each job would have been answered again.
    let renewals = proxy.requests("ChangeMessageVisibilityBatch");
    until("renewals of what can't be deleted", async || {
        queues.have_no_answer().await;
        (proxy.requests("ChangeMessageVisibilityBatch") >= renewals + 8).then_some(())
    })
    .await;
    loses(&worker, "deletions").await;
    let waiting = queues.send(1).await;
    let hits = proxy.hits("DeleteMessageBatch");
    until("further tries", async || (proxy.hits("DeleteMessageBatch") > hits + 1).then_some(())).await;
    queues.have_no_answer().await;
    assert_eq!(queues.incoming.counts().await, Counts { visible: 1, in_flight: 5, delayed: 0 }, "nothing is taken in");

    proxy.heal();
    assert_eq!(attempts(&queues.answer_all(&waiting, "accepted").await), [1]);
    queues.are_settled().await;
    becomes_ready(&worker).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_deletions_are_denied_no_job_is_answered_twice_and_afterwards_all_are_deleted() {
    deletions_are_denied(Fault::Answered(403)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_each_deletion_of_a_batch_is_denied_no_job_is_answered_twice() {
    deletions_are_denied(Fault::Entries(&[Entry::Refused("AccessDenied")])).await;
}

/// The outgoing queue is told to take less than before, while a worker is at work.
async fn takes_less_from_now_on(by_entry: bool) {
    const LOWERED: usize = 64 << 10;
    const BYTES: usize = 300_000;
    let queues = Queues::create(3).await;
    let proxy = Proxy::start().await;
    let more = format!("worker.slots = 2\n{LISTEN}");
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    let outgoing = &queues.outgoing;
    let lowering = outgoing.client.set_queue_attributes().queue_url(&outgoing.url);
    let lowering = lowering.attributes(QueueAttributeName::MaximumMessageSize, LOWERED.to_string());
    lowering.send().await.expect("it can be lowered");
    if by_entry {
        // As SQS itself says it; the local one refuses the batch as a whole.
        proxy.fail("SendMessageBatch@results", Fault::Longest(LOWERED), usize::MAX);
    }
    let large = bash(&format!("head -c {BYTES} /dev/zero | tr '\\0' x"), json!({}));
    let jobs = [large, quick(), quick()];
    for job in &jobs {
        queues.incoming.send_job(job).await;
    }
    until("an answer to each", async || {
        let failed = metrics(&worker).await.sum("caisson_publish_failures_total");
        assert!(failed <= 12.0, "{failed} tries have failed, and it is as large as before");
        (outgoing.counts().await.visible == jobs.len()).then_some(())
    })
    .await;
    let answers = outgoing.answers(jobs.len()).await;
    queues.are_settled().await;
    assert_eq!(attempts(&answers), [1; 3]);
    for answer in &answers {
        assert!(answer.body.len() <= LOWERED, "{} bytes", answer.body.len());
        let test = &answer.report["tests"][0];
        if answer.report["job_id"] == id(&jobs[0]) {
            assert_eq!((verdict(&answer.report), &test["stdout_truncated"]), ("completed", &json!(true)), "{test:#}");
            assert_eq!(test["stdout_total_bytes"], BYTES);
        } else {
            assert_eq!((verdict(&answer.report), &test["stdout_truncated"]), ("accepted", &json!(false)), "{test:#}");
        }
    }
    becomes_ready(&worker).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_has_become_too_large_for_its_queue_is_cut_and_published() {
    takes_less_from_now_on(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_refused_alone_of_its_batch_as_too_large_is_cut_and_published() {
    takes_less_from_now_on(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_poll_brings_when_the_outgoing_queue_is_found_away_is_kept() {
    let queues = Queues::create(2).await;
    let proxy = Proxy::start().await;
    proxy.fail("SendMessageBatch", Fault::Refused, usize::MAX);
    let mut jobs = queues.send(1).await;
    let more = format!("worker.slots = 2\nqueue.visibility_timeout_s = 120\n{LISTEN}");
    // Long polls, so that one is under way when the queue is found away.
    let variables = [("CAISSON_QUEUE_WAIT_TIME_S", "20"), ("AWS_ENDPOINT_URL", proxy.endpoint.as_str())];
    let worker = Worker::start_with(&queues.incoming, &queues.outgoing, &more, &variables).await;
    // Five failures in a row, each of up to three requests; a worker that waits for its polls doesn't say more.
    until("a queue that is found away", async || {
        let away = readiness(&worker).await.holds("outgoing") == Some(false);
        (away || proxy.hits("SendMessageBatch") >= 15).then_some(())
    })
    .await;
    jobs.extend(queues.send(1).await);
    let hits = proxy.hits("SendMessageBatch");
    until("further tries", async || (proxy.hits("SendMessageBatch") >= hits + 4).then_some(())).await;
    let given_back = metrics(&worker).await.sum("caisson_jobs_given_back_total");
    assert_eq!(given_back, 0.0, "nothing is given back");
    assert_eq!(queues.outgoing.counts().await, EMPTY);

    proxy.heal();
    let answers = queues.outgoing.answers(2).await;
    are_of(&answers, &jobs, "accepted");
    assert_eq!(attempts(&answers), [1, 1]);
    queues.are_settled().await;
    worker.stop().await;
}
