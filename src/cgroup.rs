//! Reading the kernel's accounts of a container, on hosts with cgroup v1 and v2 alike.
//!
//! The parsers take text and know nothing of files, so that both kinds of host are tested on recorded text wherever
//! the tests run; the agent does the reading.

/// The two kinds of cgroup hierarchy a container can find itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    /// The unified hierarchy's root has a `cgroup.controllers` file, no v1 controller has one
    /// (kernel documentation, admin-guide/cgroup-v2).
    pub const V2_MARK: &str = "/sys/fs/cgroup/cgroup.controllers";

    /// Where the figures are, as seen from inside the container.
    pub fn paths(self) -> Paths {
        match self {
            Version::V1 => Paths {
                cpu_time: "/sys/fs/cgroup/cpuacct/cpuacct.usage",
                memory_now: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                memory_peak: "/sys/fs/cgroup/memory/memory.max_usage_in_bytes",
                memory_limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                memory_events: "/sys/fs/cgroup/memory/memory.oom_control",
                memory_stat: "/sys/fs/cgroup/memory/memory.stat",
                kernel_memory: "/sys/fs/cgroup/memory/memory.kmem.usage_in_bytes",
                throttling: "/sys/fs/cgroup/cpu/cpu.stat",
                pressure: None,
            },
            Version::V2 => Paths {
                cpu_time: "/sys/fs/cgroup/cpu.stat",
                memory_now: "/sys/fs/cgroup/memory.current",
                memory_peak: "/sys/fs/cgroup/memory.peak",
                memory_limit: "/sys/fs/cgroup/memory.max",
                memory_events: "/sys/fs/cgroup/memory.events",
                memory_stat: "/sys/fs/cgroup/memory.stat",
                kernel_memory: "/sys/fs/cgroup/memory.stat",
                throttling: "/sys/fs/cgroup/cpu.stat",
                pressure: Some([
                    "/sys/fs/cgroup/cpu.pressure",
                    "/sys/fs/cgroup/memory.pressure",
                    "/sys/fs/cgroup/io.pressure",
                ]),
            },
        }
    }

    /// CPU time of the whole group in microseconds: v1 gives nanoseconds in `cpuacct.usage`, v2 a line of `cpu.stat`.
    pub fn cpu_time_us(self, text: &[u8]) -> Option<u64> {
        match self {
            Version::V1 => number(text).map(|nanoseconds| nanoseconds / 1_000),
            Version::V2 => field(text, b"usage_usec"),
        }
    }

    /// Bytes that the kernel itself holds for the group: page tables, inodes, pipes. A line of `memory.stat` on v2
    /// (Linux 5.18).
    pub fn kernel_memory(self, text: &[u8]) -> Option<u64> {
        match self {
            Version::V1 => number(text),
            Version::V2 => field(text, b"kernel"),
        }
    }

    /// For how long the group was stopped for having used up its CPU time of a period, in microseconds: `cpu.stat` has it in
    /// nanoseconds on v1 and in microseconds on v2.
    pub fn throttled_us(self, text: &[u8]) -> Option<u64> {
        match self {
            Version::V1 => field(text, b"throttled_time").map(|nanoseconds| nanoseconds / 1_000),
            Version::V2 => field(text, b"throttled_usec"),
        }
    }

    /// In how many periods that happened; `cpu.stat` of both versions has it.
    pub fn throttled_periods(self, text: &[u8]) -> Option<u64> {
        field(text, b"nr_throttled")
    }

    /// Processes killed for want of memory so far. Both versions have the line, in `memory.oom_control` and
    /// `memory.events`; `memory.failcnt` stays 0 through real kills on current kernels and is no substitute.
    pub fn oom_kills(self, text: &[u8]) -> Option<u64> {
        field(text, b"oom_kill")
    }
}

/// The files of one version. `memory.peak` needs Linux 5.19; without it the peak is sampled.
#[derive(Debug, Clone, Copy)]
pub struct Paths {
    pub cpu_time: &'static str,
    pub memory_now: &'static str,
    pub memory_peak: &'static str,
    /// One number, or `max` on v2 where there is no limit.
    pub memory_limit: &'static str,
    pub memory_events: &'static str,
    pub memory_stat: &'static str,
    pub kernel_memory: &'static str,
    /// A group without a quota has zeroes in it.
    pub throttling: &'static str,
    /// Of CPU, memory and I/O. There only where the kernel accounts for pressure (not with `psi=0`), and only on v2.
    pub pressure: Option<[&'static str; 3]>,
}

/// What `memory.stat` says of the pages of files that a group has, and has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reclaim {
    /// What the group has of them now, in bytes: what the kernel can take back and read again.
    pub file_bytes: u64,
    /// How many faults had to wait for a page to be read.
    pub major_faults: u64,
    /// How many pages were read again after the kernel had taken them back (Linux 5.9, for v1 too).
    pub refaults: u64,
}

impl Reclaim {
    /// Both versions have the lines. `None` when one of them is missing.
    pub fn parse(text: &[u8]) -> Option<Reclaim> {
        Some(Reclaim {
            file_bytes: field(text, b"inactive_file")?.saturating_add(field(text, b"active_file")?),
            major_faults: field(text, b"pgmajfault")?,
            refaults: field(text, b"workingset_refault_file")?,
        })
    }
}

/// A file that holds one number.
pub fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim_ascii().parse().ok()
}

/// The number behind a key in a file of `key value` lines.
pub fn field(text: &[u8], key: &[u8]) -> Option<u64> {
    text.split(|&byte| byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix(b" ")?;
        number(value)
    })
}

/// For how long at least one task has waited, in microseconds: the `total` of the line `some` of pressure stall
/// information, a group's or the host's (kernel documentation, accounting/psi).
pub fn stalled_us(text: &[u8]) -> Option<u64> {
    let line = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"some "))?;
    line.split(|&byte| byte == b' ').find_map(|figure| number(figure.strip_prefix(b"total=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded on Linux 6.18, Docker 20.10, cgroup v1.
    const V1_OOM_CONTROL: &[u8] = b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    // Recorded on Linux 6.12, Docker 28, cgroup v2.
    const V2_CPU_STAT: &[u8] = b"usage_usec 1517282\nuser_usec 1480000\nsystem_usec 37282\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n";
    const V2_MEMORY_EVENTS: &[u8] = b"low 0\nhigh 0\nmax 120\noom 2\noom_kill 2\noom_group_kill 0\n";

    #[test]
    fn version_one_gives_nanoseconds_and_an_oom_count() {
        assert_eq!(Version::V1.cpu_time_us(b"1503217845\n"), Some(1_503_217));
        assert_eq!(Version::V1.oom_kills(V1_OOM_CONTROL), Some(3));
    }

    #[test]
    fn version_two_gives_microseconds_and_isnt_confused_by_longer_keys() {
        assert_eq!(Version::V2.cpu_time_us(V2_CPU_STAT), Some(1_517_282));
        assert_eq!(Version::V2.oom_kills(V2_MEMORY_EVENTS), Some(2));
        assert_eq!(Version::V2.oom_kills(b"oom_kill_disable 0\noom_kills 7\n"), None);
    }

    #[test]
    fn the_kernels_own_memory_is_a_file_or_a_line() {
        assert_eq!(Version::V1.kernel_memory(b"6615040\n"), Some(6_615_040));
        // The beginning of a memory.stat, recorded on Linux 6.12.
        let stat = b"anon 1331200\nfile 0\nkernel 458752\nkernel_stack 32768\npagetables 180224\n";
        assert_eq!(Version::V2.kernel_memory(stat), Some(458_752));
    }

    #[test]
    fn what_was_read_back_is_told_by_both_versions() {
        // Lines of a memory.stat recorded on Linux 6.18, cgroup v1, of a Node.js program that thrashes in 96 MiB.
        let v1 = b"cache 110592\nrss 99196928\nmapped_file 86016\npgfault 150822\npgmajfault 125806\ninactive_anon 0\n\
            active_anon 99192832\ninactive_file 110592\nactive_file 0\nworkingset_refault_anon 0\n\
            workingset_refault_file 3366975\ntotal_pgmajfault 125806\n";
        let found = Reclaim { file_bytes: 110_592, major_faults: 125_806, refaults: 3_366_975 };
        assert_eq!(Reclaim::parse(v1), Some(found));
        // The same lines in the order of v2 (kernel documentation, admin-guide/cgroup-v2).
        let v2 = b"anon 99192832\nfile 110592\nkernel 458752\ninactive_file 106496\nactive_file 4096\n\
            workingset_refault_anon 0\nworkingset_refault_file 3366975\nworkingset_activate_file 12\npgfault 9\n\
            pgmajfault 125806\n";
        assert_eq!(Reclaim::parse(v2), Some(found));
        assert_eq!(Reclaim::parse(b"inactive_file 106496\nactive_file 4096\npgmajfault 3\n"), None);
    }

    #[test]
    fn throttling_is_nanoseconds_in_one_version_and_microseconds_in_the_other() {
        // Recorded on Linux 6.18, Docker 20.10, cgroup v1, of a busy program on a fiftieth of a CPU.
        let stat = b"nr_periods 30\nnr_throttled 27\nthrottled_time 2248287399\nnr_bursts 0\nburst_time 0\n";
        assert_eq!(Version::V1.throttled_us(stat), Some(2_248_287));
        assert_eq!(Version::V1.throttled_periods(stat), Some(27));
        // As recorded above, with figures of a group that was throttled.
        let stat = b"usage_usec 9\nnr_periods 4\nnr_throttled 3\nthrottled_usec 170211\nnr_bursts 0\nburst_usec 0\n";
        assert_eq!(Version::V2.throttled_us(stat), Some(170_211));
        assert_eq!(Version::V2.throttled_us(V2_CPU_STAT), Some(0));
        assert_eq!(Version::V2.throttled_periods(stat), Some(3));
        // Without the cpu controller, v2 has only the times.
        assert_eq!(Version::V2.throttled_us(b"usage_usec 9\nuser_usec 5\nsystem_usec 4\n"), None);
    }

    #[test]
    fn pressure_is_the_time_in_which_something_waited() {
        // Recorded on Linux 6.18; a group's files have the same form as the host's.
        let memory = b"some avg10=1.02 avg60=0.27 avg300=0.15 total=21141666\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1244939\n";
        assert_eq!(stalled_us(memory), Some(21_141_666));
        // Linux before 5.13 had no `full` for CPUs.
        assert_eq!(stalled_us(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"), Some(0));
        for nothing in [&b""[..], b"full avg10=0.00 total=7\n", b"some avg10=0.00\n", b"some total=x\n"] {
            assert_eq!(stalled_us(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn whatever_isnt_a_number_is_nothing() {
        for text in [&b""[..], b"max\n", b"-1\n", b"1.5\n", b"\xff\n", b"99999999999999999999999\n"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
