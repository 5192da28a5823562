//! A program's standard streams, as the agent holds them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use caisson::protocol::CHUNK;

use crate::channel::Channel;
use crate::sys;

/// The program's end of a streamed stdin.
pub(crate) struct Input {
    pub(crate) pipe: Option<OwnedFd>,
    pub(crate) waiting: Vec<u8>,
}

impl Input {
    pub(crate) fn watchable(&self) -> RawFd {
        match &self.pipe {
            Some(pipe) if !self.waiting.is_empty() => pipe.as_raw_fd(),
            _ => -1,
        }
    }

    /// Whether nothing is left waiting.
    pub(crate) fn write(&mut self) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else { return Ok(true) };
        while !self.waiting.is_empty() {
            match sys::write(pipe.as_raw_fd(), &self.waiting) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // The program has closed its stdin: the rest is for nobody.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => self.waiting.clear(),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Our end of one of the program's output streams.
pub(crate) struct Output {
    pipe: Option<OwnedFd>,
    kind: u8,
    pub(crate) total: u64,
}

impl Output {
    pub(crate) fn new(pipe: OwnedFd, kind: u8) -> Output {
        Output { pipe: Some(pipe), kind, total: 0 }
    }

    pub(crate) fn watchable(&self, idle: bool) -> RawFd {
        match &self.pipe {
            Some(pipe) if idle => pipe.as_raw_fd(),
            _ => -1,
        }
    }

    pub(crate) fn is_open(&self, limit: u64) -> bool {
        self.pipe.is_some() && self.total <= limit
    }

    /// Reads once, at most one byte over the limit: enough to know that it was passed.
    pub(crate) fn relay(&mut self, channel: &mut Channel, limit: u64) -> io::Result<()> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let room = usize::try_from(limit.saturating_add(1).saturating_sub(self.total)).unwrap_or(CHUNK);
        if room == 0 {
            return Ok(());
        }
        match channel.relay(pipe.as_raw_fd(), self.kind, room) {
            Ok(0) => self.pipe = None,
            Ok(count) => self.total += count as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
