//! A busy host judges as a quiet one: what it does to a program's time is never a verdict on the program.
//!
//! Two things are looked at. The time that the host took is found: what is left of an honest program's wall time is hardly more
//! than its CPU time. And it is what the wall limit is compared with: a program that computes and then sleeps has had all of
//! its limit when it is ended.
//!
//! Twenty processes that only compute and one that only uses the disk run beside the jobs. `CAISSON_BUSY_JOBS=200` runs so
//! many honest ones in place of a few.

mod support;

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

/// The wall limit of the idle ones, in milliseconds.
const IDLE_MS: u64 = 1_000;

/// Less than one part in so many of what the host took may be missed. It was one in 60, and one in seven when a sleep whose
/// reason the kernel doesn't tell counted as the program's own.
const MISSED: u64 = 15;

struct Language {
    name: &'static str,
    entry: &'static str,
    /// Prints `x` and ends.
    prints: &'static str,
    /// Limits for a run and for the compile step, in milliseconds: about a hundred times the CPU time that they take on a quiet
    /// machine, and a second at least. On a virtual machine whose own CPUs were lent out, they took twenty times as much.
    run_ms: u64,
    compile_ms: u64,
}

const LANGUAGES: [Language; 6] = [
    Language { name: "bash", entry: "main.sh", prints: "/bin/true; echo x", run_ms: 1_000, compile_ms: 1_000 },
    Language {
        name: "c",
        entry: "main.c",
        prints: "#include <stdio.h>\nint main(void) { puts(\"x\"); }",
        run_ms: 1_000,
        compile_ms: 12_000,
    },
    Language {
        name: "cpp",
        entry: "main.cpp",
        prints: "#include <cstdio>\nint main() { std::puts(\"x\"); }",
        run_ms: 1_000,
        compile_ms: 12_000,
    },
    Language {
        name: "java",
        entry: "Main.java",
        prints: "class Main { public static void main(String[] a) { System.out.println(\"x\"); } }",
        run_ms: 6_000,
        compile_ms: 60_000,
    },
    Language { name: "javascript", entry: "main.js", prints: "console.log('x')", run_ms: 20_000, compile_ms: 1_000 },
    Language { name: "python3", entry: "main.py", prints: "print('x')", run_ms: 3_000, compile_ms: 1_000 },
];

/// Programs that compute a little, so that a busy host has something to take from them, and then do nothing for a minute: one
/// that is interpreted and one that is compiled, as nothing else of a language matters to them.
const IDLE: [(&str, &str, &str); 2] = [
    ("bash", "main.sh", "for ((i = 0; i < 5000; i++)); do :; done; sleep 60"),
    ("c", "main.c", "#include <unistd.h>\nint main(void) { for (volatile int i = 0; i < 10000000; i++); sleep(60); }"),
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

/// A program that is through in a moment, on a quiet host.
fn honest(number: usize) -> Value {
    let Language { name, entry, prints, run_ms, compile_ms } = LANGUAGES[number % LANGUAGES.len()];
    json!({
        "id": format!("honest-{name}-{number}"),
        "language": name,
        "files": [{ "path": entry, "content": prints }],
        "limits": { "wall_time_ms": run_ms, "cpu_time_ms": run_ms },
        "compile_limits": { "wall_time_ms": compile_ms, "cpu_time_ms": compile_ms },
        "tests": [{ "id": "1", "expected_stdout": "x\n" }, { "id": "2", "expected_stdout": "x\n" }],
    })
}

/// The wall limit is for these, on a busy host too.
fn idle((language, entry, sleeps): (&str, &str, &str)) -> Value {
    json!({
        "id": format!("idle-{language}"),
        "language": language,
        "files": [{ "path": entry, "content": sleeps }],
        "limits": { "wall_time_ms": IDLE_MS },
    })
}

/// What a step's figures say, in milliseconds.
struct Times {
    cpu: u64,
    /// What the host took of its wall time.
    host: u64,
    /// What the wall limit was compared with.
    own: u64,
}

impl Times {
    fn of(step: &Value) -> Times {
        let figure = |name: &str| step[name].as_u64().unwrap_or_else(|| panic!("{name}: {step:#}"));
        let host = step["host_wait_ms"].as_u64().unwrap_or(0);
        Times { cpu: figure("cpu_time_ms"), host, own: figure("wall_time_ms").saturating_sub(host) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_host_changes_no_verdict() {
    let asked = std::env::var("CAISSON_BUSY_JOBS").ok().and_then(|count| count.parse().ok());
    let honest_jobs = (0..asked.unwrap_or(HONEST)).map(honest);
    let idle_jobs = IDLE.into_iter().map(idle);
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
    let is_idle = |result: &&Value| result["job_id"].as_str().is_some_and(|id| id.starts_with("idle"));
    let is_wrong = |result: &&Value| {
        let expected = if is_idle(result) { json!(["time_limit", "wall"]) } else { json!(["accepted", null]) };
        json!([result["verdict"], result["tests"][0]["reason"]]) != expected
    };
    let wrong: Vec<&Value> = results.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    let (idle, honest): (Vec<&Value>, Vec<&Value>) = results.iter().partition(is_idle);
    for result in idle {
        let Times { host, own, .. } = Times::of(&result["tests"][0]);
        assert!(host > 0, "the host was busy: {result:#}");
        // Two figures, each cut to whole milliseconds.
        assert!(own + 2 >= IDLE_MS, "it was ended after {own} ms of its own: {result:#}");
    }

    let steps = honest.iter().flat_map(|result| {
        let tests = result["tests"].as_array().expect("it has tests").iter();
        tests.chain(result.get("compile").filter(|compile| compile.is_object()))
    });
    let times: Vec<Times> = steps.map(Times::of).collect();
    let host: u64 = times.iter().map(|step| step.host).sum();
    let missed: u64 = times.iter().map(|step| step.own.saturating_sub(step.cpu)).sum();
    assert!(missed * MISSED < host, "of {host} ms that the host took, {missed} ms were missed");
}
