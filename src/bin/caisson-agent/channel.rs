//! The agent's two ends of the conversation with the worker: requests on stdin, events on stdout.
//!
//! Outside a step both block. During a step nothing may: the limits have to be watched, so stdout isn't blocking, at most
//! one frame waits to be written, and the program's output isn't read while one does.

use std::io;

use caisson::protocol::{CHUNK, Event, FrameError, HEADER, Header, Request, SEAL, Sealer, kind};

use crate::sys;

pub(crate) const STDIN: i32 = 0;
pub(crate) const STDOUT: i32 = 1;

pub(crate) struct Channel {
    input: Vec<u8>,
    input_sequence: u32,
    closed: bool,
    output: Vec<u8>,
    written: usize,
    output_sequence: u32,
    sealer: Sealer,
}

impl Channel {
    pub(crate) fn new() -> Channel {
        // Failing to change the mode costs only promptness: a write then blocks while the worker doesn't read.
        let _ = sys::set_nonblocking(STDOUT);
        Channel {
            input: Vec::with_capacity(2 * CHUNK),
            input_sequence: 0,
            closed: false,
            output: Vec::with_capacity(HEADER + CHUNK + SEAL),
            written: 0,
            output_sequence: 0,
            sealer: Sealer::default(),
        }
    }

    /// Everything sent from here on bears the seal of this key.
    pub(crate) fn seal_with(&mut self, key: [u8; 16]) {
        self.sealer = Sealer::new(key);
    }

    /// The next request, or `None` when the worker has closed its end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some(request) = self.take()? {
                return Ok(Some(request));
            }
            if self.closed {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// Reads what is there; blocks when nothing is.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        let start = self.input.len();
        self.input.resize(start + CHUNK, 0);
        let outcome = sys::read(STDIN, &mut self.input[start..]);
        self.input.truncate(start + outcome.as_ref().copied().unwrap_or(0));
        self.closed = outcome? == 0;
        Ok(())
    }

    /// A request that has arrived whole.
    pub(crate) fn take(&mut self) -> io::Result<Option<Request>> {
        let Some((header, rest)) = self.input.split_first_chunk::<HEADER>() else { return Ok(None) };
        let header = Header::decode(header, self.input_sequence).map_err(broken)?;
        let Some(payload) = rest.get(..header.length) else { return Ok(None) };
        let request = Request::decode(header.kind, payload).map_err(broken)?;
        self.input.drain(..HEADER + header.length);
        self.input_sequence = self.input_sequence.wrapping_add(1);
        Ok(Some(request))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sends a frame and waits until it is written.
    pub(crate) fn send(&mut self, event: &Event) -> io::Result<()> {
        self.drain()?;
        self.begin(event)?;
        self.drain()
    }

    /// Starts to write a frame and waits for nothing. Only to be called when [`Self::is_idle`].
    pub(crate) fn begin(&mut self, event: &Event) -> io::Result<()> {
        self.output.clear();
        self.output.extend_from_slice(&event.encode(self.output_sequence));
        self.output_sequence = self.output_sequence.wrapping_add(1);
        self.seal();
        self.flush()
    }

    /// Reads once from a program's pipe, at most `limit` bytes, straight into a waiting frame, and starts to write it.
    /// Returns how much was read: `Ok(0)` is the end of the stream. Only to be called when [`Self::is_idle`].
    pub(crate) fn relay(&mut self, from: i32, kind: u8, limit: usize) -> io::Result<usize> {
        debug_assert!(kind == kind::STDOUT || kind == kind::STDERR);
        self.output.resize(HEADER + limit.min(CHUNK), 0);
        let outcome = sys::read(from, &mut self.output[HEADER..]);
        let length = outcome.as_ref().copied().unwrap_or(0);
        if length == 0 {
            self.output.clear();
            return outcome;
        }
        self.output.truncate(HEADER + length);
        let header = Header { length, kind, sequence: self.output_sequence };
        self.output[..HEADER].copy_from_slice(&header.encode());
        self.output_sequence = self.output_sequence.wrapping_add(1);
        self.seal();
        self.flush()?;
        Ok(length)
    }

    /// Seals the frame that waits to be written.
    fn seal(&mut self) {
        let seal = self.sealer.seal(&self.output);
        self.output.extend_from_slice(&seal);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.output.is_empty()
    }

    /// Writes what can be written without waiting.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match sys::write(STDOUT, &self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        self.flush()?;
        while !self.is_idle() {
            sys::poll(&mut [sys::watch(STDOUT, libc::POLLOUT)], -1)?;
            self.flush()?;
        }
        Ok(())
    }
}

fn broken(_: FrameError) -> io::Error {
    io::Error::from_raw_os_error(libc::EPROTO)
}
