//! What a runtime with a heap or a stack of its own is told to keep to, from the limits of a step. Pure.
//!
//! A runtime that believes it has more than there is doesn't collect its garbage, and is killed for it; one that
//! believes in more stack than there is dies of a signal where it would have thrown. So each is told less than the
//! limit, by what it takes itself.

use super::Language;
use crate::limits::Limits;

/// However much a runtime takes for itself: a heap of less than this part of the memory would be of no use.
const LEAST_PART_OF_MEMORY: u64 = 4;

/// `{heap_mb}`: the memory limit less what the runtime needs beside its heap.
pub(crate) fn heap_mb(language: &Language, limits: &Limits) -> u64 {
    let memory = limits.memory_bytes >> 20;
    let beside = language.heap_beside_mb.unwrap_or(0) + memory * language.heap_beside_percent.unwrap_or(0) / 100;
    memory.saturating_sub(beside).max(memory / LEAST_PART_OF_MEMORY).max(1)
}

/// `{stack_kb}`: the stack limit, but no more of the memory than the language says, and never less than it needs to
/// start.
pub(crate) fn stack_kb(language: &Language, limits: &Limits) -> u64 {
    let of_memory = (limits.memory_bytes >> 10) * language.stack_memory_percent.unwrap_or(100) / 100;
    (limits.stack_bytes >> 10).min(of_memory).max(language.stack_least_kb.unwrap_or(0))
}

/// The stack limit of the process: what the program may use, and what the runtime needs beside it.
pub(crate) fn stack_bytes(language: &Language, limits: &Limits) -> u64 {
    limits.stack_bytes.saturating_add(language.stack_beside_kb.unwrap_or(0) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn language() -> Language {
        Language {
            heap_beside_mb: Some(56),
            heap_beside_percent: Some(1),
            stack_least_kb: Some(256),
            stack_beside_kb: Some(1024),
            stack_memory_percent: Some(25),
            ..Language::default()
        }
    }

    fn limits(memory_mb: u64, stack_kb: u64) -> Limits {
        Limits { memory_bytes: memory_mb << 20, stack_bytes: stack_kb << 10, ..Limits::RUN }
    }

    #[test]
    fn the_heap_is_the_memory_less_what_the_runtime_needs() {
        for (memory_mb, expected) in [(8, 2), (64, 16), (128, 71), (256, 198), (1024, 958)] {
            assert_eq!(heap_mb(&language(), &limits(memory_mb, 8)), expected, "{memory_mb}");
        }
        assert_eq!(heap_mb(&Language::default(), &limits(256, 8)), 256, "a language that says nothing");
    }

    #[test]
    fn the_stack_follows_the_limit_within_its_part_of_the_memory() {
        for (memory_mb, stack, expected) in [(256, 64, 256), (256, 8192, 8192), (256, 262_144, 65_536), (8, 64, 256)] {
            assert_eq!(stack_kb(&language(), &limits(memory_mb, stack)), expected, "{memory_mb} {stack}");
        }
        assert_eq!(stack_kb(&Language::default(), &limits(256, 64)), 64, "a language that says nothing");
    }

    proptest! {
        /// Whatever the limits: what the runtime is told fits into what its process has, with something to spare.
        #[test]
        fn the_stack_that_a_runtime_believes_in_is_there(memory_mb in 8u64..100_000, stack in 64u64..10_000_000) {
            let limits = limits(memory_mb, stack);
            prop_assert!((stack_kb(&language(), &limits) + 512) << 10 <= stack_bytes(&language(), &limits));
            prop_assert!(heap_mb(&language(), &limits) <= memory_mb);
        }
    }
}
