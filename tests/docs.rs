//! The examples in hand-written pages are what they say they are.

use caisson::report::Report;

/// Fields of these endings are explained together.
const TWINS: [&str; 3] = ["_base64", "_s3_uri", "_sha256"];

/// The JSON examples of a page.
fn examples(page: &str) -> Vec<String> {
    let path = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.split("```json\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn every_example_of_the_pages_on_jobs_is_a_valid_job_or_result() {
    let (mut jobs, mut results) = (0, 0);
    for example in [examples("jobs.md"), examples("large-data.md")].concat() {
        let value: serde_json::Value =
            serde_json::from_str(&example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        if value.get("job_id").is_some() {
            let report: Report = serde_json::from_str(&example).unwrap_or_else(|error| panic!("{error}\n{example}"));
            // Whatever the example has beyond the type would be lost here.
            assert_eq!(serde_json::to_value(report).expect("a report serializes"), value);
            results += 1;
        } else {
            caisson::job::parse(example.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{example}"));
            jobs += 1;
        }
    }
    assert!(jobs > 2 && results > 0, "{jobs} jobs and {results} results were found");
}

#[test]
fn what_the_jobs_page_says_of_every_field_of_a_job_is_there() {
    let path = format!("{}/docs/jobs.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let schema = caisson::job::schema().to_value();
    let fields = schema["properties"].as_object().expect("a job has fields");
    for field in fields.keys().filter(|field| !TWINS.iter().any(|twin| field.ends_with(twin))) {
        assert!(text.contains(&format!("| `{field}` |")), "{field} is not explained");
    }
}

#[test]
fn every_example_of_the_logs_page_is_a_line_with_what_every_line_has() {
    let path = format!("{}/docs/logs.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let blocks = text.split("```jsonl\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() >= 3, "only {} examples were found", lines.len());
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(value[field].is_string(), "{line} has no {field}");
        }
        // Of this line, and of its span: the page explains each, but for the span's own name and a wait.
        let fields = value.as_object().into_iter().chain(value["span"].as_object()).flatten();
        for (field, _) in fields.filter(|(field, _)| !["span", "name", "wait_ms", "rest_s"].contains(&field.as_str())) {
            assert!(text.contains(&format!("`{field}`")), "{field} is not explained");
        }
    }
}

/// The names in backquotes of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All Rust text below a folder.
fn sources_of(folder: &std::path::Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            sources_of(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("a source is text"));
        }
    }
}

#[test]
fn every_test_that_the_page_on_faults_names_is_there_and_every_fault_has_one() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/faults.md")).expect("the page is there");
    let mut text = String::new();
    sources_of(&root.join("src"), &mut text);
    sources_of(&root.join("tests"), &mut text);
    let table = page.split("| fault | what Caisson does | tests |\n").nth(1).expect("there is a table of faults");
    let mut rows = 0;
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let tests: Vec<&str> = row.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test shows it: {row}");
        rows += 1;
    }
    assert!(rows > 15, "{rows} rows were found");
    // Names in backticks that read as a sentence are tests, wherever on the page they stand.
    let names = page.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 3);
    for name in names {
        assert!(text.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

#[test]
fn the_page_on_faults_has_every_crash_point_in_its_order() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/faults.md")).expect("the page is there");
    let table = page.split("| point | it stands |").nth(1).expect("there is a table of points");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let points: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(points, caisson::crash::POINTS);
}

#[test]
fn whatever_the_security_page_says_attacks_a_promise_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("SECURITY.md")).expect("the page is there");
    // The table of the kernel's objects, which comes after it, has other columns.
    let (page, _) = page.split_once("\n## What the kernel keeps").expect("the table of promises comes first");
    let mut sources = String::new();
    sources_of(&root.join("src"), &mut sources);
    sources_of(&root.join("tests"), &mut sources);
    let cases: Vec<String> = std::fs::read_dir(root.join("tests/cases"))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let exists = |name: &str| {
        if let Some(start) = name.strip_prefix("tests/cases/").and_then(|name| name.strip_suffix('*')) {
            return cases.iter().any(|case| case.starts_with(start));
        }
        if name.contains('_') && !name.contains('/') {
            return sources.contains(&format!("fn {name}("));
        }
        let below = if name.starts_with("tests/") {
            root.to_owned()
        } else if name.contains('/') {
            root.join("examples")
        } else {
            root.join("examples/hostile")
        };
        below.join(name).exists()
    };
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 4).collect();
    let attacks = rows.iter().filter_map(|row| row.split('|').nth(3)).flat_map(quoted);
    let attacks: Vec<&str> = attacks.collect();
    assert!(attacks.len() > 60, "only {} attacks were found", attacks.len());
    let missing: Vec<&&str> = attacks.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "SECURITY.md names what isn't there: {missing:?}");
    for row in rows.iter().filter(|row| !row.starts_with("| ---") && !row.starts_with("| **")).skip(1) {
        assert!(quoted(row.split('|').nth(3).unwrap_or("")).next().is_some(), "nothing attacks: {row}");
    }
}
