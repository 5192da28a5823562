//! Locks on files: memory of the kernel's that it charges to nobody, and a way from one container to another.
//!
//! Of `fcntl`'s locks a process may hold as many as it likes. The kernel once charged them to the container and took that back
//! (Linux 5.15), and no other limit is left, so the agent counts them: `/proc/locks` has those whose process is in the
//! reader's PID namespace. Two other ways to have locks that nobody counts are closed by the profile: locks of open files, and
//! processes that share descriptors without being threads of one. A lock of `flock` needs an open file, which is charged.
//!
//! Some files are the same for all containers of a host: the namespaces that they share, and the one that stands behind all
//! event counters, timers, epoll instances and the like. A lock on it is seen by everybody who tries to lock it, too.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use caisson::protocol::MOST_LOCKS;

use crate::sys;

/// How many times longer than a look's CPU time nobody looks again. A look passes by the locks of all containers, so that
/// one could make those of others long.
const REST: u32 = 20;

/// The files of `/proc/self/ns` (namespaces(7)). Containers share those of users and of time.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

pub(crate) struct Locks {
    /// Absent under gVisor, where locks are memory of the sandbox's own kernel.
    list: Option<File>,
    /// Files that are the same for all containers, as the list names them: `00:0f:1063`.
    shared: Vec<String>,
    next_look: Instant,
}

/// What was found in a look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    TooMany,
    /// One on a file that all containers have.
    Shared,
}

impl Locks {
    /// `anonymous` is a descriptor of the kind that all have one file behind them.
    pub(crate) fn open(anonymous: &impl AsFd) -> io::Result<Locks> {
        let anonymous = File::from(anonymous.as_fd().try_clone_to_owned()?).metadata();
        // By name: an undumpable process can't read the folder.
        let namespaces = NAMESPACES.iter().filter_map(|name| std::fs::metadata(format!("/proc/self/ns/{name}")).ok());
        let shared = anonymous.into_iter().chain(namespaces).map(|file| {
            let device = file.dev();
            format!("{:02x}:{:02x}:{}", libc::major(device), libc::minor(device), file.ino())
        });
        Ok(Locks { list: File::open("/proc/locks").ok(), shared: shared.collect(), next_look: Instant::now() })
    }

    /// Looks, unless it has just done so. A list that can't be read is one without a lock.
    pub(crate) fn look(&mut self, now: Instant) -> Found {
        if now < self.next_look {
            return Found::Nothing;
        }
        let before_us = sys::own_cpu_time_us();
        let found = self.count().unwrap_or(Found::Nothing);
        let took = Duration::from_micros(sys::own_cpu_time_us().saturating_sub(before_us));
        self.next_look = now + REST * took;
        found
    }

    fn count(&mut self) -> io::Result<Found> {
        let Some(list) = &mut self.list else { return Ok(Found::Nothing) };
        list.rewind()?;
        let (mut count, mut kept) = (0, 0);
        let mut text = [0; 16 * 1024];
        loop {
            let length = list.read(&mut text[kept..])?;
            if length == 0 {
                return Ok(Found::Nothing);
            }
            let filled = kept + length;
            let whole = text[..filled].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            for line in text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                count += 1;
                let mut words = line.split(|&byte| byte == b' ');
                if words.any(|word| self.shared.iter().any(|file| file.as_bytes() == word)) {
                    return Ok(Found::Shared);
                }
            }
            if count > MOST_LOCKS {
                return Ok(Found::TooMany);
            }
            text.copy_within(whole..filled, 0);
            kept = filled - whole;
        }
    }
}
