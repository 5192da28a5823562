//! What the engine's profile refuses, for the runtimes under which it isn't in force.
//!
//! gVisor has a kernel of its own, and a profile that the engine gives holds gVisor's process and not what runs in it. Much
//! of this does no harm there; but what outlives a test (System V IPC, message queues, keyrings) or reaches into other
//! processes does, and so the rest goes with it. The list is `DENIED` of `src/sandbox/seccomp.rs`, and a test there holds
//! the two together.

use super::filter::{Denial, When};

/// The same number on every processor (asm-generic/unistd.h); libc doesn't have it for all.
pub(crate) const CACHESTAT: libc::c_long = 451;

/// Calls refused whatever their arguments.
pub(super) const WITHHELD: &[libc::c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_seccomp,
    CACHESTAT,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_lookup_dcookie,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_vmsplice,
    libc::SYS_memfd_secret,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_io_getevents,
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_get_mempolicy,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_remap_file_pages,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} (linux/sched.h).
const NAMESPACES: u32 = 0x7e02_0000;

/// PR_SET_MEMORY_MERGE (linux/prctl.h).
const MEMORY_MERGE: u32 = 67;

/// Calls refused for what one argument is.
pub(super) const WITHHELD_WITH: &[Denial] = &[
    (libc::SYS_clone, &[(0, When::HasAny, NAMESPACES)]),
    (libc::SYS_socket, &[(0, When::IsNot, libc::AF_UNIX as u32)]),
    (libc::SYS_socketpair, &[(0, When::IsNot, libc::AF_UNIX as u32)]),
    // Under gVisor they do nothing; under a runtime that leaves the profile out they are the host's.
    (libc::SYS_setsockopt, &[(2, When::Is, libc::SO_ATTACH_FILTER as u32)]),
    (libc::SYS_setsockopt, &[(2, When::Is, libc::SO_ATTACH_BPF as u32)]),
    (libc::SYS_setsockopt, &[(2, When::Is, libc::SO_ATTACH_REUSEPORT_CBPF as u32)]),
    (libc::SYS_setsockopt, &[(2, When::Is, libc::SO_ATTACH_REUSEPORT_EBPF as u32)]),
    (libc::SYS_mmap, &[(3, When::HasAny, libc::MAP_HUGETLB as u32)]),
    (libc::SYS_memfd_create, &[(1, When::HasAny, libc::MFD_HUGETLB)]),
    (libc::SYS_madvise, &[(2, When::Is, libc::MADV_MERGEABLE as u32)]),
    (libc::SYS_prctl, &[(0, When::Is, MEMORY_MERGE)]),
    // PER_LINUX, and the value that only asks.
    (libc::SYS_personality, &[(0, When::IsNot, 0), (0, When::IsNot, u32::MAX)]),
    // gVisor lets anybody make device files.
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, &[(1, When::IsDevice, 0)]),
    (libc::SYS_mknodat, &[(2, When::IsDevice, 0)]),
];
