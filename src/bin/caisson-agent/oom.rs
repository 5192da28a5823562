//! Whom the kernel takes when memory runs out: the program, and not the agent.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;

use crate::sys;

/// The agent's own `oom_score_adj` (proc(5)). A child inherits it, so it is raised for the moment of a fork: opening the
/// child's own takes as long as the fork.
pub(crate) struct OomScore {
    /// `None` where it can't be written.
    file: Option<File>,
    /// What it is between forks. Without privilege it can be lowered again to what the runtime had set it to.
    own: Vec<u8>,
}

/// The highest that there is.
const FIRST: &[u8] = b"1000";

impl OomScore {
    /// A process that isn't dumpable may not open its own for writing; this makes it dumpable, so nothing hostile may be
    /// alive yet.
    pub(crate) fn open() -> OomScore {
        let _ = sys::set_dumpable(true);
        let mut own = Vec::new();
        let file = OpenOptions::new().read(true).write(true).open("/proc/self/oom_score_adj").and_then(|mut file| {
            file.read_to_end(&mut own)?;
            Ok(file)
        });
        OomScore { file: file.ok(), own }
    }

    /// What is forked from now on goes first.
    pub(crate) fn raise(&self) {
        // Where it is refused, the kernel chooses by size alone.
        let _ = self.set(FIRST);
    }

    /// In the parent, after the fork.
    pub(crate) fn lower(&self) -> io::Result<()> {
        self.set(&self.own)
    }

    fn set(&self, score: &[u8]) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| sys::write(file.as_raw_fd(), score).map(drop))
    }
}
