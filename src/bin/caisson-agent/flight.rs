//! What lies in the queues of Unix sockets when no process is left: a later program would find it.
//!
//! A descriptor that is sent through a socket lies in its queue until it is received. Sockets that lie in each other's queues
//! stay when nobody has them any more, with their names and all else in the queues, until the kernel's collector comes by. It
//! is called when some other Unix socket closes, and works a little later (at once, before Linux 6.10). So the agent, after
//! a program's end, closes sockets until no other is left in the container.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::time::Instant;

use crate::sys;

/// For how long one call of the collector is waited for before another is made, in milliseconds.
const PAUSE_MS: i32 = 1;

pub(crate) struct Flight {
    /// The sockets of the container's network namespace. Absent on a kernel that doesn't list them.
    list: Option<File>,
    /// How many there are without any program.
    own: usize,
}

impl Flight {
    pub(crate) fn open() -> Flight {
        let mut flight = Flight { list: File::open("/proc/net/unix").ok(), own: 0 };
        flight.own = flight.sockets().unwrap_or(0);
        flight
    }

    /// Has everything collected that lies in sockets and nowhere else. Only with no process but the agent.
    pub(crate) fn collect(&mut self, deadline: Instant) -> io::Result<()> {
        if self.sockets()? <= self.own {
            return Ok(());
        }
        while self.sockets()? > self.own {
            if Instant::now() > deadline {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            drop(sys::socket_pair()?);
            sys::poll(&mut [], PAUSE_MS)?;
        }
        // The sockets are gone, and what lay in them may be about to: the kernel closes files in batches, the last first. What
        // of our own is collected after them may be in the same batch, but the next is in a later one.
        for _ in 0..2 {
            round_trip(deadline)?;
        }
        Ok(())
    }

    /// Lines of the list, its heading among them.
    fn sockets(&mut self) -> io::Result<usize> {
        let Some(list) = &mut self.list else { return Ok(0) };
        list.rewind()?;
        let mut text = [0; 4096];
        let mut count = 0;
        loop {
            match list.read(&mut text)? {
                0 => return Ok(count),
                length => count += text[..length].iter().filter(|&&byte| byte == b'\n').count(),
            }
        }
    }
}

/// Leaves the end of a pipe to the collector, and waits until that has closed it.
fn round_trip(deadline: Instant) -> io::Result<()> {
    let (read_end, write_end) = sys::pipe()?;
    let (one, other) = sys::socket_pair()?;
    // Into the queue of `one`, so that nothing else has it.
    sys::send_descriptors(&other, [one.as_raw_fd(), write_end.as_raw_fd()])?;
    drop((write_end, one, other));
    loop {
        let mut watched = [sys::watch(read_end.as_raw_fd(), libc::POLLIN)];
        sys::poll(&mut watched, PAUSE_MS)?;
        if watched[0].revents != 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        drop(sys::socket_pair()?);
    }
}
