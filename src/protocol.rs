//! What the worker and the agent say to each other over the container's stdin and stdout.
//!
//! Both directions carry frames: a length (u32), a kind (u8), a sequence number (u32) and a payload, all integers
//! little-endian. Frames are bounded by [`MAX_PAYLOAD`]; whatever breaks the form is an error and ends the conversation,
//! which the worker takes as evidence about the program, never as a reason to trust what came before. Each of the agent's
//! frames is followed by its seal ([`Sealer`]), eight bytes that nobody else can make.
//!
//! ```text
//! worker                                   agent (PID 1 in the container)
//!   Hello{nonce, key}         ─────────►
//!                             ◄─────────   Ready{nonce}
//!   File, Data…  (each file)  ─────────►   written to the workspace
//!   Step, Data…  (its stdin)  ─────────►   runs one program
//!                             ◄─────────   Output… Waited… Ended{measurements}
//!   Snapshot                  ─────────►   keeps the workspace as it is, restored before each further step that asks for it
//!                             ◄─────────   Snapshotted{size}
//!   Collect                   ─────────►
//!                             ◄─────────   Data… Collected
//!   Load, Data…               ─────────►   takes another agent's snapshot
//!   (stdin closes)            ─────────►   kills everything and exits
//!                             ◄─────────   Failed{operation, errno}, at any time: the agent itself couldn't go on
//! ```

mod event;
mod hindrance;
mod request;
mod seal;
mod wire;

pub use hindrance::Hindrance;
pub use seal::{SEAL, Sealer};

/// Changes whenever the meaning of a frame changes. Worker and agent come from one build, so this only catches accidents.
pub const VERSION: u32 = 5;

/// What the agent says in `Failed` that it couldn't do, where no process of the container may signal another.
pub const END_A_PROCESS: &str = "end a process of its own";

/// The longest payload of a frame in bytes: room for a step's whole argv and environment (96 KiB at most) and overhead.
pub const MAX_PAYLOAD: usize = 128 * 1024;

/// The size of the chunks in which bulk data travels; one pipe buffer.
pub const CHUNK: usize = 64 * 1024;

/// Length, kind and sequence number.
pub const HEADER: usize = 9;

/// Where the program's files are, and its working directory.
pub const WORKSPACE: &str = "/box";

/// The most locks on files that a program may hold at a time. The kernel charges the memory of a lock, some 200 bytes, to
/// nobody, and takes longer for each look at the list of them the longer it is. Databases hold a dozen for each connection.
pub const MOST_LOCKS: usize = 4_096;

/// Where programs are looked for.
pub const PROGRAM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What can be wrong with bytes that should be a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    TooLong,
    UnknownKind(u8),
    OutOfSequence,
    Malformed,
    /// Not made by the agent.
    Forged,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::TooLong => formatter.write_str("a frame is longer than the protocol allows"),
            FrameError::UnknownKind(kind) => write!(formatter, "a frame has the unknown kind {kind}"),
            FrameError::OutOfSequence => formatter.write_str("a frame is out of sequence"),
            FrameError::Malformed => formatter.write_str("a frame's payload is malformed"),
            FrameError::Forged => formatter.write_str("a frame doesn't bear the agent's seal"),
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

/// What a step finds in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// What the step before it left.
    No,
    /// The snapshot's files and nothing else.
    Keep,
    /// The same, and the snapshot is given up: its memory is the program's.
    Last,
}

/// One program to run, with the limits that the agent enforces. Memory and processes are the container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value`, the whole environment.
    pub env: Vec<Vec<u8>>,
    pub stdin: Stdin,
    pub restore: Restore,
    pub cpu_time_us: u64,
    /// Compared with the time that has passed, less what of the next two the host is behind.
    pub wall_time_us: u64,
    /// For how long the host may keep the program waiting for a CPU before the agent gives up.
    pub cpu_wait_us: u64,
    /// Up to how long waiting for a file system isn't counted as the program's own. A program can bring that about, so what
    /// is beyond it counts.
    pub file_wait_us: u64,
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
    /// Processes that were still alive when the first one had ended or was stopped, and had to be killed.
    pub killed_processes: u64,
    /// Writable places that had no room left at the end, for bytes or for files.
    pub full_places: u64,
    /// The agent ended it because it did nothing any more but read its own pages back into a full memory.
    pub thrashed: bool,
    /// The agent ended it because it held more locks on files than a program may.
    pub too_many_locks: bool,
    pub hindrance: Hindrance,
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
    /// `key` is what the agent seals its frames with; it never comes back.
    Hello {
        version: u32,
        nonce: u64,
        key: [u8; 16],
    },
    File {
        path: Vec<u8>,
        executable: bool,
        size: u64,
    },
    Data(Vec<u8>),
    EndOfInput,
    Step(Step),
    Snapshot,
    Collect,
    Load {
        size: u64,
    },
}

/// From the agent to the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `network` says that there is an interface other than the loopback, which a sandbox must not have. `places` has a bit
    /// for each of the folders that are meant to be written to and can be.
    Ready {
        version: u32,
        nonce: u64,
        cgroup: u8,
        landlock: u8,
        network: bool,
        places: u8,
    },
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// The host has kept the program waiting for so long by now, so it may be running longer than its wall time. Sent about
    /// once a second, and only past that.
    Waited {
        us: u64,
    },
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
    pub const WAITED: u8 = 108;
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
