//! What is mounted, where something can be written and how much, which devices there are, and what of the kernel's own
//! files is open.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::attempt::{in_child, open_for_writing, outcome, refused};
use super::fact;

/// Folders that programs expect to write to, beyond the mounts.
const FOLDERS: [&str; 8] = ["/", "/var/tmp", "/run", "/etc", "/root", "/home", "/opt", "/usr"];

/// Files of the kernel through which a container could change its host.
const KERNEL_FILES: [&str; 6] = [
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/kernel/ns_last_pid",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/profiling",
];

/// Files of the kernel that tell of the host; engines cover them.
const MASKED: [&str; 6] =
    ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug", "/sys/firmware"];

/// How deep below /dev devices are looked for.
const DEPTH: usize = 3;

pub(super) fn print() {
    mounts();
    for folder in FOLDERS {
        if Path::new(folder).is_dir() {
            fact("create", format_args!("{folder} {}", create(Path::new(folder))));
        }
    }
    for path in KERNEL_FILES {
        fact("write", format_args!("{path} {}", in_child(|| open_for_writing(Path::new(path)))));
    }
    for path in MASKED {
        fact("read", format_args!("{path} {}", read(Path::new(path))));
    }
    devices(Path::new("/dev"), DEPTH);
}

/// `target type options bytes inodes outcome-of-creating-a-file`, separated by tabs, for each line of
/// `/proc/self/mountinfo` (proc(5)).
fn mounts() {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in text.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else { continue };
        let mount: Vec<&str> = mount.split(' ').collect();
        let file_system: Vec<&str> = file_system.split(' ').collect();
        let (Some(target), Some(options), Some(kind)) = (mount.get(4), mount.get(5), file_system.first()) else {
            continue;
        };
        // Read-only is said of the mount or of the whole file system.
        let whole = file_system.get(2).unwrap_or(&"");
        let options =
            if whole.split(',').any(|option| option == "ro") { format!("ro,{options}") } else { (*options).to_owned() };
        let path = unescape(target);
        let (bytes, inodes) = room(&path).unwrap_or((0, 0));
        let created = if path.is_dir() { create(&path) } else { "file".to_owned() };
        fact("mount", format_args!("{target} {kind} {options} {bytes} {inodes} {created}"));
    }
}

/// Blanks and the like are octal in mountinfo: `\040`.
fn unescape(target: &str) -> PathBuf {
    let mut out = Vec::new();
    let mut bytes = target.as_bytes();
    while let Some((&first, rest)) = bytes.split_first() {
        let octal = rest.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                bytes = &rest[3..];
            }
            _ => {
                out.push(first);
                bytes = rest;
            }
        }
    }
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(out))
}

/// Bytes and inodes that the file system has in all.
fn room(path: &Path) -> Option<(u64, u64)> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
    // SAFETY: a `statvfs` of zeroes is a valid value, to be overwritten.
    let mut room: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a NUL, and the pointer is to a live value of the right type.
    let answered = unsafe { libc::statvfs(path.as_ptr(), &mut room) };
    (answered == 0).then(|| (room.f_blocks.saturating_mul(room.f_frsize), room.f_files))
}

fn create(folder: &Path) -> String {
    let path = folder.join(".caisson-probe");
    let file = OpenOptions::new().write(true).create_new(true).custom_flags(libc::O_NOFOLLOW).open(&path);
    let outcome =
        outcome(file.as_ref().map_err(|error| io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0))));
    if file.is_ok() {
        let _ = fs::remove_file(&path);
    }
    outcome
}

/// `allowed` when there is something to be read; an empty file or folder is one that is covered.
fn read(path: &Path) -> String {
    if path.is_dir() {
        return match fs::read_dir(path) {
            Ok(mut all) => if all.next().is_some() { "allowed" } else { "empty" }.to_owned(),
            Err(error) => refused(&error),
        };
    }
    let mut first = [0];
    match fs::File::open(path).and_then(|mut file| io::Read::read(&mut file, &mut first)) {
        Ok(0) => "empty".to_owned(),
        Ok(_) => "allowed".to_owned(),
        Err(error) => refused(&error),
    }
}

/// `path kind major:minor outcome-of-opening`.
fn devices(folder: &Path, depth: usize) {
    let Ok(all) = fs::read_dir(folder) else { return };
    for entry in all.flatten() {
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        let kind = metadata.file_type();
        if kind.is_dir() && depth > 1 {
            devices(&entry.path(), depth - 1);
        } else if kind.is_char_device() || kind.is_block_device() {
            let name = if kind.is_block_device() { "block" } else { "char" };
            let number = metadata.rdev();
            // Not opened: opening some devices does something.
            fact(
                "device",
                format_args!("{} {name} {}:{}", entry.path().display(), libc::major(number), libc::minor(number)),
            );
        }
    }
}
