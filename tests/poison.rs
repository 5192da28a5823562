//! Jobs whose own files fill their sandbox's memory before any program of theirs runs: by folders and names, which take the
//! kernel's memory and not the disk's. Whatever sandbox they get, that is their memory limit, and nobody else's trouble.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use caisson::sandbox::{PoolFigures, PoolSettings};
use serde_json::{Value, json};
use support::http::get;
use support::jobs::{bash, full, id, python, test, verdict, with};
use support::lab::Lab;
use support::queue::{EMPTY, Queue};
use support::worker::Worker;
use support::{unique, until};

/// A job whose compile step makes as many folders.
fn filling(more: Value) -> Value {
    let make = "for ((i = 0; i < 1000; i++)); do mkdir -p $i/d/d/d/d/d/d; done; echo hi > said";
    let job = json!({
        "id": unique("filling"), "language": "bash", "files": [{ "path": "main.sh", "content": "cat said\n" }],
        "compile": ["bash", "-c", make], "run": ["bash", "main.sh"],
        "tests": [test("1", "", "hi\n"), test("2", "", "hi\n")],
        "limits": { "memory_bytes": 8 << 20 },
    });
    with(job, more)
}

fn numbered(count: usize) -> Value {
    (0..count).map(|number| test(&number.to_string(), "", "hi\n")).collect()
}

/// Every job of the kind, with the verdict it gets and each of its tests.
fn jobs() -> Vec<(Value, &'static str)> {
    let compiled =
        json!({ "compile": ["true"], "run": ["bash", "main.sh"], "compile_limits": { "memory_bytes": 8 << 20 } });
    vec![
        (full(json!({})), "memory_limit"),
        (full(json!({ "tests": numbered(1) })), "memory_limit"),
        (full(json!({ "tests": numbered(7) })), "memory_limit"),
        (full(json!({ "tests": numbered(7), "isolation": "test" })), "memory_limit"),
        (full(compiled), "compile_error"),
        (filling(json!({})), "memory_limit"),
    ]
}

/// What a consumer may build on.
fn judged(report: &Value) -> Value {
    let tests = report["tests"].as_array().into_iter().flatten();
    let tests: Vec<Value> = tests.map(|test| json!([test["verdict"], test["reason"]])).collect();
    json!([report["verdict"], report["reason"], report["compile"]["verdict"], tests])
}

async fn lab(toml: &str, pool: usize, recycle: bool) -> Lab {
    Lab::set(1, toml, |settings| {
        settings.pool = Some(PoolSettings { containers: pool, age: Duration::from_secs(300) }).filter(|_| pool > 0);
        settings.recycle = recycle;
    })
    .await
}

fn figures(lab: &Lab) -> PoolFigures {
    lab.pipeline.sandboxes.pool_figures()
}

/// Runs every job, each as often as given, and each time in a waiting container if there is a pool.
async fn run_all(lab: &Lab, times: usize) -> Vec<Value> {
    let mut reports = Vec::new();
    for (job, expected) in jobs() {
        for time in 0..times {
            let before = figures(lab).warm;
            let report = lab.run(&with(job.clone(), json!({ "id": unique("again") }))).await;
            assert_eq!(verdict(&report), expected, "{report:#}");
            // There are none where the compile step failed.
            for test in report["tests"].as_array().into_iter().flatten() {
                assert_eq!(test["verdict"], expected, "{report:#}");
            }
            if time == 0 {
                reports.push(judged(&report));
            } else {
                assert_eq!(Some(&judged(&report)), reports.last(), "{report:#}");
            }
            let waited = figures(lab).warm > before;
            assert!(waited || time == 0 || times == 1, "it had a sandbox made for it: {:?}", figures(lab));
            if times > 1 {
                until("a waiting container", async || (figures(lab).waiting >= 1).then_some(())).await;
            }
        }
    }
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_fill_the_memory_are_judged_alike_in_a_sandbox_of_any_kind() {
    let cold = lab("", 0, false).await;
    let expected = run_all(&cold, 1).await;
    cold.close().await;
    for (toml, recycle) in [("", false), ("", true), ("[compile_cache]\nenabled = true\n", false)] {
        let warm = lab(toml, 4, recycle).await;
        assert_eq!(run_all(&warm, 3).await, expected);
        warm.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_with_more_memory_than_the_one_before_runs_where_the_files_have_room() {
    for pool in [0, 2] {
        let lab = lab("", pool, false).await;
        let larger = json!({ "id": "2", "expected_stdout": "hi\n", "limits": { "memory_bytes": 64 << 20 } });
        let job = full(json!({ "tests": [test("1", "", "hi\n"), larger, test("3", "", "hi\n")] }));
        for _ in 0..2 {
            let report = lab.run(&job).await;
            let verdicts: Vec<&Value> =
                report["tests"].as_array().expect("it was run").iter().map(|test| &test["verdict"]).collect();
            assert_eq!(verdicts, ["memory_limit", "accepted", "memory_limit"], "{report:#}");
            if pool > 0 {
                until("a waiting container", async || (figures(&lab).waiting >= 1).then_some(())).await;
            }
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_fill_their_sandboxes_cost_no_honest_job_its_answer() {
    const POISON: usize = 60;
    const HONEST: usize = 22;
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let more = "worker.slots = 2\nhttp.listen = \"127.0.0.1:0\"\n";
    let worker = Worker::start(&incoming, &outgoing, more).await;
    let address = worker.address();
    let engine = async || {
        let body: Value = serde_json::from_str(&get(address, "/readyz").await.body).expect("it is JSON");
        let conditions = body["conditions"].as_array().expect("there are conditions").clone();
        conditions.into_iter().find(|it| it["condition"] == "engine").expect("the engine is one")
    };
    let at_first = engine().await;
    let (mut honest, mut poison) = (BTreeSet::new(), BTreeSet::new());
    for index in 0..POISON {
        let job = full(json!({}));
        poison.insert(id(&job).to_owned());
        incoming.send_job(&job).await;
        if index * HONEST % POISON < HONEST {
            let job = match index % 2 {
                0 => bash("cat", json!({ "tests": [test("1", "yes", "yes")] })),
                _ => python("print(sum(map(int, input().split())))", json!({ "tests": [test("1", "1 2", "3")] })),
            };
            honest.insert(id(&job).to_owned());
            incoming.send_job(&job).await;
        }
    }
    assert_eq!(honest.len(), HONEST);
    let answers = outgoing.answers(POISON + HONEST).await;
    incoming.becomes(EMPTY).await;
    assert_eq!(engine().await, at_first, "the engine was well all the time");
    for answer in answers {
        let report = &answer.report;
        let name = report["job_id"].as_str().expect("each of these jobs has an id");
        let expected = if honest.remove(name) { "accepted" } else { "memory_limit" };
        assert!(expected == "accepted" || poison.remove(name), "{name} was answered twice");
        assert_eq!((verdict(report), &report["attempt"]), (expected, &json!(1)), "{report:#}");
    }
    worker.stop().await;
}
