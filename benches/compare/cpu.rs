//! Whose CPU time it was.
//!
//! The engine's part can't be read anywhere: its runtime's processes live for milliseconds, and their shims are nobody's
//! children. So it is what is left of the whole machine's time when the containers' and our own are taken off, which is right
//! on a machine where nothing else runs.

use std::path::PathBuf;

use caisson::cgroup::Version;

use crate::Fallible;
use crate::report::figures::Cpu;

/// Of the times in `/proc`: USER_HZ, which is 100 on every processor that we run on (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// Where the accounts are.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    /// Of the whole machine, to the microsecond; without, `/proc/stat` has it in ticks.
    machine: Option<(Version, PathBuf)>,
    /// The group that all containers' groups are in, where the engine keeps them in one of their own.
    containers: Option<(Version, PathBuf)>,
}

/// One look at them, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    machine: f64,
    containers: Option<f64>,
    driver: f64,
}

impl Accounts {
    pub(crate) fn open() -> Accounts {
        let first = |candidates: &[(Version, &str)]| {
            let there = candidates.iter().find(|(_, path)| std::path::Path::new(path).exists());
            there.map(|(version, path)| (*version, PathBuf::from(path)))
        };
        Accounts {
            machine: first(&[
                (Version::V1, "/sys/fs/cgroup/cpuacct/cpuacct.usage"),
                (Version::V2, "/sys/fs/cgroup/cpu.stat"),
            ]),
            containers: first(&[
                (Version::V1, "/sys/fs/cgroup/cpuacct/docker/cpuacct.usage"),
                (Version::V2, "/sys/fs/cgroup/docker/cpu.stat"),
            ]),
        }
    }

    pub(crate) fn machine_ms(&self) -> Fallible<f64> {
        match &self.machine {
            Some(account) => read(account),
            None => {
                busy_ms(&std::fs::read_to_string("/proc/stat")?).ok_or_else(|| "/proc/stat has another form".into())
            }
        }
    }

    pub(crate) fn look(&self) -> Fallible<Look> {
        Ok(Look {
            machine: self.machine_ms()?,
            containers: self.containers.as_ref().map(read).transpose()?,
            driver: process_ms("self", true)?,
        })
    }
}

impl Look {
    /// What was used since an earlier look, over so many jobs. Without an account of the containers theirs is in the
    /// engine's part.
    pub(crate) fn since(&self, before: &Look, jobs: f64) -> Cpu {
        let driver = self.driver - before.driver;
        let containers = match (self.containers, before.containers) {
            (Some(now), Some(then)) => now - then,
            _ => 0.0,
        };
        let engine = (self.machine - before.machine - containers - driver).max(0.0);
        Cpu { engine_ms: engine / jobs, container_ms: containers / jobs, driver_ms: driver / jobs }
    }
}

fn read((version, path): &(Version, PathBuf)) -> Fallible<f64> {
    let text = std::fs::read(path)?;
    let microseconds = version.cpu_time_us(&text).ok_or_else(|| format!("{}: no CPU time in it", path.display()))?;
    Ok(microseconds as f64 / 1e3)
}

/// All that isn't idle, waiting for a disk, or another guest's: fields 4, 5, 8 and further of the first line.
fn busy_ms(stat: &str) -> Option<f64> {
    let ticks: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>().ok()?;
    let busy = [0, 1, 2, 5, 6].map(|index| ticks.get(index).copied().unwrap_or_default());
    Some(busy.iter().sum::<f64>() / TICKS_PER_S * 1e3)
}

/// A process's own CPU time, with that of children that it has waited for where asked.
pub(crate) fn process_ms(process: &str, children: bool) -> Fallible<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields 14 to 17, counted behind the name, which may hold anything but ends with the last bracket.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>()).unwrap_or_default();
    let count = if children { 4 } else { 2 };
    let ticks: f64 = fields.iter().skip(11).take(count).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_PER_S * 1e3)
}
