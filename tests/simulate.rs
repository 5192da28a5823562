//! `caisson simulate` as a command, and its model against a real worker.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use support::jobs::{bash, verdict};
use support::process::{Ended, caisson, finish};
use support::queue::{EMPTY, Queue};
use support::unique;
use support::worker::{Worker, configuration};

async fn simulate(arguments: &[&str]) -> Ended {
    let all: Vec<&str> = ["simulate"].into_iter().chain(arguments.iter().copied()).collect();
    finish(caisson(&unique("simulation"), &all), b"").await
}

async fn outcome(arguments: &[&str]) -> Value {
    let ended = simulate(arguments).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(ended.text()).expect("it is JSON")
}

/// A time of a result's timeline, in seconds.
fn moment(report: &Value, which: &str) -> f64 {
    let text = report["timeline"][which].as_str().unwrap_or_else(|| panic!("{which} is missing: {report:#}"));
    let time: Timestamp = text.parse().expect("it is a time");
    time.as_millisecond() as f64 / 1e3
}

/// How long a slot stood empty between two jobs, in seconds, on average. On a machine that others use as well, a container's
/// removal and two requests to a local SQS written in Python may take many times what they take on an idle one.
fn turnaround(reports: &[&Value]) -> f64 {
    let mut by_worker = BTreeMap::<String, Vec<(f64, f64)>>::new();
    for report in reports {
        let worker = report["worker"]["id"].to_string();
        by_worker.entry(worker).or_default().push((moment(report, "received"), moment(report, "finished")));
    }
    assert_eq!(by_worker.len(), 2, "both workers have had jobs");
    let mut gaps = Vec::new();
    for jobs in by_worker.values_mut() {
        jobs.sort_by(|one, other| one.0.total_cmp(&other.0));
        gaps.extend(jobs.windows(2).map(|pair| (pair[1].0 - pair[0].1).max(0.0)));
    }
    gaps.iter().sum::<f64>() / gaps.len() as f64
}

/// Two workers of one slot each work off a backlog; the model is given the measured service times and the mean gap between
/// two jobs, and has to say when the backlog is gone and how long the jobs waited.
///
/// The tolerance is a quarter and two seconds: no gap is quite the mean, and the workers don't begin at the same moment. A
/// model that has the number of slots or the order of jobs wrong is off by half or double.
#[tokio::test(flavor = "multi_thread")]
async fn the_model_says_how_long_two_real_workers_take() {
    const JOBS: usize = 24;
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    // The model's jobs come all at once to two instances that are at work.
    let one = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let other = Worker::start(&incoming, &outgoing, "worker.slots = 1").await;
    let jobs: Vec<Value> =
        (0..JOBS).map(|_| bash("sleep 1.5; echo done", json!({ "limits": { "wall_time_ms": 60_000 } }))).collect();
    futures_util::future::join_all(jobs.iter().map(|job| incoming.send_job(job))).await;
    let answers = outgoing.answers(JOBS).await;
    incoming.becomes(EMPTY).await;
    one.stop().await;
    other.stop().await;
    let reports: Vec<&Value> = answers.iter().map(|answer| &answer.report).collect();
    assert!(reports.iter().all(|report| verdict(report) == "completed"));

    let received: Vec<f64> = reports.iter().map(|report| moment(report, "received")).collect();
    let begun = received.iter().copied().fold(f64::MAX, f64::min);
    let ended = reports.iter().map(|report| moment(report, "finished")).fold(f64::MIN, f64::max);
    let mut waits: Vec<f64> = received.iter().map(|at| at - begun).collect();
    waits.sort_by(f64::total_cmp);

    let folder = tempfile::tempdir().expect("a folder can be made");
    let samples = folder.path().join("results.jsonl");
    let lines: String = reports.iter().map(|report| format!("{report}\n")).collect();
    std::fs::write(&samples, lines).expect("the samples can be written");
    let (_folder, scenario) = configuration(&format!(
        "duration_s = 1\narrivals.burst_jobs = {JOBS}\narrivals.burst_s = 0\n[service]\nlimit_s = 600\nturnaround_s = {:.3}\n\
         [fleet]\nslots = 1\nmin_instances = 2\nstart_instances = 2\nmax_instances = 2\n",
        turnaround(&reports)
    ));
    let model = outcome(&[&path(&scenario), "--samples", &path(&samples), "--json"]).await;
    assert_eq!(model["answered"], JOBS);
    for (what, measured, key) in [
        ("time to drain", ended - begun, "drain_s"),
        ("median wait", waits[JOBS / 2 - 1], "wait_p50_s"),
        ("95th percentile of the wait", waits[JOBS * 95 / 100], "wait_p95_s"),
    ] {
        let modelled = model[key].as_f64().expect("it is a number");
        eprintln!("{what}: measured {measured:.2} s, modelled {modelled:.2} s");
        let tolerance = 0.25 * measured + 2.0;
        assert!((measured - modelled).abs() <= tolerance, "{what}: {measured} s measured, {modelled} s modelled");
    }
}

fn path(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}

#[tokio::test]
async fn every_example_runs_and_answers_all_its_jobs() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (csv, svg) = (folder.path().join("o.csv"), folder.path().join("o.svg"));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scale");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).expect("there are examples") {
        let file = path(&entry.expect("it can be listed").path());
        // The sizes are for an optimised build; the same scenario with a hundredth of the load says as much here.
        let more = match file.ends_with("ten-thousand.toml") {
            true => &["--set", "arrivals.burst_jobs=30000", "--set", "fleet.max_instances=200"][..],
            false if file.ends_with("day.toml") => &["--set", "arrivals.wave_per_s=5"][..],
            false => &[],
        };
        let files = [file.as_str(), "--json", "--csv", &path(&csv), "--plot", &path(&svg)].map(str::to_owned);
        let all: Vec<&str> = files.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let outcome = outcome(&all).await;
        assert_eq!((&outcome["answered"], &outcome["left"]), (&outcome["jobs"], &json!(0)), "{file}: {outcome:#}");
        let lines = std::fs::read_to_string(&csv).expect("the timeline is there");
        assert!(
            lines.starts_with("seconds,visible,in_flight,desired,running,booting\n") && lines.lines().count() > 100
        );
        let drawn = std::fs::read_to_string(&svg).expect("the plot is there");
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n") && !drawn.contains("NaN"), "{file}");
        count += 1;
    }
    assert_eq!(count, 4);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_key_and_a_failure_leaves_no_outcome() {
    let (_folder, scenario) = configuration("arrivals.burst_jobs = 5\nfleet.slot = 2\nprice.spot_hour = -1\n");
    let ended = simulate(&[&path(&scenario)]).await;
    assert_eq!((ended.code, ended.text()), (Some(1), ""));
    assert!(
        ended.stderr.contains(":2: fleet.slot: ") && ended.stderr.contains(":3: price.spot_hour: "),
        "{}",
        ended.stderr
    );
    let (_other, scenario) = configuration("arrivals.burst_jobs = 5\n");
    let ended = simulate(&[&path(&scenario), "--set", "fleet.min_instances=20"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("fleet.min_instances: is above fleet.max_instances"), "{}", ended.stderr);
    let ended = simulate(&[&path(&scenario), "--samples", "/nowhere"]).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("/nowhere can't be read"), "{}", ended.stderr);
}
