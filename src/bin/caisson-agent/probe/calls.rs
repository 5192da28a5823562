//! System calls that no program of a job needs, made so that the answer tells a filter from a kernel: their arguments are
//! wrong, so that one which gets through to the kernel comes back with another errno than a filter's, or succeeds
//! harmlessly. Each is made in a child of its own.

use std::io;

use super::attempt::{call, in_child, outcome};
use super::fact;
use crate::confine::CACHESTAT;

/// An argument that is no valid descriptor, address or pid.
const BAD: usize = usize::MAX;
/// AT_FDCWD, linux/fcntl.h.
const HERE: usize = -100_isize as usize;
const NEW_USER: usize = libc::CLONE_NEWUSER as usize;
/// KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING, linux/keyctl.h.
const SESSION_KEYRING: usize = -3_isize as usize;
/// FAN_REPORT_FID, linux/fanotify.h: from Linux 5.13 on it is what makes the call one for everybody.
const REPORT_FID: usize = 0x200;
/// SYSLOG_ACTION_SIZE_BUFFER, man 2 syslog.
const LOG_SIZE: usize = 10;
/// UFFD_USER_MODE_ONLY, linux/userfaultfd.h: without it the call asks for a capability first.
const USER_MODE_ONLY: usize = 1;

/// SECCOMP_SET_MODE_FILTER, linux/seccomp.h.
const FILTER_MODE: usize = 1;

const HUGE_PAGES: usize = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB) as usize;
/// PR_SET_MEMORY_MERGE, linux/prctl.h; with 0 it turns off what is off.
const MEMORY_MERGE: usize = 67;

/// What makes or enters namespaces and mounts.
const NAMESPACES: &[(&str, libc::c_long, [usize; 6])] = &[
    ("unshare", libc::SYS_unshare, [NEW_USER, 0, 0, 0, 0, 0]),
    ("setns", libc::SYS_setns, [BAD, 0, 0, 0, 0, 0]),
    ("clone3", libc::SYS_clone3, [0; 6]),
    ("mount", libc::SYS_mount, [0; 6]),
    ("umount2", libc::SYS_umount2, [0; 6]),
    ("pivot_root", libc::SYS_pivot_root, [0; 6]),
    ("chroot", libc::SYS_chroot, [0; 6]),
    ("move_mount", libc::SYS_move_mount, [BAD, 0, BAD, 0, 0, 0]),
    ("open_tree", libc::SYS_open_tree, [BAD, 0, 0, 0, 0, 0]),
    ("fsopen", libc::SYS_fsopen, [0; 6]),
    ("fsconfig", libc::SYS_fsconfig, [BAD, 0, 0, 0, 0, 0]),
    ("fsmount", libc::SYS_fsmount, [BAD, 0, 0, 0, 0, 0]),
    ("fspick", libc::SYS_fspick, [BAD, 0, 0, 0, 0, 0]),
    ("mount_setattr", libc::SYS_mount_setattr, [BAD, 0, 0, 0, 0, 0]),
    ("name_to_handle_at", libc::SYS_name_to_handle_at, [HERE, 0, 0, 0, 0, 0]),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, [BAD, 0, 0, 0, 0, 0]),
];

/// What is left of the kernel's surface that has been used for escapes, or whose traces would outlive a test.
const CALLS: &[(&str, libc::c_long, [usize; 6])] = &[
    ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
    ("io_uring_enter", libc::SYS_io_uring_enter, [BAD, 0, 0, 0, 0, 0]),
    ("io_uring_register", libc::SYS_io_uring_register, [BAD, 0, 0, 0, 0, 0]),
    ("ptrace", libc::SYS_ptrace, [libc::PTRACE_TRACEME as usize, 0, 0, 0, 0, 0]),
    ("process_vm_readv", libc::SYS_process_vm_readv, [0; 6]),
    ("process_vm_writev", libc::SYS_process_vm_writev, [0; 6]),
    ("kcmp", libc::SYS_kcmp, [0; 6]),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, [BAD, 0, 0, 0, 0, 0]),
    ("process_madvise", libc::SYS_process_madvise, [BAD, 0, 0, 0, 0, 0]),
    ("process_mrelease", libc::SYS_process_mrelease, [BAD, 0, 0, 0, 0, 0]),
    ("add_key", libc::SYS_add_key, [0; 6]),
    ("keyctl", libc::SYS_keyctl, [0, SESSION_KEYRING, 0, 0, 0, 0]),
    ("request_key", libc::SYS_request_key, [0; 6]),
    ("seccomp", libc::SYS_seccomp, [FILTER_MODE, 0, 0, 0, 0, 0]),
    ("prctl-seccomp", libc::SYS_prctl, [libc::PR_SET_SECCOMP as usize, libc::SECCOMP_MODE_FILTER as usize, 0, 0, 0, 0]),
    ("socket-filter", libc::SYS_setsockopt, [BAD, libc::SOL_SOCKET as usize, libc::SO_ATTACH_FILTER as usize, 0, 0, 0]),
    ("bpf", libc::SYS_bpf, [0; 6]),
    ("perf_event_open", libc::SYS_perf_event_open, [0, 0, BAD, BAD, 0, 0]),
    ("userfaultfd", libc::SYS_userfaultfd, [USER_MODE_ONLY, 0, 0, 0, 0, 0]),
    ("vmsplice", libc::SYS_vmsplice, [BAD, 0, 0, 0, 0, 0]),
    ("memfd_secret", libc::SYS_memfd_secret, [0; 6]),
    ("io_setup", libc::SYS_io_setup, [0; 6]),
    ("shmget", libc::SYS_shmget, [0; 6]),
    ("semget", libc::SYS_semget, [0, BAD, 0, 0, 0, 0]),
    ("msgget", libc::SYS_msgget, [1, 0, 0, 0, 0, 0]),
    ("mq_open", libc::SYS_mq_open, [0; 6]),
    ("mbind", libc::SYS_mbind, [1, 0, 0, 0, 0, 0]),
    ("set_mempolicy", libc::SYS_set_mempolicy, [BAD, 0, 0, 0, 0, 0]),
    ("get_mempolicy", libc::SYS_get_mempolicy, [0; 6]),
    ("migrate_pages", libc::SYS_migrate_pages, [BAD, 0, 0, 0, 0, 0]),
    ("move_pages", libc::SYS_move_pages, [0; 6]),
    ("huge-pages", libc::SYS_mmap, [0, 2 << 20, 0, HUGE_PAGES, BAD, 0]),
    ("huge-file", libc::SYS_memfd_create, [0, libc::MFD_HUGETLB as usize, 0, 0, 0, 0]),
    ("merge-pages", libc::SYS_madvise, [0, 0, libc::MADV_MERGEABLE as usize, 0, 0, 0]),
    ("merge-memory", libc::SYS_prctl, [MEMORY_MERGE, 0, 0, 0, 0, 0]),
    ("cachestat", CACHESTAT, [BAD, 0, 0, 0, 0, 0]),
    ("fanotify_init", libc::SYS_fanotify_init, [REPORT_FID, 0, 0, 0, 0, 0]),
    ("syslog", libc::SYS_syslog, [LOG_SIZE, 0, 0, 0, 0, 0]),
    ("quotactl", libc::SYS_quotactl, [BAD, 0, 0, 0, 0, 0]),
    ("swapon", libc::SYS_swapon, [0; 6]),
    ("init_module", libc::SYS_init_module, [0; 6]),
    ("clock_settime", libc::SYS_clock_settime, [0; 6]),
    ("sethostname", libc::SYS_sethostname, [0; 6]),
    ("syncfs", libc::SYS_syncfs, [BAD, 0, 0, 0, 0, 0]),
    ("remap_file_pages", libc::SYS_remap_file_pages, [1, 0, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("modify_ldt", libc::SYS_modify_ldt, [0; 6]),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl, [0; 6]),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm, [0; 6]),
    #[cfg(target_arch = "x86_64")]
    ("sysfs", libc::SYS_sysfs, [3, 0, 0, 0, 0, 0]),
];

/// Families of sockets with a type that each of them has (sys/socket.h, linux/socket.h).
const SOCKETS: [(&str, i32, i32); 16] = [
    ("unix", libc::AF_UNIX, libc::SOCK_STREAM),
    ("inet", libc::AF_INET, libc::SOCK_STREAM),
    ("inet-datagram", libc::AF_INET, libc::SOCK_DGRAM),
    ("inet6", libc::AF_INET6, libc::SOCK_STREAM),
    ("netlink", libc::AF_NETLINK, libc::SOCK_RAW),
    ("packet", libc::AF_PACKET, libc::SOCK_DGRAM),
    ("key", libc::AF_KEY, libc::SOCK_RAW),
    ("vsock", libc::AF_VSOCK, libc::SOCK_STREAM),
    ("alg", libc::AF_ALG, libc::SOCK_SEQPACKET),
    ("rxrpc", libc::AF_RXRPC, libc::SOCK_DGRAM),
    ("rds", libc::AF_RDS, libc::SOCK_SEQPACKET),
    ("tipc", libc::AF_TIPC, libc::SOCK_SEQPACKET),
    ("can", libc::AF_CAN, libc::SOCK_RAW),
    ("bluetooth", libc::AF_BLUETOOTH, libc::SOCK_RAW),
    ("xdp", libc::AF_XDP, libc::SOCK_RAW),
    ("qipcrtr", AF_QIPCRTR, libc::SOCK_DGRAM),
];
/// linux/socket.h; libc doesn't have it for every target.
const AF_QIPCRTR: i32 = 42;

pub(super) fn print() {
    for (group, calls) in [("namespace", NAMESPACES), ("call", CALLS)] {
        for (name, number, arguments) in calls {
            // SAFETY: every pointer in the tables is null or outside the address space, and what a call may do in spite
            // of that ends with the child.
            fact(&format!("{group}.{name}"), in_child(|| unsafe { call(*number, *arguments) }));
        }
    }
    fact("namespace.clone", in_child(clone_with_user_namespace));
    for (name, family, kind) in SOCKETS {
        fact(&format!("socket.{name}"), in_child(|| socket(family, kind)));
    }
    fact("mknod", make_device());
}

/// The kernel's version of Landlock's interface, 0 without.
pub(super) fn landlock_abi() -> i64 {
    /// LANDLOCK_CREATE_RULESET_VERSION, linux/landlock.h.
    const VERSION: usize = 1;
    // SAFETY: with this flag the call takes no attributes and only answers a number.
    unsafe { call(libc::SYS_landlock_create_ruleset, [0, 0, VERSION, 0, 0, 0]) }.unwrap_or(0)
}

/// clone returns twice: the child that it makes has to end here.
fn clone_with_user_namespace() -> io::Result<()> {
    let flags = NEW_USER | libc::SIGCHLD as usize;
    // SAFETY: without a stack and without CLONE_VM this is a fork, and this process has one thread.
    let pid = unsafe { call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]) }?;
    if pid == 0 {
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    Ok(())
}

fn socket(family: i32, kind: i32) -> io::Result<()> {
    // SAFETY: takes plain integers. The descriptor closes with the child.
    crate::sys::check(unsafe { libc::socket(family, kind, 0) }.into()).map(drop)
}

/// A device file of /dev/null in the workspace, gone again if it could be made.
fn make_device() -> String {
    let path = c"/box/.caisson-probe-device";
    // SAFETY: the path ends with a NUL.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) };
    let made = crate::sys::check(made.into());
    // SAFETY: the path ends with a NUL. Where nothing was made there is nothing to remove.
    unsafe { libc::unlink(path.as_ptr()) };
    outcome(made)
}
