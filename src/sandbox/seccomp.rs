//! The seccomp profile of every sandbox, handed to the engine inline so that it doesn't depend on the engine's version.
//!
//! It is an allow-list: what a program may call is named here, everything else is refused with EPERM. It stands on what
//! container engines allow by default, less what [`DENIED`] lists with the reason. Names a host's libseccomp doesn't know
//! are passed over by the runtime, which is safe in a list of what is allowed.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// Calls allowed with any arguments, by purpose.
const ALLOWED: &[&[&str]] = &[
    // Files and folders. fcntl has conditions, below.
    &[
        "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
        "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown",
        "fchownat", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fstat",
        "fstatfs", "fsync", "ftruncate", "getcwd", "getdents", "getdents64", "getxattr", "ioctl", "lchown", "lgetxattr",
        "link", "linkat", "listxattr", "llistxattr", "lremovexattr", "lseek", "lstat", "mkdir", "mkdirat",
        "mknod", "mknodat", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64",
        "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "removexattr", "rename",
        "renameat", "renameat2", "rmdir", "sendfile", "stat", "statfs", "statx", "symlink", "symlinkat",
        "sync_file_range", "truncate", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimes", "write", "writev",
    ],
    // Waiting and pipes.
    &[
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2",
        "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "pause", "pipe", "pipe2", "poll",
        "ppoll", "pselect6", "select", "signalfd", "signalfd4", "splice", "tee",
    ],
    // Memory. mmap, madvise and memfd_create have conditions, below.
    &[
        "brk", "membarrier", "mincore", "mlock", "mlock2", "mlockall", "mprotect", "mremap", "mseal", "msync", "munlock",
        "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    ],
    // Processes, threads, signals. clone and prctl have conditions, below.
    &[
        "alarm", "arch_prctl", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_requeue",
        "futex_wait", "futex_waitv", "futex_wake", "get_robust_list", "get_thread_area", "getitimer", "getpgid",
        "getpgrp", "getpid", "getppid", "getpriority", "getrlimit", "getrusage", "getsid", "gettid", "kill",
        "pidfd_open", "pidfd_send_signal", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
        "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
        "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
        "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam",
        "sched_setscheduler", "sched_yield", "set_robust_list", "set_thread_area", "set_tid_address", "setitimer",
        "setpgid", "setpriority", "setrlimit", "setsid", "sigaltstack", "tgkill", "tkill", "vfork", "wait4", "waitid",
        "ioprio_get", "ioprio_set",
    ],
    // Who one is. Changing it needs capabilities that nobody here has; the calls themselves are made by libraries.
    &[
        "capget", "capset", "getegid", "geteuid", "getgid", "getgroups", "getresgid", "getresuid", "getuid", "setfsgid",
        "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid",
    ],
    // Confining oneself further: the agent does it to each program.
    &["landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self"],
    // Time and chance.
    &[
        "clock_getres", "clock_gettime", "clock_nanosleep", "getcpu", "getrandom", "gettimeofday", "nanosleep", "sysinfo",
        "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create",
        "timerfd_gettime", "timerfd_settime", "times", "uname",
    ],
    // Sockets, once socket() and socketpair() have made one; those and setsockopt have conditions, below.
    &[
        "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
        "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "shutdown",
    ],
];

/// What engines allow by default, or programs ask for, and a sandbox refuses, with the reason. Kept as data so that
/// tests and documents say the same as the profile: a call in this table is never in [`ALLOWED`].
pub const DENIED: &[(&[&str], &str)] = &[
    (&["io_uring_setup", "io_uring_enter", "io_uring_register"], "a large kernel surface with a history of escapes; libraries fall back"),
    (&["ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise", "process_mrelease"], "reaches into other processes of the same user"),
    (&["add_key", "keyctl", "request_key"], "keyrings belong to the user, not to the container"),
    (&["seccomp"], "a filter's machine code counts against one bound for the whole host (bpf_jit_limit) and nobody's memory"),
    (&["bpf", "perf_event_open", "userfaultfd", "lookup_dcookie"], "kernel surface that no judged program needs"),
    (&["unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"], "namespaces and mounts: the way to most container escapes"),
    (&["name_to_handle_at", "open_by_handle_at"], "opens files past the mount namespace"),
    (&["modify_ldt", "iopl", "ioperm", "vm86", "vm86old"], "legacy processor features with a history of kernel bugs"),
    (&["vmsplice", "memfd_secret"], "page tricks that accounting and page-cache protections trip over"),
    (&["io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel", "io_destroy"], "per-host quota (aio-max-nr) that one job could use up for all"),
    (&["shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl"], "System V IPC would outlive a test"),
    (&["mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"], "message queues are counted by user and would outlive a test"),
    (&["cachestat"], "tells which of an image's files other containers have read: their cache is one for the whole host"),
    (&["mbind", "set_mempolicy", "set_mempolicy_home_node", "migrate_pages", "move_pages", "get_mempolicy"], "placement of memory, also that of others"),
    (&["fanotify_init", "fanotify_mark", "quotactl", "quotactl_fd", "syslog", "acct", "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup", "nfsservctl"], "the host's administration"),
    (&["sync", "syncfs"], "makes the whole host write its disks"),
    (&["remap_file_pages", "uselib", "ustat", "sysfs", "_sysctl"], "obsolete"),
];

/// The namespaces that clone could make: CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} (linux/sched.h).
const CLONE_NAMESPACES: u64 = 0x7e02_0000;
const CLONE_FILES: u64 = 0x400;
const CLONE_THREAD: u64 = 0x1_0000;
const AF_UNIX: u64 = 1;
/// ENOSYS, so that libraries fall back to clone, whose flags the filter can see; clone3's are behind a pointer.
const ENOSYS: u32 = 38;

/// Extended attributes, access control lists among them: a list of 64 KiB on each file of a tmpfs is memory that the kernel
/// charges to nobody (measured on Linux 6.18: 254 KiB for a folder, of which 1 KiB was charged). Libraries take the answer
/// for a file system without attributes.
const ATTRIBUTE_SETTERS: [&str; 3] = ["setxattr", "lsetxattr", "fsetxattr"];
const ENOTSUP: u32 = 95;

/// F_OFD_GETLK (asm-generic/fcntl.h), with F_OFD_SETLK and F_OFD_SETLKW behind it. Locks of open files belong to no process:
/// the kernel shows them to every container of the host, and nobody could count those of one.
const OPEN_FILE_LOCKS: u64 = 36;
/// F_DUPFD_QUERY, F_CREATED_QUERY, F_DUPFD_CLOEXEC, F_{SET,GET}PIPE_SZ, F_{ADD,GET}_SEALS (linux/fcntl.h). Not F_SETLEASE and
/// F_NOTIFY, which are charged to nobody either, and which nobody uses.
const LATER_FCNTLS: [u64; 7] = [1027, 1028, 1030, 1031, 1032, 1033, 1034];

/// PER_LINUX, and the value that only asks.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// SO_ATTACH_FILTER (asm-generic/socket.h). Its program is machine code that counts against one bound for the whole host, and
/// against nobody's memory; so does that of SO_ATTACH_BPF (50) and SO_ATTACH_REUSEPORT_{CBPF,EBPF} (51, 52).
const ATTACH_FILTER: u64 = 26;
/// What comes behind it and programs set on Unix sockets: SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING, SO_PEEK_OFF,
/// SO_PASSPIDFD.
const LATER_SOCKET_OPTIONS: [u64; 5] = [29, 35, 37, 42, 76];

/// PR_SCHED_CORE (linux/prctl.h): core scheduling, with which a program keeps everybody else off its CPU's other thread.
const SCHED_CORE: u64 = 62;
/// What comes behind it and is harmless: PR_{SET,GET}_MDWE, PR_GET_MEMORY_MERGE, PR_GET_AUXV. Not PR_SET_MEMORY_MERGE
/// (67), for the reason that MADV_MERGEABLE has, nor PR_SET_VMA, whose names of 80 bytes are charged to nobody.
const LATER_PRCTLS: [u64; 4] = [65, 66, 68, 0x4155_5856];

/// MAP_HUGETLB and MFD_HUGETLB (asm-generic/mman.h, linux/memfd.h): pages of the host's pool, which no memory limit counts.
const MAP_HUGETLB: u64 = 0x4_0000;
const MFD_HUGETLB: u64 = 4;
/// MADV_MERGEABLE (asm-generic/mman-common.h): where KSM runs, the kernel makes one page of equal ones of all containers, and
/// the time that a write takes tells who has the same.
const MADV_MERGEABLE: u64 = 12;
/// What comes behind it: MADV_UNMERGEABLE to MADV_COLLAPSE, MADV_GUARD_INSTALL and MADV_GUARD_REMOVE.
const LATER_ADVICE: [u64; 15] = [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 102, 103];

/// The profile as the engine takes it in `SecurityOpt`.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| profile().to_string());
    &TEXT
}

/// The profile, rule by rule.
pub fn profile() -> Value {
    let allowed: Vec<&str> = ALLOWED.iter().flat_map(|group| group.iter().copied()).collect();
    let allow = |names: &[&str], arguments: Value| json!({ "names": names, "action": "SCMP_ACT_ALLOW", "args": arguments });
    let equal = |index: u32, value: u64| json!([{ "index": index, "value": value, "op": "SCMP_CMP_EQ" }]);
    let without =
        |index: u32, bits: u64| json!([{ "index": index, "value": bits, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }]);
    let mut rules = vec![
        allow(&allowed, json!([])),
        // A process that shares its descriptors can't end and leave its locks to the other: nobody would count them.
        allow(&["clone"], without(0, CLONE_NAMESPACES | CLONE_FILES)),
        allow(
            &["clone"],
            json!([{ "index": 0, "value": CLONE_NAMESPACES | CLONE_THREAD, "valueTwo": CLONE_THREAD, "op": "SCMP_CMP_MASKED_EQ" }]),
        ),
        json!({ "names": ATTRIBUTE_SETTERS, "action": "SCMP_ACT_ERRNO", "errnoRet": ENOTSUP }),
        allow(&["fcntl"], json!([{ "index": 1, "value": OPEN_FILE_LOCKS, "op": "SCMP_CMP_LT" }])),
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }),
        // By equality: a list of forbidden families would miss the next one, and sockets of other families (VSOCK,
        // ALG, NETLINK, …) work without any network.
        allow(&["socket", "socketpair"], equal(0, AF_UNIX)),
        // Below and not "other than": the kernel looks at the low half only, the filter at both.
        allow(&["prctl"], json!([{ "index": 0, "value": SCHED_CORE, "op": "SCMP_CMP_LT" }])),
        // Only the caller's own limits; PID 1 shares its uid.
        allow(&["prlimit64"], equal(0, 0)),
    ];
    // By name and not by level: Unix sockets have options of the socket's level only.
    rules.push(allow(&["setsockopt"], json!([{ "index": 2, "value": ATTACH_FILTER, "op": "SCMP_CMP_LT" }])));
    rules.extend(LATER_SOCKET_OPTIONS.map(|value| allow(&["setsockopt"], equal(2, value))));
    rules.push(allow(&["mmap"], without(3, MAP_HUGETLB)));
    rules.push(allow(&["memfd_create"], without(1, MFD_HUGETLB)));
    rules.push(allow(&["madvise"], json!([{ "index": 2, "value": MADV_MERGEABLE, "op": "SCMP_CMP_LT" }])));
    rules.extend(LATER_ADVICE.map(|value| allow(&["madvise"], equal(2, value))));
    rules.extend(LATER_FCNTLS.map(|value| allow(&["fcntl"], equal(1, value))));
    rules.extend(LATER_PRCTLS.map(|value| allow(&["prctl"], equal(0, value))));
    rules.extend(PERSONALITIES.map(|value| allow(&["personality"], equal(0, value))));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        // The native architecture alone: the 32-bit and x32 tables would need filters of their own, and halving the
        // filter makes the runtime faster as well.
        "architectures": [if cfg!(target_arch = "aarch64") { "SCMP_ARCH_AARCH64" } else { "SCMP_ARCH_X86_64" }],
        "syscalls": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_allowed_and_denied() {
        let allowed: Vec<&str> = ALLOWED.iter().flat_map(|group| group.iter().copied()).collect();
        for (names, reason) in DENIED {
            for name in *names {
                assert!(!allowed.contains(name), "{name} is allowed, but: {reason}");
            }
        }
    }

    #[test]
    fn no_call_is_named_twice() {
        let mut allowed: Vec<&str> = ALLOWED.iter().flat_map(|group| group.iter().copied()).collect();
        let count = allowed.len();
        allowed.sort_unstable();
        allowed.dedup();
        assert_eq!(allowed.len(), count);
    }

    #[test]
    fn calls_with_conditions_are_in_no_unconditional_list() {
        let allowed: Vec<&str> = ALLOWED.iter().flat_map(|group| group.iter().copied()).collect();
        let conditional = profile()["syscalls"].as_array().expect("there are rules").clone();
        let conditional = conditional.iter().filter(|rule| rule["args"] != json!([]));
        for name in conditional.map(|rule| rule["names"][0].as_str().expect("a call has a name")) {
            assert!(!allowed.contains(&name), "{name}");
        }
    }

    /// The agent has the same list by number, for runtimes under which the profile isn't in force.
    #[test]
    fn what_the_profile_refuses_the_agent_refuses_where_there_is_no_profile() {
        // The numbers of 32-bit processors only, one that the C library's bindings lack and gVisor as well, and one that the agent
        // has by a name of its own.
        const WITHOUT_NUMBER: [&str; 4] = ["vm86", "vm86old", "io_pgetevents", "cachestat"];
        let withheld = include_str!("../bin/caisson-agent/confine/withheld.rs");
        let (withheld, _) = withheld.split_once("];").expect("the list has an end");
        let theirs: Vec<&str> =
            withheld.split("libc::SYS_").skip(1).filter_map(|rest| rest.split(',').next()).collect();
        let ours = DENIED.iter().flat_map(|(names, _)| names.iter().copied());
        let ours: Vec<&str> = ours.filter(|name| !WITHOUT_NUMBER.contains(name)).collect();
        for name in &ours {
            assert!(theirs.contains(name), "{name} is denied here and not withheld by the agent");
        }
        for name in &theirs {
            assert!(ours.contains(name), "{name} is withheld by the agent and not denied here");
        }
    }
}
