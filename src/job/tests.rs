//! Whatever the bytes, reading them ends with a job or a rejection; and a job's paths stay where they belong.

use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

const EVERYTHING: &str = include_str!("../../tests/golden/jobs/everything.json");

/// Fragments that mean something to the reader.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b":",
        b",",
        b"null",
        b"true",
        b"-1",
        b"0",
        b"1.5",
        b"1e999",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\"id\":",
        b"\"tests\":[",
        b"\"metadata\":{",
        b"..",
        b"/",
        b"\xff",
        b"\xef\xbb\xbf",
        b"99999999999999999999",
        b"\"a\":",
        b"\"content\":\"\"",
        b"\xef\xbf\xbf",
    ];
    prop_oneof![prop::sample::select(known).prop_map(<[u8]>::to_vec), prop::collection::vec(any::<u8>(), 0..4),]
}

/// A good job with some places changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, fragments()), 1..4).prop_map(|edits| {
        let mut body = EVERYTHING.as_bytes().to_vec();
        for (at, cut, put) in edits {
            let start = at.index(body.len() + 1);
            let end = (start + cut).min(body.len());
            body.splice(start..end, put);
        }
        body
    })
}

/// Paths of components that matter, and of any characters.
fn paths() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        prop::sample::select(vec!["a", "b", "..", ".", "", "...", " ", "a\0", "\\", "~", "C:", "я"])
            .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(component, 0..10).prop_map(|components| components.join("/"))
}

/// What every accepted job has to keep, said in other words than the checks'.
fn assert_sound(job: &Job) {
    assert!(!job.files.is_empty() && !job.tests.is_empty());
    for file in &job.files {
        let path = Path::new(&file.path);
        assert!(path.components().all(|it| matches!(it, Component::Normal(_))), "{:?}", file.path);
        assert_eq!(path.components().count(), file.path.split('/').count(), "{:?}", file.path);
        assert!(!file.path.contains('\0'));
        for other in &job.files {
            assert!(std::ptr::eq(file, other) || !Path::new(&other.path).starts_with(path), "{:?}", file.path);
        }
    }
    assert!(job.metadata.as_ref().is_none_or(|it| serde_json::from_str::<serde_json::Value>(it.get()).is_ok()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_job_or_a_rejection(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&body).is_err());
    }

    #[test]
    fn a_changed_job_is_a_sound_job_or_a_rejection_in_words(body in mutated()) {
        match parse(&body) {
            Ok(job) => assert_sound(&job),
            Err(refused) => {
                let said = refused.to_string();
                prop_assert!(!["invalid type", "invalid value", "struct ", "u64"].iter().any(|it| said.contains(it)), "{}", said);
                prop_assert!(!said.chars().any(char::is_control), "{:?}", said);
                prop_assert!(refused.job_id.is_none_or(|id| check::id("id", &id).is_ok()));
            }
        }
    }

    #[test]
    fn accepted_paths_never_leave_their_directory(first in paths(), second in paths()) {
        let message = serde_json::json!({
            "id": "p", "language": "c", "files": [{"path": first, "content": ""}, {"path": second, "content": ""}],
        });
        if let Ok(job) = parse(message.to_string().as_bytes()) {
            assert_sound(&job);
        }
    }
}

#[test]
fn the_schema_knows_every_field_of_the_example() {
    let schema = schema().to_value();
    let example: serde_json::Value = serde_json::from_str(EVERYTHING).expect("it is JSON");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("it is an object").keys().cloned().collect()
    };
    let properties = keys(&schema["properties"]);
    for key in keys(&example) {
        assert!(properties.contains(&key), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
    for limit in keys(&example["limits"]) {
        let limit = &schema["$defs"]["LimitsRequest"]["properties"][limit];
        assert!(limit["minimum"].as_u64() > Some(0) && limit["description"].is_string(), "{limit}");
    }
    for definition in ["File", "Test", "LimitsRequest"] {
        assert_eq!(schema["$defs"][definition]["additionalProperties"], false, "{definition}");
    }
}
