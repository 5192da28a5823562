//! What kept a program from running while it was measured.

/// What the kernel counts for a sandbox: as read, since its container began; as reported, of one step or of several.
/// Times are microseconds. `None` where the kernel doesn't tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hindrance {
    /// For how long the container had used up its share of CPU time and was stopped.
    pub throttled_us: Option<u64>,
    /// In how many of the scheduler's periods that happened.
    pub throttled_periods: Option<u64>,
    /// For how long something in the container waited for a CPU, for memory, or for a disk.
    pub cpu_pressure_us: Option<u64>,
    pub memory_pressure_us: Option<u64>,
    pub io_pressure_us: Option<u64>,
    /// How often the kernel took the CPU from one of the processes that the agent saw end.
    pub involuntary_switches: Option<u64>,
    /// For how long no program of the step had a CPU although one could have run, throttling left out.
    pub cpu_wait_us: Option<u64>,
    /// For how long none had a CPU while one waited for a file system.
    pub file_wait_us: Option<u64>,
}

impl Hindrance {
    /// What has come since `before`. A counter that only one of the two has tells nothing.
    #[must_use]
    pub fn since(self, before: &Hindrance) -> Hindrance {
        self.each(before, |now, before| Some(now?.saturating_sub(before?)))
    }

    /// Both together. A counter that only one of the two has counts as it is: a step that broke its sandbox has none.
    #[must_use]
    pub fn and(self, other: &Hindrance) -> Hindrance {
        self.each(other, |one, other| match (one, other) {
            (None, None) => None,
            (one, other) => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
        })
    }

    fn each(self, other: &Hindrance, both: impl Fn(Option<u64>, Option<u64>) -> Option<u64>) -> Hindrance {
        let (one, other) = (self.counters(), other.counters());
        Hindrance::of_counters(std::array::from_fn(|index| both(one[index], other[index])))
    }

    /// In the order in which they stand in a frame.
    pub(super) fn counters(&self) -> [Option<u64>; 8] {
        [
            self.throttled_us,
            self.throttled_periods,
            self.cpu_pressure_us,
            self.memory_pressure_us,
            self.io_pressure_us,
            self.involuntary_switches,
            self.cpu_wait_us,
            self.file_wait_us,
        ]
    }

    pub(super) fn of_counters(counters: [Option<u64>; 8]) -> Hindrance {
        let [
            throttled_us,
            throttled_periods,
            cpu_pressure_us,
            memory_pressure_us,
            io_pressure_us,
            involuntary_switches,
            cpu_wait_us,
            file_wait_us,
        ] = counters;
        Hindrance {
            throttled_us,
            throttled_periods,
            cpu_pressure_us,
            memory_pressure_us,
            io_pressure_us,
            involuntary_switches,
            cpu_wait_us,
            file_wait_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbed_pair_gives_what_came_between() {
        let before = Hindrance { throttled_us: Some(1_000), cpu_pressure_us: Some(70), ..Hindrance::default() };
        let after = Hindrance {
            throttled_us: Some(91_000),
            cpu_pressure_us: Some(70),
            io_pressure_us: Some(5),
            ..Hindrance::default()
        };
        let came = Hindrance { throttled_us: Some(90_000), cpu_pressure_us: Some(0), ..Hindrance::default() };
        assert_eq!(after.since(&before), came);
    }

    #[test]
    fn what_one_step_doesnt_tell_takes_nothing_from_the_others() {
        let step = Hindrance { throttled_periods: Some(2), involuntary_switches: Some(7), ..Hindrance::default() };
        let sum = [step, Hindrance::default(), step].iter().fold(Hindrance::default(), |sum, step| sum.and(step));
        assert_eq!((sum.throttled_periods, sum.involuntary_switches, sum.throttled_us), (Some(4), Some(14), None));
    }
}
