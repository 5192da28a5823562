//! What became of the time in which a program didn't run: whether it waited by itself, or the host kept it waiting.
//!
//! A wall limit is for programs that wait. On a busy host an honest program waits, too: for a CPU that others have, or for
//! a page of its image. That time isn't its own, and is counted out of what its wall limit is compared with.
//!
//! The time between two looks that the program didn't spend on a CPU is the host's when, at the second look, one of its
//! threads could run or waits for a file system. The kernel's own sums (`schedstat`) are no substitute: they go with each
//! thread that ends, and grow as well while a program's threads wait for one another. For the looks to be a fair sample a
//! program must not know when they come, so their distance varies. A program alone on its CPU, that runs for a part `u` of
//! the time, is seen runnable in a part `u` of the looks; so it can gain a quarter of its wall time at most (at `u` = 1/2),
//! and meets its limit of CPU time before that.
//!
//! Where the kernel doesn't say what a sleeping thread waits for, the next look decides for the time before as well.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use caisson::process::{Stat, State, WaitsFor};

use crate::{sys, tree};

/// Less than this between two looks is not worth a look: the kernel's and the agent's own work for the program.
const LEAST_US: u64 = 1_000;

/// A program that used so much CPU time since the last look was awake in between; less may be the kernel's own work.
const AWAKE_US: u64 = 250;

/// How many times longer than a look's CPU time nobody looks again, so that looks take a twentieth of the time at most.
const REST: u32 = 20;

/// How many looks in a row may leave open what the program waits for. With 20 busy processes on two cores up to a third of a
/// compiler's looks did.
const MOST_UNKNOWN: u32 = 8;

/// The container's processes, as `/proc` has them.
pub(crate) struct Processes(OwnedFd);

impl Processes {
    pub(crate) fn open() -> io::Result<Processes> {
        sys::open_directory("/proc").map(Processes)
    }

    /// What the busiest thread of the program is doing. A process that ends meanwhile is asleep.
    fn doing(&self) -> Doing {
        let mut doing = Doing::Asleep;
        // An error is the end of a process, or of the list.
        let _ = tree::each_entry(&self.0, |name, _| {
            let is_process = name.to_bytes().first().is_some_and(u8::is_ascii_digit) && name != c"1";
            if is_process && doing != Doing::CouldRun {
                doing = doing.max(self.process(name).unwrap_or(Doing::Asleep));
            }
            Ok(())
        });
        doing
    }

    fn process(&self, pid: &CStr) -> io::Result<Doing> {
        let process = sys::open_at(&self.0, pid, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        let stat = stat(&process)?;
        // The first thread may have ended before the others.
        if stat.state == State::Runnable || stat.threads <= 1 {
            return Ok(doing(stat, &process));
        }
        let mut busiest = Doing::Asleep;
        let threads = sys::open_at(&process, c"task", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        tree::each_entry(&threads, |tid, _| {
            if busiest != Doing::CouldRun && tid.to_bytes().first().is_some_and(u8::is_ascii_digit) {
                let thread = sys::open_at(&threads, tid, libc::O_RDONLY | libc::O_DIRECTORY, 0);
                let found = thread.and_then(|thread| Ok(doing(self::stat(&thread)?, &thread)));
                busiest = busiest.max(found.unwrap_or(Doing::Asleep));
            }
            Ok(())
        })?;
        Ok(busiest)
    }
}

/// In the order in which one thread's answer goes before another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    Asleep,
    /// It sleeps, and the kernel doesn't say for what.
    Unknown,
    WaitsForFiles,
    CouldRun,
}

fn doing(stat: Stat, thread: &OwnedFd) -> Doing {
    if stat.state == State::Runnable {
        return Doing::CouldRun;
    }
    let mut function = [0; 64];
    let length = read(thread, c"wchan", &mut function).unwrap_or(0);
    match stat.waits_for(&function[..length]) {
        WaitsFor::Files => Doing::WaitsForFiles,
        WaitsFor::Unknown => Doing::Unknown,
        WaitsFor::Other => Doing::Asleep,
    }
}

fn stat(folder: &OwnedFd) -> io::Result<Stat> {
    let mut text = [0; 512];
    let length = read(folder, c"stat", &mut text)?;
    Stat::parse(&text[..length]).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADMSG))
}

fn read(folder: &OwnedFd, name: &CStr, into: &mut [u8]) -> io::Result<usize> {
    let file = sys::open_at(folder, name, libc::O_RDONLY, 0)?;
    sys::read(file.as_raw_fd(), into)
}

/// The account of one program.
pub(crate) struct Waits {
    /// Until when it is settled, and what CPU time the program had used by then.
    settled: Instant,
    cpu_time_us: u64,
    next_look: Instant,
    /// How many looks have left it open since then.
    unknown: u32,
    cpu_wait_us: u64,
    file_wait_us: u64,
}

impl Waits {
    pub(crate) fn new(started: Instant) -> Waits {
        Waits { settled: started, cpu_time_us: 0, next_look: started, unknown: 0, cpu_wait_us: 0, file_wait_us: 0 }
    }

    /// Settles the time until `now`, by when the program has used `cpu_time_us` since its start. `is_held` says that the
    /// agent doesn't read the program's output, because the worker doesn't read the agent's; `is_last` that the answer
    /// decides whether the program is ended now. Returns whether there is an answer.
    ///
    /// The agent meant to be awake at `due`: since then it had no CPU itself. The program shares the agent's CPU, and may have
    /// run just before the agent and be asleep again. So where it was awake at all, that time is the host's.
    pub(crate) fn look(
        &mut self,
        processes: &Processes,
        now: Instant,
        cpu_time_us: u64,
        due: Instant,
        (is_held, is_last): (bool, bool),
    ) -> bool {
        let lost_us = self.lost_us(now, cpu_time_us);
        if lost_us < LEAST_US {
            self.settle(now, cpu_time_us);
        } else if is_last || now >= self.next_look {
            let own_cpu_time_us = sys::own_cpu_time_us();
            let doing = if is_held { Doing::CouldRun } else { processes.doing() };
            let took = Duration::from_micros(sys::own_cpu_time_us().saturating_sub(own_cpu_time_us));
            self.next_look = now + REST * took;
            if doing == Doing::Unknown && self.unknown < MOST_UNKNOWN {
                self.unknown += 1;
                return false;
            }
            let was_awake = cpu_time_us.saturating_sub(self.cpu_time_us) >= AWAKE_US;
            match doing {
                Doing::CouldRun => self.cpu_wait_us += lost_us,
                Doing::WaitsForFiles => self.file_wait_us += lost_us,
                Doing::Unknown | Doing::Asleep if was_awake => self.cpu_wait_us += lost_us.min(self.late_us(now, due)),
                Doing::Unknown | Doing::Asleep => {}
            }
            self.settle(now, cpu_time_us);
        }
        true
    }

    /// The program has ended by itself. What it did since the last look is unknown, but the agent meant to be awake at
    /// `due`: since then, the agent itself had no CPU.
    pub(crate) fn end(&mut self, now: Instant, cpu_time_us: u64, due: Instant) {
        self.cpu_wait_us += self.lost_us(now, cpu_time_us).min(self.late_us(now, due));
        self.settle(now, cpu_time_us);
    }

    /// For how long it waited for a CPU. A program that used up its share of CPU time waits for the next period by its own
    /// doing; `throttled_us` says for how long that was since its start.
    pub(crate) fn cpu_wait_us(&self, throttled_us: u64) -> u64 {
        self.cpu_wait_us.saturating_sub(throttled_us)
    }

    /// For how long it waited for a file system.
    pub(crate) fn file_wait_us(&self) -> u64 {
        self.file_wait_us
    }

    /// For how long the agent has been late by now.
    fn late_us(&self, now: Instant, due: Instant) -> u64 {
        now.saturating_duration_since(due.max(self.settled)).as_micros() as u64
    }

    /// What has passed since the account was settled, less what the program has used of it.
    fn lost_us(&self, now: Instant, cpu_time_us: u64) -> u64 {
        let passed_us = now.saturating_duration_since(self.settled).as_micros() as u64;
        passed_us.saturating_sub(cpu_time_us.saturating_sub(self.cpu_time_us))
    }

    fn settle(&mut self, now: Instant, cpu_time_us: u64) {
        (self.settled, self.cpu_time_us, self.unknown) = (now, cpu_time_us, 0);
    }
}

/// The distance from one look to the next: 10 ms on average, and not to be foretold.
pub(crate) struct Distance(u64);

impl Distance {
    pub(crate) fn new() -> Distance {
        Distance(sys::random().unwrap_or(0) | 1)
    }

    /// From 5 to 15 ms, by xorshift64 (Marsaglia, Xorshift RNGs, 2003).
    pub(crate) fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(5_000 + self.0 % 10_001)
    }
}
