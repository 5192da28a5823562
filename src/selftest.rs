//! Programs with known verdicts: how a case is put together and compared, and the selection of the hostile ones that is
//! carried inside, which an instance runs before it takes its first job.
//!
//! The cases are those of `tests/cases/`; which of them come along is listed in `tests/cases/selftest.txt`. The tests read
//! theirs from the disk and put them together here as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::limits::Limits;

const JOB: &str = "job.json";
const EXPECTED: &str = "expected.json";

/// One program with what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// The job as a message.
    pub job: Value,
    /// The part of the result that must come back equal.
    pub expected: Value,
}

#[derive(Debug)]
struct EmbeddedCase {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

include!(concat!(env!("OUT_DIR"), "/selftest.rs"));

/// All cases of the selection. Their jobs' ids begin with `selftest.`.
///
/// # Errors
/// The name of a case whose files aren't JSON; a build whose tests passed has none.
pub fn cases() -> Result<Vec<Case>, String> {
    let load = |embedded: &EmbeddedCase| {
        let mut case = Case::new(embedded.name, embedded.files.iter().copied())?;
        case.job["id"] = format!("selftest.{}", embedded.name).into();
        Ok(case)
    };
    CASES.iter().map(load).collect()
}

impl Case {
    /// Puts a case together from the files of its folder: `job.json` (without `version`, `id` and `files`),
    /// `expected.json`, and the job's own. The id is the case's name.
    ///
    /// # Errors
    /// What is missing or isn't JSON.
    pub fn new<'a>(name: &str, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Case, String> {
        let (mut job, mut expected, mut own) = (None, None, Vec::new());
        let parse = |file: &str, content: &[u8]| {
            serde_json::from_slice::<Value>(content).map_err(|error| format!("{name}/{file}: {error}"))
        };
        for (path, content) in files {
            match path {
                JOB => job = Some(parse(path, content)?),
                EXPECTED => expected = Some(parse(path, content)?),
                path => own.push(match std::str::from_utf8(content) {
                    Ok(text) => json!({ "path": path, "content": text }),
                    Err(_) => json!({ "path": path, "content_base64": BASE64.encode(content) }),
                }),
            }
        }
        let missing = |file: &str| format!("{name} has no {file}");
        let mut job = job.ok_or_else(|| missing(JOB))?;
        job["version"] = 1.into();
        job["id"] = name.into();
        job["files"] = own.into();
        Ok(Case { name: name.to_owned(), job, expected: expected.ok_or_else(|| missing(EXPECTED))? })
    }

    /// Gives the case's programs `factor` times as much CPU time and wall time, and `most` at most, for a host that is slow or busy.
    /// One that is to meet a limit of time keeps its own: a slow host makes it meet that no later.
    pub fn give_time(&mut self, factor: u64, most: &Limits) {
        self.give_step_time("compile_limits", factor, &Limits::COMPILE, most);
        if !self.expected.to_string().contains("\"time_limit\"") {
            self.give_step_time("limits", factor, &Limits::RUN, most);
        }
    }

    fn give_step_time(&mut self, limits: &str, factor: u64, default: &Limits, most: &Limits) {
        for (name, default, most) in [
            ("cpu_time_ms", default.cpu_time_ms, most.cpu_time_ms),
            ("wall_time_ms", default.wall_time_ms, most.wall_time_ms),
        ] {
            let limit = &mut self.job[limits][name];
            let own = limit.as_u64().unwrap_or(default);
            *limit = own.saturating_mul(factor).min(most.max(own)).into();
        }
    }
}

/// Where `actual` isn't what `expected` says: every value that is in `expected` must be there and equal; of a `detail` it
/// is enough that it contains the text. Each difference is a line for a person.
pub fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, actual, &mut found);
    found
}

fn compare(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(fields), Value::Object(values)) => {
            for (name, value) in fields {
                compare(&format!("{path}.{name}"), value, values.get(name).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(items), Value::Array(values)) if items.len() == values.len() => {
            for (index, (item, value)) in items.iter().zip(values).enumerate() {
                compare(&format!("{path}[{index}]"), item, value, found);
            }
        }
        (Value::String(part), Value::String(whole)) if path.ends_with(".detail") && whole.contains(part) => {}
        (expected, actual) if expected == actual => {}
        (expected, actual) => {
            found.push(format!("{}: expected {expected}, is {actual}", path.trim_start_matches('.')));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_case_of_the_selection_is_a_job_with_an_expected_verdict() {
        let cases = cases().expect("the cases are JSON");
        assert!(cases.len() >= 12, "{} cases are no test of a host", cases.len());
        for case in cases {
            crate::job::parse(case.job.to_string().as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert!(case.expected["verdict"].is_string(), "{}", case.name);
        }
    }

    #[test]
    fn a_case_is_put_together_from_its_files() {
        let job = br#"{"language": "c"}"#;
        let expected = br#"{"verdict": "accepted"}"#;
        let files = [("main.c", &b"int"[..]), ("job.json", job), ("sub/x", &[0xff]), ("expected.json", expected)];
        let case = Case::new("files-x", files).expect("it is whole");
        let own = json!([{"path": "main.c", "content": "int"}, {"path": "sub/x", "content_base64": "/w=="}]);
        assert_eq!(case.job, json!({"version": 1, "id": "files-x", "language": "c", "files": own}));
        assert_eq!(case.expected["verdict"], "accepted");
        assert_eq!(Case::new("x", [("job.json", &job[..])]).expect_err("one is missing"), "x has no expected.json");
    }

    #[test]
    fn a_slow_host_gets_more_time_for_what_isnt_about_time() {
        let most = Limits { cpu_time_ms: 15_000, wall_time_ms: 60_000, ..Limits::MAXIMUM };
        let case = |verdict: &str| {
            let job = br#"{"language": "c", "limits": {"cpu_time_ms": 500}}"#;
            let expected = json!({ "verdict": verdict }).to_string();
            let mut case =
                Case::new("x", [("job.json", &job[..]), ("expected.json", expected.as_bytes())]).expect("it is whole");
            case.give_time(4, &most);
            case.job
        };
        let compile = json!({ "cpu_time_ms": 15_000, "wall_time_ms": 60_000 });
        let slow = case("accepted");
        assert_eq!(slow["limits"], json!({ "cpu_time_ms": 2_000, "wall_time_ms": 24_000 }));
        assert_eq!(slow["compile_limits"], compile);
        let about_time = case("time_limit");
        assert_eq!(about_time["limits"], json!({ "cpu_time_ms": 500 }));
        assert_eq!(about_time["compile_limits"], compile);
    }

    #[test]
    fn differences_are_told_by_place_and_only_for_what_is_expected() {
        let actual = json!({"verdict": "accepted", "detail": "test 1: fine", "tests": [{"id": "1", "exit_code": 0}]});
        assert_eq!(differences(&json!({"detail": "fine", "tests": [{"exit_code": 0}]}), &actual), Vec::<String>::new());
        assert_eq!(
            differences(&json!({"verdict": "time_limit", "tests": [{"exit_code": 1}], "reason": "cpu"}), &actual),
            [
                "reason: expected \"cpu\", is null",
                "tests[0].exit_code: expected 1, is 0",
                "verdict: expected \"time_limit\", is \"accepted\""
            ]
        );
    }
}
