//! `caisson run` and the small commands, as somebody at a shell uses them.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::engine::{Leftovers, gone, running_container_of};
use support::jobs::{bash, c, id, python, test, verdict};
use support::process::{Ended, caisson, finish, signal};
use support::{unique, until, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A folder with files, and a worker's name for what is run from it.
struct Desk {
    folder: tempfile::TempDir,
    worker: String,
    _leftovers: Leftovers,
}

impl Desk {
    fn new() -> Desk {
        let worker = unique("run");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Desk { folder, _leftovers: Leftovers::of(&worker), worker }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file can be written");
        path.into_os_string().into_string().expect("the path is UTF-8")
    }

    /// Runs `caisson` with these arguments to its end. Afterwards there is nothing left of it.
    async fn caisson(&self, arguments: &[&str], stdin: &[u8]) -> Ended {
        let ended = finish(caisson(&self.worker, arguments), stdin, 120).await;
        gone(&self.worker, 1).await;
        ended
    }

    /// Runs a program that is written to a file of this name.
    async fn run(&self, name: &str, source: &str, more: &[&str]) -> Ended {
        let file = self.write(name, source);
        let mut arguments = vec!["run", &file];
        arguments.extend(more);
        self.caisson(&arguments, b"").await
    }
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("there is an output");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line isn't whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn joined(jobs: &[Value]) -> String {
    jobs.iter().map(|job| format!("{job}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_streams_arguments_and_exit_code_are_the_callers() {
    let desk = Desk::new();
    let source = "import sys\nprint(sys.argv[1:], sys.stdin.read())\nprint('oops', file=sys.stderr)\nsys.exit(7)";
    // A blank and letters beyond ASCII, as people name their files.
    let file = desk.write("my prögram.py", source);
    let ended = desk.caisson(&["run", &file, "--", "--flag", "two words", ""], b"in").await;
    assert_eq!((ended.text(), ended.stderr.as_str()), ("['--flag', 'two words', ''] in\n", "oops\n"));
    assert_eq!(ended.code, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_how_a_program_ended() {
    let desk = Desk::new();
    let cases: [(&str, &str, &[&str], i32, &str); 9] = [
        ("fine.sh", "exit 0", &[], 0, ""),
        (
            "signal.sh",
            "kill -SEGV $$",
            &[],
            128 + 11,
            "caisson: the program was ended by SIGSEGV (bad memory access)\n",
        ),
        ("killed.sh", "kill -KILL $$", &[], 128 + 9, "caisson: the program was ended by SIGKILL\n"),
        ("cpu.py", "while True: pass", &["--limit", "cpu_time_ms=300"], 124, "the limit is 0.30 s\n"),
        ("wall.sh", "sleep 60", &["--limit", "wall_time_ms=300"], 124, "the limit is 0.30 s\n"),
        (
            "memory.py",
            "x = bytearray(300 << 20)",
            &[],
            124,
            "caisson: the program needed more than its 256 MiB of memory\n",
        ),
        ("output.sh", "yes", &["--limit", "output_bytes=10000"], 124, "printed more than 10000 bytes to stdout\n"),
        (
            "wrong.c",
            "int main(void) { return missing; }",
            &[],
            65,
            "caisson: the compile step ended with exit code 1\n",
        ),
        ("right.c", "int main(void) { return 3; }", &[], 3, ""),
    ];
    for (name, source, more, code, last_words) in cases {
        let ended = desk.run(name, source, more).await;
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.stderr);
        assert!(ended.stderr.ends_with(last_words), "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.is_empty(), last_words.is_empty(), "{name}: {}", ended.stderr);
    }
    let ended = desk.run("wrong.c", "int main(void) { return missing; }", &[]).await;
    assert!(ended.stderr.contains("wrong.c:1:25: error: ") && ended.stdout.is_empty(), "{}", ended.stderr);
}

#[tokio::test]
async fn what_cannot_be_run_is_told_before_anything_runs() {
    let desk = Desk::new();
    let program = desk.write("program.unknown", "");
    let python = desk.write("program.py", "");
    let absent = desk.path("absent.py").into_os_string().into_string().expect("the path is UTF-8");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["run", &program], 64, "no language has the extension \"unknown\"; say --language with one of bash, "),
        (&["run", "--language", "cobol", &program], 64, "\"cobol\" isn't one of the languages bash, "),
        (&["run", &absent], 64, "absent.py: No such file or directory"),
        (&["run", &python, "--limit", "cpu_time_ms=999999999"], 64, "limits.cpu_time_ms"),
        (&["run", &python, "--limit", "speed=1"], 2, "\"speed\" isn't one of cpu_time_ms, "),
        (&["run"], 2, "required"),
        (&["run", "--jobs", &python], 2, "--out"),
    ];
    for (arguments, code, words) in cases {
        let ended = desk.caisson(arguments, b"").await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.stderr);
    }
    // Our own failure has a code that no program's own end is mistaken for.
    for (arguments, code) in [(["run", &python].as_slice(), 125), (&["run", "--job", "-"], 1)] {
        let mut command = caisson(&desk.worker, arguments);
        command.env("CAISSON_SANDBOX_ENGINE_SOCKET", "/nowhere/docker.sock");
        let ended = finish(command, b"{}", 30).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("/nowhere/docker.sock"), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_can_be_talked_to_line_by_line() {
    let desk = Desk::new();
    let file = desk.write("echo.py", "for line in iter(input, 'end'): print('heard', line, flush=True)\nprint('bye')");
    let mut process =
        caisson(&desk.worker, &["run", &file]).stdin(std::process::Stdio::piped()).spawn().expect("it can be started");
    let mut stdin = process.stdin.take().expect("its stdin is a pipe");
    let mut stdout = BufReader::new(process.stdout.take().expect("its stdout is a pipe")).lines();
    // Each answer is there before the next question is asked, with stdin open all the while.
    for (question, answer) in [("one", "heard one"), ("two", "heard two"), ("end", "bye")] {
        stdin.write_all(format!("{question}\n").as_bytes()).await.expect("it listens");
        let heard = within(30, "an answer", stdout.next_line()).await.expect("it is text");
        assert_eq!(heard.as_deref(), Some(answer));
    }
    let status = within(30, "its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(0));
    gone(&desk.worker, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn megabytes_stream_through_a_program_and_one_that_does_not_read_is_not_waited_for() {
    let desk = Desk::new();
    let bytes: Vec<u8> = (0..5_000_000u32).map(|number| number.to_le_bytes()[usize::from(number % 3 == 0)]).collect();
    let file = desk.write("cat.sh", "cat");
    let ended = desk.caisson(&["run", &file], &bytes).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout == bytes, "{} bytes came back of {}", ended.stdout.len(), bytes.len());

    let file = desk.write("deaf.sh", "echo no");
    let ended = desk.caisson(&["run", &file], &bytes).await;
    assert_eq!((ended.code, ended.text()), (Some(0), "no\n"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_program_and_leaves_nothing() {
    let desk = Desk::new();
    let file = desk.write("slow.sh", "sleep 200");
    let mut process = caisson(&desk.worker, &["run", &file]).spawn().expect("it can be started");
    running_container_of(&desk.worker).await;
    signal(&process, libc::SIGINT);
    let status = within(30, "its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(130));
    gone(&desk.worker, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_gives_one_result_whatever_its_verdict() {
    let desk = Desk::new();
    let job = python("print(6 * 7)", json!({ "tests": [test("1", "", "42")], "metadata": { "course": 1.50 } }));
    let file = desk.write("job.json", &job.to_string());
    let from_file = desk.caisson(&["run", "--job", &file], b"").await;
    let from_stdin = desk.caisson(&["run", "--job", "-"], job.to_string().as_bytes()).await;
    for ended in [from_file, from_stdin] {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let report: Value = serde_json::from_str(ended.text()).expect("stdout is the result and nothing else");
        assert_eq!((report["job_id"].as_str(), verdict(&report)), (Some(id(&job)), "accepted"), "{report:#}");
        assert_eq!(report["worker"]["id"], desk.worker.as_str());
        assert_eq!(report["metadata"], job["metadata"]);
    }
    let ended = desk.caisson(&["run", "--job", "-"], b"nonsense").await;
    let report: Value = serde_json::from_str(ended.text()).expect("stdout is the result and nothing else");
    assert_eq!((ended.code, verdict(&report)), (Some(0), "rejected"), "{report:#}");
}

/// A job that nobody else's output is right for, its verdict, and what it prints where that can be said.
fn of_many(number: usize) -> (Value, &'static str, Option<String>) {
    let output = format!("job {number}\n");
    let printed = Some(output.clone());
    let tests = json!({ "tests": [test("1", &output, &output)] });
    let with = |limits: Value| json!({ "tests": [test("1", "", &output)], "limits": limits });
    match number % 10 {
        0 => (python("print(input())", tests), "accepted", printed),
        1 => (python("print(input()[::-1])", tests), "wrong_answer", Some(format!("{}\n", reversed(output.trim())))),
        2 => (bash("sleep 0.3; cat", tests), "accepted", printed),
        3 => (bash("cat; exit 3", tests), "runtime_error", printed),
        4 => (c("int main(void) { return }", tests), "compile_error", None),
        5 => (
            python("x = bytearray(99 << 20)", with(json!({ "memory_bytes": 64 << 20 }))),
            "memory_limit",
            Some(String::new()),
        ),
        6 => (bash("yes", with(json!({ "output_bytes": 10_000 }))), "output_limit", None),
        7 => {
            let source = "#include <stdio.h>\nint main(void) { for (int it; (it = getchar()) != EOF;) putchar(it); }";
            (c(source, tests), "accepted", printed)
        }
        8 => (bash("cat", tests), "accepted", printed),
        _ => (bash("while :; do :; done", with(json!({ "cpu_time_ms": 150 }))), "time_limit", Some(String::new())),
    }
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_jobs_of_all_kinds_four_at_a_time_are_all_right() {
    let desk = Desk::new();
    let jobs: Vec<_> = (0..200).map(of_many).collect();
    let bodies: Vec<Value> = jobs.iter().map(|(job, ..)| job.clone()).collect();
    // A file may have blank lines, and lines that are no job.
    let input = desk.write("jobs.jsonl", &format!("{}\n\n  \nnonsense\n", joined(&bodies)));
    let out = desk.path("results.jsonl");
    let arguments = ["run", "--jobs", &input, "--out", out.to_str().expect("the path is UTF-8"), "--concurrency", "4"];
    let ended = desk.caisson(&arguments, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("201 jobs, ") && ended.stderr.contains("accepted 80"), "{}", ended.stderr);

    let mut results = BTreeMap::new();
    for report in lines_of(&out) {
        let id = report["job_id"].as_str().unwrap_or("nonsense").to_owned();
        assert!(results.insert(id.clone(), report).is_none(), "{id} was answered twice");
    }
    assert_eq!(verdict(&results.remove("nonsense").expect("every line is answered")), "rejected");
    assert_eq!(results.len(), jobs.len());
    for (job, expected, output) in &jobs {
        let report = &results[id(job)];
        assert_eq!(verdict(report), *expected, "{report:#}");
        if let Some(output) = output {
            assert_eq!(report["tests"][0]["stdout"], output.as_str(), "{report:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_run_leaves_out_what_is_answered_and_mends_a_torn_last_line() {
    let desk = Desk::new();
    let jobs: Vec<Value> = (0..6).map(|number| bash(&format!("echo {number}"), json!({}))).collect();
    let input = desk.write("jobs.jsonl", &joined(&jobs));
    let answered = |index: usize| format!("{}\n", json!({ "job_id": id(&jobs[index]), "kept": true }));
    let torn = &answered(4)[..20];
    let out = desk.write("results.jsonl", &format!("{}{}{torn}", answered(1), answered(3)));
    let ended = desk.caisson(&["run", "--jobs", &input, "--out", &out, "--resume"], b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("4 jobs, 4 tests in ") && ended.stderr.contains("2 were answered before"),
        "{}",
        ended.stderr
    );

    let results = lines_of(Path::new(&out));
    assert_eq!(results.len(), 6);
    assert!(results[0]["kept"] == true && results[1]["kept"] == true, "what was there is as it was");
    for (number, job) in jobs.iter().enumerate() {
        let found: Vec<&Value> = results.iter().filter(|report| report["job_id"] == id(job)).collect();
        assert_eq!(found.len(), 1, "job {number}");
        let is_new = ![1, 3].contains(&number);
        assert_eq!(found[0].get("verdict").is_some(), is_new);
        assert!(!is_new || found[0]["tests"][0]["stdout"] == format!("{number}\n"), "{:#}", found[0]);
    }
    // With nothing left to do, nothing is done; without --resume the output begins anew.
    let before = std::fs::read(&out).expect("there is an output");
    let ended = desk.caisson(&["run", "--jobs", &input, "--out", &out, "--resume"], b"").await;
    assert_eq!((ended.code, std::fs::read(&out).expect("there is an output")), (Some(0), before));
    let ended = desk.caisson(&["run", "--jobs", &input, "--out", &out], b"").await;
    assert_eq!((ended.code, lines_of(Path::new(&out)).len()), (Some(0), 6));
    assert!(lines_of(Path::new(&out)).iter().all(|report| report.get("kept").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_has_whole_lines_and_can_be_resumed() {
    let desk = Desk::new();
    let jobs: Vec<Value> = (0..12).map(|number| bash(&format!("sleep 0.4; echo {number}"), json!({}))).collect();
    let input = desk.write("jobs.jsonl", &joined(&jobs));
    let out = desk.path("results.jsonl");
    let path = out.to_str().expect("the path is UTF-8");
    let mut process = caisson(&desk.worker, &["run", "--jobs", &input, "--out", path, "--concurrency", "2"])
        .spawn()
        .expect("it can be started");
    until(60, "a first result", async || {
        std::fs::read_to_string(&out).ok().filter(|text| text.contains('\n')).map(drop)
    })
    .await;
    signal(&process, libc::SIGINT);
    let status = within(30, "its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(130));
    gone(&desk.worker, 1).await;
    let answered = lines_of(&out).len();
    assert!((1..12).contains(&answered), "{answered} of 12 were answered before the interruption");

    let ended = desk.caisson(&["run", "--jobs", &input, "--out", path, "--resume"], b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut ids: Vec<String> =
        lines_of(&out).iter().map(|report| report["job_id"].as_str().expect("it has one").to_owned()).collect();
    ids.sort_unstable();
    let mut expected: Vec<&str> = jobs.iter().map(id).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_come_from_a_pipe_and_their_results_go_into_one_as_they_come() {
    let desk = Desk::new();
    let mut process = caisson(&desk.worker, &["run", "--jobs", "-", "--out", "-", "--concurrency", "2"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut stdin = process.stdin.take().expect("its stdin is a pipe");
    let mut stdout = BufReader::new(process.stdout.take().expect("its stdout is a pipe")).lines();
    for number in 0..3 {
        let job = bash(&format!("echo {number}"), json!({}));
        stdin.write_all(format!("{job}\n").as_bytes()).await.expect("it listens");
        // The answer comes although more jobs may follow.
        let line = within(30, "a result", stdout.next_line()).await.expect("it is text").expect("there is one");
        let report: Value = serde_json::from_str(&line).expect("a line is a result");
        assert_eq!((report["job_id"].as_str(), verdict(&report)), (Some(id(&job)), "completed"));
    }
    drop(stdin);
    assert_eq!(within(30, "the end", stdout.next_line()).await.expect("it is text"), None);
    let status = within(30, "its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(0));
    gone(&desk.worker, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_we_cannot_run_is_answered_as_our_error_and_fails_the_command() {
    let desk = Desk::new();
    let absent = json!({
        "id": "absent", "image": "caisson/nothing", "files": [{ "path": "a", "content": "" }], "run": ["a"],
    });
    let jobs = [absent, bash("echo fine", json!({ "id": "fine" }))];
    let input = desk.write("jobs.jsonl", &joined(&jobs));
    let out = desk.path("results.jsonl");
    let mut command =
        caisson(&desk.worker, &["run", "--jobs", &input, "--out", out.to_str().expect("the path is UTF-8")]);
    command.env("CAISSON_IMAGES_ALLOW", "caisson/nothing");
    let ended = finish(command, b"", 60).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let results: BTreeMap<String, Value> = lines_of(&out)
        .into_iter()
        .map(|report| (report["job_id"].as_str().expect("it has one").to_owned(), report))
        .collect();
    assert_eq!((verdict(&results["absent"]), verdict(&results["fine"])), ("internal_error", "completed"));
    assert!(results["absent"]["detail"].as_str().is_some_and(|detail| detail.contains("just images nothing")));
    gone(&desk.worker, 1).await;
}

#[tokio::test]
async fn schemas_are_printed_and_are_those_of_the_library() {
    for (of, schema) in
        [("job", caisson::schema::job()), ("result", caisson::schema::result()), ("config", caisson::config::schema())]
    {
        let ended = finish(caisson("x", &["schema", of]), b"", 20).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(serde_json::from_str::<Value>(ended.text()).expect("it is JSON"), schema);
        assert!(schema["$schema"].is_string() && schema["properties"].is_object(), "{schema:#}");
    }
}

#[tokio::test]
async fn a_configuration_is_checked_and_shown_with_where_each_value_comes_from() {
    let desk = Desk::new();
    let file = desk.write("caisson.toml", "worker.slots = 3\nlimits.cpu_time_ms = 1500\n");
    let configured = |arguments: &[&str]| {
        let mut command = caisson(&desk.worker, arguments);
        command.args(["--config", &file]);
        command
    };
    let ended = finish(configured(&["config", "check"]), b"", 20).await;
    assert_eq!((ended.code, ended.text(), ended.stderr.as_str()), (Some(0), "", ""));

    let mut command = configured(&["config", "show"]);
    command.env("CAISSON_WORKER_GRACE_PERIOD_S", "7");
    let ended = finish(command, b"", 20).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = |start: &str| {
        let line = ended.lines().into_iter().find(|line| line.trim_start().starts_with(start)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{start} is not in\n{}", ended.text()))
    };
    assert!(line("slots = 3").contains("caisson.toml:1"));
    assert!(line("cpu_time_ms = 1500").contains("caisson.toml:2"));
    assert!(line("grace_period_s = 7").contains("CAISSON_WORKER_GRACE_PERIOD_S"));
    // What is shown is a configuration itself, and the same one.
    let shown = desk.write("shown.toml", ended.text());
    let ended = finish(caisson(&desk.worker, &["config", "check", "--config", &shown]), b"", 20).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));

    let bad = desk.write("bad.toml", "worker.slots = \"many\"\nnonsense = 1\n");
    let ended = finish(caisson(&desk.worker, &["config", "check", "--config", &bad]), b"", 20).await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(64), 2), "{}", ended.stderr);
}

#[tokio::test]
async fn completions_are_printed_for_every_shell_even_beside_a_broken_configuration() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = caisson("x", &["completions", shell]);
        command.env("CAISSON_NONSENSE", "1");
        let ended = finish(command, b"", 20).await;
        assert_eq!(ended.code, Some(0), "{shell}: {}", ended.stderr);
        assert!(ended.text().contains("caisson") && ended.text().contains("concurrency"), "{shell}");
    }
}
