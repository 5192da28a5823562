//! What the worker and the agent say to each other over the container's stdin and stdout.
//!
//! Both directions carry frames: a length (u32), a kind (u8), a sequence number (u32) and a payload, all integers
//! little-endian. Frames are bounded by [`MAX_PAYLOAD`]; whatever breaks the form is an error and ends the conversation,
//! which the worker takes as evidence about the program, never as a reason to trust what came before.
//!
//! ```text
//! worker                                   agent (PID 1 in the container)
//!   Hello{nonce}              ─────────►
//!                             ◄─────────   Ready{nonce}
//!   File, Data…  (each file)  ─────────►   written to the workspace
//!   Step, Data…  (its stdin)  ─────────►   runs one program
//!                             ◄─────────   Output… Ended{measurements}
//!   Snapshot                  ─────────►   keeps the workspace, restored before each further step that asks for it
//!   Collect                   ─────────►
//!                             ◄─────────   Data… Collected
//!   Load, Data…               ─────────►   takes another agent's snapshot
//!   (stdin closes)            ─────────►   kills everything and exits
//!                             ◄─────────   Failed{operation, errno}, at any time: the agent itself couldn't go on
//! ```

/// Changes whenever the meaning of a frame changes. Worker and agent come from one build, so this only catches accidents.
pub const VERSION: u32 = 1;

/// The longest payload of a frame in bytes: room for a step's whole argv and environment (96 KiB at most) and overhead.
pub const MAX_PAYLOAD: usize = 128 * 1024;

/// The size of the chunks in which bulk data travels; one pipe buffer.
pub const CHUNK: usize = 64 * 1024;

/// Length, kind and sequence number.
pub const HEADER: usize = 9;

/// Where the program's files are, and its working directory.
pub const WORKSPACE: &str = "/box";

/// Where programs are looked for.
pub const PROGRAM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What can be wrong with bytes that should be a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    TooLong,
    UnknownKind(u8),
    OutOfSequence,
    Malformed,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::TooLong => formatter.write_str("a frame is longer than the protocol allows"),
            FrameError::UnknownKind(kind) => write!(formatter, "a frame has the unknown kind {kind}"),
            FrameError::OutOfSequence => formatter.write_str("a frame is out of sequence"),
            FrameError::Malformed => formatter.write_str("a frame's payload is malformed"),
        }
    }
}

impl std::error::Error for FrameError {}

/// A frame's first nine bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub length: usize,
    pub kind: u8,
    pub sequence: u32,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&u32::try_from(self.length).unwrap_or(u32::MAX).to_le_bytes());
        bytes[4] = self.kind;
        bytes[5..].copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    /// # Errors
    /// When the length is over [`MAX_PAYLOAD`] or the sequence number isn't `expected`.
    pub fn decode(bytes: &[u8; HEADER], expected: u32) -> Result<Header, FrameError> {
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        let sequence = u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
        if length > MAX_PAYLOAD {
            return Err(FrameError::TooLong);
        }
        if sequence != expected {
            return Err(FrameError::OutOfSequence);
        }
        Ok(Header { length, kind: bytes[4], sequence })
    }
}

/// Where a program's standard input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// This many bytes, in the `Data` frames that follow; the program starts when all are there and may seek in them.
    Bytes(u64),
    /// `Data` frames passed on as they come, until `EndOfInput`.
    Stream,
}

/// One program to run, with the limits that the agent enforces. Memory and processes are the container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value`, the whole environment.
    pub env: Vec<Vec<u8>>,
    pub stdin: Stdin,
    /// Empty the workspace and fill it from the snapshot first.
    pub restore: bool,
    pub cpu_time_us: u64,
    pub wall_time_us: u64,
    pub output_bytes: u64,
    pub file_size_bytes: u64,
    pub open_files: u64,
    pub stack_bytes: u64,
}

/// How a step ended and what the agent measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    pub ending: StepEnding,
    pub cpu_time_us: u64,
    pub wall_time_us: u64,
    pub memory_peak_bytes: u64,
    pub oom_kills: u64,
    pub stdout_total_bytes: u64,
    pub stderr_total_bytes: u64,
    /// The agent's own CPU time for the step, already taken off `cpu_time_us`.
    pub agent_cpu_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnding {
    Exited(i32),
    Signalled(i32),
    /// The program could not be started: the errno of execve.
    NotStarted(i32),
}

impl Default for StepEnding {
    fn default() -> Self {
        StepEnding::Exited(0)
    }
}

/// From the worker to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Hello { version: u32, nonce: u64 },
    File { path: Vec<u8>, executable: bool, size: u64 },
    Data(Vec<u8>),
    EndOfInput,
    Step(Step),
    Snapshot,
    Collect,
    Load { size: u64 },
}

/// From the agent to the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `network` says that there is an interface other than the loopback, which a sandbox must not have.
    Ready {
        version: u32,
        nonce: u64,
        cgroup: u8,
        landlock: u8,
        network: bool,
    },
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Ended(Ended),
    Snapshotted {
        size: u64,
    },
    Data(Vec<u8>),
    Collected,
    Failed {
        operation: Vec<u8>,
        errno: i32,
    },
}

/// The kinds by number; requests below 100, events from 100.
pub mod kind {
    pub const HELLO: u8 = 1;
    pub const FILE: u8 = 2;
    pub const DATA: u8 = 3;
    pub const END_OF_INPUT: u8 = 4;
    pub const STEP: u8 = 5;
    pub const SNAPSHOT: u8 = 6;
    pub const COLLECT: u8 = 7;
    pub const LOAD: u8 = 8;

    pub const READY: u8 = 100;
    pub const STDOUT: u8 = 101;
    pub const STDERR: u8 = 102;
    pub const ENDED: u8 = 103;
    pub const SNAPSHOTTED: u8 = 104;
    pub const COLLECTED_DATA: u8 = 105;
    pub const COLLECTED: u8 = 106;
    pub const FAILED: u8 = 107;
}

impl Request {
    /// The whole frame, ready to be sent.
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut out = Writer::new();
        let kind = match self {
            Request::Hello { version, nonce } => {
                out.u32(*version);
                out.u64(*nonce);
                kind::HELLO
            }
            Request::File { path, executable, size } => {
                out.bytes(path);
                out.flag(*executable);
                out.u64(*size);
                kind::FILE
            }
            Request::Data(data) => {
                out.rest(data);
                kind::DATA
            }
            Request::EndOfInput => kind::END_OF_INPUT,
            Request::Step(step) => {
                out.list(&step.argv);
                out.list(&step.env);
                match step.stdin {
                    Stdin::Bytes(size) => {
                        out.flag(false);
                        out.u64(size);
                    }
                    Stdin::Stream => {
                        out.flag(true);
                        out.u64(0);
                    }
                }
                out.flag(step.restore);
                for number in [
                    step.cpu_time_us,
                    step.wall_time_us,
                    step.output_bytes,
                    step.file_size_bytes,
                    step.open_files,
                    step.stack_bytes,
                ] {
                    out.u64(number);
                }
                kind::STEP
            }
            Request::Snapshot => kind::SNAPSHOT,
            Request::Collect => kind::COLLECT,
            Request::Load { size } => {
                out.u64(*size);
                kind::LOAD
            }
        };
        out.frame(kind, sequence)
    }

    /// # Errors
    /// When the kind is unknown or the payload isn't exactly what the kind says.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Request, FrameError> {
        let mut input = Reader(payload);
        let request = match kind {
            kind::HELLO => Request::Hello { version: input.u32()?, nonce: input.u64()? },
            kind::FILE => {
                Request::File { path: input.bytes()?.to_vec(), executable: input.flag()?, size: input.u64()? }
            }
            kind::DATA => Request::Data(input.rest().to_vec()),
            kind::END_OF_INPUT => Request::EndOfInput,
            kind::STEP => Request::Step(Step {
                argv: input.list()?,
                env: input.list()?,
                stdin: match (input.flag()?, input.u64()?) {
                    (false, size) => Stdin::Bytes(size),
                    (true, _) => Stdin::Stream,
                },
                restore: input.flag()?,
                cpu_time_us: input.u64()?,
                wall_time_us: input.u64()?,
                output_bytes: input.u64()?,
                file_size_bytes: input.u64()?,
                open_files: input.u64()?,
                stack_bytes: input.u64()?,
            }),
            kind::SNAPSHOT => Request::Snapshot,
            kind::COLLECT => Request::Collect,
            kind::LOAD => Request::Load { size: input.u64()? },
            other => return Err(FrameError::UnknownKind(other)),
        };
        input.end()?;
        Ok(request)
    }
}

impl Event {
    /// The whole frame, ready to be sent.
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut out = Writer::new();
        let kind = match self {
            Event::Ready { version, nonce, cgroup, landlock, network } => {
                out.u32(*version);
                out.u64(*nonce);
                out.u8(*cgroup);
                out.u8(*landlock);
                out.flag(*network);
                kind::READY
            }
            Event::Stdout(data) => {
                out.rest(data);
                kind::STDOUT
            }
            Event::Stderr(data) => {
                out.rest(data);
                kind::STDERR
            }
            Event::Ended(ended) => {
                let (how, value) = match ended.ending {
                    StepEnding::Exited(code) => (0, code),
                    StepEnding::Signalled(signal) => (1, signal),
                    StepEnding::NotStarted(errno) => (2, errno),
                };
                out.u8(how);
                out.i32(value);
                for number in [
                    ended.cpu_time_us,
                    ended.wall_time_us,
                    ended.memory_peak_bytes,
                    ended.oom_kills,
                    ended.stdout_total_bytes,
                    ended.stderr_total_bytes,
                    ended.agent_cpu_us,
                ] {
                    out.u64(number);
                }
                kind::ENDED
            }
            Event::Snapshotted { size } => {
                out.u64(*size);
                kind::SNAPSHOTTED
            }
            Event::Data(data) => {
                out.rest(data);
                kind::COLLECTED_DATA
            }
            Event::Collected => kind::COLLECTED,
            Event::Failed { operation, errno } => {
                out.bytes(operation);
                out.i32(*errno);
                kind::FAILED
            }
        };
        out.frame(kind, sequence)
    }

    /// # Errors
    /// When the kind is unknown or the payload isn't exactly what the kind says.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Event, FrameError> {
        let mut input = Reader(payload);
        let event = match kind {
            kind::READY => Event::Ready {
                version: input.u32()?,
                nonce: input.u64()?,
                cgroup: input.u8()?,
                landlock: input.u8()?,
                network: input.flag()?,
            },
            kind::STDOUT => Event::Stdout(input.rest().to_vec()),
            kind::STDERR => Event::Stderr(input.rest().to_vec()),
            kind::ENDED => Event::Ended(Ended {
                ending: match (input.u8()?, input.i32()?) {
                    (0, code) => StepEnding::Exited(code),
                    (1, signal) => StepEnding::Signalled(signal),
                    (2, errno) => StepEnding::NotStarted(errno),
                    _ => return Err(FrameError::Malformed),
                },
                cpu_time_us: input.u64()?,
                wall_time_us: input.u64()?,
                memory_peak_bytes: input.u64()?,
                oom_kills: input.u64()?,
                stdout_total_bytes: input.u64()?,
                stderr_total_bytes: input.u64()?,
                agent_cpu_us: input.u64()?,
            }),
            kind::SNAPSHOTTED => Event::Snapshotted { size: input.u64()? },
            kind::COLLECTED_DATA => Event::Data(input.rest().to_vec()),
            kind::COLLECTED => Event::Collected,
            kind::FAILED => Event::Failed { operation: input.bytes()?.to_vec(), errno: input.i32()? },
            other => return Err(FrameError::UnknownKind(other)),
        };
        input.end()?;
        Ok(event)
    }
}

/// Builds a payload behind room for its header.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Writer {
        Writer(vec![0; HEADER])
    }

    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn rest(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.rest(value);
    }

    fn list(&mut self, values: &[Vec<u8>]) {
        self.u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
        for value in values {
            self.bytes(value);
        }
    }

    fn frame(mut self, kind: u8, sequence: u32) -> Vec<u8> {
        let header = Header { length: self.0.len() - HEADER, kind, sequence };
        self.0[..HEADER].copy_from_slice(&header.encode());
        self.0
    }
}

/// Takes a payload apart; every read is checked against what is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(FrameError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        self.take(N)?.try_into().map_err(|_| FrameError::Malformed)
    }

    fn u8(&mut self) -> Result<u8, FrameError> {
        Ok(self.array::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, FrameError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(FrameError::Malformed),
        }
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, FrameError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn bytes(&mut self) -> Result<&'a [u8], FrameError> {
        let count = self.u32()? as usize;
        self.take(count)
    }

    fn list(&mut self) -> Result<Vec<Vec<u8>>, FrameError> {
        let count = self.u32()? as usize;
        // Each entry takes four bytes at least, so a lying count can't reserve more than the payload's own size.
        if count > self.0.len() / 4 {
            return Err(FrameError::Malformed);
        }
        (0..count).map(|_| self.bytes().map(<[u8]>::to_vec)).collect()
    }

    fn end(&self) -> Result<(), FrameError> {
        if self.0.is_empty() { Ok(()) } else { Err(FrameError::Malformed) }
    }
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
