//! PID 1 of every sandbox: it runs the job's programs one after another, measures them, and cleans up behind them.
//!
//! # Theory of operation
//!
//! One process, one thread, no signal handlers, no privilege: it has the uid and the (empty) capabilities of the program
//! it runs, and survives that program by what the kernel grants PID 1 and by what the child gives up before exec:
//!
//! - signals without a handler never reach PID 1 from inside its namespace, so there are no handlers;
//! - it isn't dumpable, and its file's mode is 0111, so nobody of the same uid can trace it or look into its `/proc`;
//! - the child's seccomp filter and Landlock domain ([`confine`]) take away the few calls that could still reach it;
//! - all its descriptors are close-on-exec, so a program can't speak on its channel to the worker;
//! - the child's `oom_score_adj` is the highest there is, so the kernel takes the program first ([`oom`]).
//!
//! The worker speaks on stdin and listens on stdout ([`caisson::protocol`]). When stdin closes, the worker is gone: the
//! agent exits, and with PID 1 the kernel ends everything else in the container.
//!
//! What it says is never trusted with a verdict beyond the figures of its own frames, and its death or silence is
//! evidence about the program.

mod archive;
mod channel;
mod child;
mod confine;
mod flight;
mod killing;
mod locks;
mod meter;
mod oom;
mod probe;
mod step;
mod streams;
mod sweep;
mod sys;
mod thrash;
mod times;
mod tree;
mod waits;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use caisson::network::has_interface;
use caisson::protocol::{END_A_PROCESS, Event, Request, Restore, Stdin, VERSION, WORKSPACE};

use crate::channel::Channel;
use crate::confine::Confinement;
use crate::flight::Flight;
use crate::locks::Locks;
use crate::meter::Meter;
use crate::oom::OomScore;
use crate::times::Times;
use crate::waits::{Distance, Processes};

/// Places other than the workspace that a program may have written to. All are tmpfs mounts of the container's own.
const SCRATCH: [&str; 2] = ["/tmp", "/dev/shm"];

fn main() -> ExitCode {
    // Anywhere but as PID 1 of a sandbox, the sweep's kill(-1) would end every process of the user.
    if std::process::id() != 1 {
        let mut arguments = std::env::args().skip(1);
        if arguments.next().as_deref() == Some("--probe") {
            return probe::run(arguments.next().as_deref());
        }
        eprintln!("caisson-agent is PID 1 of a sandbox and runs nowhere else");
        return ExitCode::from(64);
    }
    let mut channel = Channel::new();
    let outcome = prepare().and_then(|mut agent| serve(&mut agent, &mut channel));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = channel.send(&Event::Failed {
                operation: failure.operation.as_bytes().to_vec(),
                errno: failure.error.raw_os_error().unwrap_or(0),
            });
            ExitCode::FAILURE
        }
    }
}

/// The agent itself couldn't go on.
pub(crate) struct Failure {
    operation: &'static str,
    error: io::Error,
}

/// Names what was being attempted.
pub(crate) trait Attempt<T> {
    fn attempt(self, operation: &'static str) -> Result<T, Failure>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, operation: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure { operation, error })
    }
}

/// What lives as long as the sandbox.
pub(crate) struct Agent {
    oom_score: OomScore,
    confinement: Confinement,
    flight: Flight,
    locks: Locks,
    meter: Meter,
    processes: Processes,
    /// Readable when a child has ended.
    ends: OwnedFd,
    distance: Distance,
    times: Times,
    workspace: OwnedFd,
    scratch: Vec<OwnedFd>,
    snapshot: Option<File>,
}

impl Agent {
    /// How many of the writable places have no room left, for bytes or for files.
    pub(crate) fn full_places(&self) -> io::Result<u64> {
        let mut full = 0;
        for place in self.scratch.iter().chain([&self.workspace]) {
            full += u64::from(sys::is_full(place)?);
        }
        Ok(full)
    }
}

fn prepare() -> Result<Agent, Failure> {
    let oom_score = OomScore::open();
    sys::set_dumpable(false).attempt("become undumpable")?;
    sys::forget_signals();
    // The program's files get the modes they were given, whatever the image's init would have set.
    sys::set_umask(0o022);
    let ends = sys::watch_ends().attempt("watch for the end of children")?;
    Ok(Agent {
        oom_score,
        confinement: Confinement::prepare().attempt("prepare the program's confinement")?,
        meter: Meter::open().attempt("open the cgroup's accounts")?,
        processes: Processes::open().attempt("open the list of processes")?,
        flight: Flight::open(),
        locks: Locks::open(&ends).attempt("open the list of locks")?,
        ends,
        distance: Distance::new(),
        times: Times::find(),
        workspace: sys::open_directory(WORKSPACE).attempt("open the workspace")?,
        // A place that the container doesn't have needs no wiping.
        scratch: SCRATCH.iter().filter_map(|path| sys::open_directory(path).ok()).collect(),
        snapshot: None,
    })
}

/// Answers requests until stdin closes.
fn serve(agent: &mut Agent, channel: &mut Channel) -> Result<(), Failure> {
    while let Some(request) = channel.next().attempt("read a request")? {
        match request {
            Request::Hello { version, nonce, key } => {
                if version != VERSION {
                    return Err(io::Error::from_raw_os_error(libc::EPROTO)).attempt("agree on the protocol");
                }
                channel.seal_with(key);
                sweep::prove().attempt(END_A_PROCESS)?;
                let ready = Event::Ready {
                    version: VERSION,
                    nonce,
                    cgroup: agent.meter.version_number(),
                    landlock: agent.confinement.landlock_abi(),
                    network: has_network(),
                    places: writable_places(),
                };
                channel.send(&ready).attempt("greet")?;
            }
            Request::File { path, executable, size } => {
                let mut file = tree::create(&agent.workspace, &path, executable).attempt("create a file of the job")?;
                receive(channel, &mut file, size).attempt("write a file of the job")?;
            }
            Request::Step(step) => {
                let stdin = match step.stdin {
                    Stdin::Stream => None,
                    Stdin::Bytes(size) => {
                        let mut memory = sys::memory_file(c"stdin").attempt("make room for stdin")?;
                        receive(channel, &mut memory, size).attempt("receive stdin")?;
                        sys::seal(&memory).attempt("seal stdin")?;
                        Some(memory)
                    }
                };
                if step.restore != Restore::No {
                    tree::wipe(&agent.workspace).attempt("empty the workspace")?;
                    let snapshot = agent.snapshot.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT));
                    snapshot
                        .and_then(|snapshot| archive::restore(snapshot, &agent.workspace))
                        .attempt("restore the workspace")?;
                }
                if step.restore == Restore::Last {
                    agent.snapshot = None;
                }
                let kernel_memory = agent.meter.kernel_memory();
                let ended = step::run(agent, channel, &step, stdin)?;
                for place in &agent.scratch {
                    tree::wipe(place).attempt("empty the scratch directories")?;
                }
                agent.times.reset();
                agent.meter.settle(kernel_memory).attempt("wait for memory")?;
                channel.send(&Event::Ended(ended)).attempt("report a step")?;
            }
            Request::Snapshot => {
                let snapshot = archive::take(&agent.workspace).attempt("take a snapshot")?;
                let size = sys::size(&snapshot).attempt("measure a snapshot")?;
                agent.snapshot = Some(snapshot);
                channel.send(&Event::Snapshotted { size }).attempt("report a snapshot")?;
            }
            Request::Collect => {
                let snapshot = agent.snapshot.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT));
                let snapshot = snapshot.attempt("find the snapshot")?;
                archive::send(snapshot, channel).attempt("send the snapshot")?;
                channel.send(&Event::Collected).attempt("end the snapshot")?;
            }
            Request::Load { size } => {
                let mut snapshot = sys::memory_file(c"snapshot").attempt("make room for a snapshot")?;
                receive(channel, &mut snapshot, size).attempt("receive a snapshot")?;
                agent.snapshot = Some(snapshot);
            }
            Request::Data(_) | Request::EndOfInput => {
                // What is left of a streamed stdin that its program didn't wait for.
            }
        }
    }
    Ok(())
}

/// Takes `size` bytes of `Data` frames.
fn receive(channel: &mut Channel, into: &mut File, size: u64) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        match channel.next()? {
            Some(Request::Data(data)) if data.len() as u64 <= left => {
                into.write_all(&data)?;
                left -= data.len() as u64;
            }
            Some(_) => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
            // The worker is gone; nobody reads what happens now.
            None => return Err(io::Error::from_raw_os_error(libc::EPIPE)),
        }
    }
    Ok(())
}

/// Which of the workspace and the scratch directories can be written to, a bit for each.
fn writable_places() -> u8 {
    let places = [WORKSPACE].into_iter().chain(SCRATCH);
    places.enumerate().map(|(number, place)| u8::from(sys::may_write(place)) << number).sum()
}

/// Whether the container has a network interface other than the loopback. No answer counts as one.
fn has_network() -> bool {
    std::fs::read("/proc/net/dev").map_or(true, |text| has_interface(&text))
}
