//! What the program gives up between fork and exec, beyond what the container already took from it.
//!
//! The container's own seccomp profile and limits hold for the agent as well, so they can't forbid what one process may
//! do to another of the same uid. These two do, and both need no privilege:
//!
//! - a seccomp filter: no resource limits, scheduling, priorities or signals for PID 1 (each was seen to work against it
//!   under some runtime). Under a runtime that doesn't put the engine's profile in force, as gVisor, it holds what that
//!   would have refused as well;
//! - a Landlock domain: nothing is written outside the workspace, the scratch directories and the devices that everybody
//!   needs, no other device is opened, and (from ABI 6) no signal leaves the domain. Where the kernel has no Landlock the
//!   read-only root still holds; what is lost is that `/proc/self/oom_score_adj` can't be lowered again, and that
//!   pseudo-terminals, of which the host has a number, can't be made.

mod filter;
mod landlock;
mod withheld;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys;

pub(crate) struct Confinement {
    filter: Vec<libc::sock_filter>,
    domain: Option<OwnedFd>,
    abi: u8,
}

impl Confinement {
    /// Everything that allocates or opens happens here, once; after fork only system calls are left.
    pub(crate) fn prepare() -> io::Result<Confinement> {
        let abi = landlock::abi();
        // Before ABI 2, Landlock forbids every rename between folders, which ordinary programs need.
        let domain = if abi >= 2 { Some(landlock::domain(abi)?) } else { None };
        Ok(Confinement { filter: filter::program(sys::is_filtered()), domain, abi })
    }

    /// 0 where no domain is used.
    pub(crate) fn landlock_abi(&self) -> u8 {
        if self.domain.is_some() { self.abi } else { 0 }
    }

    /// Puts the calling process under both. Only async-signal-safe calls: this runs in the forked child.
    pub(crate) fn enter(&self) -> io::Result<()> {
        // SAFETY: prctl with plain integers.
        sys::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
        if let Some(domain) = &self.domain {
            // SAFETY: takes plain integers.
            sys::check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, domain.as_raw_fd(), 0) })?;
        }
        let program =
            libc::sock_fprog { len: self.filter.len() as libc::c_ushort, filter: self.filter.as_ptr().cast_mut() };
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: the program points to a live array of the length it says; the kernel copies it and doesn't write.
        let outcome = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, std::ptr::from_ref(&program)) };
        sys::check(outcome.into())?;
        Ok(())
    }
}
