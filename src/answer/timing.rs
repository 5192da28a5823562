//! What disturbed a job, from what its host and its sandboxes counted.

use crate::execute::{HostTime, StepResult};
use crate::protocol::Hindrance;
use crate::report::{PressureReport, TimingReport};

/// `None` when nothing was run.
pub(super) fn report<'a>(host: Option<HostTime>, steps: impl Iterator<Item = &'a StepResult>) -> Option<TimingReport> {
    let host = host?;
    let of_steps = steps.fold(Hindrance::default(), |sum, step| sum.and(&step.hindrance));
    Some(TimingReport {
        span_ms: u64::try_from(host.span.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX),
        cpus: host.cpus,
        steal_ms: host.steal_ms,
        throttled_ms: of_steps.throttled_us.map(|time| time.div_ceil(1_000)),
        throttled_periods: of_steps.throttled_periods,
        involuntary_switches: of_steps.involuntary_switches,
        cpu_wait_ms: of_steps.cpu_wait_us.map(|time| time.div_ceil(1_000)),
        file_wait_ms: of_steps.file_wait_us.map(|time| time.div_ceil(1_000)),
        host_pressure: PressureReport::of(host.cpu_pressure_us, host.memory_pressure_us, host.io_pressure_us),
        sandbox_pressure: PressureReport::of(
            of_steps.cpu_pressure_us,
            of_steps.memory_pressure_us,
            of_steps.io_pressure_us,
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_disturbed_the_steps_of_a_job_is_added_up_in_milliseconds() {
        let mut step = StepResult::skipped();
        step.hindrance = Hindrance {
            throttled_us: Some(90_001),
            throttled_periods: Some(2),
            memory_pressure_us: Some(600),
            ..Hindrance::default()
        };
        let host = HostTime {
            span: Duration::from_micros(400_500),
            cpus: Some(1),
            steal_ms: Some(30),
            cpu_pressure_us: Some(12_000),
            ..HostTime::default()
        };
        let report = report(Some(host), [&step, &StepResult::skipped(), &step].into_iter()).expect("it was run");
        assert_eq!((report.span_ms, report.cpus, report.steal_ms), (401, Some(1), Some(30)));
        assert_eq!((report.throttled_ms, report.throttled_periods), (Some(181), Some(4)));
        assert_eq!(report.involuntary_switches, None);
        let host_pressure = report.host_pressure.expect("it is known");
        assert_eq!((host_pressure.cpu_ms, host_pressure.memory_ms), (Some(12), None));
        assert_eq!(report.sandbox_pressure.and_then(|pressure| pressure.memory_ms), Some(2));
    }

    #[test]
    fn a_job_that_was_not_run_was_not_disturbed() {
        assert_eq!(report(None, std::iter::empty()), None);
    }
}
