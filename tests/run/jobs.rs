//! Jobs from messages and from files, one or many.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::engine::nothing_left_of;
use crate::support::jobs::{bash, c, id, python, test, verdict};
use crate::support::process::{caisson, finish, signal};
use crate::support::{until, within};
use crate::{Desk, joined, lines_of};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

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

/// What its program took of a step, in milliseconds.
fn took(step: &Value) -> u64 {
    let of = |field: &str| step[field].as_u64().unwrap_or(0);
    of("wall_time_ms") - of("host_wait_ms")
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_for_which_the_time_of_the_whole_job_does_not_suffice_are_skipped() {
    const JOB_MS: u64 = 6_000;
    const TEST_MS: u64 = 3_000;
    let desk = Desk::new();
    for stop_on_failure in [false, true] {
        let tests: Vec<Value> = (0..10).map(|number| test(&number.to_string(), "", "slept\n")).collect();
        let more = json!({ "compile": ["sleep", "0.5"], "tests": tests, "stop_on_failure": stop_on_failure });
        let mut command = caisson(&desk.worker, &["run", "--job", "-"]);
        command.env("CAISSON_WORKER_MAX_JOB_WALL_S", (JOB_MS / 1_000).to_string());
        command.env("CAISSON_MAXIMUM_WALL_TIME_MS", TEST_MS.to_string());
        let ended = finish(command, bash("sleep 1; echo slept", more).to_string().as_bytes()).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let report: Value = serde_json::from_str(ended.text()).expect("stdout is the result");

        let tests = report["tests"].as_array().expect("tests were run");
        let run = tests.iter().take_while(|test| test["verdict"] == "accepted").count();
        assert!((1..=3).contains(&run), "half a second of compiling and a second a test: {report:#}");
        for left in &tests[run..] {
            assert_eq!((&left["verdict"], &left["reason"]), (&json!("skipped"), &json!("job_wall")), "{report:#}");
        }
        // Each that began had all of its limit, and the first that didn't would not have.
        let before = |count: usize| took(&report["compile"]) + tests[..count].iter().map(took).sum::<u64>();
        assert!(before(run - 1) <= JOB_MS - TEST_MS && before(run) > JOB_MS - TEST_MS - 10, "{report:#}");
        assert_eq!((verdict(&report), &report["reason"]), ("skipped", &json!("job_wall")), "{report:#}");
        let detail = report["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains("a whole job may take 6 s") && detail.contains(&format!("{run} of 10 tests")),
            "{detail}"
        );
    }
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
    // Two of them run to their ends, and all others until they are interrupted.
    let jobs: Vec<Value> = (0..12).map(|number| bash(&format!("echo {number}"), json!({}))).collect();
    let endless = |job: &Value| bash("sleep 200", json!({ "id": id(job), "limits": { "wall_time_ms": 240_000 } }));
    let at_first: Vec<Value> =
        jobs.iter().enumerate().map(|(number, job)| if number < 2 { job.clone() } else { endless(job) }).collect();
    let input = desk.write("jobs.jsonl", &joined(&at_first));
    let out = desk.path("results.jsonl");
    let path = out.to_str().expect("the path is UTF-8");
    let mut process = caisson(&desk.worker, &["run", "--jobs", &input, "--out", path, "--concurrency", "2"])
        .spawn()
        .expect("it can be started");
    until("a first result", async || std::fs::read_to_string(&out).ok().filter(|text| text.contains('\n')).map(drop))
        .await;
    signal(&process, libc::SIGINT);
    let status = within("its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(130));
    nothing_left_of(&desk.worker).await;
    let answered = lines_of(&out).len();
    assert!((1..=2).contains(&answered), "{answered} of 12 were answered before the interruption");

    let input = desk.write("jobs.jsonl", &joined(&jobs));
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
        let line = within("a result", stdout.next_line()).await.expect("it is text").expect("there is one");
        let report: Value = serde_json::from_str(&line).expect("a line is a result");
        assert_eq!((report["job_id"].as_str(), verdict(&report)), (Some(id(&job)), "completed"));
    }
    drop(stdin);
    assert_eq!(within("the end", stdout.next_line()).await.expect("it is text"), None);
    let status = within("its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(0));
    nothing_left_of(&desk.worker).await;
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
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let results: BTreeMap<String, Value> = lines_of(&out)
        .into_iter()
        .map(|report| (report["job_id"].as_str().expect("it has one").to_owned(), report))
        .collect();
    assert_eq!((verdict(&results["absent"]), verdict(&results["fine"])), ("internal_error", "completed"));
    assert!(results["absent"]["detail"].as_str().is_some_and(|detail| detail.contains("just images nothing")));
    nothing_left_of(&desk.worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_run_by_its_name_in_every_sandbox_that_a_job_gets() {
    let desk = Desk::new();
    let tests = json!([test("1", "", "hi\n"), test("2", "", "hi\n")]);
    let script = "#!/bin/bash\necho hi\n";
    let named = |more: Value| crate::support::jobs::with(json!({ "run": ["./main.sh"], "tests": tests }), more);
    let file = |executable: Value| json!([{ "path": "main.sh", "content": script, "executable": executable }]);
    let built = |isolation: &str| {
        let build = "#!/bin/bash\nset -e\ngcc -o main main.c\nchmod 644 build.sh\n";
        let files = json!([
            { "path": "main.c", "content": "#include <stdio.h>\nint main(void) { puts(\"hi\"); }" },
            { "path": "build.sh", "content": build },
            { "path": "bin/go", "content": "#!/bin/bash\n[ ! -x build.sh ] && exec ./main\n" },
        ]);
        let more =
            json!({ "files": files, "main": "main.c", "compile": ["./build.sh"], "run": ["bin/go"], "tests": tests });
        c("", crate::support::jobs::with(more, json!({ "isolation": isolation })))
    };
    let jobs = [
        (bash(script, named(json!({ "tests": [test("1", "", "hi\n")] }))), "accepted"),
        (bash(script, named(json!({}))), "accepted"),
        (bash(script, named(json!({ "isolation": "test" }))), "accepted"),
        (bash(script, named(json!({ "files": file(true.into()) }))), "accepted"),
        (bash(script, named(json!({ "files": file(Value::Null) }))), "accepted"),
        (bash(script, named(json!({ "files": file(false.into()) }))), "runtime_error"),
        (bash("echo hi", named(json!({}))), "runtime_error"),
        (built("job"), "accepted"),
        (built("test"), "accepted"),
    ];
    let bodies: Vec<Value> = jobs.iter().map(|(job, _)| job.clone()).collect();
    let input = desk.write("jobs.jsonl", &joined(&bodies));
    let out = desk.path("results.jsonl");
    let ended = desk.caisson(&["run", "--jobs", &input, "--out", out.to_str().expect("it is UTF-8")], b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let results: BTreeMap<String, Value> = lines_of(&out)
        .into_iter()
        .map(|report| (report["job_id"].as_str().expect("it has one").to_owned(), report))
        .collect();
    for (job, expected) in &jobs {
        assert_eq!(verdict(&results[id(job)]), *expected, "{job:#}\n{:#}", results[id(job)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_caisson_failed_at_is_run_again_and_has_one_answer_then() {
    let desk = Desk::new();
    let jobs = [bash("echo 0", json!({})), python("print(1)", json!({})), bash("echo 2", json!({}))];
    let input = desk.write("jobs.jsonl", &joined(&jobs));
    let out = desk.path("results.jsonl");
    let broken = desk.write(
        "broken.toml",
        "[languages.bash]\nimage = \"caisson/nothing\"\nmain = \"main.sh\"\nrun = [\"bash\", \"{main}\"]\n",
    );
    let arguments = ["run", "--jobs", &input, "--out", out.to_str().expect("the path is UTF-8")];
    let ended = desk.caisson(&[&arguments[..], &["--config", &broken]].concat(), b"").await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let failed = |results: &[Value]| results.iter().filter(|report| verdict(report) == "internal_error").count();
    let results = lines_of(&out);
    assert_eq!((results.len(), failed(&results)), (3, 2));
    let answer = results.into_iter().find(|report| verdict(report) == "completed").expect("one could be run");

    // As long as it goes on failing, the command fails, and each line has one result.
    let ended = desk.caisson(&[&arguments[..], &["--config", &broken, "--resume"]].concat(), b"").await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let results = lines_of(&out);
    assert_eq!((results.len(), failed(&results)), (3, 2));
    let ended = desk.caisson(&[&arguments[..], &["--resume"]].concat(), b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let results = lines_of(&out);
    assert_eq!((results.len(), failed(&results)), (3, 0));
    assert!(results.contains(&answer), "what was answered is as it was");
    assert!(results.iter().all(|report| verdict(report) == "completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_be_read_is_answered_once_however_often_a_run_is_resumed() {
    let desk = Desk::new();
    let job = bash("echo good", json!({})).to_string();
    let too_much = bash("", json!({ "limits": { "cpu_time_ms": 99_999_999 } })).to_string();
    let unknown = bash("", json!({ "lang": "x" })).to_string();
    let long = bash(&format!("echo long # {}", "x".repeat(2 << 20)), json!({})).to_string();
    let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"bucket","s3Key":"k"}]"#;
    let lines = [&job, &too_much, &unknown, "not json", "{\"id\": \"a b\"}", "not json", &long, pointer, &job];
    let input = desk.write("jobs.jsonl", &lines.join("\n"));
    let out = desk.path("results.jsonl");
    let arguments = ["run", "--jobs", &input, "--out", out.to_str().expect("the path is UTF-8"), "--resume"];
    desk.caisson(&arguments, b"").await;
    let first = std::fs::read(&out).expect("there is an output");
    assert_eq!(lines_of(&out).len(), lines.len(), "two lines that are the same are two lines");
    let ended = desk.caisson(&arguments, b"").await;
    assert!(ended.stderr.starts_with("0 jobs") && ended.stderr.contains("9 were answered before"), "{}", ended.stderr);
    assert_eq!(std::fs::read(&out).expect("there is an output"), first);

    // Lines may come and go before the others.
    let moved = [&lines[4..], &["[]"], &lines[..4]].concat().join("\n");
    std::fs::write(&input, moved).expect("it can be written");
    let ended = desk.caisson(&arguments, b"").await;
    assert!(ended.stderr.starts_with("1 jobs"), "{}", ended.stderr);
    // And one of two that are the same may be missing from the results.
    let text = String::from_utf8(std::fs::read(&out).expect("there is an output")).expect("it is UTF-8");
    let (kept, _) = text.split_once("\"line 6, ").expect("it has an answer");
    let kept = &kept[..kept.rfind('\n').expect("it isn't the first")];
    std::fs::write(&out, format!("{kept}\n")).expect("it can be written");
    let missing = lines.len() + 1 - kept.lines().count();
    let ended = desk.caisson(&arguments, b"").await;
    assert!(ended.stderr.starts_with(&format!("{missing} jobs")), "{missing}: {}", ended.stderr);
    assert_eq!(lines_of(&out).len(), lines.len() + 1);
}
