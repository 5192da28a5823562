//! A busy host judges as a quiet one: what it does to a program's time is never a verdict on the program.
//!
//! Twenty processes that only compute and one that only uses the disk run beside the jobs. `CAISSON_BUSY_JOBS=200` runs so
//! many honest ones in place of a few.

mod support;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::engine::Leftovers;
use support::process::{caisson, finish_within};
use support::unique;

const COMPUTING: usize = 20;

/// What one job may take in all, in seconds. The hogs end by themselves after as much for each, should this process be killed.
const JOB_S: u64 = 60;

/// How many honest jobs run where nobody asks for another number: one of each language.
const HONEST: usize = LANGUAGES.len();

/// How many idle ones: one that is interpreted and one that is compiled, as nothing else of a language matters to them.
const IDLE: usize = 2;

/// For each language the entry file, a program that prints `x` and ends, and one that does nothing for a minute.
const LANGUAGES: [(&str, &str, &str, &str); 6] = [
    ("bash", "main.sh", "/bin/true; echo x", "sleep 60"),
    (
        "c",
        "main.c",
        "#include <stdio.h>\nint main(void) { puts(\"x\"); }",
        "#include <unistd.h>\nint main(void) { sleep(60); }",
    ),
    (
        "cpp",
        "main.cpp",
        "#include <cstdio>\nint main() { std::puts(\"x\"); }",
        "#include <unistd.h>\nint main() { sleep(60); }",
    ),
    (
        "java",
        "Main.java",
        "class Main { public static void main(String[] a) { System.out.println(\"x\"); } }",
        "class Main { public static void main(String[] a) throws Exception { Thread.sleep(60_000); } }",
    ),
    ("javascript", "main.js", "console.log('x')", "setTimeout(() => {}, 60_000)"),
    ("python3", "main.py", "print('x')", "import time\ntime.sleep(60)"),
];

/// Processes that take what they can get. All end when this is dropped, and by themselves after a while.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start(folder: &std::path::Path, seconds: u64) -> Hogs {
        let compute = format!("while ((SECONDS < {seconds})); do :; done");
        // Past the page cache: it reads and writes the disk itself.
        let use_disk = format!(
            "dd if=/dev/zero of=hog bs=1M count=64 oflag=direct; while ((SECONDS < {seconds})); do \
             dd if=hog of=/dev/null bs=1M iflag=direct; dd if=/dev/zero of=hog bs=1M count=64 oflag=direct conv=notrunc; done"
        );
        let hog = |script: &str| {
            // In a session of its own, or the kernel would give all of them together no more than one program's share
            // (sched_autogroup, sched(7)).
            let mut command = Command::new("setsid");
            command.args(["bash", "-c", script]).current_dir(folder);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("setsid can be started")
        };
        let computing = (0..COMPUTING).map(|_| hog(&compute));
        Hogs(computing.chain([hog(&use_disk)]).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            // It leads a session and is not yet reaped, so the group is still its own; what `dd` it has started is in it.
            let group = i32::try_from(hog.id()).expect("a process id is an int");
            // SAFETY: plain integers.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            let _ = hog.wait();
        }
    }
}

/// A program that is through in a moment, with a wall limit that leaves a quiet host time and a busy one none.
fn honest(number: usize) -> Value {
    let (language, path, prints, _) = LANGUAGES[number % LANGUAGES.len()];
    json!({
        "id": format!("honest-{language}-{number}"),
        "language": language,
        "files": [{ "path": path, "content": prints }],
        "limits": { "wall_time_ms": 1_000 },
        "compile_limits": { "wall_time_ms": 5_000 },
        "tests": [{ "id": "1", "expected_stdout": "x\n" }, { "id": "2", "expected_stdout": "x\n" }],
    })
}

/// The wall limit is for these, on a busy host too.
fn idle(number: usize) -> Value {
    let (language, path, _, sleeps) = LANGUAGES[number % LANGUAGES.len()];
    json!({
        "id": format!("idle-{language}-{number}"),
        "language": language,
        "files": [{ "path": path, "content": sleeps }],
        "limits": { "wall_time_ms": 1_000 },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_host_changes_no_verdict() {
    let asked = std::env::var("CAISSON_BUSY_JOBS").ok().and_then(|count| count.parse().ok());
    let honest_jobs = (0..asked.unwrap_or(HONEST)).map(honest);
    let idle_jobs = (0..IDLE).map(idle);
    let lines: String = honest_jobs.chain(idle_jobs).map(|job| format!("{job}\n")).collect();
    let count = lines.lines().count();

    let worker = unique("busy");
    let _leftovers = Leftovers::of(&worker);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder can be made");
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().expect("the path is UTF-8");
    let (jobs, results) = (path("jobs.jsonl"), path("results.jsonl"));
    std::fs::write(&jobs, lines).expect("the jobs can be written");

    let seconds = count as u64 * JOB_S;
    let _hogs = Hogs::start(folder.path(), seconds);
    let arguments = ["run", "--jobs", &jobs, "--out", &results, "--concurrency", "2"];
    let ended = finish_within(Duration::from_secs(seconds), caisson(&worker, &arguments), b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let text = std::fs::read_to_string(&results).expect("there are results");
    let results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(results.len(), count, "{}", ended.stderr);
    let mut wrong = BTreeMap::new();
    let mut waited_ms = 0;
    for result in &results {
        let id = result["job_id"].as_str().expect("it has one");
        let expected = if id.starts_with("idle") { json!(["time_limit", "wall"]) } else { json!(["accepted", null]) };
        let first = &result["tests"][0];
        if json!([result["verdict"], first["reason"]]) != expected {
            wrong.insert(id, result);
        }
        waited_ms += result["timing"]["cpu_wait_ms"].as_u64().expect("it is known");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(waited_ms > 0, "the host was busy");
}
