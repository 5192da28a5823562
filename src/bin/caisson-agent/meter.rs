//! The container's accounts, kept open from the start: a program that fills the descriptor table can't hide them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use caisson::cgroup::{Reclaim, Version, number, stalled_us};
use caisson::protocol::Hindrance;

use crate::sys;

/// How long [`Meter::settle`] waits, and what it takes for settled: some of it is kept for the container's own sake.
const SETTLE: Duration = Duration::from_millis(500);
const SETTLED_BYTES: u64 = 4 << 20;

pub(crate) struct Meter {
    version: Version,
    cpu_time: File,
    memory_now: File,
    /// Absent on kernels before 5.19 with cgroup v2.
    memory_peak: Option<File>,
    memory_limit: Option<File>,
    memory_stat: Option<File>,
    /// Absent under gVisor, where the kernel's kill takes the whole sandbox and is seen from outside.
    memory_events: Option<File>,
    /// Absent on old kernels and under gVisor; nothing is waited for then.
    kernel_memory: Option<File>,
    /// Absent under gVisor.
    throttling: Option<File>,
    /// Absent with cgroup v1 and on kernels that don't account for it.
    pressure: [Option<File>; 3],
}

impl Meter {
    pub(crate) fn open() -> io::Result<Meter> {
        let version = if Path::new(Version::V2_MARK).exists() { Version::V2 } else { Version::V1 };
        let paths = version.paths();
        Ok(Meter {
            version,
            cpu_time: File::open(paths.cpu_time)?,
            memory_now: File::open(paths.memory_now)?,
            memory_peak: File::open(paths.memory_peak).ok(),
            memory_limit: File::open(paths.memory_limit).ok(),
            memory_stat: File::open(paths.memory_stat).ok(),
            memory_events: File::open(paths.memory_events).ok(),
            kernel_memory: File::open(paths.kernel_memory).ok(),
            throttling: File::open(paths.throttling).ok(),
            pressure: std::array::from_fn(|index| File::open(paths.pressure?[index]).ok()),
        })
    }

    pub(crate) fn version_number(&self) -> u8 {
        match self.version {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }

    pub(crate) fn cpu_time_us(&self) -> io::Result<u64> {
        read(&self.cpu_time, |text| self.version.cpu_time_us(text))
    }

    pub(crate) fn memory_now(&self) -> io::Result<u64> {
        read(&self.memory_now, number)
    }

    /// The highest use since the container began, 0 where the kernel doesn't say.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.memory_peak.as_ref().and_then(|file| read(file, number).ok()).unwrap_or(0)
    }

    /// What the container may have; `None` where the kernel doesn't say.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        read(self.memory_limit.as_ref()?, number).ok()
    }

    /// What the kernel has taken back of the container's memory; `None` where it doesn't say.
    pub(crate) fn reclaim(&self) -> Option<Reclaim> {
        // 2 to 3 kB on Linux 6.18.
        let mut text = [0; 8_192];
        let length = sys::read_at(self.memory_stat.as_ref()?.as_raw_fd(), &mut text, 0).ok()?;
        Reclaim::parse(&text[..length])
    }

    /// What the kernel itself holds for the container, 0 where it doesn't say.
    pub(crate) fn kernel_memory(&self) -> u64 {
        let file = self.kernel_memory.as_ref();
        file.and_then(|file| read(file, |text| self.version.kernel_memory(text)).ok()).unwrap_or(0)
    }

    /// Waits until the kernel has taken back what it held for processes that are gone: page tables are given up some time
    /// after them, and the next program needs the room. `before` is what it held before them.
    pub(crate) fn settle(&self, before: u64) -> io::Result<()> {
        let deadline = Instant::now() + SETTLE;
        while self.kernel_memory() > before + SETTLED_BYTES && Instant::now() < deadline {
            sys::poll(&mut [], 2)?;
        }
        Ok(())
    }

    /// For how long the container was stopped for having used up its share of CPU time; `None` where the kernel doesn't say.
    pub(crate) fn throttled_us(&self) -> Option<u64> {
        self.throttling(Version::throttled_us)
    }

    fn throttling(&self, parse: fn(Version, &[u8]) -> Option<u64>) -> Option<u64> {
        read(self.throttling.as_ref()?, |text| parse(self.version, text)).ok()
    }

    /// What has kept the container from running so far; the agent's own waiting is in it, too.
    pub(crate) fn hindrance(&self) -> Hindrance {
        let [cpu_pressure_us, memory_pressure_us, io_pressure_us] =
            self.pressure.each_ref().map(|file| read(file.as_ref()?, stalled_us).ok());
        Hindrance {
            throttled_us: self.throttled_us(),
            throttled_periods: self.throttling(Version::throttled_periods),
            cpu_pressure_us,
            memory_pressure_us,
            io_pressure_us,
            ..Hindrance::default()
        }
    }

    /// 0 where the kernel doesn't say.
    pub(crate) fn oom_kills(&self) -> io::Result<u64> {
        match &self.memory_events {
            Some(file) => read(file, |text| self.version.oom_kills(text)),
            None => Ok(0),
        }
    }
}

/// Whether a container's memory is used up. It is charged in batches of 64 pages for each CPU (mm/memcontrol.c), so it is never
/// quite full.
pub(crate) fn is_full(memory_bytes: u64, limit_bytes: u64) -> bool {
    memory_bytes >= limit_bytes - limit_bytes / 64
}

fn read(file: &File, parse: impl Fn(&[u8]) -> Option<u64>) -> io::Result<u64> {
    let mut text = [0; 512];
    let length = sys::read_at(file.as_raw_fd(), &mut text, 0)?;
    parse(&text[..length]).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADMSG))
}
