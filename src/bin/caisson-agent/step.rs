//! One program from start to the last of its processes: watched, measured, ended.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use caisson::protocol::{Ended, Event, Hindrance, Request, Step, StepEnding, kind};

use crate::channel::{Channel, STDIN, STDOUT};
use crate::child;
use crate::killing::Killing;
use crate::locks::Found;
use crate::meter::is_full;
use crate::streams::{Input, Output};
use crate::sweep::{MOST_ENDED, SWEEP, Swept};
use crate::thrash::Thrashing;
use crate::waits::Waits;
use crate::{Agent, Attempt, Failure, sys};

/// How often the worker is told that a program runs for longer because the host keeps it waiting.
const TELL: Duration = Duration::from_secs(1);

pub(crate) fn run(
    agent: &mut Agent,
    channel: &mut Channel,
    step: &Step,
    input: Option<File>,
) -> Result<Ended, Failure> {
    let meter = &agent.meter;
    let hindrance_before = meter.hindrance();
    let before = Before {
        cpu_time_us: meter.cpu_time_us().attempt("read the CPU time")?,
        own_cpu_time_us: sys::own_cpu_time_us(),
        memory: meter.memory_now().attempt("read the memory in use")?,
        memory_peak: meter.memory_peak(),
        memory_limit: meter.memory_limit(),
        throttled_us: meter.throttled_us(),
        oom_kills: meter.oom_kills().attempt("read the oom kills")?,
    };
    let started = Instant::now();
    let child = child::start(agent, step, input.as_ref()).attempt("start a program")?;
    drop(input);

    let not_started = child.not_started;
    let distance = agent.distance.next();
    let mut run = Run {
        agent,
        channel,
        step,
        before: &before,
        started,
        next_tick: started + distance,
        next_word: started,
        waits: Waits::new(started),
        is_undecided: false,
        killing: Killing::new(started, before.oom_kills),
        thrashing: Thrashing::new(before.memory_limit),
        thrashed: false,
        locks: Found::Nothing,
        pid: child.pid,
        dead: Swept::default(),
        stdin: Input { pipe: child.stdin, waiting: Vec::new() },
        stdout: Output::new(child.stdout, kind::STDOUT),
        stderr: Output::new(child.stderr, kind::STDERR),
        memory_seen: 0,
    };
    let ended = run.watch().attempt("watch a program")?;
    let now = Instant::now();
    let wall_time = now - started;
    if ended.is_some() {
        let (cpu_time_us, due) = (run.cpu_time_us().attempt("read the CPU time")?, run.next_tick);
        run.waits.end(now, cpu_time_us, due);
    }
    let (cpu_wait_us, file_wait_us) = (run.cpu_wait_us(), run.waits.file_wait_us());
    run.dead.sweep().attempt("end a program's processes")?;
    run.agent.flight.collect(Instant::now() + SWEEP).attempt("collect what lies in sockets")?;
    run.drain().attempt("read a program's last output")?;

    let (stdout_total, stderr_total) = (run.stdout.total, run.stderr.total);
    let (memory_seen, thrashed, swept) = (run.memory_seen, run.thrashed, run.dead);
    let too_many_locks = run.locks == Found::TooMany;
    let meter = &agent.meter;
    let agent_cpu_us = sys::own_cpu_time_us().saturating_sub(before.own_cpu_time_us);
    let memory_peak = meter.memory_peak();
    Ok(Ended {
        ending: match (not_started, ended) {
            (Some(errno), _) => StepEnding::NotStarted(errno),
            // Killed by us, with the first process still running.
            (None, None) => StepEnding::Signalled(libc::SIGKILL),
            (None, Some(end)) if libc::WIFSIGNALED(end.status) => StepEnding::Signalled(libc::WTERMSIG(end.status)),
            (None, Some(end)) => StepEnding::Exited(libc::WEXITSTATUS(end.status)),
        },
        cpu_time_us: meter
            .cpu_time_us()
            .attempt("read the CPU time")?
            .saturating_sub(before.cpu_time_us)
            .saturating_sub(agent_cpu_us),
        wall_time_us: wall_time.as_micros() as u64,
        // The container's peak can't be reset from inside. Where this step raised it, it is this step's. What was in use
        // before it began (files that an earlier step left, the cache of what a compiler read) isn't; and where the kernel
        // took that back meanwhile, the largest process says more than the difference.
        memory_peak_bytes: (if memory_peak > before.memory_peak { memory_peak } else { memory_seen })
            .saturating_sub(before.memory)
            .max(swept.resident_peak),
        oom_kills: meter.oom_kills().attempt("read the oom kills")?.saturating_sub(before.oom_kills),
        stdout_total_bytes: stdout_total,
        stderr_total_bytes: stderr_total,
        agent_cpu_us,
        killed_processes: swept.killed,
        full_places: agent.full_places().attempt("look for room")?,
        thrashed,
        too_many_locks,
        hindrance: Hindrance {
            involuntary_switches: Some(swept.involuntary_switches),
            cpu_wait_us: Some(cpu_wait_us),
            file_wait_us: Some(file_wait_us),
            ..meter.hindrance().since(&hindrance_before)
        },
    })
}

struct Before {
    cpu_time_us: u64,
    own_cpu_time_us: u64,
    memory: u64,
    memory_peak: u64,
    memory_limit: Option<u64>,
    throttled_us: Option<u64>,
    oom_kills: u64,
}

struct Run<'a> {
    agent: &'a mut Agent,
    channel: &'a mut Channel,
    step: &'a Step,
    before: &'a Before,
    started: Instant,
    /// When limits are checked and memory is sampled next: an overrun costs 15 ms at most, and 10 on average.
    next_tick: Instant,
    /// When the worker is told next that the host keeps the program waiting.
    next_word: Instant,
    waits: Waits,
    /// Its wall time is over unless the host took some of it, and the last look couldn't tell. The next tick looks again.
    is_undecided: bool,
    killing: Killing,
    thrashing: Thrashing,
    thrashed: bool,
    locks: Found,
    pid: libc::pid_t,
    dead: Swept,
    stdin: Input,
    stdout: Output,
    stderr: Output,
    memory_seen: u64,
}

impl Run<'_> {
    /// Until the first process ends (its end is returned) or a limit is passed (`None`). Others that end meanwhile and have
    /// nobody who waits for them are taken in, or they would count as processes until the step's end.
    fn watch(&mut self) -> io::Result<Option<sys::Reaped>> {
        loop {
            for _ in 0..MOST_ENDED {
                match sys::reap(-1)? {
                    Some(ended) => {
                        self.dead.count(&ended);
                        if ended.pid == self.pid {
                            return Ok(Some(ended));
                        }
                    }
                    None => break,
                }
            }
            if self.over_limit()? {
                return Ok(None);
            }
            self.wait_and_move()?;
        }
    }

    fn over_limit(&mut self) -> io::Result<bool> {
        let limit = self.step.output_bytes;
        if self.stdout.total > limit || self.stderr.total > limit {
            return Ok(true);
        }
        let now = Instant::now();
        let is_due = self.wall_left_us(now) == 0;
        if now < self.next_tick && (!is_due || self.is_undecided) {
            return Ok(false);
        }
        let due = std::mem::replace(&mut self.next_tick, now + self.agent.distance.next());
        let meter = &self.agent.meter;
        let memory = meter.memory_now()?;
        self.memory_seen = self.memory_seen.max(memory);
        self.thrashed |= self.thrashing.look(now, memory, || meter.reclaim());
        let cpu_time_us = self.cpu_time_us()?;
        let is_full = self.before.memory_limit.is_some_and(|limit| is_full(memory, limit));
        if self.killing.look(now, is_full, || meter.oom_kills())? {
            self.is_undecided = true;
            return Ok(cpu_time_us > self.step.cpu_time_us);
        }
        let held_or_last = (!self.channel.is_idle(), is_due);
        self.is_undecided = !self.waits.look(&self.agent.processes, now, cpu_time_us, due, held_or_last);
        self.locks = self.agent.locks.look(now);
        if self.locks != Found::Nothing {
            return Ok(true);
        }
        if self.thrashed || cpu_time_us > self.step.cpu_time_us {
            return Ok(true);
        }
        self.tell_of_waiting(now)?;
        Ok((!self.is_undecided && self.wall_left_us(now) == 0) || self.cpu_wait_us() > self.step.cpu_wait_us)
    }

    /// What the program has used so far.
    fn cpu_time_us(&self) -> io::Result<u64> {
        let own = sys::own_cpu_time_us().saturating_sub(self.before.own_cpu_time_us);
        Ok(self.agent.meter.cpu_time_us()?.saturating_sub(self.before.cpu_time_us).saturating_sub(own))
    }

    fn cpu_wait_us(&self) -> u64 {
        let throttled_us = self.agent.meter.throttled_us().zip(self.before.throttled_us);
        self.waits.cpu_wait_us(throttled_us.map_or(0, |(now, before)| now.saturating_sub(before)))
    }

    /// For how long the host has kept the program waiting, as far as that is counted out of its wall time.
    fn waited_us(&self) -> u64 {
        let Step { cpu_wait_us, file_wait_us, .. } = self.step;
        self.cpu_wait_us().min(*cpu_wait_us).saturating_add(self.waits.file_wait_us().min(*file_wait_us))
    }

    /// How much of its wall time the program has left at least.
    fn wall_left_us(&self, now: Instant) -> u64 {
        let passed_us = now.duration_since(self.started).as_micros() as u64;
        match self.step.wall_time_us.saturating_sub(passed_us) {
            0 => self.step.wall_time_us.saturating_add(self.waited_us()).saturating_sub(passed_us),
            left => left,
        }
    }

    /// The worker waits for a step's wall time and not much longer, unless it is told why.
    fn tell_of_waiting(&mut self, now: Instant) -> io::Result<()> {
        let passed_us = now.duration_since(self.started).as_micros() as u64;
        if passed_us > self.step.wall_time_us && now >= self.next_word && self.channel.is_idle() {
            self.next_word = now + TELL;
            self.channel.begin(&Event::Waited { us: self.waited_us() })?;
        }
        Ok(())
    }

    /// Sleeps until something can be moved, the first process ends, or the next tick.
    fn wait_and_move(&mut self) -> io::Result<()> {
        let idle = self.channel.is_idle();
        // A descriptor of -1 is passed over. stdin's hang-up is reported whether or not it is asked for.
        let wants_input = self.stdin.pipe.is_some() && self.stdin.waiting.is_empty();
        let mut watched = [
            sys::watch(STDIN, if wants_input { libc::POLLIN } else { 0 }),
            sys::watch(if idle { -1 } else { STDOUT }, libc::POLLOUT),
            sys::watch(self.stdout.watchable(idle), libc::POLLIN),
            sys::watch(self.stderr.watchable(idle), libc::POLLIN),
            sys::watch(self.agent.ends.as_raw_fd(), libc::POLLIN),
            sys::watch(self.stdin.watchable(), libc::POLLOUT),
        ];
        let now = Instant::now();
        let tick_us = self.next_tick.saturating_duration_since(now).as_micros() as u64;
        let timeout_us = if self.is_undecided { tick_us } else { tick_us.min(self.wall_left_us(now)) };
        sys::poll(&mut watched, timeout_us.div_ceil(1_000) as i32)?;

        if watched[0].revents & (libc::POLLHUP | libc::POLLERR) != 0 && watched[0].revents & libc::POLLIN == 0 {
            exit_with_worker();
        }
        if wants_input && watched[0].revents & libc::POLLIN != 0 {
            self.channel.fill()?;
            if self.channel.is_closed() {
                exit_with_worker();
            }
        }
        if watched[4].revents != 0 {
            sys::forget_ends(&self.agent.ends)?;
        }
        self.feed()?;
        if watched[1].revents != 0 {
            self.channel.flush()?;
        }
        let limit = self.step.output_bytes;
        if watched[2].revents != 0 {
            self.stdout.relay(self.channel, limit)?;
        }
        if watched[3].revents != 0 && self.channel.is_idle() {
            self.stderr.relay(self.channel, limit)?;
        }
        Ok(())
    }

    /// Passes streamed input on to the program.
    fn feed(&mut self) -> io::Result<()> {
        while self.stdin.pipe.is_some() {
            if !self.stdin.write()? {
                return Ok(());
            }
            match self.channel.take()? {
                Some(Request::Data(data)) => self.stdin.waiting = data,
                Some(Request::EndOfInput) => self.stdin.pipe = None,
                Some(_) => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes what is left in the pipes, within the limit. Nobody is alive to write more, and what lay in sockets is collected; a
    /// pipe that somebody holds open all the same means that the sandbox is used up.
    fn drain(&mut self) -> io::Result<()> {
        let limit = self.step.output_bytes;
        loop {
            while !self.channel.is_idle() {
                sys::poll(&mut [sys::watch(STDOUT, libc::POLLOUT)], -1)?;
                self.channel.flush()?;
            }
            let output = if self.stdout.is_open(limit) { &mut self.stdout } else { &mut self.stderr };
            if !output.is_open(limit) {
                return Ok(());
            }
            // Something to read, or the end.
            let mut watched = [sys::watch(output.watchable(true), libc::POLLIN)];
            sys::poll(&mut watched, SWEEP.as_millis() as i32)?;
            if watched[0].revents == 0 {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            output.relay(self.channel, limit)?;
        }
    }
}

/// The worker is gone. As PID 1, the agent takes everything else with it.
#[expect(clippy::disallowed_methods, reason = "there is no guard to skip: the container ends with this process")]
fn exit_with_worker() -> ! {
    std::process::exit(0)
}
