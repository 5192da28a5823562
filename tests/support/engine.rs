//! The engine, asked from outside by its own client: what Caisson says of its containers is what is under test.

use std::process::Stdio;

use caisson::sandbox::agent::volume_name;
use serde_json::Value;
use tokio::process::Command;

use super::jobs::id;
use super::{until, within};

/// Where the engine listens, as `caisson` itself finds it.
pub(crate) fn socket() -> String {
    let configured = std::env::var("DOCKER_HOST").ok().filter(|host| host.starts_with("unix://"));
    configured.unwrap_or_else(|| "/var/run/docker.sock".to_owned())
}

/// Runs `docker` with these arguments; its output, or what it complained of.
pub(crate) async fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let run = Command::new("docker").args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = within(&format!("docker {}", arguments.join(" ")), run).await.expect("docker can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Runs `docker` with these arguments, which must succeed.
pub(crate) async fn docker(arguments: &[&str]) -> String {
    try_docker(arguments).await.unwrap_or_else(|complaint| panic!("docker {}: {complaint}", arguments.join(" ")))
}

/// Runs a script in a container of the test's own, with the agent's volume at `place`, which may end in `:ro`; what it
/// printed.
pub(crate) async fn beside_the_agent(worker: &str, place: &str, script: &str) -> String {
    let mount = format!("{}:{place}", volume_name(false));
    let owner = format!("caisson.worker={worker}");
    let run = ["run", "--rm", "--network", "none", "--volume", &mount, "--label", &owner];
    // Any worker that starts takes away what has no deadline, so this has one: the end of the year 2100.
    let rest = ["--label", "caisson.deadline=4133980799", "caisson/bash", "bash", "-c", script];
    docker(&[&run[..], &rest[..]].concat()).await
}

/// Kills a container's PID 1 as the kernel does for want of memory, past the engine. (What the engine is told to kill is no
/// program's doing.)
pub(crate) async fn kill_agent(id: &str) {
    signal_agent(id, "KILL").await;
}

/// Sends a signal to a container's PID 1 from outside its namespace, where even SIGSTOP reaches it.
pub(crate) async fn signal_agent(id: &str, signal: &str) {
    let pid = inspect(id).await["State"]["Pid"].to_string();
    let script = format!("kill -{signal} {pid}");
    docker(&["run", "--rm", "--pid", "host", "--network", "none", "caisson/bash", "bash", "-c", &script]).await;
}

/// The ids of a worker's containers, whatever state they are in.
///
/// An engine of 20.10 may list a container until it is restarted that it no longer has; such a one isn't counted.
pub(crate) async fn containers_of(worker: &str) -> Vec<String> {
    let filter = format!("label=caisson.worker={worker}");
    let list = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]).await;
    let mut there = Vec::new();
    for id in list.lines() {
        match try_docker(&["inspect", "--type", "container", "--format", "{{.Id}}", id]).await {
            Err(complaint) if complaint.to_lowercase().contains("no such") => {}
            // Whatever else is wrong with it, it is there.
            _ => there.push(id.to_owned()),
        }
    }
    there
}

/// Waits until a worker has a container that runs; its id.
pub(crate) async fn running_container_of(worker: &str) -> String {
    let filter = format!("label=caisson.worker={worker}");
    until("a running container", async || {
        let list = docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter, "--filter", "status=running"]).await;
        list.lines().next().map(str::to_owned)
    })
    .await
}

/// Waits until the program of a [`held`](super::jobs::held) job waits in a container of the worker's; the container's id.
/// Any other running container may be one that an earlier job has just left, or one made ahead.
pub(crate) async fn holding(worker: &str, job: &Value) -> String {
    let filter = format!("label=caisson.worker={worker}");
    until("a program that is held", async || {
        let list = docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter, "--filter", "status=running"]).await;
        for container in list.lines() {
            // One that ends meanwhile is not it.
            let processes = try_docker(&["top", container, "-o", "pid,args"]).await.unwrap_or_default();
            if processes.lines().any(|line| line.ends_with(id(job))) {
                return Some(container.to_owned());
            }
        }
        None
    })
    .await
}

/// Lets a program go on that is held in this container.
pub(crate) async fn let_go(container: &str) {
    until("a program that goes on", async || {
        // It is killed with whatever the program leaves when that ends first. Then the program has gone on.
        if try_docker(&["exec", container, "bash", "-c", "echo >/tmp/gate"]).await.is_ok() {
            return Some(());
        }
        let processes = try_docker(&["top", container, "-o", "pid,args"]).await.unwrap_or_default();
        (!processes.contains("main.sh")).then_some(())
    })
    .await;
}

/// Waits until a worker has no container any more, of any state.
pub(crate) async fn gone(worker: &str) {
    until(&format!("no container of {worker}"), async || containers_of(worker).await.is_empty().then_some(())).await;
}

/// Makes sure that a worker that has ended in order has no container any more. It waits for that itself, so nobody waits
/// here.
pub(crate) async fn nothing_left_of(worker: &str) {
    assert_eq!(containers_of(worker).await, Vec::<String>::new(), "containers of {worker} are left");
}

/// What the engine says of a container.
pub(crate) async fn inspect(id: &str) -> Value {
    let text = docker(&["inspect", "--type", "container", id]).await;
    let list: Value = serde_json::from_str(&text).expect("docker inspect gives JSON");
    list[0].clone()
}

/// Removes a worker's containers at the end of a test, however it ends.
#[derive(Debug)]
pub(crate) struct Leftovers {
    pub(crate) worker: String,
    /// Whether the worker is killed by the test, and so can't remove the agent's volume itself.
    pub(crate) volume: bool,
}

impl Leftovers {
    pub(crate) fn of(worker: &str) -> Leftovers {
        Leftovers { worker: worker.to_owned(), volume: false }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let filter = format!("label=caisson.worker={}", self.worker);
        let list = quietly(&["ps", "--all", "--quiet", "--filter", &filter]);
        for id in list.lines() {
            quietly(&["rm", "--force", "--volumes", id]);
        }
        // One that another worker uses stays, and is that worker's to remove.
        if self.volume {
            quietly(&["volume", "rm", &volume_name(false)]);
        }
    }
}

/// An image of the test's own, removed with it.
#[derive(Debug)]
pub(crate) struct Image(pub(crate) String);

impl Drop for Image {
    fn drop(&mut self) {
        quietly(&["rmi", "--force", &self.0]);
    }
}

/// Makes an image of one tar archive, with nothing else in it.
pub(crate) async fn import(reference: &str, tar: &[u8]) -> Image {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("root.tar");
    std::fs::write(&file, tar).expect("the archive can be written");
    let image = Image(reference.to_owned());
    docker(&["import", file.to_str().expect("the path is UTF-8"), reference]).await;
    image
}

/// For destructors, which can neither await nor fail.
fn quietly(arguments: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
