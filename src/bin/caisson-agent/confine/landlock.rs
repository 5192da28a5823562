//! Landlock by its system calls (linux/landlock.h); libc has only their numbers.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use crate::sys;

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: i32 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
/// From REMOVE_DIR (bit 4) to MAKE_SYM (bit 12): everything that changes a folder.
const CHANGE_FOLDERS: u64 = 0x1ff0;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14; // ABI 3
const SCOPE_ABSTRACT_SOCKETS: u64 = 1; // ABI 6
const SCOPE_SIGNALS: u64 = 1 << 1; // ABI 6

#[repr(C)]
struct RulesetAttributes {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// Where everything may be written.
const PLACES: [&str; 3] = ["/box", "/tmp", "/dev/shm"];

/// The devices that programs are used to. Not `/dev/ptmx`: the pseudo-terminals that it makes are counted for the whole
/// host (`kernel.pty.max`), so that one job could use up those of all others and of whoever logs in.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// The kernel's version of the interface; 0 where there is none, or the engine's profile hides it.
pub(super) fn abi() -> u8 {
    // SAFETY: with this flag the call takes no attributes and only answers a number.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, CREATE_RULESET_VERSION) };
    u8::try_from(version).unwrap_or(0)
}

pub(super) fn domain(abi: u8) -> io::Result<OwnedFd> {
    let mut files = READ_FILE | WRITE_FILE;
    if abi >= 3 {
        files |= TRUNCATE;
    }
    let access = files | CHANGE_FOLDERS | REFER;
    let attributes = RulesetAttributes {
        handled_access_fs: access,
        handled_access_net: 0,
        scoped: if abi >= 6 { SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS } else { 0 },
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
    for place in PLACES {
        allow(&ruleset, place.into(), access)?;
    }
    for device in DEVICES {
        allow(&ruleset, device.into(), files)?;
    }
    // Everything else can be read that could be before, but for the other devices.
    for entry in std::fs::read_dir("/")? {
        let entry = entry?;
        // What a link leads to is another entry, or below one.
        let is_link = entry.file_type().map_or(true, |kind| kind.is_symlink());
        if !is_link && entry.file_name() != "dev" {
            allow(&ruleset, entry.path().into_os_string().into_vec(), READ_FILE)?;
        }
    }
    // The child puts its own descriptors at the lowest numbers before it enters the domain.
    sys::duplicate_above(&ruleset, 64)
}

/// Allows this at a place and below it. What can't be found isn't allowed: not every container has every place.
fn allow(ruleset: &OwnedFd, place: Vec<u8>, access: u64) -> io::Result<()> {
    let place = CString::new(place)?;
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: `place` ends with a NUL.
    let Ok(fd) = sys::check(unsafe { libc::open(place.as_ptr(), flags) }.into()) else { return Ok(()) };
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
