//! Cases on disk: a folder each, put together and compared by the code that `caisson selftest` uses.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use caisson::limits::Limits;
use caisson::selftest::{Case, differences};
use serde_json::{Map, Value};

/// The cases of a folder of the project, by name.
pub(crate) fn all(folder: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    entries(&root).iter().filter(|path| path.is_dir()).map(|path| read(path)).collect()
}

/// The word before the first hyphen.
pub(crate) fn family(case: &Case) -> &str {
    case.name.split('-').next().unwrap_or_default()
}

fn read(folder: &Path) -> Case {
    let name = folder.file_name().and_then(|name| name.to_str()).expect("the name is UTF-8");
    let mut files = Vec::new();
    collect(folder, folder, &mut files);
    let files = files.iter().map(|(path, content)| (path.as_str(), content.as_slice()));
    let mut case = Case::new(name, files).unwrap_or_else(|problem| panic!("{problem}"));
    give_the_compiler_time(&mut case);
    case
}

/// The most that there is, where a case doesn't say how long its compiler may take: on a machine that others keep busy the same
/// compile step was seen to use four times the CPU time.
fn give_the_compiler_time(case: &mut Case) {
    if !matches!(case.job["language"].as_str(), Some("c" | "cpp" | "java")) {
        return;
    }
    for (name, most) in [("cpu_time_ms", Limits::MAXIMUM.cpu_time_ms), ("wall_time_ms", Limits::MAXIMUM.wall_time_ms)] {
        let limit = &mut case.job["compile_limits"][name];
        if limit.is_null() {
            *limit = most.into();
        }
    }
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for path in entries(folder) {
        if path.is_dir() {
            collect(root, &path, into);
        } else {
            let name = path.strip_prefix(root).ok().and_then(Path::to_str).expect("the name is UTF-8").to_owned();
            into.push((name, std::fs::read(&path).expect("the file can be read")));
        }
    }
}

/// What is in a folder, in the order of names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
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
        self.check_any(name, std::slice::from_ref(expected), result);
    }

    /// One of several is right.
    pub(crate) fn check_any(&mut self, name: &str, expected: &[Value], result: Option<&Value>) {
        let Some(result) = result else {
            self.0.push(format!("{name}: no answer"));
            return;
        };
        let found: Vec<Vec<String>> = expected.iter().map(|expected| differences(expected, result)).collect();
        if !found.iter().any(Vec::is_empty) {
            let found: Vec<String> = found.iter().map(|differences| differences.join("\n    ")).collect();
            self.0.push(format!("{name}:\n    {}\n{}", found.join("\n  nor\n    "), shown(result)));
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
