//! What the program gives up between fork and exec, beyond what the container already took from it.
//!
//! The container's own seccomp profile and limits hold for the agent as well, so they can't forbid what one process may
//! do to another of the same uid. These two do, and both need no privilege:
//!
//! - a seccomp filter: no resource limits, scheduling, priorities or signals for PID 1 (each was seen to work against it
//!   under some runtime);
//! - a Landlock domain: nothing is written outside the workspace, the scratch directories and `/dev`, and (from ABI 6)
//!   no signal leaves the domain. Where the kernel has no Landlock the read-only root still holds; what is lost is that
//!   `/proc/self/oom_score_adj` can't be lowered again.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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
        Ok(Confinement { filter: filter::program(), domain, abi })
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

mod filter {
    //! A classic BPF program over `struct seccomp_data`: number (u32), architecture (u32), ip (u64), arguments (6 × u64).

    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    #[cfg(target_arch = "x86_64")]
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    #[cfg(target_arch = "x86_64")]
    const NATIVE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64, linux/audit.h
    #[cfg(target_arch = "aarch64")]
    const NATIVE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64, linux/audit.h

    /// The offset of the low half of an argument. pids and ids are ints: the kernel looks at the low 32 bits only, so a
    /// filter that compared all 64 could be passed with a one in the high half.
    const fn argument(index: u32) -> u32 {
        16 + 8 * index
    }

    fn load(offset: u32) -> libc::sock_filter {
        libc::sock_filter { code: LOAD, jt: 0, jf: 0, k: offset }
    }

    fn jump(code: u16, value: u32, if_true: u8, if_false: u8) -> libc::sock_filter {
        libc::sock_filter { code, jt: if_true, jf: if_false, k: value }
    }

    fn ret(value: u32) -> libc::sock_filter {
        libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: value }
    }

    /// Whether the argument must equal the value for the call to be denied, or must not.
    enum When {
        Is,
        IsNot,
    }

    pub(super) fn program() -> Vec<libc::sock_filter> {
        let pid_one = 1;
        let everybody = u32::MAX; // -1, and the group that PID 1 leads
        let user = 2; // PRIO_USER, sys/resource.h
        let io_user = 3; // IOPRIO_WHO_USER, linux/ioprio.h
        let denials = [
            // Limits on PID 1: with no descriptors or no CPU time left it can't do its work. 0 is the caller.
            (libc::SYS_prlimit64, 0, When::IsNot, 0),
            // PID 1 as an idle task, or on one busy CPU, watches late.
            (libc::SYS_sched_setaffinity, 0, When::Is, pid_one),
            (libc::SYS_sched_setscheduler, 0, When::Is, pid_one),
            (libc::SYS_sched_setparam, 0, When::Is, pid_one),
            (libc::SYS_sched_setattr, 0, When::Is, pid_one),
            // By process, by group (PID 1 leads group 1), or by user, which PID 1 shares.
            (libc::SYS_setpriority, 0, When::Is, user),
            (libc::SYS_setpriority, 1, When::Is, pid_one),
            (libc::SYS_ioprio_set, 0, When::Is, io_user),
            (libc::SYS_ioprio_set, 1, When::Is, pid_one),
            // Signals to PID 1. Linux drops them by itself; under gVisor they arrive. To everybody means to it as well.
            (libc::SYS_kill, 0, When::Is, pid_one),
            (libc::SYS_kill, 0, When::Is, everybody),
            (libc::SYS_tkill, 0, When::Is, pid_one),
            (libc::SYS_tgkill, 0, When::Is, pid_one),
            (libc::SYS_rt_sigqueueinfo, 0, When::Is, pid_one),
            (libc::SYS_rt_tgsigqueueinfo, 0, When::Is, pid_one),
            (libc::SYS_pidfd_open, 0, When::Is, pid_one),
        ];
        let mut program =
            vec![load(ARCHITECTURE), jump(EQUAL, NATIVE, 1, 0), ret(libc::SECCOMP_RET_KILL_PROCESS), load(NUMBER)];
        // The x32 ABI shares the architecture's name and has a bit of its own in the number.
        #[cfg(target_arch = "x86_64")]
        program.extend([jump(AT_LEAST, 0x4000_0000, 0, 1), ret(libc::SECCOMP_RET_KILL_PROCESS)]);
        for (number, index, when, value) in denials {
            let (deny, pass) = match when {
                When::Is => (0, 1),
                When::IsNot => (1, 0),
            };
            program.extend([
                jump(EQUAL, number as u32, 0, 4),
                load(argument(index)),
                jump(EQUAL, value, deny, pass),
                ret(DENY),
                load(NUMBER),
            ]);
        }
        program.push(ret(libc::SECCOMP_RET_ALLOW));
        program
    }
}

mod landlock {
    //! Landlock by its system calls (linux/landlock.h); libc has only their numbers.

    use super::*;

    const CREATE_RULESET_VERSION: u32 = 1;
    const RULE_PATH_BENEATH: i32 = 1;
    const WRITE_FILE: u64 = 1 << 1;
    /// From REMOVE_DIR (bit 4) to MAKE_SYM (bit 12): everything that changes a folder.
    const CHANGE_FOLDERS: u64 = 0x1ff0;
    const REFER: u64 = 1 << 13;
    const TRUNCATE: u64 = 1 << 14; // ABI 3
    const SCOPE_SIGNAL: u64 = 1 << 1; // ABI 6

    #[repr(C)]
    struct RulesetAttributes {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }

    #[repr(C, packed)]
    struct PathBeneath {
        allowed_access: u64,
        parent_fd: i32,
    }

    /// The kernel's version of the interface; 0 where there is none, or the engine's profile hides it.
    pub(super) fn abi() -> u8 {
        // SAFETY: with this flag the call takes no attributes and only answers a number.
        let version = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, CREATE_RULESET_VERSION)
        };
        u8::try_from(version).unwrap_or(0)
    }

    pub(super) fn domain(abi: u8) -> io::Result<OwnedFd> {
        let mut access = WRITE_FILE | CHANGE_FOLDERS | REFER;
        if abi >= 3 {
            access |= TRUNCATE;
        }
        let attributes = RulesetAttributes {
            handled_access_fs: access,
            handled_access_net: 0,
            scoped: if abi >= 6 { SCOPE_SIGNAL } else { 0 },
        };
        // An older kernel refuses a longer structure than it knows.
        let size = match abi {
            ..4 => 8,
            4..6 => 16,
            _ => size_of::<RulesetAttributes>(),
        };
        // SAFETY: the pointer is to a live structure of at least the size given.
        let ruleset = sys::check(unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &attributes as *const RulesetAttributes, size, 0)
        })?;
        // SAFETY: the kernel has just made this descriptor (close-on-exec) for us.
        let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as i32) };
        for place in [c"/box", c"/tmp", c"/dev"] {
            allow(&ruleset, place, access)?;
        }
        // The child puts its own descriptors at the lowest numbers before it enters the domain.
        sys::duplicate_above(&ruleset, 64)
    }

    fn allow(ruleset: &OwnedFd, place: &CStr, access: u64) -> io::Result<()> {
        // SAFETY: `place` ends with a NUL.
        let fd = sys::check(unsafe { libc::open(place.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) }.into())?;
        // SAFETY: the kernel has just made this descriptor for us.
        let parent = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let rule = PathBeneath { allowed_access: access, parent_fd: parent.as_raw_fd() };
        // SAFETY: the pointer is to a live structure of the type that the rule kind says.
        sys::check(unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                ruleset.as_raw_fd(),
                RULE_PATH_BENEATH,
                &rule as *const PathBeneath,
                0,
            )
        })
        .map(drop)
    }
}
