//! How long a job's programs may be kept waiting by the host before the job is given back unjudged.
//!
//! What the host is behind doesn't count against a wall limit. But a message can't be held for ever, and on a host where
//! nothing gets on another one may do better.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::LONGEST_MS;
use crate::protocol::Hindrance;

/// Beside as much as the job's own wall limits: a compiler was seen to take 30 s for half a second of work with 25 busy
/// processes on two cores.
const LEAST_MS: u64 = 300_000;

/// Up to how long one step's waiting for files isn't counted as its own. A program can bring it about by itself, if it makes
/// the kernel forget files and reads them again, so it isn't left to hold a sandbox by that.
const FILE_WAIT_US: u64 = 30_000_000;

/// What is left of a job's allowance, in microseconds.
#[derive(Debug)]
pub(crate) struct Allowance(AtomicU64);

impl Allowance {
    /// The allowance of a job that begins to run, and whose wall limits are `longest_ms` together.
    pub(crate) fn of(longest_ms: u64) -> Allowance {
        Allowance(AtomicU64::new(Allowance::whole_ms(longest_ms).saturating_mul(1_000)))
    }

    /// The whole of it.
    pub(crate) fn whole_ms(longest_ms: u64) -> u64 {
        // A job that may take hours by itself gets no more hours on top: nobody can hold its message for so long.
        longest_ms.min(LONGEST_MS.saturating_sub(longest_ms)) + LEAST_MS
    }

    /// For how long the next step may be kept waiting for a CPU.
    pub(super) fn cpu_wait_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Up to how long the next step's waiting for files doesn't count as its own time.
    pub(super) fn file_wait_us(&self) -> u64 {
        self.cpu_wait_us().min(FILE_WAIT_US)
    }

    /// How much of a step's waiting is counted out of its wall time.
    pub(super) fn counted_us(&self, hindrance: &Hindrance) -> u64 {
        let cpu_wait_us = hindrance.cpu_wait_us.unwrap_or(0).min(self.cpu_wait_us());
        cpu_wait_us.saturating_add(hindrance.file_wait_us.unwrap_or(0).min(self.file_wait_us()))
    }

    /// A step was kept waiting for so long.
    pub(super) fn spend(&self, us: u64) {
        self.0.store(self.cpu_wait_us().saturating_sub(us), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(cpu_s: u64, file_s: u64) -> Hindrance {
        let us = |seconds: u64| Some(seconds * 1_000_000);
        Hindrance { cpu_wait_us: us(cpu_s), file_wait_us: us(file_s), ..Hindrance::default() }
    }

    #[test]
    fn a_jobs_steps_share_what_the_host_may_take() {
        let allowance = Allowance::of(6_000);
        assert_eq!(allowance.cpu_wait_us(), 306_000_000);
        let counted = allowance.counted_us(&waited(300, 0));
        assert_eq!(counted, 300_000_000);
        allowance.spend(counted);
        assert_eq!((allowance.cpu_wait_us(), allowance.counted_us(&waited(7, 0))), (6_000_000, 6_000_000));
        allowance.spend(u64::MAX);
        assert_eq!(allowance.counted_us(&waited(1, 1)), 0);
    }

    #[test]
    fn a_step_may_wait_for_files_for_half_a_minute() {
        let allowance = Allowance::of(6_000);
        assert_eq!(allowance.counted_us(&waited(2, 29)), 31_000_000);
        assert_eq!(allowance.counted_us(&waited(2, 1_000)), 32_000_000);
    }

    #[test]
    fn a_job_of_hours_gets_no_more_hours() {
        assert_eq!(Allowance::whole_ms(LONGEST_MS), LEAST_MS);
        assert_eq!(Allowance::whole_ms(LONGEST_MS - 7), LEAST_MS + 7);
        assert_eq!(Allowance::whole_ms(u64::MAX), LEAST_MS);
    }
}
