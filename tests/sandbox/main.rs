//! The sandbox on a real engine: what every container is held to, what is measured, and that nothing is left.

#[path = "../support/mod.rs"]
mod support;

mod held;
mod many;
mod measured;
mod shared;

use serde_json::{Value, json};
use support::jobs::{bash, verdict};

const MIB: u64 = 1 << 20;

/// A job that runs until it is stopped, with a limit far behind the test's own patience.
fn endless() -> Value {
    bash("sleep 200", json!({ "limits": { "wall_time_ms": 240_000 } }))
}

/// What the tests of a job were judged, in order.
fn verdicts(report: &Value) -> Vec<&str> {
    report["tests"].as_array().unwrap_or_else(|| panic!("{report:#}")).iter().map(verdict).collect()
}
