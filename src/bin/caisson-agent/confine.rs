//! What the program gives up beyond what the container already took from it.
//!
//! The container's own seccomp profile and limits hold for the agent as well, so they can't forbid what one process may
//! do to another of the same uid. These two do, and both need no privilege:
//!
//! - a seccomp filter: no resource limits, scheduling, priorities or signals for PID 1 (each was seen to work against it
//!   under some runtime). Nothing of that is needed by the agent, so it puts the filter on itself at its start, and every
//!   program inherits it: the kernel takes longer to install a filter (0.1 to 0.3 ms) than to fork. Under a runtime that
//!   doesn't put the engine's profile in force, as gVisor, the filter holds what that would have refused as well, and each
//!   program puts it on between fork and exec;
//! - a Landlock domain, entered between fork and exec: nothing is written outside the workspace, the scratch directories and the devices that everybody
//!   needs, no other device is opened, and (from ABI 6) no signal and no connection to an abstract Unix socket leaves the domain. Where the kernel has no Landlock the
//!   read-only root still holds; what is lost is that `/proc/self/oom_score_adj` can't be lowered again, and that
//!   pseudo-terminals, of which the host has a number, can't be made.

mod filter;
mod landlock;
mod withheld;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

pub(crate) use withheld::CACHESTAT;

use crate::sys;

pub(crate) struct Confinement {
    /// `None` when it is in force already.
    filter: Option<Vec<libc::sock_filter>>,
    domain: Option<OwnedFd>,
    abi: u8,
}

impl Confinement {
    /// Everything that allocates or opens happens here, once; after fork only system calls are left.
    pub(crate) fn prepare() -> io::Result<Confinement> {
        let abi = landlock::abi();
        // Before ABI 2, Landlock forbids every rename between folders, which ordinary programs need.
        let domain = if abi >= 2 { Some(landlock::domain(abi)?) } else { None };
        let is_profiled = sys::is_filtered();
        let filter = filter::program(is_profiled);
        // Without the engine's "no new privileges" the kernel wants the agent's own first. Only programs get that, so that
        // it can be seen on the agent what the engine left out.
        let is_inherited = is_profiled && sys::has_no_new_privileges();
        if is_inherited {
            put_on(&filter)?;
        }
        Ok(Confinement { filter: (!is_inherited).then_some(filter), domain, abi })
    }

    /// 0 where no domain is used.
    pub(crate) fn landlock_abi(&self) -> u8 {
        if self.domain.is_some() { self.abi } else { 0 }
    }

    /// Puts the calling process under what isn't in force yet. Only async-signal-safe calls: this runs in the forked child.
    pub(crate) fn enter(&self) -> io::Result<()> {
        // SAFETY: prctl with plain integers.
        sys::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
        if let Some(domain) = &self.domain {
            // SAFETY: takes plain integers.
            sys::check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, domain.as_raw_fd(), 0) })?;
        }
        self.filter.as_deref().map_or(Ok(()), put_on)
    }
}

/// Puts the calling process under a filter, for good.
fn put_on(filter: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as libc::c_ushort, filter: filter.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program points to a live array of the length it says; the kernel copies it and doesn't write.
    let outcome = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, std::ptr::from_ref(&program)) };
    sys::check(outcome.into()).map(drop)
}
