//! Containers that are started again for a later job, on a real engine: the next job sees nothing of the one before, what
//! ended in any other way than in order never gets another job, and nothing stays behind.

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use caisson::sandbox::{PoolFigures, PoolSettings};
use serde_json::{Value, json};
use support::engine::{Image, Leftovers, containers_of, docker, gone, inspect, kill_agent, try_docker};
use support::jobs::{bash, c, hungry, of_test, python, stdout, test, verdict};
use support::lab::Lab;
use support::process::{caisson, finish, signal};
use support::{unique, until, within};

async fn lab(slots: usize, containers: usize) -> Lab {
    lab_with(slots, containers, 300, true).await
}

async fn lab_with(slots: usize, containers: usize, age_s: u64, recycle: bool) -> Lab {
    Lab::set(slots, LANGUAGES, |settings| {
        settings.pool = Some(PoolSettings { containers, age: Duration::from_secs(age_s) });
        settings.recycle = recycle;
    })
    .await
}

/// The languages that are used here. Nothing is about time, and other tests keep the host busy.
const LANGUAGES: &str = r#"
[limits]
cpu_time_ms = 20_000
wall_time_ms = 60_000
[languages.bash]
image = "caisson/bash"
main = "main.sh"
run = ["bash", "{main}"]
[languages.python3]
image = "caisson/python3"
main = "main.py"
run = ["python3", "{main}"]
[languages.c]
image = "caisson/c"
main = "main.c"
compile = ["gcc", "-O2", "-o", "{main_stem}", "{main}"]
run = ["./{main_stem}"]
"#;

fn figures(lab: &Lab) -> PoolFigures {
    lab.pipeline.sandboxes.pool_figures()
}

/// Waits until a container waits and whatever ended has been dealt with.
async fn settled(lab: &Lab) {
    until("a waiting container and nothing running", async || {
        let is_free = lab.pipeline.sandboxes.try_permit().is_some();
        let figures = figures(lab);
        let was_asked = figures.cold + figures.warm > 0;
        (is_free && (!was_asked || figures.waiting >= 1)).then_some(())
    })
    .await;
}

/// Tells the program's container: the engine mounts a file of the container's own, and the kernel says where it comes from.
const TELL_ID: &str = "sed -n 's,.*/containers/\\([0-9a-f]\\{64\\}\\)/.*,\\1,p' /proc/self/mountinfo | head -n 1";

/// A script that tells its container's id in the first line.
fn telling(script: &str, more: Value) -> Value {
    bash(&format!("{TELL_ID}\n{script}"), more)
}

fn first_line(report: &Value) -> String {
    let line = stdout(report).lines().next().unwrap_or_default().to_owned();
    assert_eq!(line.len(), 64, "no container's id: {report:#}");
    line
}

/// The ids of the containers in which so many jobs that do nothing ran, one after another.
async fn where_jobs_run(lab: &Lab, jobs: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..jobs {
        settled(lab).await;
        let report = lab.run(&telling("", json!({}))).await;
        assert_eq!(verdict(&report), "completed", "{report:#}");
        ids.push(first_line(&report));
    }
    ids
}

/// Leaves whatever a program can leave, and ends in order.
const LEAVE: &str = r#"
import ctypes, fcntl, os, resource, select, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, action):
    try: action()
    except Exception as error: print(name, error, file=sys.stderr)
for place in ("/box", "/tmp", "/dev/shm"):
    with open(f"{place}/left", "w") as file: file.write("secret")
    os.makedirs(f"{place}/.hidden/deep"); open(f"{place}/.hidden/deep/left", "w").close()
    os.chmod(f"{place}/left", 0o6777); os.mkfifo(f"{place}/fifo"); os.symlink("/etc/passwd", f"{place}/link")
    attempt("xattr", lambda: os.setxattr(f"{place}/left", "user.left", b"secret"))
    attempt("xattr of a place", lambda: os.setxattr(place, "user.left", b"secret"))
    attempt("mode of a place", lambda: os.chmod(place, 0o700))
    os.mkdir(f"{place}/shut", 0)
for path in ("/left", "/etc/left", "/var/left", "/root/left", "/dev/left", "/run/left", "/proc/left", "/sys/left"):
    attempt(path, lambda: open(path, "w").close())
for path in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"):
    attempt(path, lambda: open(path, "a").write("left"))
libc.shmget(0x1EF7, 4096, 0o1666); libc.semget(0x1EF7, 1, 0o1666); libc.msgget(0x1EF7, 0o1666)
libc.mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o666, None)
libc.syscall(248, b"user", b"left", b"secret", 6, -4)
kept = socket.socket(socket.AF_UNIX); attempt("socket", lambda: kept.bind(b"\0left".decode()))
attempt("file of a socket", lambda: socket.socket(socket.AF_UNIX).bind("/tmp/socket"))
os.environ["LEFT"] = "secret"
for name in ("NOFILE", "FSIZE", "CORE", "STACK", "AS"):
    limit = getattr(resource, "RLIMIT_" + name)
    attempt(name, lambda: resource.setrlimit(limit, (min(resource.getrlimit(limit)[0] & 0x7FFFFFFFFFFF, 1 << 32), ) * 2))
attempt("nice", lambda: os.nice(10))
attempt("scheduling", lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
signal.setitimer(signal.ITIMER_REAL, 1000)
pipes = [os.pipe() for _ in range(40)]
attempt("pipes", lambda: [fcntl.fcntl(pipe[1], 1031, 1 << 16) for pipe in pipes])
watches = [libc.inotify_init1(0) for _ in range(20)]
much = bytearray(b"s" * (120 << 20))
total = sum(number * number for number in range(4_000_000))
os.umask(0)
print(open("/proc/self/mountinfo").read().split("/containers/")[1][:64])
"#;

/// Everything that [`LEAVE`] might have left, as one line of JSON.
const LOOK: &str = r#"
import ctypes, json, os, resource, signal, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def read(path):
    try: return open(path).read()
    except OSError as error: return error.strerror
def number(*paths):
    for path in paths:
        try: return int(next(line for line in open(path).read().split("\n") if line).split()[-1])
        except OSError: pass
def tree(place):
    found = []
    for folder, folders, files in os.walk(place):
        for name in ["."] + folders + files:
            path = os.path.join(folder, name); status = os.lstat(path)
            try: names = os.listxattr(path, follow_symlinks=False)
            except OSError as error: names = error.strerror
            found.append([path, oct(status.st_mode), status.st_uid == os.getuid(), names])
    return sorted(found)
abstract = socket.socket(socket.AF_UNIX)
try: abstract.bind("\0left"); bound = True
except OSError as error: bound = error.strerror
seen = {
    "id": read("/proc/self/mountinfo").split("/containers/")[1][:64],
    "trees": [tree(place) for place in ("/box", "/tmp", "/dev/shm", "/run", "/var/tmp", "/dev/mqueue") if os.path.exists(place)],
    "roots": sorted(os.listdir("/")) + sorted(os.listdir("/etc")) + sorted(os.listdir("/dev")),
    "etc": [read("/etc/hosts").replace(socket.gethostname(), "host"), read("/etc/hostname"), read("/etc/resolv.conf")],
    "system v": [read("/proc/sysvipc/" + name) for name in ("shm", "sem", "msg")],
    "ipc": [libc.shmget(0x1EF7, 0, 0), libc.semget(0x1EF7, 0, 0), libc.msgget(0x1EF7, 0)],
    "queue": libc.mq_open(b"/left", os.O_RDWR),
    "keys": [read("/proc/keys"), libc.syscall(249, b"user", b"left", None, 0), ctypes.get_errno()],
    "bound": bound,
    "sockets": [line.split()[-1] for line in read("/proc/net/unix").split("\n") if line.endswith("left")],
    "environment": dict(os.environ),
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")},
    "scheduling": [os.nice(0), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)],
    "timers": signal.getitimer(signal.ITIMER_REAL),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "mask": [oct(os.umask(0o22)), signal.sigpending() == set(), signal.getsignal(signal.SIGALRM) == signal.SIG_DFL],
    "inotify": [libc.inotify_init1(0) > 0 for _ in range(20)],
    "pipes": [len(os.pipe()) for _ in range(40)],
    "mounts": sorted(" ".join(line.split()[1:4]) for line in read("/proc/mounts").split("\n")
                     if line and not line.startswith(("overlay", "fuse"))),
    "memory limit": number("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
    "processes limit": number("/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"),
    "refusals": number("/sys/fs/cgroup/memory/memory.failcnt"),
}
counters = {
    "peak": number("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak"),
    "cpu_us": (number("/sys/fs/cgroup/cpuacct/cpuacct.usage") or 0) // 1000
        or int(read("/sys/fs/cgroup/cpu.stat").split()[1]),
}
print(json.dumps([seen, counters]))
"#;

fn looked(report: &Value) -> (Value, Value) {
    let mut both: Vec<Value> = serde_json::from_str(stdout(report)).unwrap_or_else(|_| panic!("{report:#}"));
    let counters = both.pop().expect("there are two");
    (both.pop().expect("there are two"), counters)
}

fn take_id(seen: &mut Value) -> String {
    seen.as_object_mut()
        .and_then(|seen| seen.remove("id"))
        .and_then(|id| id.as_str().map(str::to_owned))
        .expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_job_in_the_same_container_sees_nothing_of_the_one_before() {
    let lab = lab(1, 2).await;
    // The first one has a container made for it: what is seen there is what is to be seen everywhere.
    let look = python(LOOK, json!({}));
    let first = lab.run(&look).await;
    let (mut fresh, fresh_counters) = looked(&first);
    let made_for_it = take_id(&mut fresh);
    let mut returned = 0;
    for _ in 0..3 {
        settled(&lab).await;
        let left = lab.run(&python(LEAVE, json!({ "env": { "SECRET": "secret" } }))).await;
        assert_eq!(verdict(&left), "completed", "{left:#}");
        let id = first_line(&left);
        assert_ne!(id, made_for_it, "a container made for a job is for that job only");
        for _ in 0..4 {
            settled(&lab).await;
            let report = lab.run(&look).await;
            let (mut seen, counters) = looked(&report);
            let same = take_id(&mut seen) == id;
            for (what, fresh) in fresh.as_object().expect("it is one") {
                assert_eq!(seen[what], *fresh, "{what}, in {} container", if same { "the same" } else { "another" });
            }
            for (counter, most) in [("peak", 64 << 20), ("cpu_us", 3_000_000)] {
                let value = counters[counter].as_u64().expect("the kernel counts it");
                assert!(value < most, "{counter} is {value}; in a fresh one it was {}", fresh_counters[counter]);
            }
            for field in ["verdict", "detail", "limits", "image", "sandbox"] {
                assert_eq!(first[field], report[field], "{field}");
            }
            let peak = of_test(&report, "1")["memory_peak_bytes"].as_u64().expect("it is measured");
            assert!(peak < 64 << 20, "{peak} bytes are another job's");
            returned += usize::from(same);
            if same {
                break;
            }
        }
    }
    assert_eq!(returned, 3, "a container came back for each: {:?}", figures(&lab));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_started_again_is_held_as_at_first_and_its_root_was_not_written_to() {
    let lab = lab(1, 2).await;
    lab.run(&telling("", json!({}))).await;
    settled(&lab).await;
    let before_id = made_ahead(&lab).await.pop().expect("one waits");
    let (mut before, written) = (inspect(&before_id).await, docker(&["diff", &before_id]).await);
    let ran_in: BTreeSet<String> = where_jobs_run(&lab, 6).await.into_iter().collect();
    assert!(ran_in.contains(&before_id));
    // It waits or rests; either way it has been started several times.
    let mut after = inspect(&before_id).await;
    assert_ne!(before["State"]["StartedAt"], after["State"]["StartedAt"]);
    assert_eq!(before["HostConfig"]["AutoRemove"], json!(false));
    for container in [&mut before, &mut after] {
        container["HostConfig"]["Tmpfs"] = json!(null);
    }
    for field in ["Id", "Config", "HostConfig", "Mounts", "RestartCount", "Image"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    // The places that mounts were put on, made at the first start.
    assert_eq!(docker(&["diff", &before_id]).await, written);
    let is_mount = |line: &str| ["/box", "/caisson", "/dev", "/tmp"].iter().any(|place| line[2..].starts_with(place));
    assert!(written.lines().all(is_mount), "{written}");
    lab.close().await;
}

/// The ids of a worker's containers of the pool that run.
async fn made_ahead(lab: &Lab) -> Vec<String> {
    let filter = format!("label=caisson.worker={}", lab.worker);
    let ps = ["ps", "--quiet", "--no-trunc", "--filter", &filter, "--filter", "label=caisson.pool"];
    docker(&ps).await.lines().map(str::to_owned).collect()
}

/// The memory limits of those, in bytes. One that has gone meanwhile has none.
async fn memory_of_pool(lab: &Lab) -> Vec<u64> {
    let mut memory = Vec::new();
    for id in made_ahead(lab).await {
        let said = try_docker(&["inspect", "--type", "container", "--format", "{{.HostConfig.Memory}}", &id]).await;
        memory.extend(said.ok().and_then(|said| said.trim().parse::<u64>().ok()));
    }
    memory
}

/// Those that have ended.
async fn resting(worker: &str) -> Vec<String> {
    let filter = format!("label=caisson.worker={worker}");
    let ps = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter, "--filter", "status=exited"];
    docker(&ps).await.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_job_did_not_end_in_order_gets_no_other() {
    let lab = lab(1, 2).await;
    lab.run(&telling("", json!({}))).await;
    let hostile = [
        ("a fork bomb", telling("f() { f | f & }; f; sleep 1", json!({})), ""),
        ("too much memory", telling("x=a; while :; do x=$x$x; done", json!({})), "memory_limit"),
        ("too much time", telling("while :; do :; done", json!({ "limits": { "cpu_time_ms": 300 } })), "time_limit"),
        ("a daemon that holds the output", telling("sleep 100 & disown; exit 0", json!({})), "completed"),
        ("a daemon without output", telling("setsid sleep 100 >&- 2>&- <&- & exit 0", json!({})), "completed"),
        ("a full disk", telling("yes >/tmp/full 2>/dev/null; exit 0", json!({})), ""),
        ("no inodes left", telling("i=0; while : >/tmp/$((i++)); do :; done 2>/dev/null; exit 0", json!({})), ""),
        ("its own end by force", telling("kill -9 $$", json!({})), "runtime_error"),
        ("too much output", telling("yes", json!({ "limits": { "output_bytes": 65_536 } })), "output_limit"),
    ];
    for (what, job, expected) in hostile {
        settled(&lab).await;
        let before = figures(&lab);
        let report = lab.run(&job).await;
        assert!(expected.is_empty() || verdict(&report) == expected, "{what}: {report:#}");
        let id = first_line(&report);
        assert_eq!(figures(&lab).warm, before.warm + 1, "{what} had a container of the pool");
        until(&format!("{what}: its container's end"), async || {
            containers_of(&lab.worker).await.iter().all(|there| *there != id).then_some(())
        })
        .await;
        let ids = where_jobs_run(&lab, 3).await;
        assert!(!ids.contains(&id), "{what}: {id} was used again");
    }
    // And those that end in order are: the same look sees it.
    let ids = where_jobs_run(&lab, 6).await;
    assert!(ids.iter().collect::<BTreeSet<_>>().len() <= 3, "{ids:?}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_agent_was_killed_under_a_program_gets_no_other_job() {
    let lab = lab(1, 2).await;
    lab.run(&telling("", json!({}))).await;
    settled(&lab).await;
    let id = made_ahead(&lab).await.pop().expect("one waits");
    let running = tokio::spawn({
        let lab = lab.clone();
        let long = telling("sleep 100", json!({ "limits": { "wall_time_ms": 120_000 } }));
        async move { lab.run(&long).await }
    });
    until("a program in it", async || {
        let processes = try_docker(&["top", &id]).await.ok()?;
        processes.contains("sleep").then_some(())
    })
    .await;
    kill_agent(&id).await;
    let report = within("its verdict", running).await.expect("it doesn't panic");
    assert_eq!(verdict(&report), "memory_limit", "{report:#}");
    assert!(!where_jobs_run(&lab, 5).await.contains(&id));
    assert!(!containers_of(&lab.worker).await.contains(&id));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_changed_on_its_container_is_changed_back_for_the_next() {
    let lab = lab(1, 2).await;
    // The compile step's memory first, then the test's; and a size below the one that a runtime starts with.
    let compiled = c("#include <stdio.h>\nint main(void) { puts(\"hello\"); }", json!({}));
    let small = bash("echo hello", json!({ "limits": { "memory_bytes": 24 << 20, "processes": 4 } }));
    lab.run(&compiled).await;
    settled(&lab).await;
    // What waits now is new.
    let memory = until("a new one", async || memory_of_pool(&lab).await.pop()).await;
    for job in [&compiled, &compiled, &compiled, &compiled] {
        assert_eq!(stdout(&lab.run(job).await), "hello\n");
        settled(&lab).await;
        // One whose job has just ended may still run, as that job left it.
        until("nothing but containers as they were made", async || {
            memory_of_pool(&lab).await.iter().all(|now| *now == memory).then_some(())
        })
        .await;
    }
    for _ in 0..5 {
        settled(&lab).await;
        assert_eq!(stdout(&lab.run(&small).await), "hello\n");
    }
    assert!(figures(&lab).recycled >= 2, "{:?}", figures(&lab));
    until("a small one that was started again", async || {
        memory_of_pool(&lab).await.contains(&(24 << 20)).then_some(())
    })
    .await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resting_container_that_somebody_touches_harms_no_job() {
    let lab = lab(1, 4).await;
    for touch in ["rm", "start"] {
        // With one slot one waits, and what ended beside it rests.
        let touched = until("a resting container", async || {
            settled(&lab).await;
            lab.run(&telling("", json!({}))).await;
            resting(&lab.worker).await.pop()
        })
        .await;
        // It may be started just then; then it is a running one that goes, or stays as it is.
        let _ = try_docker(&[touch, &touched]).await;
        for _ in 0..4 {
            assert_eq!(verdict(&lab.run(&telling("", json!({}))).await), "completed", "after {touch}");
        }
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_different_jobs_at_a_time_get_their_own_verdicts() {
    let lab = lab(2, 4).await;
    let small = json!({ "limits": { "memory_bytes": 64 << 20 } });
    let kinds = [
        (
            bash("echo hello > /box/here; ls -A /tmp; ls -A /dev/shm; cat", json!({ "tests": [test("1", "a", "a")] })),
            "accepted",
        ),
        (bash("cat", json!({ "tests": [test("1", "a", "a"), test("2", "a", "b")] })), "wrong_answer"),
        (bash("exit 3", small.clone()), "runtime_error"),
        (python("print(input())", json!({ "tests": [test("1", "x", "x"), test("2", "y", "y")] })), "accepted"),
        (hungry(), "memory_limit"),
        (c("int main(void) { return 0; }", json!({})), "completed"),
        (c("int main(void) { return x; }", json!({})), "compile_error"),
        (c("int main(void) { for (;;) ; }", json!({ "limits": { "cpu_time_ms": 200 } })), "time_limit"),
        (bash("yes", json!({ "limits": { "output_bytes": 65_536 } })), "output_limit"),
        (bash("touch /tmp/left /dev/shm/left; sleep 100 & echo", small), "completed"),
    ];
    let jobs: Vec<_> = (0..60)
        .map(|number| {
            let (job, expected) = kinds[number * 7 % kinds.len()].clone();
            let lab = lab.clone();
            tokio::spawn(async move {
                let report = lab.run(&job).await;
                assert_eq!(verdict(&report), expected, "{report:#}");
            })
        })
        .collect();
    while jobs.iter().any(|job| !job.is_finished()) {
        let mut users = BTreeSet::new();
        for id in containers_of(&lab.worker).await {
            // One that goes meanwhile is no longer there to be looked at.
            let Ok(user) = try_docker(&["inspect", "--format", "{{.Config.User}}", &id]).await else { continue };
            assert!(users.insert(user.clone()), "two containers have the user {user}");
        }
        assert!(figures(&lab).waiting + figures(&lab).resting <= 4);
    }
    for job in jobs {
        job.await.expect("its verdict is right");
    }
    assert!(figures(&lab).recycled >= 1, "{:?}", figures(&lab));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asks_for_any_more_is_removed_and_close_leaves_nothing() {
    let lab = lab_with(1, 2, 20, true).await;
    let ids = where_jobs_run(&lab, 4).await;
    assert!(figures(&lab).recycled >= 1, "{ids:?} {:?}", figures(&lab));
    gone(&lab.worker).await;
    for _ in 0..3 {
        lab.run(&telling("", json!({}))).await;
    }
    // With something at rest or about to be.
    lab.close().await;
}

/// A worker with something at rest that is killed; its name, and what removes the rest if nothing else does.
async fn killed_worker() -> (String, Leftovers) {
    let worker = unique("killed");
    let leftovers = Leftovers { worker: worker.clone(), volume: true };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("caisson.toml");
    std::fs::write(&file, LANGUAGES).expect("it can be written");
    let file = file.to_str().expect("the path is UTF-8");
    let mut command = caisson(&worker, &["--config", file, "run", "--jobs", "-", "--out", "-"]);
    command.env("CAISSON_POOL_CONTAINERS", "4").env("CAISSON_WORKER_SLOTS", "1").env("CAISSON_SANDBOX_RECYCLE", "true");
    let mut process = command.stdin(Stdio::piped()).spawn().expect("it can be started");
    let mut input = process.stdin.take().expect("its stdin is a pipe");
    let job = bash("echo hello", json!({}));
    until("a container at rest", async || {
        let mut line = job.to_string();
        line.push('\n');
        tokio::io::AsyncWriteExt::write_all(&mut input, line.as_bytes()).await.expect("it reads its jobs");
        (!resting(&worker).await.is_empty()).then_some(())
    })
    .await;
    signal(&process, libc::SIGKILL);
    within("the end of the process", process.wait()).await.expect("it can be waited for");
    until("the end of what ran", async || {
        let filter = format!("label=caisson.worker={worker}");
        docker(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"]).await.is_empty().then_some(())
    })
    .await;
    assert_ne!(containers_of(&worker).await, Vec::<String>::new(), "nothing was left, so nothing can be removed");
    (worker, leftovers)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_leaves_at_rest_goes_with_the_next_worker_of_its_name() {
    let (worker, _leftovers) = killed_worker().await;
    let ended = finish(caisson(&worker, &["run", "--jobs", "-", "--out", "-"]), b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(containers_of(&worker).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_leaves_at_rest_goes_with_any_worker_after_a_minute() {
    let (worker, _leftovers) = killed_worker().await;
    let other = Lab::set(1, "", |settings| settings.patience.sweep = Duration::from_secs(1)).await;
    gone(&worker).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_not_the_same_when_it_starts_again_is_used_once() {
    // In an image without /box the runtime makes the folder at the first start, and its way with one that it made decides.
    // Where runc is new enough, they are the same, and nothing is to be seen.
    let image = Image(unique("caisson-test/no-box"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("Dockerfile"), "FROM caisson/bash\nUSER 0\nRUN rmdir /box\n")
        .expect("it can be written");
    docker(&["build", "--quiet", "--tag", &image.0, folder.path().to_str().expect("the path is UTF-8")]).await;
    let languages = LANGUAGES.replace("caisson/bash", &image.0);
    let lab = Lab::set(1, &languages, |settings| {
        settings.pool = Some(PoolSettings { containers: 2, age: Duration::from_secs(300) });
        settings.recycle = true;
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        settled(&lab).await;
        let report = lab.run(&telling("touch /box/here && echo touched", json!({}))).await;
        assert_eq!(verdict(&report), "completed", "{report:#}");
        assert!(stdout(&report).ends_with("touched\n"), "{report:#}");
        ids.push(first_line(&report));
    }
    let different = ids.iter().collect::<BTreeSet<_>>().len();
    let counted = figures(&lab);
    assert!(different == ids.len() || counted.recycled > 0, "{ids:?} {counted:?}");
    assert!(counted.discarded <= 3, "it is tried again and again: {counted:?}");
    lab.close().await;
}

/// What a job takes with containers that are made anew and with ones that are started again. For a person to read; nothing is
/// asserted about time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --test recycle measure -- --ignored --nocapture"]
async fn measure_jobs_with_and_without_recycling() {
    const JOBS: usize = 40;
    for (slots, recycle) in [(1, false), (1, true), (2, false), (2, true)].repeat(2) {
        let lab = lab_with(slots, 2 * slots, 300, recycle).await;
        let job = bash(":", json!({}));
        for _ in 0..4 {
            lab.run(&job).await;
        }
        let started = Instant::now();
        let jobs: Vec<_> = (0..JOBS)
            .map(|_| {
                let (lab, job) = (lab.clone(), job.clone());
                tokio::spawn(async move { lab.run(&job).await })
            })
            .collect();
        for job in jobs {
            job.await.expect("it runs");
        }
        let took = started.elapsed().as_secs_f64();
        println!("slots {slots}, recycle {recycle}: {:.1} jobs/s; {:?}", JOBS as f64 / took, figures(&lab));
        lab.close().await;
    }
}
