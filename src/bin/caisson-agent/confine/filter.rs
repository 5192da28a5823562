//! A classic BPF program over `struct seccomp_data`: number (u32), architecture (u32), ip (u64), arguments (6 × u64).

use super::withheld::{WITHHELD, WITHHELD_WITH};

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
#[cfg(target_arch = "x86_64")]
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const ANY_OF: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

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

fn mask(value: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, jt: 0, jf: 0, k: value }
}

/// What an argument must be for its call to be refused.
#[derive(Clone, Copy)]
pub(super) enum When {
    Is,
    IsNot,
    /// At least one of the bits is set.
    HasAny,
    /// It is the mode of a device file.
    IsDevice,
}

/// Which argument to look at, and for what.
pub(super) type Condition = (u32, When, u32);

/// A call, and what must hold for it to be refused.
pub(super) type Denial = (libc::c_long, &'static [Condition]);

const PID_ONE: u32 = 1;
/// -1, and the group that PID 1 leads.
const EVERYBODY: u32 = u32::MAX;
const BY_USER: u32 = 2; // PRIO_USER, sys/resource.h
const IO_BY_USER: u32 = 3; // IOPRIO_WHO_USER, linux/ioprio.h
const SET_OWNER_BY_KIND: u32 = 15; // F_SETOWN_EX, asm-generic/fcntl.h
const FIOSETOWN: u32 = 0x8901; // asm-generic/sockios.h
const SIOCSPGRP: u32 = 0x8902;
const SCHED_CORE: u32 = 62; // PR_SCHED_CORE, linux/prctl.h

const AGAINST_PID_1: &[Denial] = &[
    // Limits on PID 1: with no descriptors or no CPU time left it can't do its work. 0 is the caller.
    (libc::SYS_prlimit64, &[(0, When::IsNot, 0)]),
    // PID 1 as an idle task, or on one busy CPU, watches late.
    (libc::SYS_sched_setaffinity, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_sched_setscheduler, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_sched_setparam, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_sched_setattr, &[(0, When::Is, PID_ONE)]),
    // Core scheduling keeps everybody else off the CPU's other thread: PID 1, and the neighbours.
    (libc::SYS_prctl, &[(0, When::Is, SCHED_CORE)]),
    // By process, by group (PID 1 leads group 1), or by user, which PID 1 shares.
    (libc::SYS_setpriority, &[(0, When::Is, BY_USER)]),
    (libc::SYS_setpriority, &[(1, When::Is, PID_ONE)]),
    (libc::SYS_ioprio_set, &[(0, When::Is, IO_BY_USER)]),
    (libc::SYS_ioprio_set, &[(1, When::Is, PID_ONE)]),
    // Signals to PID 1. Linux drops them by itself; under gVisor they arrive.
    (libc::SYS_kill, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_tkill, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_tgkill, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_rt_sigqueueinfo, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_rt_tgsigqueueinfo, &[(0, When::Is, PID_ONE)]),
    (libc::SYS_pidfd_open, &[(0, When::Is, PID_ONE)]),
    // As the one to be told when a descriptor is ready, with a signal of the program's choice; by process or by group.
    // What the last three name is behind a pointer, where a filter doesn't see it.
    (libc::SYS_fcntl, &[(1, When::Is, libc::F_SETOWN as u32), (2, When::Is, PID_ONE)]),
    (libc::SYS_fcntl, &[(1, When::Is, libc::F_SETOWN as u32), (2, When::Is, EVERYBODY)]),
    (libc::SYS_fcntl, &[(1, When::Is, SET_OWNER_BY_KIND)]),
    (libc::SYS_ioctl, &[(1, When::Is, FIOSETOWN)]),
    (libc::SYS_ioctl, &[(1, When::Is, SIOCSPGRP)]),
];

/// What counts against a bound that the whole host has, and is charged to nobody: the machine code of filters. The agent's
/// own is the last one in a sandbox. The profile can't refuse this, since the agent needs it once.
const AGAINST_THE_HOST: &[Denial] = &[(libc::SYS_prctl, &[(0, When::Is, libc::PR_SET_SECCOMP as u32)])];

/// Where signals to PID 1 arrive, those to everybody do, too. A filter with this can't be on PID 1 itself, which ends all
/// others in this way.
const TO_EVERYBODY: Denial = (libc::SYS_kill, &[(0, When::Is, EVERYBODY)]);

/// The filter as the kernel takes it. `is_profiled`: whether the engine's profile holds for this process already, which is
/// to say that the kernel is Linux; PID 1 may be under it then.
pub(super) fn program(is_profiled: bool) -> Vec<libc::sock_filter> {
    let mut program =
        vec![load(ARCHITECTURE), jump(EQUAL, NATIVE, 1, 0), ret(libc::SECCOMP_RET_KILL_PROCESS), load(NUMBER)];
    // The x32 ABI shares the architecture's name and has a bit of its own in the number.
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(AT_LEAST, 0x4000_0000, 0, 1), ret(libc::SECCOMP_RET_KILL_PROCESS)]);
    for (number, conditions) in AGAINST_PID_1.iter().chain(AGAINST_THE_HOST) {
        program.extend(denial(*number, conditions));
    }
    if !is_profiled {
        program.extend(denial(TO_EVERYBODY.0, TO_EVERYBODY.1));
        for number in WITHHELD {
            program.extend([jump(EQUAL, *number as u32, 0, 1), ret(DENY)]);
        }
        for (number, conditions) in WITHHELD_WITH {
            program.extend(denial(*number, conditions));
        }
        // As in the profile: libraries fall back to clone, whose flags can be seen.
        program.extend([jump(EQUAL, libc::SYS_clone3 as u32, 0, 1), ret(ABSENT)]);
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    program
}

/// Refuses a call whose arguments are all as the conditions say, and leaves the call's number loaded for what follows.
fn denial(number: libc::c_long, conditions: &[Condition]) -> Vec<libc::sock_filter> {
    let mut denial = vec![ret(DENY), load(NUMBER)];
    // From the last to the first: each leads past what is behind it, to the reloading of the number.
    for (index, when, value) in conditions.iter().rev() {
        let past = denial.len() as u8 - 1;
        let look = match when {
            When::Is => vec![jump(EQUAL, *value, 0, past)],
            When::IsNot => vec![jump(EQUAL, *value, past, 0)],
            When::HasAny => vec![jump(ANY_OF, *value, 0, past)],
            // The type of a file, in the mode's upper bits (inode(7)).
            When::IsDevice => {
                vec![mask(0o170_000), jump(EQUAL, libc::S_IFCHR, 1, 0), jump(EQUAL, libc::S_IFBLK, 0, past)]
            }
        };
        denial.splice(0..0, [vec![load(argument(*index))], look].concat());
    }
    let past = denial.len() as u8;
    denial.insert(0, jump(EQUAL, number as u32, 0, past));
    denial
}
