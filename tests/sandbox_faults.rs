//! The engine fails: it hangs, refuses, cuts connections, vanishes, kills. Each time the job goes back unjudged, nothing is
//! left behind, and the next job works without anybody's help.

mod support;

use std::time::Duration;

use caisson::sandbox::{Patience, SandboxError, Watermarks};
use serde_json::{Value, json};
use support::engine::{containers_of, docker, gone, running_container_of, signal_agent};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::jobs::{bash, stdout};
use support::lab::Lab;
use support::{PATIENCE, unique, until, within};

/// What hangs here takes as long as this. So it is below the usual, and still far above what an engine takes on a busy host.
const CALL: Duration = Duration::from_secs(30);

fn impatient() -> Patience {
    Patience {
        call: CALL,
        removal: CALL,
        ping: Duration::from_secs(10),
        fate: Duration::from_secs(20),
        goodbye: Duration::from_secs(2),
        retry: Duration::from_millis(300),
        sweep: Duration::from_millis(500),
        close: PATIENCE,
        ..Patience::default()
    }
}

async fn lab(proxy: &EngineProxy) -> Lab {
    let socket = proxy.socket();
    Lab::set(1, "", |settings| {
        settings.engine_socket = socket;
        settings.patience = impatient();
    })
    .await
}

fn hello() -> Value {
    bash("echo hello", json!({}))
}

/// A job that is in its program until it is stopped.
fn endless() -> Value {
    bash("sleep 100", json!({ "limits": { "wall_time_ms": 120_000 } }))
}

/// The next job works, and then nothing is left.
async fn recovers(lab: Lab) {
    let report = lab.run(&hello()).await;
    assert_eq!(stdout(&report), "hello\n", "{report:#}");
    gone(&lab.worker).await;
    assert_eq!(lab.pipeline.sandboxes.stubborn(), 0);
    lab.close().await;
}

/// A job under this fault fails as ours, and the one after it works.
async fn fails_unjudged(operation: &'static str, fault: EngineFault) {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    // The agent's volume is there, so that the first request of each kind is the job's own.
    lab.run(&hello()).await;
    gone(&lab.worker).await;
    proxy.fail(operation, fault, 1);
    let error = lab.try_run(&hello()).await.expect_err("the engine failed");
    assert_eq!(proxy.hits(operation), 1, "{error}");
    assert!(error.is_engine_failure(), "{error}");
    recovers(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_fails_in_any_way_gives_the_job_back() {
    fails_unjudged("create", EngineFault::Answers("no space left on device")).await;
    fails_unjudged("create", EngineFault::Hangs).await;
    fails_unjudged("create", EngineFault::Cuts).await;
    fails_unjudged("create", EngineFault::LosesAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attach_that_fails_in_any_way_gives_the_job_back() {
    fails_unjudged("attach", EngineFault::Answers("containerd is away")).await;
    fails_unjudged("attach", EngineFault::Hangs).await;
    fails_unjudged("attach", EngineFault::Cuts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_in_any_way_gives_the_job_back() {
    fails_unjudged("start", EngineFault::Answers("write /var/lib/docker: no space left on device")).await;
    fails_unjudged("start", EngineFault::Hangs).await;
    fails_unjudged("start", EngineFault::Cuts).await;
    fails_unjudged("start", EngineFault::LosesAnswer).await;
}

/// Its compile step and its test have different limits, so that they are set in between.
fn of_two_sizes() -> Value {
    let run = json!(["bash", "{main}"]);
    let compile = json!({ "compile": ["bash", "-c", "true"], "run": run });
    let limits = json!({ "compile_limits": { "memory_bytes": 256 << 20 }, "limits": { "memory_bytes": 128 << 20 } });
    support::jobs::with(bash("echo hello", compile), limits)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_fails_is_no_verdict_on_memory_and_says_nothing_of_the_runtime() {
    let faults = [EngineFault::Answers("containerd is away"), EngineFault::Hangs, EngineFault::Cuts];
    for fault in faults {
        let proxy = EngineProxy::start();
        let lab = lab(&proxy).await;
        let report = lab.run(&of_two_sizes()).await;
        assert_eq!(stdout(&report), "hello\n", "{report:#}");
        proxy.fail("update", fault, 2);
        let error = lab.try_run(&of_two_sizes()).await.expect_err("the engine failed");
        assert!(proxy.hits("update") >= 1 && error.is_engine_failure(), "{error}");
        assert!(lab.pipeline.sandboxes.can_resize());
        proxy.heal();
        recovers(lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_fails_keeps_the_slot_until_the_engine_has_done_it() {
    for fault in [EngineFault::Answers("device or resource busy"), EngineFault::Conflicts, EngineFault::Cuts] {
        let proxy = EngineProxy::start();
        let lab = lab(&proxy).await;
        let running = tokio::spawn({
            let lab = lab.clone();
            async move { lab.try_run(&endless()).await }
        });
        let id = running_container_of(&lab.worker).await;
        // Nothing tells of its end, so that it has to be removed.
        proxy.fail("events", EngineFault::Hangs, usize::MAX);
        proxy.cut("events");
        proxy.fail("remove", fault, usize::MAX);
        // It can't end by itself.
        signal_agent(&id, "STOP").await;
        running.abort();
        until("a removal that failed twice", async || (proxy.hits("remove") >= 2).then_some(())).await;
        assert!(lab.pipeline.sandboxes.try_permit().is_none(), "the slot is free, and its container lives");
        assert_eq!(containers_of(&lab.worker).await, [id]);
        proxy.heal();
        within("a free slot", lab.pipeline.sandboxes.permit()).await;
        recovers(lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_never_waits_for_ever_leaves_the_rest_to_the_next_sweep() {
    let proxy = EngineProxy::start();
    let worker = unique("again");
    let named = worker.clone();
    let first = {
        let socket = proxy.socket();
        let patience = Patience { close: Duration::from_secs(3), ..impatient() };
        Lab::set(1, "", |settings| {
            settings.engine_socket = socket;
            settings.patience = patience;
            settings.worker_id = named;
        })
        .await
    };
    let running = tokio::spawn({
        let lab = first.clone();
        async move { lab.try_run(&endless()).await }
    });
    let id = running_container_of(&worker).await;
    // It can't end by itself.
    signal_agent(&id, "STOP").await;
    proxy.fail("remove", EngineFault::Hangs, usize::MAX);
    running.abort();
    within("an end that doesn't wait for the engine", first.pipeline.sandboxes.close()).await;
    assert_eq!(containers_of(&worker).await, [id]);
    drop(first);
    let second = Lab::set(1, "", |settings| settings.worker_id = worker.clone()).await;
    gone(&worker).await;
    second.pipeline.sandboxes.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sweeps_its_own_strays_and_late_ones_of_others_but_nothing_else() {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    let running = tokio::spawn({
        let lab = lab.clone();
        async move { lab.try_run(&endless()).await }
    });
    let live = running_container_of(&lab.worker).await;
    let other = unique("other");
    let _leftovers = support::engine::Leftovers::of(&other);
    let create = async |worker: &str, deadline: &str| {
        let (worker, deadline) = (format!("caisson.worker={worker}"), format!("caisson.deadline={deadline}"));
        let create = ["create", "--network", "none", "--label", &worker, "--label", &deadline];
        docker(&[&create[..], &["caisson/bash", "sleep", "1000"]].concat()).await
    };
    let stray = create(&lab.worker, "4133980799").await;
    let late = create(&other, "1000").await;
    // It runs: one that was never started is given up after a minute, which is soon over on a busy host.
    let within_its_deadline = create(&other, "4133980799").await;
    docker(&["start", &within_its_deadline]).await;
    until("two sweeps", async || {
        let (own, others) = (containers_of(&lab.worker).await, containers_of(&other).await);
        (!own.contains(&stray) && !others.contains(&late)).then_some(())
    })
    .await;
    assert_eq!(containers_of(&lab.worker).await, [live]);
    assert_eq!(containers_of(&other).await, [within_its_deadline]);
    running.abort();
    recovers(lab).await;
}

/// The error of a job that something happened to while its program ran.
async fn disturbed(lab: &Lab, disturb: impl AsyncFnOnce(&str)) -> SandboxError {
    let running = tokio::spawn({
        let lab = lab.clone();
        async move { lab.try_run(&endless()).await }
    });
    let id = running_container_of(&lab.worker).await;
    // Its program runs: the agent has a child.
    until("a program", async || docker(&["top", &id, "-o", "pid"]).await.lines().nth(2).map(drop)).await;
    disturb(&id).await;
    let outcome = within("the disturbed job", running).await.expect("it doesn't panic");
    outcome.expect_err("nothing that happened was the program's doing")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_while_a_program_runs_is_no_verdict() {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    let error = disturbed(&lab, async |_| proxy.cut("attach")).await;
    assert!(matches!(error, SandboxError::Disturbed(_)) && error.is_engine_failure(), "{error}");
    recovers(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_somebody_kills_is_no_verdict() {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    let error = disturbed(&lab, async |id| drop(docker(&["kill", id]).await)).await;
    assert!(error.to_string().contains("the engine was told to kill it"), "{error}");
    recovers(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_vanishes_while_a_program_runs_is_no_verdict_and_the_worker_goes_on_when_it_is_back() {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    let error = disturbed(&lab, async |_| proxy.vanish()).await;
    assert!(error.is_engine_failure(), "{error}");
    lab.pipeline.sandboxes.ping().await.expect_err("it is away");
    assert!(lab.pipeline.sandboxes.try_permit().is_none(), "its container may still live");
    proxy.heal();
    until("the engine", async || lab.pipeline.sandboxes.ping().await.ok()).await;
    recovers(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_longer_come_are_asked_for_again() {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    until("the first request for events", async || (proxy.requests("events") >= 1).then_some(())).await;
    // Connected, and deaf from now on.
    proxy.fail("events", EngineFault::Hangs, 1);
    proxy.cut("events");
    until("a deaf stream", async || (proxy.hits("events") == 1).then_some(())).await;
    let before = proxy.requests("events");
    lab.run(&hello()).await;
    until("a new request for events", async || (proxy.requests("events") > before).then_some(())).await;
    recovers(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_gives_up_within_seconds() {
    let proxy = EngineProxy::start();
    let lab = lab(&proxy).await;
    proxy.fail("ping", EngineFault::Hangs, 1);
    let error = within("a ping", lab.pipeline.sandboxes.ping()).await.expect_err("it hangs");
    assert!(error.is_engine_failure(), "{error}");
    lab.pipeline.sandboxes.ping().await.expect("it answers");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_below_its_watermark_is_seen_before_a_job_is_taken() {
    let lab = Lab::open(1).await;
    lab.pipeline.sandboxes.room().await.expect("nothing is asked for");
    lab.close().await;
    let lab = Lab::set(1, "", |settings| settings.watermarks = Watermarks { bytes: 1 << 50, inodes: 0 }).await;
    let seen_here = std::path::Path::new(&docker(&["info", "--format", "{{.DockerRootDir}}"]).await).exists();
    match lab.pipeline.sandboxes.room().await {
        Err(short) => assert_eq!(short.setting, "worker.minimum_free_bytes", "{short}"),
        Ok(()) => assert!(!seen_here, "no disk has a petabyte free"),
    }
    lab.close().await;
}
