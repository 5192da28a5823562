//! What the host tells of a job's time: what the hypervisor took from its CPUs, and for how long anything on the host had to
//! wait. Read once before the first step and once after the last, when no program of the job is running; both readings
//! together take less than a tenth of a millisecond on a small host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::cgroup::stalled_us;

/// The unit of `/proc/stat`: a hundredth of a second for whoever reads it, on every processor that there is a build for
/// (`USER_HZ`, proc(5)).
const TICK_MS: u64 = 10;

/// What the host counts since it was started. What its kernel doesn't count is `None`, or not in the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Ticks of steal by CPU.
    steal: BTreeMap<usize, u64>,
    /// Microseconds in which something waited for a CPU, for memory, for a disk.
    pressure: [Option<u64>; 3],
}

/// What became more of them while a job ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostTime {
    pub span: Duration,
    /// How many CPUs `steal_ms` is of. `None` where that isn't known.
    pub cpus: Option<u64>,
    pub steal_ms: Option<u64>,
    pub cpu_pressure_us: Option<u64>,
    pub memory_pressure_us: Option<u64>,
    pub io_pressure_us: Option<u64>,
}

impl Counters {
    fn read() -> Counters {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let pressure = ["/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io"];
        Counters::of(&text("/proc/stat"), pressure.map(text).each_ref().map(String::as_str))
    }

    fn of(stat: &str, pressure: [&str; 3]) -> Counters {
        Counters {
            steal: stat.lines().filter_map(steal_of_cpu).collect(),
            pressure: pressure.map(|text| stalled_us(text.as_bytes())),
        }
    }

    /// What has come since `before`: steal of the CPUs in `pinned`, or of all where that is empty.
    fn since(&self, before: &Counters, pinned: &BTreeSet<usize>, span: Duration) -> HostTime {
        let of_job = |cpu: &&usize| pinned.is_empty() || pinned.contains(cpu);
        // A CPU that came or went meanwhile is no measure.
        let steal: Vec<u64> = self
            .steal
            .keys()
            .filter(of_job)
            .filter_map(|cpu| Some(self.steal[cpu].saturating_sub(*before.steal.get(cpu)?)))
            .collect();
        let known = !steal.is_empty();
        let [cpu_pressure_us, memory_pressure_us, io_pressure_us] = std::array::from_fn(|index| {
            Some(self.pressure[index]?.saturating_sub(before.pressure[index]?))
        });
        HostTime {
            span,
            cpus: known.then_some(steal.len() as u64),
            steal_ms: known.then(|| steal.iter().sum::<u64>() * TICK_MS),
            cpu_pressure_us,
            memory_pressure_us,
            io_pressure_us,
        }
    }
}

/// A line of `/proc/stat` such as `cpu3 user nice system idle iowait irq softirq steal …` (proc(5)). The line of all CPUs
/// has no number, and kernels that count no steal have no eighth figure.
fn steal_of_cpu(line: &str) -> Option<(usize, u64)> {
    let (cpu, times) = line.strip_prefix("cpu")?.split_once(' ')?;
    Some((cpu.parse().ok()?, times.split_ascii_whitespace().nth(7)?.parse().ok()?))
}

/// Notes where a job runs, and what the host counts meanwhile.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// The CPUs that sandboxes of the job were pinned to; `None` stands for one that wasn't.
    cpus: Mutex<BTreeSet<Option<usize>>>,
    before: OnceLock<(Instant, Counters)>,
}

impl Witness {
    /// A sandbox of the job is on this CPU, or on any.
    pub(super) fn on(&self, cpu: Option<usize>) {
        self.cpus.lock().unwrap_or_else(PoisonError::into_inner).insert(cpu);
    }

    /// The job's next program is about to run. Only the first time counts.
    pub(super) fn begin(&self) {
        self.before.get_or_init(|| (Instant::now(), Counters::read()));
    }

    /// The last has run. `None` when there was none.
    pub(super) fn end(&self) -> Option<HostTime> {
        let (began, before) = self.before.get()?;
        let span = began.elapsed();
        let cpus = self.cpus.lock().unwrap_or_else(PoisonError::into_inner);
        let pinned = if cpus.contains(&None) { BTreeSet::new() } else { cpus.iter().flatten().copied().collect() };
        Some(Counters::read().since(before, &pinned, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded on Linux 6.18 in a virtual machine of two CPUs; what came later has figures that are easy to subtract.
    const STAT: &str = "cpu  46034 0 8086 50720 890 0 226 1206 0 0\n\
        cpu0 17749 0 3154 31979 161 0 16 564 0 0\n\
        cpu1 28285 0 4932 18741 728 0 209 641 0 0\n\
        intr 9117343 0 0 0\nctxt 20034510\n";
    const CPU: &str = "some avg10=54.40 avg60=35.48 avg300=11.71 total=45951957\n\
        full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    const IO: &str = "some avg10=4.38 avg60=5.20 avg300=4.71 total=101032103\n\
        full avg10=0.00 avg60=0.00 avg300=0.00 total=13226132\n";
    const LATER_STAT: &str = "cpu  46134 0 8106 50720 890 0 226 1226 0 0\n\
        cpu0 17799 0 3164 31979 161 0 16 567 0 0\n\
        cpu1 28335 0 4942 18741 728 0 209 658 0 0\nintr 9117999 0 0 0\n";
    const LATER_CPU: &str = "some avg10=56.40 avg60=36.48 avg300=12.71 total=46451957\n\
        full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

    fn came(stat: [&str; 2], pressure: [[&str; 3]; 2], pinned: &[usize]) -> HostTime {
        let (before, after) = (Counters::of(stat[0], pressure[0]), Counters::of(stat[1], pressure[1]));
        after.since(&before, &pinned.iter().copied().collect(), Duration::from_millis(900))
    }

    #[test]
    fn a_disturbed_pair_gives_what_was_taken_from_the_jobs_cpus_and_no_others() {
        let pressure = [[CPU, "", IO], [LATER_CPU, "", IO]];
        let one = came([STAT, LATER_STAT], pressure, &[1]);
        assert_eq!((one.cpus, one.steal_ms), (Some(1), Some(170)));
        assert_eq!((one.cpu_pressure_us, one.memory_pressure_us, one.io_pressure_us), (Some(500_000), None, Some(0)));
        let all = came([STAT, LATER_STAT], pressure, &[]);
        assert_eq!((all.cpus, all.steal_ms, all.span), (Some(2), Some(200), Duration::from_millis(900)));
    }

    #[test]
    fn what_the_kernel_doesnt_count_is_absent() {
        // Booted with psi=0; and a kernel before 2.6.11, as some emulations pretend to be.
        let none = came(["cpu0 1 2 3 4 5 6 7\n"; 2], [[""; 3]; 2], &[]);
        assert_eq!(none, HostTime { span: Duration::from_millis(900), ..HostTime::default() });
        // A CPU that is gone, or whose number nobody knows.
        let gone = came([STAT, "cpu0 17799 0 3164 31979 161 0 16 567 0 0\n"], [[""; 3]; 2], &[1]);
        assert_eq!((gone.cpus, gone.steal_ms), (None, None));
    }

    #[test]
    fn a_job_that_ran_nothing_has_no_witness_and_one_sandbox_that_isnt_pinned_makes_it_all_cpus() {
        let witness = Witness::default();
        assert_eq!(witness.end(), None);
        witness.on(Some(0));
        witness.on(None);
        witness.begin();
        let all = Counters::read().steal.len() as u64;
        assert_eq!(witness.end().expect("it began").cpus, (all > 0).then_some(all));
    }
}
