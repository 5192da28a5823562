//! Trying something and saying how it went.

use std::io;
use std::path::Path;

/// The errnos that a refusal can have, by name; the rest go by number.
const NAMES: [(i32, &str); 40] = [
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::EIO, "EIO"),
    (libc::ENXIO, "ENXIO"),
    (libc::E2BIG, "E2BIG"),
    (libc::EBADF, "EBADF"),
    (libc::ECHILD, "ECHILD"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EFAULT, "EFAULT"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::ENODEV, "ENODEV"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EISDIR, "EISDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::ENFILE, "ENFILE"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENOTTY, "ENOTTY"),
    (libc::EFBIG, "EFBIG"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::ESPIPE, "ESPIPE"),
    (libc::EROFS, "EROFS"),
    (libc::EPIPE, "EPIPE"),
    (libc::ENAMETOOLONG, "ENAMETOOLONG"),
    (libc::ENOSYS, "ENOSYS"),
    (libc::ELOOP, "ELOOP"),
    (libc::ENODATA, "ENODATA"),
    (libc::EPROTO, "EPROTO"),
    (libc::EOVERFLOW, "EOVERFLOW"),
    (libc::EUSERS, "EUSERS"),
    (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EDQUOT, "EDQUOT"),
    (libc::ENOKEY, "ENOKEY"),
];

/// `refused` and why.
pub(super) fn refused(error: &io::Error) -> String {
    let number = error.raw_os_error().unwrap_or(0);
    match NAMES.iter().find(|(errno, _)| *errno == number) {
        Some((_, name)) => format!("refused {name}"),
        None => format!("refused {number}"),
    }
}

pub(super) fn outcome<T>(attempted: io::Result<T>) -> String {
    match attempted {
        Ok(_) => "allowed".to_owned(),
        Err(error) => refused(&error),
    }
}

/// Makes a system call whose arguments are all numbers, or pointers that the kernel is meant to refuse.
///
/// # Safety
/// Pointers among the arguments are null, outside the address space, or to live values of the types that the call takes.
pub(super) unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> io::Result<libc::c_long> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: as promised by the caller.
    crate::sys::check(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

/// Does it in a forked child, which ends with it: nothing of it stays in this process.
pub(super) fn in_child<T>(attempted: impl FnOnce() -> io::Result<T>) -> String {
    // SAFETY: this process has one thread, so the child may do what the parent could.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => format!("unknown: no child: {}", io::Error::last_os_error()),
        0 => {
            let code = attempted().map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |_| 0);
            // SAFETY: ends the child without running anything of the parent's at exit. Errnos are below 256.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: the pointer is to a live integer.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            if libc::WIFSIGNALED(status) {
                return format!("refused SIGNAL{}", libc::WTERMSIG(status));
            }
            match libc::WEXITSTATUS(status) {
                0 => "allowed".to_owned(),
                errno => refused(&io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

/// Opens for writing what exists already, and writes nothing.
pub(super) fn open_for_writing(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).open(path)
}
