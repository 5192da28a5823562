//! Jobs to test with, and a look into their reports.

use serde_json::{Value, json};

use super::unique;

/// A job of one file, with further fields of the message on top.
pub(crate) fn job(language: &str, main: &str, source: &str, more: Value) -> Value {
    let job = json!({
        "id": unique(language),
        "language": language,
        "files": [{ "path": main, "content": source }],
    });
    with(job, more)
}

pub(crate) fn python(source: &str, more: Value) -> Value {
    job("python3", "main.py", source, more)
}

pub(crate) fn c(source: &str, more: Value) -> Value {
    job("c", "main.c", source, more)
}

pub(crate) fn bash(source: &str, more: Value) -> Value {
    job("bash", "main.sh", source, more)
}

/// A job whose program goes on when the test says so, with [`let_go`](super::engine::let_go), and then gives the right
/// answer: for what has to happen while it runs, on however slow a machine.
pub(crate) fn held() -> Value {
    held_at_most(240)
}

/// The same with a limit of its own for its wall time, in seconds.
pub(crate) fn held_at_most(seconds: u64) -> Value {
    let source = "echo begun; [[ -e /tmp/gate ]] || mkfifo /tmp/gate; read -r _ </tmp/gate; echo done";
    let limits = json!({ "wall_time_ms": seconds * 1_000 });
    let job = bash(source, json!({ "limits": limits, "tests": [test("1", "", "begun\ndone\n")] }));
    // For whoever looks for its process.
    let args = json!({ "args": [id(&job)] });
    with(job, args)
}

/// Wants more memory than there is by default. Close to its limit a program spends its time in the kernel's search for memory, which on
/// a busy machine was seen to take two seconds of CPU time.
pub(crate) fn hungry() -> Value {
    python("x = bytearray(400 << 20)", json!({ "limits": { "cpu_time_ms": 20_000, "wall_time_ms": 30_000 } }))
}

/// Files in so many folders that their records alone don't fit into 8 MiB. The least that they take does, or the job would be
/// refused.
pub(crate) fn full(more: Value) -> Value {
    let mut files = vec![json!({ "path": "main.sh", "content": "echo hi\n" })];
    files.extend((1..1_000).map(|index| json!({ "path": format!("{index:03x}/d/d/d/d/d/d/f"), "content": "" })));
    let tests = [test("1", "", "hi\n"), test("2", "", "hi\n")];
    let job = json!({
        "id": unique("full"), "language": "bash", "files": files, "tests": tests,
        "limits": { "memory_bytes": 8 << 20 },
    });
    with(job, more)
}

/// The job with further fields.
pub(crate) fn with(mut job: Value, more: Value) -> Value {
    let Value::Object(fields) = more else { panic!("further fields come as an object") };
    job.as_object_mut().expect("a job is an object").extend(fields);
    job
}

/// A test of a job with an expected output.
pub(crate) fn test(id: &str, stdin: &str, expected: &str) -> Value {
    json!({ "id": id, "stdin": stdin, "expected_stdout": expected })
}

pub(crate) fn id(job: &Value) -> &str {
    job["id"].as_str().expect("a job has an id")
}

pub(crate) fn verdict(report: &Value) -> &str {
    report["verdict"].as_str().expect("a report has a verdict")
}

/// The report of one test.
pub(crate) fn of_test<'a>(report: &'a Value, id: &str) -> &'a Value {
    let tests = report["tests"].as_array().unwrap_or_else(|| panic!("no test was run: {report:#}"));
    tests.iter().find(|test| test["id"] == id).unwrap_or_else(|| panic!("there is no test {id}: {report:#}"))
}

/// What the only test printed to stdout.
pub(crate) fn stdout(report: &Value) -> &str {
    assert_eq!(report["tests"].as_array().map(Vec::len), Some(1), "{report:#}");
    report["tests"][0]["stdout"].as_str().unwrap_or_else(|| panic!("its stdout isn't text: {report:#}"))
}
