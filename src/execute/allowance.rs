//! How long a job's programs may take altogether, and how long they may be kept waiting by the host before the job is given
//! back unjudged.
//!
//! What the host is behind doesn't count against a wall limit, nor against the time for the whole job. But a message can't be
//! held for ever, and on a host where nothing gets on another one may do better.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::limits::Limits;
use crate::plan::{LONGEST_MS, Plan};
use crate::protocol::Hindrance;

/// Beside as much as the job's own wall limits: a compiler was seen to take 30 s for half a second of work with 25 busy
/// processes on two cores.
const LEAST_MS: u64 = 300_000;

/// Up to how long one step's waiting for files isn't counted as its own. A program can bring it about by itself, if it makes
/// the kernel forget files and reads them again, so it isn't left to hold a sandbox by that.
const FILE_WAIT_US: u64 = 30_000_000;

/// What is left of a job's allowance, in microseconds.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// For what the host is behind.
    waiting_us: AtomicU64,
    /// For what the job's programs take themselves.
    own_us: AtomicU64,
}

impl Allowance {
    /// The allowance of a job that begins to run.
    pub(crate) fn of(plan: &Plan) -> Allowance {
        Allowance::new(plan.longest_ms(), plan.wall_ms)
    }

    /// Of one that can take `longest_ms` by its limits, where any job may take `own_ms`.
    pub(super) fn new(longest_ms: u64, own_ms: u64) -> Allowance {
        let us = |ms: u64| AtomicU64::new(ms.saturating_mul(1_000));
        Allowance { waiting_us: us(Allowance::waiting_ms(longest_ms)), own_us: us(own_ms) }
    }

    /// For how long the host may keep a job waiting that can take `longest_ms` by itself.
    pub(crate) fn waiting_ms(longest_ms: u64) -> u64 {
        // A job that may take hours by itself gets no more hours on top: nobody can hold its message for so long.
        longest_ms.min(LONGEST_MS.saturating_sub(longest_ms)) + LEAST_MS
    }

    /// For how long the next step may be kept waiting for a CPU.
    pub(super) fn cpu_wait_us(&self) -> u64 {
        self.waiting_us.load(Ordering::Relaxed)
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
        self.waiting_us.store(self.cpu_wait_us().saturating_sub(us), Ordering::Relaxed);
    }

    /// What the job's programs may still take.
    pub(super) fn own(&self) -> Duration {
        Duration::from_micros(self.own_us.load(Ordering::Relaxed))
    }

    /// A step took so long by itself. That it was ended a little after its limit isn't counted: a job whose limits together are
    /// within its time is never short of it.
    pub(super) fn spend_own(&self, took: Duration, limits: &Limits) {
        let took = took.min(Duration::from_millis(limits.wall_time_ms));
        let left = self.own().saturating_sub(took);
        self.own_us.store(u64::try_from(left.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
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
        let allowance = Allowance::new(6_000, 60_000);
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
        let allowance = Allowance::new(6_000, 60_000);
        assert_eq!(allowance.counted_us(&waited(2, 29)), 31_000_000);
        assert_eq!(allowance.counted_us(&waited(2, 1_000)), 32_000_000);
    }

    #[test]
    fn a_jobs_steps_share_its_time_and_none_takes_more_than_its_limit_of_it() {
        let (allowance, limits) = (Allowance::new(6_000, 10_000), Limits { wall_time_ms: 4_000, ..Limits::RUN });
        allowance.spend_own(Duration::from_millis(1_500), &limits);
        assert_eq!(allowance.own(), Duration::from_millis(8_500));
        allowance.spend_own(Duration::from_millis(4_020), &limits);
        assert_eq!(allowance.own(), Duration::from_millis(4_500));
        allowance.spend_own(Duration::MAX, &limits);
        allowance.spend_own(Duration::MAX, &limits);
        assert_eq!(allowance.own(), Duration::ZERO);
    }

    #[test]
    fn a_job_of_hours_gets_no_more_hours() {
        assert_eq!(Allowance::waiting_ms(LONGEST_MS), LEAST_MS);
        assert_eq!(Allowance::waiting_ms(LONGEST_MS - 7), LEAST_MS + 7);
        assert_eq!(Allowance::waiting_ms(u64::MAX), LEAST_MS);
    }
}
