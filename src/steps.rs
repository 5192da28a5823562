//! Marks on a job's way: each is a line at the level `trace` that says which step has just ended, inside the span of its job.
//! They cost nothing while nobody listens. `CAISSON_LOG_LEVEL=info,caisson::steps=trace` shows them, each with its time;
//! `tests/steps.rs` makes a table of them.
//!
//! Lines and not spans: a span around a step would take the job's place in every line that is logged within.

/// What the marks' target is called, for filters.
pub const TARGET: &str = "caisson::steps";

/// Every mark of a job that is run once in a waiting container, in the order in which it passes them. One that is run in a
/// container made for it passes `created`, `attached` and `started` instead of `taken`; further tests pass `resized`,
/// `ended` and `judged` again.
pub const WARM: [&str; 15] = [
    "received",
    "parsed",
    "planned",
    "image known",
    "memory held",
    "taken",
    "greeted",
    "files sent",
    "resized",
    "ended",
    "judged",
    "told to end",
    "reported",
    "published",
    "deleted",
];

/// A step of the current span's job has ended. `wall_us` is how long its program ran, where it was one.
macro_rules! passed {
    ($name:literal) => {
        tracing::trace!(target: $crate::steps::TARGET, $name)
    };
    ($name:literal, $wall_us:expr) => {
        tracing::trace!(target: $crate::steps::TARGET, wall_us = $wall_us, $name)
    };
}
pub(crate) use passed;
