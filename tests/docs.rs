//! The examples in hand-written pages are what they say they are.

use caisson::report::Report;

/// The JSON examples of a page.
fn examples(page: &str) -> Vec<String> {
    let path = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.split("```json\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn every_example_of_the_jobs_page_is_a_valid_job_or_result() {
    let (mut jobs, mut results) = (0, 0);
    for example in examples("jobs.md") {
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
    for field in fields.keys().filter(|field| !field.ends_with("_base64")) {
        assert!(text.contains(&format!("| `{field}` |")), "{field} is not explained");
    }
}
