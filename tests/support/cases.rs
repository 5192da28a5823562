//! Cases on disk: a folder each, with the job, its files and what must come back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

const JOB: &str = "job.json";
const EXPECTED: &str = "expected.json";

/// One folder of `tests/cases`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) job: Value,
    pub(crate) expected: Value,
}

/// All cases, by name.
pub(crate) fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(&root).expect("the folder is there");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders.iter().map(|folder| Case::read(folder)).collect()
}

impl Case {
    fn read(folder: &Path) -> Case {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("the name is UTF-8").to_owned();
        let read = |file: &str| -> Value {
            let path = folder.join(file);
            let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (mut job, expected) = (read(JOB), read(EXPECTED));
        let mut files = BTreeMap::new();
        collect(folder, folder, &mut files);
        job["version"] = json!(1);
        job["id"] = json!(name);
        job["files"] = files.into_iter().map(|(path, content)| file(path, content)).collect();
        Case { name, job, expected }
    }

    /// The word before the first hyphen.
    pub(crate) fn family(&self) -> &str {
        self.name.split('-').next().unwrap_or_default()
    }
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            collect(root, &path, into);
            continue;
        }
        let name = path.strip_prefix(root).ok().and_then(Path::to_str).expect("the name is UTF-8").to_owned();
        if name != JOB && name != EXPECTED {
            into.insert(name, std::fs::read(&path).expect("the file can be read"));
        }
    }
}

fn file(path: String, content: Vec<u8>) -> Value {
    match String::from_utf8(content) {
        Ok(text) => json!({"path": path, "content": text}),
        Err(bytes) => json!({"path": path, "content_base64": BASE64.encode(bytes.as_bytes())}),
    }
}

/// Where `actual` isn't what `expected` asks for. What `expected` doesn't name may be anything.
pub(crate) fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, actual, &mut found);
    found
}

fn compare(place: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                compare(&format!("{place}.{key}"), value, actual.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (value, other)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{place}[{index}]"), value, other, found);
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(format!("{place}: expected {expected}, came {actual}")),
    }
}

/// A result for a person: everything measured, without what is the same for all.
pub(crate) fn shown(result: &Value) -> String {
    let Some(fields) = result.as_object() else { return format!("{result:#}") };
    let telling = ["verdict", "reason", "detail", "compile", "tests"];
    let fields: Map<String, Value> =
        fields.iter().filter(|(key, _)| telling.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    format!("{:#}", Value::Object(fields))
}

/// Everything that went wrong, one paragraph each.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Vec<String>);

impl Complaints {
    pub(crate) fn check(&mut self, name: &str, expected: &Value, result: Option<&Value>) {
        let Some(result) = result else {
            self.0.push(format!("{name}: no answer"));
            return;
        };
        let differences = differences(expected, result);
        if !differences.is_empty() {
            self.0.push(format!("{name}:\n    {}\n{}", differences.join("\n    "), shown(result)));
        }
    }

    pub(crate) fn add(&mut self, complaint: String) {
        self.0.push(complaint);
    }

    /// Ends the test if there is any.
    pub(crate) fn raise(self, log: &str) {
        let count = self.0.len();
        let mut text = String::new();
        for complaint in self.0 {
            let _ = writeln!(text, "{complaint}\n");
        }
        assert!(count == 0, "{count} complaints:\n\n{text}\nlog:\n{log}");
    }
}
