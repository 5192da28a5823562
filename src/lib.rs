//! Caisson runs untrusted programs: jobs come in from one queue, each runs in a hardened container made for it alone,
//! and its verdict goes out to another queue.
//!
//! The way of a job, each stage consuming its input and handing on a new type:
//!
//! ```text
//! queue: receive ─ Delivery ─► parse ─ Job ─► plan ─ Plan ─► sandbox: acquire ─ Sandbox ─► execute ─ Evidence ─►
//! judge ─ Verdict ─► report ─ Report ─► queue: publish ─► delete     (the heartbeat runs beside it)
//! ```
//!
//! Dependencies point one way: commands → worker → pipeline → edges (queue, sandbox, config) → vocabulary.
//! The agent, which runs as PID 1 inside the container, uses [`protocol`], [`cgroup`], [`process`] and [`network`] and
//! nothing else of this library.
#![cfg_attr(feature = "host", forbid(unsafe_code))]

/// Declares modules that exist only on the host, so that the agent's build needs none of their dependencies.
macro_rules! host {
    ($($(#[$meta:meta])* pub mod $name:ident;)*) => {
        $($(#[$meta])* #[cfg(feature = "host")] pub mod $name;)*
    };
}

// Vocabulary: no I/O, no async, no AWS, no Docker.
pub mod cgroup;
pub mod network;
pub mod process;
pub mod protocol;
host! {
    pub mod capture;
    pub mod checker;
    pub mod decimal;
    pub mod evidence;
    pub mod job;
    pub mod language;
    pub mod limits;
    pub mod plan;
    pub mod points;
    pub mod printable;
    pub mod rejection;
    pub mod report;
    pub mod schema;
    pub mod sha256;
    pub mod strict_toml;
    pub mod trace;
    pub mod verdict;
    pub mod whole;
}

// Edges: the outside world, each behind our own words.
host! {
    pub mod aws;
    pub mod crash;
    pub mod config;
    pub mod health;
    pub mod instance;
    pub mod metrics;
    pub mod queue;
    pub mod retry;
    pub mod sandbox;
    pub mod shutdown;
    pub mod steps;
    pub mod store;
    pub mod telemetry;
}

// Composition: from the parts to what a command does.
host! {
    pub mod answer;
    pub mod cli;
    pub mod command;
    pub mod docs;
    pub mod doctor;
    pub mod execute;
    pub mod pipeline;
    pub mod selftest;
    pub mod simulate;
    pub mod worker;
}
