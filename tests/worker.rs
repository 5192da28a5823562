//! `caisson worker` from outside: a process, two queues, a real engine, and what an operator does to it.

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::engine::{gone, holding, let_go, nothing_left_of};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::jobs::{bash, c, held, hungry, id, job, python, test, verdict};
use support::process::{caisson, finish};
use support::proxy::{Fault, Proxy};
use support::queue::{Counts, EMPTY, Queue};
use support::worker::{Worker, configuration};
use support::{unique, until};

/// What an engine says whose disk is full.
const FULL: &str = "no space left on device";

fn quick() -> Value {
    bash("echo done", json!({ "tests": [test("1", "", "done\n")] }))
}

async fn queues() -> (Queue, Queue) {
    (Queue::create("jobs").await, Queue::create("results").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_gets_one_result_with_its_verdict_and_the_incoming_queue_empties() {
    let (incoming, outgoing) = queues().await;
    let sum = "print(sum(map(int, input().split())))";
    let jobs = [
        (python(sum, json!({ "tests": [test("1", "1 2", "3"), test("2", "5 6 7", "18")] })), "accepted"),
        (python(sum, json!({ "tests": [test("1", "1 2", "3"), test("2", "5 6 7", "19")] })), "wrong_answer"),
        (python("print('hello')", json!({})), "completed"),
        (python("while True: pass", json!({ "limits": { "cpu_time_ms": 200 } })), "time_limit"),
        (hungry(), "memory_limit"),
        (bash("yes", json!({ "limits": { "output_bytes": 1_000 } })), "output_limit"),
        (bash("exit 3", json!({})), "runtime_error"),
        (bash("kill -SEGV $$", json!({})), "runtime_error"),
        (c("int main(void) { return 0; }", json!({})), "completed"),
        (c("int main(void) { return x; }", json!({})), "compile_error"),
        (job("brainfuck", "main.bf", "+", json!({})), "rejected"),
        (bash("echo late", json!({ "expires_at": "2001-01-01T00:00:00Z" })), "expired"),
    ];
    let mut expected = BTreeMap::new();
    for (job, verdict) in &jobs {
        let message = incoming.send_job(job).await;
        expected.insert(id(job).to_owned(), (*verdict, message));
    }

    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 2").await;
    let answers = outgoing.answers(jobs.len()).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;

    // The worker is gone and has nothing in hand: what isn't here now never comes.
    assert_eq!(outgoing.counts().await, EMPTY, "there are more results than jobs");
    assert_eq!(answers.len(), jobs.len());
    for answer in answers {
        let report = &answer.report;
        let job_id = report["job_id"].as_str().expect("each of these jobs has an id");
        let (verdict, message) = expected.remove(job_id).unwrap_or_else(|| panic!("{job_id} was answered twice"));
        assert_eq!(report["verdict"], verdict, "{report:#}");
        assert_eq!(report["message_id"], message.as_str());
        assert_eq!(
            (&report["attempt"], &report["redelivered"], &report["lease"]),
            (&json!(1), &json!(false), &json!("held"))
        );
        let attributes = [("contract_version", "1"), ("job_id", job_id), ("verdict", verdict)];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(answer.attributes, BTreeMap::from(attributes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_job_is_rejected_once_by_its_message_id() {
    let (incoming, outgoing) = queues().await;
    let bodies = [
        ("nonsense".to_owned(), None),
        ("{".to_owned(), None),
        ("[]".to_owned(), None),
        ("{}".to_owned(), None),
        ("[".repeat(100_000), None),
        (json!({ "id": "no-files", "language": "c" }).to_string(), Some("no-files")),
        (bash("", json!({ "id": "typo", "limit": {} })).to_string(), Some("typo")),
        (bash("", json!({ "id": "nothing", "limits": { "memory_bytes": 0 } })).to_string(), Some("nothing")),
        (job("c", "../../etc/passwd", "", json!({ "id": "path" })).to_string(), Some("path")),
        (
            json!({ "id": "image", "image": "--privileged", "files": [{ "path": "a", "content": "" }], "run": ["a"] })
                .to_string(),
            Some("image"),
        ),
    ];
    let mut expected = BTreeMap::new();
    for (body, job_id) in &bodies {
        expected.insert(incoming.send(body).await, *job_id);
    }
    let good = bash("echo good", json!({}));
    incoming.send_job(&good).await;

    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 2").await;
    let answers = outgoing.answers(bodies.len() + 1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;

    assert_eq!(outgoing.counts().await, EMPTY, "there are more results than messages");
    let (good_ones, rejected): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.report["job_id"] == id(&good));
    assert_eq!(good_ones.len(), 1);
    assert_eq!(verdict(&good_ones[0].report), "completed");
    for answer in rejected {
        let report = &answer.report;
        assert_eq!(verdict(report), "rejected", "{report:#}");
        let message = report["message_id"].as_str().expect("a rejection names its message");
        let job_id = expected.remove(message).unwrap_or_else(|| panic!("{message} was answered twice"));
        assert_eq!(report["job_id"].as_str(), job_id, "{report:#}");
        assert_eq!(answer.attributes.get("job_id").map(String::as_str), job_id);
        assert!(report["detail"].as_str().is_some_and(|detail| detail.contains(": ")), "{report:#}");
    }
    assert!(expected.is_empty(), "unanswered: {expected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigterm_the_running_job_is_finished_and_the_waiting_one_left_to_others() {
    let (incoming, outgoing) = queues().await;
    let (running, waiting) = (held(), quick());
    incoming.send_job(&running).await;
    let mut worker = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let container = holding(&worker.name, &running).await;
    incoming.send_job(&waiting).await;
    worker.signal(libc::SIGTERM);
    until("the signal seen", async || worker.log().contains("finishing the jobs that run").then_some(())).await;
    let_go(&container).await;
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;

    let answers = outgoing.answers(1).await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    assert_eq!((answers[0].report["job_id"].as_str(), verdict(&answers[0].report)), (Some(id(&running)), "accepted"));
    assert_eq!(incoming.counts().await, Counts { visible: 1, ..EMPTY }, "the waiting job is anybody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_gives_the_running_job_back_at_once() {
    let (incoming, outgoing) = queues().await;
    let job = held();
    incoming.send_job(&job).await;
    let mut worker = Worker::start(&incoming, &outgoing, "worker.slots = 1\nqueue.visibility_timeout_s = 3600").await;
    holding(&worker.name, &job).await;
    assert_eq!(incoming.counts().await, Counts { in_flight: 1, ..EMPTY });

    worker.signal(libc::SIGTERM);
    let log = async |words: &str| {
        until(words, async || worker.log().contains(words).then_some(())).await;
    };
    log("finishing the jobs that run").await;
    worker.signal(libc::SIGTERM);
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
    assert_eq!(incoming.counts().await, Counts { visible: 1, ..EMPTY }, "the job is visible long before its timeout");
    assert_eq!(outgoing.counts().await, EMPTY, "nothing is judged that wasn't run to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_grace_period_gives_the_running_job_back() {
    let (incoming, outgoing) = queues().await;
    let job = held();
    incoming.send_job(&job).await;
    let more = "worker.slots = 1\nworker.grace_period_s = 1\nqueue.visibility_timeout_s = 3600";
    let mut worker = Worker::start(&incoming, &outgoing, more).await;
    holding(&worker.name, &job).await;
    worker.signal(libc::SIGTERM);
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
    assert_eq!(incoming.counts().await, Counts { visible: 1, ..EMPTY });
    assert_eq!(outgoing.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_killed_worker_is_run_again_by_another_and_its_container_is_gone() {
    let (incoming, outgoing) = queues().await;
    let job = held();
    incoming.send_job(&job).await;
    // Without a pool: a container that is created and not started at the moment of the kill stays until the next sweep.
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 20\npool.enabled = false";
    let mut first = Worker::start(&incoming, &outgoing, more).await;
    holding(&first.name, &job).await;
    first.signal(libc::SIGKILL);
    assert_eq!(first.ended().await, None);
    gone(&first.name).await;

    let second = Worker::start(&incoming, &outgoing, more).await;
    let_go(&holding(&second.name, &job).await).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    let name = second.name.clone();
    second.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    let report = &answers[0].report;
    assert_eq!(verdict(report), "accepted", "{report:#}");
    assert_eq!((&report["attempt"], &report["redelivered"]), (&json!(2), &json!(true)));
    assert_eq!(report["worker"]["id"], name.as_str());
}

/// A worker without a pool, which would have containers from before, whose engine refuses to make any.
async fn without_containers(incoming: &Queue, outgoing: &Queue) -> (Worker, EngineProxy) {
    let engine = EngineProxy::start();
    let more = format!("worker.slots = 1\npool.enabled = false\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::start(incoming, outgoing, &more).await;
    engine.fail("create", EngineFault::Answers(FULL), usize::MAX);
    (worker, engine)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_our_side_is_not_judged_but_tried_again() {
    let (incoming, outgoing) = queues().await;
    let (worker, engine) = without_containers(&incoming, &outgoing).await;
    incoming.send_job(&bash("echo here", json!({}))).await;
    until("the job given back", async || worker.log().contains("given back: we failed").then_some(())).await;
    assert_eq!(outgoing.counts().await, EMPTY, "nobody is told that the program failed");

    engine.heal();
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    let report = &answers[0].report;
    assert_eq!(verdict(report), "completed", "{report:#}");
    assert!(report["attempt"].as_u64() > Some(1) && report["redelivered"] == true, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_attempt_that_fails_on_our_side_is_answered_as_such_and_the_message_kept_for_an_operator() {
    let (dead, outgoing) = queues().await;
    let incoming = Queue::create_with_dead_letters("jobs", &dead, 1).await;
    let (worker, _engine) = without_containers(&incoming, &outgoing).await;
    let job = quick();
    incoming.send_job(&job).await;
    let answers = outgoing.answers(1).await;
    dead.becomes(Counts { visible: 1, ..EMPTY }).await;
    incoming.becomes(EMPTY).await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    let report = &answers[0].report;
    assert_eq!((report["job_id"].as_str(), verdict(report)), (Some(id(&job)), "internal_error"), "{report:#}");
    assert!(report["detail"].as_str().is_some_and(|detail| detail.contains(FULL)), "{report:#}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_published_is_tried_again_and_its_job_neither_lost_nor_run_twice() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    proxy.fail("SendMessageBatch", Fault::Refused, usize::MAX);
    let job = quick();
    incoming.send_job(&job).await;
    let worker = Worker::behind(&proxy, &incoming, &outgoing, "worker.slots = 1").await;
    until("failed publications", async || (proxy.hits("SendMessageBatch") >= 4).then_some(())).await;
    assert_eq!(incoming.counts().await, Counts { in_flight: 1, ..EMPTY }, "nothing is deleted before it is published");
    proxy.heal();
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    let report = &answers[0].report;
    assert_eq!((verdict(report), &report["attempt"], &report["lease"]), ("accepted", &json!(1), &json!("held")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_whose_answer_is_lost_can_be_told_from_a_second_execution() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    proxy.fail("SendMessageBatch", Fault::AnswerLost, 1);
    incoming.send_job(&quick()).await;
    let worker = Worker::behind(&proxy, &incoming, &outgoing, "worker.slots = 1").await;
    let answers = outgoing.answers(2).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (2, EMPTY));
    assert_eq!(answers[0].body, answers[1].body, "one execution, published twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_never_answered_do_not_stop_a_worker() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    let operations = ["ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch"];
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 60";
    // Before the worker starts, whose first long poll would be let through and might bring the job.
    for operation in operations {
        proxy.fail(operation, Fault::Hangs, 1);
    }
    let worker = Worker::behind(&proxy, &incoming, &outgoing, more).await;
    incoming.send_job(&quick()).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    for operation in operations {
        assert_eq!(proxy.hits(operation), 1, "{operation}");
    }
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_lease_is_lost_is_stopped_unanswered_and_run_again() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    proxy.fail("ChangeMessageVisibilityBatch", Fault::Hangs, usize::MAX);
    let job = held();
    incoming.send_job(&job).await;
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 20\npool.enabled = false";
    let worker = Worker::behind(&proxy, &incoming, &outgoing, more).await;
    let first = holding(&worker.name, &job).await;
    until("the loss of the lease", async || worker.log().contains("stopped unfinished").then_some(())).await;
    assert!(proxy.hits("ChangeMessageVisibilityBatch") > 1, "one heartbeat alone decides nothing");
    proxy.heal();
    let second = until("another container", async || {
        let container = holding(&worker.name, &job).await;
        (container != first).then_some(container)
    })
    .await;
    let_go(&second).await;
    let answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (1, EMPTY));
    let report = &answers[0].report;
    assert_eq!((verdict(report), &report["attempt"], &report["lease"]), ("accepted", &json!(2), &json!("held")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_takes_the_results_by_job_and_execution() {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create_fifo("results").await);
    let jobs = [bash("echo 1", json!({})), bash("echo 2", json!({}))];
    for job in &jobs {
        incoming.send_job(job).await;
    }
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 2").await;
    let answers = outgoing.answers(2).await;
    worker.stop().await;
    for answer in &answers {
        assert_eq!(answer.group.as_deref(), answer.report["job_id"].as_str());
        assert_eq!(answer.deduplication.as_deref(), answer.report["execution_id"].as_str());
    }
}

#[tokio::test]
async fn a_worker_names_every_mistake_of_its_configuration_and_exits_with_64() {
    let lines = "queue.incoming_url = \"not a url\"\nqueue.wait_time_s = 30\nworker.slot = 2\nworker.slots = 0\n";
    let (_folder, file) = configuration(lines);
    let mut command = caisson("x", &["worker", "--config", file.to_str().expect("the path is UTF-8")]);
    command.env("CAISSON_LOG_FORMAT", "xml").env("CAISSON_NONSENSE", "1");
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let mistakes = [
        "caisson.toml:1: queue.incoming_url: ",
        "caisson.toml:2: queue.wait_time_s: ",
        "caisson.toml:3: worker.slot: ",
        "caisson.toml:4: worker.slots: ",
        "environment: CAISSON_LOG_FORMAT: ",
        "environment: CAISSON_NONSENSE: ",
    ];
    for mistake in mistakes {
        assert!(lines.iter().any(|line| line.contains(mistake)), "{mistake}\nis not in\n{}", ended.stderr);
    }
    assert_eq!(lines.len(), mistakes.len(), "{}", ended.stderr);
}

#[tokio::test]
async fn a_worker_without_queues_says_which_settings_it_needs() {
    let ended = finish(caisson("x", &["worker"]), b"").await;
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
    for key in ["queue.incoming_url: is needed", "queue.outgoing_url: is needed"] {
        assert!(ended.stderr.contains(key), "{key}\nis not in\n{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_named_and_the_exit_code_is_1() {
    let incoming = Queue::create("jobs").await;
    let absent = format!("{}-absent", incoming.url);
    for (incoming, outgoing, which) in [(&absent, &incoming.url, "incoming"), (&incoming.url, &absent, "outgoing")] {
        let (_folder, file) =
            configuration(&format!("queue.incoming_url = \"{incoming}\"\nqueue.outgoing_url = \"{outgoing}\"\n"));
        let command = caisson(&unique("worker"), &["worker", "--config", file.to_str().expect("the path is UTF-8")]);
        let ended = finish(command, b"").await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let sentence = format!("caisson: the {which} queue {absent}: failed to read the queue's attributes: ");
        let found = ended.stderr.lines().find_map(|line| line.strip_prefix(&sentence));
        let reason = found.unwrap_or_else(|| panic!("{sentence}\nis not in\n{}", ended.stderr));
        assert!(reason.contains("does not exist") && reason.len() < 200, "{reason}");
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_and_the_exit_code_is_1() {
    let (incoming, outgoing) = queues().await;
    let (_folder, file) = configuration(&format!(
        "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nsandbox.engine_socket = \"/nowhere/docker.sock\"\n",
        incoming.url, outgoing.url
    ));
    let ended =
        finish(caisson(&unique("worker"), &["worker", "--config", file.to_str().expect("the path is UTF-8")]), b"")
            .await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("/nowhere/docker.sock"), "{}", ended.stderr);
}
