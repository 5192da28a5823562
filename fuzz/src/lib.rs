//! The fuzzing of Caisson: its targets and what they start from. `tests/fuzz_regressions.rs` includes both modules, too.

pub mod seeds;
pub mod targets;
