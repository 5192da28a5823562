//! The system calls the agent needs, each in a safe function; nearly all `unsafe` of the agent is here.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Turns the -1 convention into a result.
pub(crate) fn check(value: libc::c_long) -> io::Result<libc::c_long> {
    if value == -1 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn owned(value: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(value)?;
    // SAFETY: the kernel has just made this descriptor for us, nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

pub(crate) fn set_dumpable(dumpable: bool) -> io::Result<()> {
    // SAFETY: takes plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0, 0, 0) }.into()).map(drop)
}

/// Whether a seccomp filter holds for this process: the engine's profile, before it has put one on itself.
pub(crate) fn is_filtered() -> bool {
    // SAFETY: takes plain integers and changes nothing.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) == libc::SECCOMP_MODE_FILTER as i32 }
}

pub(crate) fn has_no_new_privileges() -> bool {
    // SAFETY: takes plain integers and changes nothing.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}

/// Gives every signal its default disposition, whatever was inherited, but for SIGPIPE, which is ignored: a write to a
/// pipe that nobody reads is an error here. Blocks none.
pub(crate) fn forget_signals() {
    for signal in 1..=64 {
        let disposition = if signal == libc::SIGPIPE { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: neither disposition needs a handler; signals that have none to set are refused, which is fine.
        unsafe { libc::signal(signal, disposition) };
    }
    // SAFETY: a signal set of zeroes is valid and then emptied; the old mask isn't asked for.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

pub(crate) fn set_umask(mask: libc::mode_t) {
    // SAFETY: takes a plain integer and can't fail.
    unsafe { libc::umask(mask) };
}

pub(crate) fn read(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live buffer.
    check(unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) } as libc::c_long).map(|count| count as usize)
}

pub(crate) fn read_at(fd: RawFd, into: &mut [u8], offset: i64) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live buffer.
    let count = unsafe { libc::pread(fd, into.as_mut_ptr().cast(), into.len(), offset) };
    check(count as libc::c_long).map(|count| count as usize)
}

pub(crate) fn write(fd: RawFd, from: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live buffer.
    check(unsafe { libc::write(fd, from.as_ptr().cast(), from.len()) } as libc::c_long).map(|count| count as usize)
}

pub(crate) fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: fcntl with integer arguments.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) }.into())?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags as i32 | libc::O_NONBLOCK) }.into()).map(drop)
}

/// A close-on-exec pipe: (read end, write end).
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the array has room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    Ok((owned(ends[0].into())?, owned(ends[1].into())?))
}

/// Two Unix sockets connected to each other, close-on-exec.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }.into())?;
    Ok((owned(ends[0].into())?, owned(ends[1].into())?))
}

/// Sends two descriptors through a socket, with one byte.
pub(crate) fn send_descriptors(through: &OwnedFd, descriptors: [RawFd; 2]) -> io::Result<()> {
    const BYTES: u32 = size_of::<[RawFd; 2]>() as u32;
    let mut byte = 0_u8;
    let mut data = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // Aligned as the header in it has to be, and at least CMSG_SPACE(8) long.
    let mut control = [0_u64; 4];
    // SAFETY: a `msghdr` of zeroes is a valid value; the pointers set are to live values that are as long as it says, so that
    // the first header and its data are within `control`.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(BYTES) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(BYTES) as _;
        std::ptr::copy_nonoverlapping(descriptors.as_ptr(), libc::CMSG_DATA(header).cast::<RawFd>(), 2);
        libc::sendmsg(through.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT)
    };
    check(sent as libc::c_long).map(drop)
}

/// Another descriptor of the same file, close-on-exec, numbered `lowest` or above.
pub(crate) fn duplicate_above(fd: &OwnedFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl with integer arguments.
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest) }.into())
}

pub(crate) fn open_directory(path: &str) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_DIRECTORY | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    Ok(std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?.into())
}

pub(crate) fn open_at(directory: &OwnedFd, name: &CStr, flags: i32, mode: libc::mode_t) -> io::Result<OwnedFd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: `name` ends with a NUL.
    owned(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, libc::c_uint::from(mode)) }.into())
}

pub(crate) fn make_directory_at(directory: &OwnedFd, name: &CStr, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: `name` ends with a NUL.
    check(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), mode) }.into()).map(drop)
}

/// Changes a mode; a link's target is never followed out, for only names inside our own directories come here.
pub(crate) fn change_mode_at(directory: &OwnedFd, name: &CStr, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: `name` ends with a NUL.
    check(unsafe { libc::fchmodat(directory.as_raw_fd(), name.as_ptr(), mode, 0) }.into()).map(drop)
}

pub(crate) fn change_mode(file: &OwnedFd, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: takes plain integers.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode) }.into()).map(drop)
}

pub(crate) fn unlink_at(directory: &OwnedFd, name: &CStr, flags: i32) -> io::Result<()> {
    // SAFETY: `name` ends with a NUL.
    check(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), flags) }.into()).map(drop)
}

pub(crate) fn rename_at(from: &OwnedFd, name: &CStr, to: &OwnedFd, new_name: &CStr) -> io::Result<()> {
    // SAFETY: both names end with a NUL.
    check(unsafe { libc::renameat(from.as_raw_fd(), name.as_ptr(), to.as_raw_fd(), new_name.as_ptr()) }.into())
        .map(drop)
}

pub(crate) fn symlink_at(target: &CStr, directory: &OwnedFd, name: &CStr) -> io::Result<()> {
    // SAFETY: both names end with a NUL.
    check(unsafe { libc::symlinkat(target.as_ptr(), directory.as_raw_fd(), name.as_ptr()) }.into()).map(drop)
}

pub(crate) fn read_link_at(directory: &OwnedFd, name: &CStr, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `name` ends with a NUL, the pointer and the length are those of one live buffer.
    let count = unsafe { libc::readlinkat(directory.as_raw_fd(), name.as_ptr(), into.as_mut_ptr().cast(), into.len()) };
    check(count as libc::c_long).map(|count| count as usize)
}

/// A file's type and permission bits, links not followed.
pub(crate) fn mode_at(directory: &OwnedFd, name: &CStr) -> io::Result<libc::mode_t> {
    // SAFETY: a `stat` of zeroes is a valid value, to be overwritten.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `name` ends with a NUL and `stat` is a live value of the right type.
    check(unsafe { libc::fstatat(directory.as_raw_fd(), name.as_ptr(), &mut stat, libc::AT_SYMLINK_NOFOLLOW) }.into())?;
    Ok(stat.st_mode)
}

pub(crate) fn size(file: &File) -> io::Result<u64> {
    file.metadata().map(|metadata| metadata.len())
}

/// Whether files can be made in a directory.
pub(crate) fn may_write(path: &str) -> bool {
    let Ok(path) = std::ffi::CString::new(path) else { return false };
    // SAFETY: `path` ends with a NUL.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}

/// Sets a file's times to now, which takes no more than permission to write to it. A link's own, where it is one.
pub(crate) fn set_times(path: &CStr) -> io::Result<()> {
    // SAFETY: `path` ends with a NUL; without times the call takes the present one.
    let set = unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), libc::AT_SYMLINK_NOFOLLOW) };
    check(set.into()).map(drop)
}

/// Whether the file system that a directory is on has no room left, for bytes or for files. One without a bound on the
/// number of files says that it has none at all.
pub(crate) fn is_full(directory: &OwnedFd) -> io::Result<bool> {
    // SAFETY: a `statfs` of zeroes is a valid value, to be overwritten.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the right type.
    check(unsafe { libc::fstatfs(directory.as_raw_fd(), &mut found) }.into())?;
    Ok(found.f_bfree == 0 || (found.f_files > 0 && found.f_ffree == 0))
}

/// One call of getdents64, into `buffer`. Zero is the end.
pub(crate) fn directory_entries(directory: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live buffer.
    let count =
        unsafe { libc::syscall(libc::SYS_getdents64, directory.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
    check(count).map(|count| count as usize)
}

pub(crate) fn rewind(directory: &OwnedFd) -> io::Result<()> {
    // SAFETY: takes plain integers.
    check(unsafe { libc::lseek(directory.as_raw_fd(), 0, libc::SEEK_SET) } as libc::c_long).map(drop)
}

/// An anonymous file in memory, close-on-exec, to be sealed.
pub(crate) fn memory_file(name: &CStr) -> io::Result<File> {
    // SAFETY: `name` ends with a NUL.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    owned(fd.into()).map(File::from)
}

/// Makes a memory file read-only for everybody and for good, and rewinds it.
pub(crate) fn seal(file: &File) -> io::Result<()> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: fcntl with integer arguments.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into())?;
    // SAFETY: takes plain integers.
    check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_SET) } as libc::c_long).map(drop)
}

/// Copies up to `count` bytes inside the kernel, from `offset` (moved on) to the other file's position.
pub(crate) fn copy(from: RawFd, offset: &mut i64, to: RawFd, count: u64) -> io::Result<u64> {
    let mut left = count;
    while left > 0 {
        // SAFETY: `offset` is a live integer of the type that sendfile takes.
        let sent = unsafe { libc::sendfile(to, from, offset, usize::try_from(left).unwrap_or(usize::MAX)) };
        match check(sent as libc::c_long)? {
            0 => break,
            sent => left -= sent as u64,
        }
    }
    Ok(count - left)
}

pub(crate) fn watch(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// Waits for any of `watched`, at most `timeout_ms` (-1: for ever). An interruption counts as a timeout.
pub(crate) fn poll(watched: &mut [libc::pollfd], timeout_ms: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of one live slice.
    let ready = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, timeout_ms) };
    match check(ready.into()) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// A descriptor that is readable when a child has ended. The signal that says so is blocked for it, and so isn't thrown
/// away though PID 1 has no handler for it.
pub(crate) fn watch_ends() -> io::Result<OwnedFd> {
    // SAFETY: a signal set and an action of zeroes are valid and then filled in; all pointers are to live values.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        // Children that stop and go on are no news.
        action.sa_flags = libc::SA_NOCLDSTOP;
        check(libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut()).into())?;
        let set = only_ends();
        check(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()).into())?;
        owned(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into())
    }
}

/// Takes away what [`watch_ends`] has to say, so that the next end is news again.
pub(crate) fn forget_ends(watch: &OwnedFd) -> io::Result<()> {
    // One signal at most is pending, however many children have ended. Its structure has 128 bytes (signalfd(2)).
    match read(watch.as_raw_fd(), &mut [0; 128]) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// In a child: programs expect to be told of their own children's ends.
pub(crate) fn unblock_ends() {
    // SAFETY: the pointer is to a live value of the right type.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &only_ends(), std::ptr::null_mut()) };
}

fn only_ends() -> libc::sigset_t {
    // SAFETY: a signal set of zeroes is valid and then emptied.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    }
}

/// A child that has ended.
pub(crate) struct Reaped {
    pub(crate) pid: libc::pid_t,
    pub(crate) status: i32,
    /// The highest resident size of one of its processes, in bytes.
    pub(crate) resident_peak: u64,
    /// How often the kernel took the CPU from it or from a process that it had waited for.
    pub(crate) involuntary_switches: u64,
}

/// Collects an ended child without waiting: `Ok(None)` when none has ended, `ECHILD` when there are none left.
pub(crate) fn reap(pid: libc::pid_t) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: an `rusage` of zeroes is a valid value, to be overwritten.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types.
    let reaped = check(unsafe { libc::wait4(pid, &mut status, libc::WNOHANG, &mut usage) }.into())?;
    Ok((reaped != 0).then(|| Reaped {
        pid: reaped as libc::pid_t,
        status,
        resident_peak: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        involuntary_switches: u64::try_from(usage.ru_nivcsw).unwrap_or(0),
    }))
}

/// Kills every process of the container but PID 1 itself. That there is none is no error.
pub(crate) fn kill_everyone() -> io::Result<()> {
    // SAFETY: takes plain integers. As PID 1 of a namespace this reaches the namespace and nothing else; `main` made sure.
    match check(unsafe { libc::kill(-1, libc::SIGKILL) }.into()) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// Starts a child that does nothing until it is killed.
pub(crate) fn start_idle_child() -> io::Result<()> {
    // SAFETY: this process has one thread, so the child may do what it likes; it only makes system calls all the same.
    match check(unsafe { libc::fork() }.into())? {
        0 => loop {
            // SAFETY: takes nothing.
            unsafe { libc::pause() };
        },
        _ => Ok(()),
    }
}

/// What this process may raise the limit of its stack to; "unlimited" where that can't be read.
pub(crate) fn highest_stack() -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the pointer is to a live structure of the right type, which an error leaves as it is.
    unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    limit.rlim_max
}

/// A number that nobody can foretell; `None` where the kernel has none to give.
pub(crate) fn random() -> Option<u64> {
    let mut number = [0; 8];
    // SAFETY: the pointer and the length are those of one live buffer.
    let count = unsafe { libc::getrandom(number.as_mut_ptr().cast(), number.len(), libc::GRND_NONBLOCK) };
    (count == 8).then(|| u64::from_ne_bytes(number))
}

/// The agent's own CPU time in microseconds.
pub(crate) fn own_cpu_time_us() -> u64 {
    // SAFETY: an `rusage` of zeroes is a valid value, to be overwritten.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the right type.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    [usage.ru_utime, usage.ru_stime].iter().map(|time| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64).sum()
}
