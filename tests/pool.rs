//! Containers made ahead of their jobs, on a real engine: a job in one gets what it would get in one of its own, and nothing
//! the pool does outlives it, takes a job's place or keeps a job from running.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use caisson::sandbox::{PoolFigures, PoolSettings};
use serde_json::{Value, json};
use support::engine::{Leftovers, containers_of, docker, gone, inspect, signal_agent, try_docker};
use support::jobs::{bash, c, hungry, stdout, test, verdict};
use support::lab::Lab;
use support::process::{caisson, signal};
use support::{unique, until, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

async fn lab(slots: usize, containers: usize) -> Lab {
    Lab::set(slots, "", |settings| {
        settings.pool = Some(PoolSettings { containers, age: Duration::from_secs(300) });
    })
    .await
}

fn figures(lab: &Lab) -> PoolFigures {
    lab.pipeline.sandboxes.pool_figures()
}

/// Waits until this many containers wait.
async fn waiting(lab: &Lab, count: usize) {
    until(&format!("{count} waiting containers"), async || (figures(lab).waiting == count).then_some(())).await;
}

fn hello() -> Value {
    bash("echo hello", json!({}))
}

/// The ids of a worker's containers that were made ahead.
async fn made_ahead(worker: &str) -> Vec<String> {
    let filter = format!("label=caisson.worker={worker}");
    let ps = ["ps", "--quiet", "--no-trunc", "--filter", &filter, "--filter", "label=caisson.pool"];
    docker(&ps).await.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_gets_the_same_from_a_waiting_container_as_from_one_made_for_it() {
    let lab = lab(1, 2).await;
    // Everything that a program can easily see of its surroundings, and a file of another job's making where it can't be.
    let look = r#"
        ls -A /box /tmp /dev/shm | sort
        ps -e 2>/dev/null | wc -l
        env | sort
        cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
        cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null
        grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status
        ulimit -a
        cut -d' ' -f2- /proc/mounts | grep -v overlay | sort
        cat /proc/sys/kernel/hostname
    "#;
    let job = bash(look, json!({}));
    let cold = lab.run(&job).await;
    waiting(&lab, 1).await;
    let warm = lab.run(&job).await;
    let counted = figures(&lab);
    assert_eq!((counted.cold, counted.warm), (1, 1), "{counted:?}");
    assert_eq!(stdout(&cold), stdout(&warm));
    for field in ["verdict", "detail", "limits", "image", "sandbox"] {
        assert_eq!(cold[field], warm[field], "{field}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_made_ahead_is_made_as_one_for_a_job_but_for_its_labels() {
    let lab = lab(1, 1).await;
    let running = tokio::spawn({
        let lab = lab.clone();
        async move { lab.try_run(&bash("sleep 100", json!({ "limits": { "wall_time_ms": 120_000 } }))).await }
    });
    waiting(&lab, 1).await;
    let ahead = made_ahead(&lab.worker).await;
    let all = containers_of(&lab.worker).await;
    let for_the_job = all.iter().find(|id| !ahead.contains(id)).expect("the job's own is there");
    let (mut one, mut other) = (inspect(for_the_job).await, inspect(&ahead[0]).await);
    assert_eq!(other["Config"]["Labels"]["caisson.job"], json!(null));
    assert!(other["Config"]["Labels"]["caisson.deadline"].is_string());
    assert_ne!(one["Config"]["User"], other["Config"]["User"], "no two live containers share a user");
    for container in [&mut one, &mut other] {
        container["Config"]["Labels"] = json!(null);
        container["Config"]["User"] = json!(null);
        container["HostConfig"]["Tmpfs"] = json!(null);
    }
    // One CPU each where they are pinned, and then with one slot the same; the order of tmpfs mounts is no matter.
    assert_eq!(one["Config"], other["Config"]);
    assert_eq!(one["HostConfig"], other["HostConfig"]);
    running.abort();
    within("a free slot", lab.pipeline.sandboxes.permit()).await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_job_is_in_the_next_ones_container() {
    let lab = lab(1, 2).await;
    let leave = "echo secret > /box/left; echo secret > /tmp/left; echo secret > /dev/shm/left; (sleep 100 & disown); echo left";
    for _ in 0..3 {
        let report = lab.run(&bash(leave, json!({}))).await;
        assert_eq!(stdout(&report), "left\n", "{report:#}");
        waiting(&lab, 1).await;
        let report = lab.run(&bash("ls -A /box /tmp /dev/shm; pgrep sleep || echo alone", json!({}))).await;
        assert!(stdout(&report).ends_with("alone\n") && !stdout(&report).contains("left"), "{report:#}");
        waiting(&lab, 1).await;
    }
    assert!(figures(&lab).warm >= 5, "{:?}", figures(&lab));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_pass_their_limits_get_their_verdicts_in_waiting_containers_too() {
    let lab = lab(2, 4).await;
    let cases = [
        (c("int main(void) { for (;;) ; }", json!({ "limits": { "cpu_time_ms": 300 } })), "time_limit"),
        (hungry(), "memory_limit"),
        (bash("yes", json!({ "limits": { "output_bytes": 65_536 } })), "output_limit"),
        (bash("kill -9 $$", json!({})), "runtime_error"),
        (bash("sleep 100", json!({ "limits": { "wall_time_ms": 500 } })), "time_limit"),
        (c("int main(void) { return x; }", json!({})), "compile_error"),
        (bash("cat", json!({ "tests": [test("1", "a", "a"), test("2", "a", "b")] })), "wrong_answer"),
    ];
    for _ in 0..2 {
        for (job, expected) in &cases {
            let report = lab.run(job).await;
            assert_eq!(verdict(&report), *expected, "{report:#}");
        }
    }
    assert!(figures(&lab).warm >= 1, "{:?}", figures(&lab));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_users_are_never_exceeded_however_many_kinds_are_asked_for() {
    let lab = lab(2, 3).await;
    let mut most = 0;
    let memory = [64u64, 96, 128, 160, 192, 256];
    let jobs: Vec<_> = (0..24)
        .map(|number| {
            let lab = lab.clone();
            let limits = json!({ "limits": { "memory_bytes": memory[number * 7 % memory.len()] << 20 } });
            tokio::spawn(async move { lab.run(&bash("echo hello", limits)).await })
        })
        .collect();
    while jobs.iter().any(|job| !job.is_finished()) {
        let list =
            docker(&["ps", "--quiet", "--no-trunc", "--filter", &format!("label=caisson.worker={}", lab.worker)]).await;
        let mut users = BTreeSet::new();
        let mut live = 0;
        for id in list.lines() {
            // One that goes meanwhile is no longer there to be looked at.
            let Ok(user) = try_docker(&["inspect", "--format", "{{.Config.User}}", id]).await else { continue };
            live += 1;
            assert!(users.insert(user.clone()), "two live containers share the user {user}");
        }
        most = most.max(live);
        assert!(figures(&lab).waiting <= 3);
    }
    for job in jobs {
        assert_eq!(stdout(&job.await.expect("it doesn't panic")), "hello\n");
    }
    // Two slots and three places.
    assert!(most <= 5, "{most} containers at a time");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_container_that_somebody_kills_harms_no_job() {
    let lab = lab(1, 1).await;
    lab.run(&hello()).await;
    for _ in 0..3 {
        waiting(&lab, 1).await;
        for id in made_ahead(&lab.worker).await {
            docker(&["kill", &id]).await;
        }
        assert_eq!(stdout(&lab.run(&hello()).await), "hello\n");
    }
    assert!(figures(&lab).dead >= 1, "{:?}", figures(&lab));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_container_that_no_longer_answers_is_not_used() {
    let lab = lab(1, 1).await;
    lab.run(&hello()).await;
    waiting(&lab, 1).await;
    let ahead = made_ahead(&lab.worker).await;
    signal_agent(&ahead[0], "STOP").await;
    assert_eq!(stdout(&lab.run(&hello()).await), "hello\n");
    let counted = figures(&lab);
    assert_eq!((counted.cold, counted.warm, counted.dead), (2, 0, 1), "{counted:?}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_image_goes_when_its_name_means_another() {
    let reference = format!("{}:1", unique("caisson-test-tag"));
    docker(&["tag", "caisson/bash", &reference]).await;
    let _image = support::engine::Image(reference.clone());
    let lab = Lab::set(1, &format!("images.allow = [{reference:?}]"), |settings| {
        settings.pool = Some(PoolSettings { containers: 2, age: Duration::from_secs(300) });
    })
    .await;
    let job = json!({
        "id": "x", "image": reference, "files": [{ "path": "a", "content": "" }], "run": ["bash", "-c", "echo hello"],
    });
    let first = lab.run(&job).await;
    waiting(&lab, 1).await;
    docker(&["tag", "caisson/python3", &reference]).await;
    until("what waited to go", async || (figures(&lab).stale == 1).then_some(())).await;
    let second = lab.run(&job).await;
    assert_ne!(first["image"]["digest"], second["image"]["digest"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_too_long_is_replaced_and_what_nobody_asks_for_goes() {
    let lab = Lab::set(1, "", |settings| {
        settings.pool = Some(PoolSettings { containers: 1, age: Duration::from_secs(10) });
    })
    .await;
    lab.run(&hello()).await;
    until("the end of what waited", async || {
        let counted = figures(&lab);
        (counted.stale + counted.surplus >= 1 && counted.waiting == 0).then_some(())
    })
    .await;
    gone(&lab.worker).await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_leaves_none_of_its_waiting_containers() {
    let worker = unique("killed");
    let _leftovers = Leftovers { worker: worker.clone(), volume: true };
    let mut command = caisson(&worker, &["run", "--jobs", "-", "--out", "-"]);
    command.env("CAISSON_POOL_CONTAINERS", "3").stdin(std::process::Stdio::piped());
    let mut process = command.spawn().expect("it can be started");
    let mut input = process.stdin.take().expect("its stdin is a pipe");
    let mut results = BufReader::new(process.stdout.take().expect("its stdout is a pipe")).lines();
    for memory in [64u64, 128, 256] {
        let mut line = bash("echo hello", json!({ "limits": { "memory_bytes": memory << 20 } })).to_string();
        line.push('\n');
        input.write_all(line.as_bytes()).await.expect("it reads its jobs");
    }
    for _ in 0..3 {
        within("a result", results.next_line()).await.expect("it can be read").expect("each job has a result");
    }
    // All its places are taken and nothing else is there, so none is on its way. One that was created and not started
    // would stay until another worker's sweep.
    until("three waiting containers and no other", async || {
        (made_ahead(&worker).await.len() == 3 && containers_of(&worker).await.len() == 3).then_some(())
    })
    .await;
    signal(&process, libc::SIGKILL);
    within("the end of the process", process.wait()).await.expect("it can be waited for");
    gone(&worker).await;
}

/// How long it takes from having a permit to the result of a job that does next to nothing, with and without a pool. For a
/// person to read; nothing is asserted about time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --test pool measure -- --ignored --nocapture"]
async fn measure_jobs_with_and_without_waiting_containers() {
    const JOBS: usize = 100;
    let job = bash(":", json!({}));
    for containers in [0, 1, 0, 1] {
        let lab = Lab::set(1, "", |settings| {
            settings.pool = (containers > 0).then_some(PoolSettings { containers, age: Duration::from_secs(300) });
        })
        .await;
        lab.run(&job).await;
        let (mut whole, mut prepare) = (Vec::new(), Vec::new());
        for _ in 0..JOBS {
            if containers > 0 {
                waiting(&lab, containers).await;
            }
            let permit = lab.pipeline.sandboxes.permit().await;
            let started = Instant::now();
            let body = serde_json::to_vec(&job).expect("a job serializes");
            let origin = caisson::answer::Origin::now(None, 1, None);
            let report = lab.pipeline.process(&body, origin, permit).await.expect("it runs");
            whole.push(started.elapsed());
            prepare.push(report.timeline.prepare_ms.unwrap_or_default());
        }
        whole.sort();
        prepare.sort();
        let at = |share: usize| whole[JOBS * share / 100].as_micros() as f64 / 1e3;
        println!(
            "waiting {containers}: job p50 {:.1} ms, p95 {:.1} ms; prepare p50 {} ms; {:?}",
            at(50),
            at(95),
            prepare[JOBS / 2],
            figures(&lab)
        );
        lab.close().await;
    }
}
