//! A selection of the hostile cases, carried inside: what an instance runs before it takes its first job.
//!
//! The cases are those of `tests/cases/`; which of them come along is listed in `tests/cases/selftest.txt`.

use serde_json::{Map, Value};

/// One program with what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    /// The job as a message.
    pub job: Value,
    /// The part of the result that must come back equal.
    pub expected: Value,
}

#[derive(Debug)]
struct EmbeddedCase {
    name: &'static str,
    job: &'static str,
    expected: &'static str,
    files: &'static [(&'static str, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/selftest.rs"));

/// All cases of the selection.
///
/// # Errors
/// The name of a case whose files aren't JSON; a build whose tests passed has none.
pub fn cases() -> Result<Vec<Case>, String> {
    CASES.iter().map(EmbeddedCase::load).collect()
}

impl EmbeddedCase {
    fn load(&self) -> Result<Case, String> {
        let parse = |what: &str, text: &str| {
            serde_json::from_str::<Value>(text).map_err(|error| format!("{}/{what}: {error}", self.name))
        };
        let mut job = parse("job.json", self.job)?;
        let files = self.files.iter().map(|(path, content)| {
            Value::Object(Map::from_iter([
                ("path".to_owned(), (*path).into()),
                ("content".to_owned(), (*content).into()),
            ]))
        });
        job["files"] = files.collect();
        job["id"] = format!("selftest.{}", self.name).into();
        Ok(Case { name: self.name, job, expected: parse("expected.json", self.expected)? })
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
