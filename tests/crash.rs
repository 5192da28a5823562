//! A worker that dies between two steps of a job, at each of the named points: its job is answered by another worker, at
//! least once, and every further answer can be told for what it is.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use support::engine::{containers_of, gone, inspect};
use support::jobs::{bash, id, test, verdict};
use support::lab::Lab;
use support::process::{caisson, finish};
use support::queue::{Counts, EMPTY, Queue};
use support::worker::{Worker, configuration};
use support::{unique, until};

/// The shortest visibility timeout that the configuration allows: for so long a dead worker's message stays hidden. Without
/// containers made ahead, which pass some of the points, too.
const MORE: &str = "worker.slots = 1\nqueue.visibility_timeout_s = 10\npool.enabled = false";

/// What is to come out when the first worker has died.
struct Expected {
    /// Results altogether.
    results: std::ops::RangeInclusive<usize>,
    /// Whether the job has to be run again.
    run_again: bool,
}

/// The first worker takes a job and dies at `point`; a second one does the rest.
async fn dies_at(point: &str, expected: Expected) {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let job = bash("read -r line; echo \"$line\"", json!({ "tests": [test("1", "out\n", "out\n")] }));
    let message = incoming.send_job(&job).await;

    let mut first = Worker::spawn(&incoming, &outgoing, MORE, &[("CAISSON_CRASH_AT", point)]);
    first.leaves_the_volume();
    assert_eq!(first.ended().await, None, "{point} was never passed:\n{}", first.log());
    assert!(first.log().contains(&format!("ended at {point}")), "{}", first.log());
    let second = if point == "created" {
        // Not started, it has nobody in it who would see that the worker is gone. The next worker of that name removes it.
        Worker::start_as(&first.name, &incoming, &outgoing, MORE).await
    } else {
        gone(&first.name).await;
        Worker::start(&incoming, &outgoing, MORE).await
    };
    if point == "created" {
        let second_log = second.log();
        assert!(second_log.contains("removed an orphan"), "{second_log}");
    }
    let mut answers = outgoing.answers(1).await;
    incoming.becomes(EMPTY).await;
    let name = second.name.clone();
    second.stop().await;
    // Nobody is left to publish: what isn't here now never comes.
    let further = outgoing.counts().await.visible;
    answers.extend(outgoing.answers(further).await);
    let reports: Vec<&Value> = answers.iter().map(|answer| &answer.report).collect();

    assert!(expected.results.contains(&reports.len()), "{point}: {reports:#?}");
    for report in &reports {
        assert_eq!((report["job_id"].as_str(), verdict(report)), (Some(id(&job)), "accepted"), "{report:#}");
        assert_eq!(report["message_id"], message.as_str());
        assert_eq!(report["redelivered"], report["attempt"].as_u64() > Some(1), "{report:#}");
    }
    let executions: BTreeSet<_> = reports.iter().map(|report| report["execution_id"].as_str()).collect();
    assert_eq!(executions.len(), reports.len(), "each worker's result is an execution of its own");
    let unflagged = reports.iter().filter(|report| report["attempt"] == 1).count();
    assert!(unflagged <= 1, "{point}: a second result looks like a first one: {reports:#?}");
    let by_second = reports.iter().filter(|report| report["worker"]["id"] == name.as_str()).count();
    assert_eq!(by_second > 0, expected.run_again, "{point}: {reports:#?}");
}

/// Before its result was published, the dead worker's job is as if never begun: one answer, by the second worker.
const UNANSWERED: Expected = Expected { results: 1..=1, run_again: true };

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_when_it_has_received_a_job_leaves_it_to_another() {
    dies_at("received", UNANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_when_it_holds_a_lease_leaves_its_job_to_another() {
    dies_at("leased", UNANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_when_it_has_created_a_container_leaves_its_job_to_another() {
    dies_at("created", UNANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_created_and_never_started_goes_with_any_worker_after_a_minute() {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    incoming.send_job(&bash("echo out", json!({}))).await;
    let mut dead = Worker::spawn(&incoming, &outgoing, MORE, &[("CAISSON_CRASH_AT", "created")]);
    dead.leaves_the_volume();
    assert_eq!(dead.ended().await, None, "{}", dead.log());
    let left = containers_of(&dead.name).await;
    assert_eq!(left.len(), 1, "nothing was left, so nothing can be removed");
    assert_eq!(inspect(&left[0]).await["State"]["Status"], "created");
    let other = Lab::set(1, "", |settings| settings.patience.sweep = Duration::from_secs(1)).await;
    gone(&dead.name).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_when_it_has_started_a_container_leaves_its_job_to_another() {
    dies_at("started", UNANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_its_agents_first_frame_leaves_its_job_to_another() {
    dies_at("first_frame", UNANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_with_an_unpublished_result_leaves_its_job_to_another() {
    dies_at("done", UNANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_publishing_and_deleting_leaves_a_second_result_that_says_so() {
    dies_at("published", Expected { results: 2..=2, run_again: true }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_when_it_has_deleted_the_message_has_answered_it() {
    dies_at("deleted", Expected { results: 1..=1, run_again: false }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_when_its_container_is_removed_loses_nothing() {
    // Beside the publishing, so that the result may be out or not.
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    incoming.send_job(&bash("echo out", json!({}))).await;
    let mut first = Worker::spawn(&incoming, &outgoing, MORE, &[("CAISSON_CRASH_AT", "removed")]);
    first.leaves_the_volume();
    assert_eq!(first.ended().await, None, "{}", first.log());
    gone(&first.name).await;
    let second = Worker::start(&incoming, &outgoing, MORE).await;
    incoming.becomes(EMPTY).await;
    second.stop().await;
    let answers = outgoing.answers(outgoing.counts().await.visible).await;
    assert!((1..=2).contains(&answers.len()), "{answers:#?}");
    let unflagged = answers.iter().filter(|answer| answer.report["attempt"] == 1).count();
    assert!(unflagged <= 1 && answers.iter().all(|answer| verdict(&answer.report) == "completed"), "{answers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_every_worker_that_runs_it_is_answered_once_by_internal_error() {
    let (dead, outgoing) = (Queue::create("dead").await, Queue::create("results").await);
    let incoming = Queue::create_with_dead_letters("jobs", &dead, 3).await;
    let job = bash("echo out", json!({}));
    incoming.send_job(&job).await;
    // As its supervisor would, a new one each time.
    let mut deaths = 0;
    let (report, last) = loop {
        let mut worker = Worker::spawn(&incoming, &outgoing, MORE, &[("CAISSON_CRASH_AT", "first_frame")]);
        worker.leaves_the_volume();
        let answered = until("a death or an answer", async || {
            if worker.has_ended() {
                return Some(None);
            }
            outgoing.answers(outgoing.counts().await.visible).await.pop().map(Some)
        })
        .await;
        match answered {
            Some(answer) => break (answer.report, worker),
            None => deaths += 1,
        }
        assert!(deaths <= 3, "the job has killed {deaths} workers and is not answered");
    };
    assert_eq!((report["job_id"].as_str(), verdict(&report)), (Some(id(&job)), "internal_error"), "{report:#}");
    // The queue moves it to the dead letters when its receipts are used up; there a worker finds it.
    assert_eq!(deaths, 3, "{report:#}");
    assert!(report["attempt"].as_u64().is_some_and(|attempt| attempt >= 3), "{report:#}");
    incoming.becomes(EMPTY).await;
    last.stop().await;
    assert_eq!((outgoing.counts().await, incoming.counts().await), (EMPTY, EMPTY), "there is no second answer");
    dead.becomes(Counts { visible: 1, ..EMPTY }).await;
}

#[tokio::test]
async fn a_crash_point_that_is_none_is_named() {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    incoming.send_job(&bash("echo out", json!({}))).await;
    let (_folder, file) = configuration(&format!(
        "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nqueue.wait_time_s = 1\n",
        incoming.url, outgoing.url
    ));
    let arguments = ["worker", "--config", file.to_str().expect("the path is UTF-8")];
    let mut command = caisson(&unique("nowhere"), &arguments);
    command.env("CAISSON_CRASH_AT", "nowhere");
    let ended = finish(command, b"").await;
    assert!(ended.stderr.contains("nowhere is no point"), "{}", ended.stderr);
}

/// What ends a process on purpose must not be in one that serves.
#[test]
fn crash_points_exist_only_with_their_feature_and_never_in_an_optimised_build() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let manifest: toml::Table = read("Cargo.toml").parse().expect("the manifest is TOML");
    let features = manifest["features"].as_table().expect("there are features");
    assert_eq!(features["crash-points"].as_array().map(Vec::len), Some(0));
    for (feature, parts) in features {
        let parts = parts.as_array().expect("a feature is a list");
        assert!(!parts.iter().any(|part| part.as_str() == Some("crash-points")), "{feature} brings crash points along");
    }
    let module = read("src/crash.rs");
    let gate = "#[cfg(all(feature = \"crash-points\", debug_assertions))]\n";
    assert_eq!(module.matches(gate).count(), 2, "the macro's body and the module behind it");
    let (open, gated) = module.split_once(&format!("{gate}pub(crate) mod armed")).expect("the module is gated");
    assert!(gated.contains("abort()") && !open.contains("abort()"));
}
