//! `caisson run` and the small commands, as somebody at a shell uses them.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod jobs;
mod programs;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::engine::{Leftovers, nothing_left_of};
use support::process::{Ended, caisson, finish};
use support::unique;

/// A folder with files, and a worker's name for what is run from it.
struct Desk {
    folder: tempfile::TempDir,
    worker: String,
    _leftovers: Leftovers,
}

impl Desk {
    fn new() -> Desk {
        let worker = unique("run");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Desk { folder, _leftovers: Leftovers::of(&worker), worker }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file can be written");
        path.into_os_string().into_string().expect("the path is UTF-8")
    }

    /// Runs `caisson` with these arguments to its end. Afterwards there is nothing left of it.
    async fn caisson(&self, arguments: &[&str], stdin: &[u8]) -> Ended {
        let ended = finish(caisson(&self.worker, arguments), stdin).await;
        nothing_left_of(&self.worker).await;
        ended
    }

    /// Runs a program that is written to a file of this name.
    async fn run(&self, name: &str, source: &str, more: &[&str]) -> Ended {
        let file = self.write(name, source);
        let mut arguments = vec!["run", &file];
        arguments.extend(more);
        self.caisson(&arguments, b"").await
    }
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("there is an output");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line isn't whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn joined(jobs: &[Value]) -> String {
    jobs.iter().map(|job| format!("{job}\n")).collect()
}
