//! A worker's name is its own on its host: whoever starts under it would take the other one's containers for a dead one's.

mod support;

use serde_json::{Value, json};
use support::engine::{containers_of, holding, let_go};
use support::jobs::{bash, held, verdict};
use support::process::{caisson, finish};
use support::queue::{EMPTY, Queue};
use support::worker::{Worker, configuration};

/// A worker with a job that is held, in the container of this id.
async fn working() -> (Queue, Queue, Worker, String) {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let job = held();
    incoming.send_job(&job).await;
    // Nothing else has a container beside the job.
    let worker = Worker::start(&incoming, &outgoing, "worker.slots = 1\npool.enabled = false").await;
    let container = holding(&worker.name, &job).await;
    (incoming, outgoing, worker, container)
}

async fn goes_on(incoming: &Queue, outgoing: &Queue, worker: Worker, container: &str) {
    assert_eq!(containers_of(&worker.name).await, [container]);
    let_go(container).await;
    let answers = outgoing.answers(1).await;
    let report = &answers[0].report;
    assert_eq!((verdict(report), &report["attempt"]), ("accepted", &json!(1)), "{report:#}");
    incoming.becomes(EMPTY).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_of_the_same_name_does_not_start_and_the_first_ones_job_goes_on() {
    let (incoming, outgoing, worker, container) = working().await;
    let (_folder, file) = configuration(&format!(
        "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\n",
        incoming.url, outgoing.url
    ));
    let command = caisson(&worker.name, &["worker", "--config", file.to_str().expect("the path is UTF-8")]);
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let sentence = format!("caisson: worker.id: a worker called {} runs on this host already", worker.name);
    assert!(ended.stderr.contains(&sentence) && ended.stderr.contains("its own worker.id"), "{}", ended.stderr);
    goes_on(&incoming, &outgoing, worker, &container).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_beside_a_worker_of_the_same_name_leaves_its_containers_alone() {
    let (incoming, outgoing, worker, container) = working().await;
    let ended =
        finish(caisson(&worker.name, &["run", "--job", "-"]), bash("echo 1", json!({})).to_string().as_bytes()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(ended.text()).expect("stdout is the result");
    assert_eq!(verdict(&report), "completed", "{report:#}");
    assert_ne!(report["worker"]["id"], worker.name.as_str(), "{report:#}");
    goes_on(&incoming, &outgoing, worker, &container).await;
}
