//! The worker as a container, and the machine image's provisioning run in one.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use support::engine::{Image, Leftovers, docker, gone, holding, socket, try_docker};
use support::jobs::{bash, held, hungry, python, test};
use support::process::{caisson, finish};
use support::queue::{EMPTY, Queue};
use support::worker::Worker;
use support::{unique, until};
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_caisson");

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A container with a worker in it, removed with this.
struct Boxed {
    name: String,
    worker: String,
    _leftovers: Leftovers,
}

impl Drop for Boxed {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rm", "--force", &self.name]).output();
    }
}

/// The group that may use the engine's socket.
fn socket_group() -> String {
    use std::os::unix::fs::MetadataExt;
    let path = socket();
    let path = path.trim_start_matches("unix://");
    std::fs::metadata(path).expect("the engine's socket is there").gid().to_string()
}

/// `docker run` of that image, with the engine's socket and the local SQS, and nothing else of the host.
fn run_arguments(image: &str, name: &str, variables: &[(&str, &str)], command: &[&str]) -> Vec<String> {
    let path = socket();
    let path = path.trim_start_matches("unix://");
    let mut arguments: Vec<String> = ["run", "--name", name, "--network", "host", "--read-only", "--cap-drop", "ALL"]
        .iter()
        .map(ToString::to_string)
        .collect();
    arguments.extend(["--volume".to_owned(), format!("{path}:/var/run/docker.sock")]);
    arguments.extend(["--group-add".to_owned(), socket_group()]);
    arguments.extend(["--user".to_owned(), "990:990".to_owned()]);
    for name in
        ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"]
    {
        arguments.extend(["--env".to_owned(), name.to_owned()]);
    }
    for (name, value) in variables {
        arguments.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    arguments.extend(["--entrypoint".to_owned(), "/usr/local/bin/caisson".to_owned(), image.to_owned()]);
    arguments.extend(command.iter().map(ToString::to_string));
    arguments
}

/// Starts a worker in a container and waits until it works.
async fn start(image: &str, incoming: &Queue, outgoing: &Queue) -> Boxed {
    let (name, worker) = (unique("caisson-test-boxed"), unique("boxed"));
    let boxed = Boxed {
        name: name.clone(),
        worker: worker.clone(),
        _leftovers: Leftovers { worker: worker.clone(), volume: true },
    };
    let variables = [
        ("CAISSON_WORKER_ID", worker.as_str()),
        ("CAISSON_WORKER_SLOTS", "2"),
        ("CAISSON_QUEUE_INCOMING_URL", &incoming.url),
        ("CAISSON_QUEUE_OUTGOING_URL", &outgoing.url),
        ("CAISSON_QUEUE_WAIT_TIME_S", "1"),
        ("CAISSON_QUEUE_VISIBILITY_TIMEOUT_S", "10"),
        // A container that is created and not started when the worker is killed stays until the next worker's sweep.
        ("CAISSON_POOL_ENABLED", "false"),
    ];
    let mut arguments = run_arguments(image, &name, &variables, &["worker"]);
    arguments.insert(1, "--detach".to_owned());
    docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    until("a worker at work in its container", async || {
        let log = log_of(&name).await;
        let state = docker(&["inspect", "--format", "{{.State.Status}}", &name]).await;
        assert!(state != "exited", "the worker has ended: {log}");
        log.contains("\"message\":\"working\"").then_some(())
    })
    .await;
    boxed
}

async fn log_of(name: &str) -> String {
    let run = Command::new("docker").args(["logs", name]).output().await.expect("docker can be run");
    String::from_utf8_lossy(&run.stderr).into_owned()
}

/// What must not differ between a worker in a container and one outside: everything but names, times and sizes.
fn comparable(report: &Value) -> Value {
    let tests: Vec<Value> = report["tests"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|test| {
            let keep = ["id", "verdict", "reason", "exit_code", "signal", "stdout", "stderr", "stdout_truncated"];
            // Where memory ran out, the kernel may take the agent as well, and then nobody knows how the program ended.
            let is_out_of_memory = test["verdict"] == "memory_limit";
            let keep = keep.iter().filter(|name| !(is_out_of_memory && **name == "signal"));
            keep.map(|name| ((*name).to_owned(), test[*name].clone())).collect::<serde_json::Map<_, _>>().into()
        })
        .collect();
    json!({ "verdict": report["verdict"], "limits": report["limits"], "attempt": report["attempt"], "tests": tests })
}

async fn answers_to(jobs: &[Value], incoming: &Queue, outgoing: &Queue) -> BTreeMap<String, Value> {
    for job in jobs {
        incoming.send_job(job).await;
    }
    let answers = outgoing.answers(jobs.len()).await;
    incoming.becomes(EMPTY).await;
    answers
        .iter()
        .map(|a| (a.report["job_id"].as_str().unwrap_or_default().to_owned(), comparable(&a.report)))
        .collect()
}

async fn worker_image() -> Image {
    let image = Image(unique("caisson-test/worker"));
    let mut build = Command::new(project().join("images/worker/build"));
    build.args([BINARY, &image.0]).kill_on_drop(true);
    build.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let ended = finish(build, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    image
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_a_container_answers_as_one_outside_and_dies_without_a_trace() {
    let image = worker_image().await;
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Config.User}}", &image.0]).await, "990:990");
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let sum = "print(sum(map(int, input().split())))";
    let jobs = [
        python(sum, json!({ "tests": [test("1", "1 2", "3"), test("2", "4 5", "8")] })),
        bash("echo out; echo err >&2; exit 3", json!({})),
        bash("while :; do :; done", json!({ "limits": { "cpu_time_ms": 200 } })),
        hungry(),
    ];

    let outside = Worker::start(&incoming, &outgoing, "worker.slots = 2").await;
    let expected = answers_to(&jobs, &incoming, &outgoing).await;
    outside.stop().await;

    let boxed = start(&image.0, &incoming, &outgoing).await;
    let got = answers_to(&jobs, &incoming, &outgoing).await;
    assert_eq!(got, expected);

    // Killed in the middle of a job: its sandbox goes with it, and the job comes back for the next worker. In the middle
    // means that its program runs. A container that runs may be an earlier job's, and this one's be created and not yet
    // started: then it would stay until another worker's sweep.
    let job = held();
    incoming.send_job(&job).await;
    holding(&boxed.worker, &job).await;
    docker(&["kill", &boxed.name]).await;
    gone(&boxed.worker).await;
    until("the job back in its queue", async || (incoming.counts().await.visible == 1).then_some(())).await;
}

/// The checks of `caisson doctor` that are not as they should be.
fn complaints(json: &str) -> Vec<(String, String)> {
    let findings: Vec<Value> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert!(findings.len() > 30, "doctor looked at hardly anything: {json}");
    let of = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let bad = findings.iter().filter(|finding| finding["verdict"] == "broken" || finding["verdict"] == "warning");
    let mut all: Vec<_> = bad.map(|finding| (of(finding, "check"), of(finding, "verdict"))).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_images_provisioning_gives_a_host_whose_worker_starts_and_whose_doctor_is_content() {
    if Command::new("packer").arg("version").output().await.is_err() {
        eprintln!("not tried: there is no packer here");
        return;
    }
    let image = Image(unique("caisson-test/host"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut build = Command::new("packer");
    build.args(["build", "-color=false", "-only=docker.container"]);
    for name in ["binary", "binary_arm64"] {
        build.args(["-var", &format!("{name}={BINARY}")]);
    }
    build.args(["-var", &format!("container_image={}", image.0), "packer/caisson.pkr.hcl"]);
    build.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    // What Packer shares with its container lies below its own folder.
    build
        .current_dir(project())
        .env("PACKER_CONFIG_DIR", folder.path())
        .env("CHECKPOINT_DISABLE", "1")
        .kill_on_drop(true);
    let ended = finish(build, b"").await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.text(), ended.stderr);

    // Everything is in its place, and nothing is that only the building needed.
    let look = "set -e; test -x /usr/local/lib/caisson/launch; test -s /etc/sysctl.d/90-caisson.conf; \
                test -s /etc/docker/daemon.json; test ! -e /tmp/caisson; runc --version; crun --version; \
                id caisson; apt-config dump | grep 'Automatic-Reboot \"false\"'; \
                /usr/local/bin/caisson config check --config /etc/caisson/caisson.toml";
    let said = try_docker(&["run", "--rm", "--network", "none", "--entrypoint", "sh", &image.0, "-c", look]).await;
    let said = said.unwrap_or_else(|complaint| panic!("{complaint}"));
    assert!(said.contains("(docker)"), "the worker's user can't use the engine: {said}");

    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let queues = [("CAISSON_QUEUE_INCOMING_URL", incoming.url.as_str()), ("CAISSON_QUEUE_OUTGOING_URL", &outgoing.url)];

    // The same eyes on the same engine and kernel: what they don't see from in there is the image's fault.
    let mut outside = caisson(&unique("doctor"), &["doctor", "--json"]);
    outside.envs(queues);
    let outside = finish(outside, b"").await;
    let name = unique("caisson-test-doctor");
    let inside = run_arguments(&image.0, &name, &queues, &["doctor", "--json"]);
    let mut command = Command::new("docker");
    command.args(&inside).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let inside = finish(command, b"").await;
    docker(&["rm", "--force", &name]).await;
    let known = complaints(outside.text());
    let new: Vec<_> = complaints(inside.text()).into_iter().filter(|complaint| !known.contains(complaint)).collect();
    assert!(new.is_empty(), "in the image doctor complains of {new:?}:\n{}", inside.text());

    let boxed = start(&image.0, &incoming, &outgoing).await;
    incoming.send_job(&bash("echo hello", json!({}))).await;
    let answers = outgoing.answers(1).await;
    assert_eq!(answers[0].report["verdict"], "completed", "{}", answers[0].body);
    docker(&["stop", "--time", "60", &boxed.name]).await;
    let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", &boxed.name]).await;
    assert_eq!(code, "0", "{}", log_of(&boxed.name).await);
    gone(&boxed.worker).await;
}
