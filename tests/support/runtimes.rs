//! What the hostile cases come to under other runtimes than runc: the tables of `tests/cases/RUNTIME.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use caisson::selftest::Case;
use serde::Deserialize;
use serde_json::Value;

use super::engine::docker;

/// The runtimes that have a table.
pub(crate) const TABLED: [&str; 2] = ["crun", "runsc"];

/// One case that ends otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    /// What it means for whoever relies on the sandbox.
    pub(crate) kind: Kind,
    /// Why it is so, in a sentence for the page.
    pub(crate) why: String,
    /// What may come back, each in the form of `expected.json`. More than one only where the runtime itself decides by
    /// chance.
    pub(crate) expected: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A promise holds less there.
    Weaker,
    /// The program is stopped as it should be; the verdict has another word for it.
    OtherVerdict,
    /// The runtime's own kernel answers something else, and nothing comes of it.
    OtherAnswer,
    /// It takes more time than the case gives.
    Slower,
}

impl Kind {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Kind::Weaker => "weaker",
            Kind::OtherVerdict => "another verdict",
            Kind::OtherAnswer => "another answer",
            Kind::Slower => "slower",
        }
    }
}

pub(crate) type Table = BTreeMap<String, Difference>;

pub(crate) fn table(runtime: &str) -> Table {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(format!("{runtime}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The runtime that the cases are run under.
#[derive(Debug)]
pub(crate) struct Under {
    pub(crate) runtime: Option<String>,
    table: Table,
}

/// The defaults of a step's CPU time, for the cases that give none.
const RUN_CPU_TIME_MS: u64 = 2_000;
const COMPILE_CPU_TIME_MS: u64 = 10_000;
const LONGER: u64 = 4;

/// More of both times; the wall time follows the CPU time where only that is given.
fn lengthen(limits: &mut Value, usual_ms: u64) {
    let cpu = limits["cpu_time_ms"].as_u64().unwrap_or(usual_ms);
    limits["cpu_time_ms"] = (LONGER * cpu).into();
    if let Some(wall) = limits["wall_time_ms"].as_u64() {
        limits["wall_time_ms"] = (LONGER * wall).into();
    }
}

impl Under {
    /// As `CAISSON_TEST_RUNTIME` says; the engine's default without it. `None`, and said so, when the engine hasn't got it.
    pub(crate) async fn chosen() -> Option<Under> {
        let Some(runtime) = std::env::var("CAISSON_TEST_RUNTIME").ok().filter(|name| !name.is_empty()) else {
            return Some(Under { runtime: None, table: Table::new() });
        };
        let known = docker(&["info", "--format", "{{range $name, $_ := .Runtimes}}{{$name}} {{end}}"]).await;
        if !known.split_whitespace().any(|name| name == runtime) {
            println!(
                "skipped: the engine has no runtime {runtime:?}, only {known}(docs/runtimes.md says how to add it)"
            );
            return None;
        }
        // Names such as `runsc-kvm` stand for variants of the first word.
        let kind = runtime.split('-').next().unwrap_or_default();
        let table = if TABLED.contains(&kind) { table(kind) } else { Table::new() };
        Some(Under { runtime: Some(runtime), table })
    }

    /// What may come back of a case.
    pub(crate) fn expected(&self, case: &Case) -> Vec<Value> {
        self.table.get(&case.name).map_or_else(|| vec![case.expected.clone()], |it| it.expected.clone())
    }

    /// The case's job, with more time for what isn't about time: gVisor needs several times as much CPU time as runc, and
    /// counts that of threads that only wait for a CPU.
    pub(crate) fn job(&self, case: &Case) -> Value {
        let mut job = case.job.clone();
        if self.runtime.is_none() {
            return job;
        }
        lengthen(&mut job["compile_limits"], COMPILE_CPU_TIME_MS);
        let is_about_time = case.expected.to_string().contains("time_limit");
        // What runs out of memory gets twenty seconds of CPU time already, and under gVisor may stand still to their end.
        let has_enough = case.name.starts_with("memory-");
        if !is_about_time && !has_enough {
            lengthen(&mut job["limits"], RUN_CPU_TIME_MS);
        }
        job
    }

    /// What `caisson` is told of it: the runtime, and maxima that take the longer limits.
    pub(crate) fn environment(&self) -> Vec<(&'static str, &str)> {
        let Some(runtime) = &self.runtime else { return Vec::new() };
        vec![
            ("CAISSON_SANDBOX_RUNTIME", runtime),
            ("CAISSON_MAXIMUM_CPU_TIME_MS", "1200000"),
            ("CAISSON_MAXIMUM_WALL_TIME_MS", "1200000"),
        ]
    }

    /// How many times longer a file of jobs may take.
    pub(crate) fn patience(&self) -> u32 {
        if self.runtime.is_none() { 1 } else { 8 }
    }
}
