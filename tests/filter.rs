//! The filter that the agent puts on every program, run as the kernel would run it. The agent is a program of its own
//! without tests, so its two files are read in here.

#[path = "../src/bin/caisson-agent/confine/filter.rs"]
mod filter;
#[path = "../src/bin/caisson-agent/confine/withheld.rs"]
mod withheld;

use filter::program;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64, linux/audit.h
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64, linux/audit.h

/// What the kernel would answer: the filter's own instructions, one after another (linux/filter.h).
fn run(program: &[libc::sock_filter], number: libc::c_long, arguments: [u64; 6]) -> u32 {
    let mut data = [0; 64];
    data[..4].copy_from_slice(&(number as u32).to_ne_bytes());
    data[4..8].copy_from_slice(&NATIVE.to_ne_bytes());
    for (index, argument) in arguments.iter().enumerate() {
        data[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_ne_bytes());
    }
    let (mut at, mut value) = (0, 0u32);
    loop {
        let step = &program[at];
        at += 1;
        // The operation, and for a jump the comparison: both are in the code's low bits.
        let holds = match u32::from(step.code) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                let place = step.k as usize;
                value = u32::from_ne_bytes(data[place..place + 4].try_into().expect("four bytes"));
                continue;
            }
            code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => {
                value &= step.k;
                continue;
            }
            code if code == libc::BPF_RET | libc::BPF_K => return step.k,
            code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => value == step.k,
            code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => value >= step.k,
            code if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => value & step.k != 0,
            code => panic!("{code:#x} is no instruction of the filter"),
        };
        at += usize::from(if holds { step.jt } else { step.jf });
    }
}

#[test]
fn nobody_touches_pid_1_whatever_the_high_halves_say() {
    for is_profiled in [true, false] {
        let program = program(is_profiled);
        let answer =
            |number, first: u64, second: u64, third: u64| run(&program, number, [first, second, third, 0, 0, 0]);
        for high in [0, 1 << 32] {
            assert_eq!(answer(libc::SYS_prlimit64, high + 1, 0, 0), DENY);
            assert_eq!(answer(libc::SYS_kill, high + 1, 9, 0), DENY);
            assert_eq!(answer(libc::SYS_prctl, high + 62, 0, 0), DENY);
            assert_eq!(answer(libc::SYS_fcntl, 3, high + 8, high + 1), DENY);
            assert_eq!(answer(libc::SYS_fcntl, 3, 8, high + u64::from(u32::MAX)), DENY);
        }
        assert_eq!(answer(libc::SYS_prlimit64, 0, 7, 0), ALLOW);
        assert_eq!(answer(libc::SYS_kill, 2, 9, 0), ALLOW);
        assert_eq!(answer(libc::SYS_prctl, 15, 0, 0), ALLOW);
        assert_eq!(answer(libc::SYS_fcntl, 3, 8, 77), ALLOW);
        assert_eq!(answer(libc::SYS_fcntl, 1, 4, 1), ALLOW);
        assert_eq!(answer(libc::SYS_read, 0, 0, 0), ALLOW);
    }
}

/// Under the engine's profile PID 1 has the filter on, too, and has to end everybody else.
#[test]
fn signals_to_everybody_are_refused_where_they_would_reach_pid_1() {
    for everybody in [u64::MAX, u64::from(u32::MAX)] {
        assert_eq!(run(&program(true), libc::SYS_kill, [everybody, 9, 0, 0, 0, 0]), ALLOW);
        assert_eq!(run(&program(false), libc::SYS_kill, [everybody, 9, 0, 0, 0, 0]), DENY);
    }
}

#[test]
fn what_the_profile_refuses_is_refused_where_there_is_none() {
    let (with, without) = (program(true), program(false));
    let refused = [
        (libc::SYS_ptrace, [0; 6]),
        (libc::SYS_shmget, [0; 6]),
        (libc::SYS_unshare, [0; 6]),
        (libc::SYS_clone, [0x1000_0011, 0, 0, 0, 0, 0]),
        (libc::SYS_socket, [2, 1, 0, 0, 0, 0]),
        (libc::SYS_mknodat, [0, 0, 0o020_666, 0, 0, 0]),
        (libc::SYS_mknodat, [0, 0, 0o060_666, 0, 0, 0]),
        (libc::SYS_mmap, [0, 4_096, 3, 0x4_0022, 0, 0]),
        (libc::SYS_memfd_create, [0, 5, 0, 0, 0, 0]),
        (libc::SYS_madvise, [0, 0, 12, 0, 0, 0]),
        (libc::SYS_prctl, [67, 1, 0, 0, 0, 0]),
    ];
    for (number, arguments) in refused {
        assert_eq!(run(&without, number, arguments), DENY, "{number}");
        assert_eq!(run(&with, number, arguments), ALLOW, "{number} is the profile's");
    }
    assert_eq!(run(&without, libc::SYS_clone3, [0; 6]), ABSENT);
    let usual = [
        (libc::SYS_clone, [0x0011, 0, 0, 0, 0, 0]),
        (libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
        (libc::SYS_mknodat, [0, 0, 0o010_666, 0, 0, 0]),
        (libc::SYS_mknodat, [0, 0, 0o100_666, 0, 0, 0]),
        (libc::SYS_mknodat, [0, 0, 0o140_666, 0, 0, 0]),
        (libc::SYS_mmap, [0, 4_096, 3, 0x22, 0, 0]),
        (libc::SYS_memfd_create, [0, 3, 0, 0, 0, 0]),
        (libc::SYS_madvise, [0, 0, 4, 0, 0, 0]),
        (libc::SYS_execve, [0; 6]),
    ];
    for (number, arguments) in usual {
        assert_eq!(run(&without, number, arguments), ALLOW, "{number}");
    }
}

#[test]
fn the_filter_is_no_longer_than_the_kernel_takes() {
    // BPF_MAXINSNS, linux/bpf_common.h.
    assert!(program(false).len() <= 4096, "{}", program(false).len());
}

/// The agent's filter is the last one: the machine code of another would count against the whole host's bound.
#[test]
fn no_program_puts_on_a_filter_or_gives_one_to_a_socket() {
    let prctl = u64::from(libc::PR_SET_SECCOMP.cast_unsigned());
    for high in [0, 1 << 32] {
        for is_profiled in [true, false] {
            assert_eq!(run(&program(is_profiled), libc::SYS_prctl, [high + prctl, 2, 0, 0, 0, 0]), DENY);
        }
        assert_eq!(run(&program(false), libc::SYS_seccomp, [1, 0, 0, 0, 0, 0]), DENY);
        for option in [26, 50, 51, 52] {
            assert_eq!(run(&program(false), libc::SYS_setsockopt, [3, 1, high + option, 0, 16, 0]), DENY);
        }
        assert_eq!(run(&program(false), libc::SYS_setsockopt, [3, 1, 16, 0, 4, 0]), ALLOW);
    }
}
