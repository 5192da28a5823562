//! Every language's toolchain under the sandbox's seccomp profile and limits: the programs of `toolchains/`, run by the
//! `caisson` binary as a file of jobs.
//!
//! A folder there is named LANGUAGE-WHAT and laid out like those of `examples/`. What a program cannot do is a case as
//! well, and stands in `docs/toolchains.md`. `CAISSON_TEST_TOOLCHAINS=c-threads,java cargo test --test toolchains` runs
//! the cases whose names begin so.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use caisson::language::Languages;
use caisson::selftest::{Case, differences};
use serde_json::Value;
use support::cases;
use support::engine::{Leftovers, nothing_left_of};
use support::process::{caisson, finish};
use support::unique;

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_every_language_run_as_they_would_outside_but_for_what_is_documented() {
    let only = std::env::var("CAISSON_TEST_TOOLCHAINS").unwrap_or_default();
    let mut cases = cases();
    cases.retain(|case| only.split(',').any(|start| case.name.starts_with(start)));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().expect("the path is UTF-8");
    let (jobs, results) = (path("jobs.jsonl"), path("results.jsonl"));
    let lines: String = cases.iter().map(|case| format!("{}\n", case.job)).collect();
    std::fs::write(&jobs, lines).expect("the jobs can be written");

    let worker = unique("toolchains");
    let _leftovers = Leftovers::of(&worker);
    let arguments = ["run", "--jobs", &jobs, "--out", &results, "--concurrency", "2"];
    let ended = finish(caisson(&worker, &arguments), b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    nothing_left_of(&worker).await;

    let text = std::fs::read_to_string(&results).expect("there are results");
    let mut reports = BTreeMap::new();
    for line in text.lines() {
        let report: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        reports.insert(report["job_id"].as_str().expect("a result names its job").to_owned(), report);
    }
    let complaints: Vec<String> = cases.iter().filter_map(|case| complaint(case, reports.get(&case.name)?)).collect();
    assert_eq!(reports.len(), cases.len(), "each job has one result");
    assert!(complaints.is_empty(), "{} of {} cases:\n\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

#[test]
fn every_built_in_language_has_a_case_and_every_documented_case_is_there() {
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    let languages = Languages::built_in().expect("the built-in languages have no mistakes");
    for language in languages.names() {
        assert!(names.iter().any(|name| name.starts_with(&format!("{language}-"))), "{language} has no case");
    }
    let page = std::fs::read_to_string(root().join("docs/toolchains.md")).expect("the page is there");
    let quoted = page.split('`').skip(1).step_by(2);
    let is_case = |word: &&str| languages.names().any(|language| word.starts_with(&format!("{language}-")));
    let documented: Vec<&str> = quoted.filter(is_case).collect();
    assert!(documented.len() > 10, "{documented:?}");
    for name in documented {
        assert!(names.iter().any(|it| it == name), "docs/toolchains.md names {name}, which is no case");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All cases, by name.
fn cases() -> Vec<Case> {
    let cases = cases::all("tests/toolchains");
    for Case { name, job, expected } in &cases {
        let language = job["language"].as_str().expect("a case has a language");
        assert!(name.starts_with(&format!("{language}-")), "{name} is a case of {language}");
        assert!(job["metadata"]["shows"].is_string(), "{name} doesn't say what it shows");
        assert!(expected["verdict"].is_string(), "{name} expects no verdict");
    }
    cases
}

/// What is wrong with a result, in words, with as much of the programs' output as it takes to see why.
fn complaint(case: &Case, report: &Value) -> Option<String> {
    let found = differences(&case.expected, report);
    if found.is_empty() {
        return None;
    }
    let mut text = format!("{}: {}\n", case.name, report["detail"].as_str().unwrap_or(""));
    found.iter().for_each(|difference| text.push_str(&format!("    {difference}\n")));
    if report["verdict"] == "compile_error" {
        text.push_str(&shown("the compiler", &report["compile"]["stderr"]));
    }
    let none = Vec::new();
    let tests = report["tests"].as_array().unwrap_or(&none);
    for (index, test) in tests.iter().enumerate() {
        if test["verdict"] == case.expected["tests"][index]["verdict"] {
            continue;
        }
        let id = test["id"].as_str().unwrap_or("?");
        text.push_str(&first_difference(id, &case.job["tests"][index]["expected_stdout"], &test["stdout"]));
        text.push_str(&shown(&format!("stderr of test {id}"), &test["stderr"]));
    }
    Some(text)
}

fn first_difference(id: &str, expected: &Value, printed: &Value) -> String {
    let (Some(expected), Some(printed)) = (expected.as_str(), printed.as_str()) else { return String::new() };
    let (mut expected, mut printed) = (expected.lines(), printed.lines());
    for number in 1.. {
        match (expected.next(), printed.next()) {
            (None, None) => break,
            (expected, printed) if expected == printed => {}
            (expected, printed) => {
                let word = |line: Option<&str>| line.map_or("the end".to_owned(), |line| format!("{line:?}"));
                return format!("    test {id}, line {number}: expected {}, came {}\n", word(expected), word(printed));
            }
        }
    }
    String::new()
}

fn shown(what: &str, stream: &Value) -> String {
    match stream.as_str().map(str::trim_end).unwrap_or("") {
        "" => String::new(),
        text => {
            let start = text.lines().take(20).map(|line| format!("        {line}\n")).collect::<String>();
            format!("    {what}:\n{start}")
        }
    }
}
