//! From a run's figures to what people read. Pure: `tests/benchmark.rs` takes this folder in and tries it on a recorded run.

pub(crate) mod figures;
pub(crate) mod markdown;
pub(crate) mod page;
pub(crate) mod plots;
pub(crate) mod statistics;
mod svg;
pub(crate) mod targets;
