//! Files of the image that carry privilege: setuid, setgid, file capabilities. no-new-privileges makes them powerless in a
//! sandbox; an image without them doesn't need that.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fact;

/// More files than any language image has; the largest seen has 60 000.
const ENTRIES: u64 = 1_000_000;
/// Named files; the rest is counted.
const NAMED: u64 = 50;

pub(super) fn print() {
    let (mut entries, mut unreadable, mut found) = (0, 0, 0);
    let mut folders = vec![PathBuf::from("/")];
    let root = fs::metadata("/").map_or(0, |metadata| metadata.dev());
    while let Some(folder) = folders.pop() {
        let Ok(all) = fs::read_dir(&folder) else {
            unreadable += 1;
            continue;
        };
        for entry in all.flatten() {
            entries += 1;
            if entries > ENTRIES {
                fact("files.incomplete", ENTRIES);
                return;
            }
            let path = entry.path();
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if metadata.is_dir() {
                // What is mounted isn't the image. Of files only their folder's device can be trusted: an overlay may
                // give them their layer's.
                if metadata.dev() == root {
                    folders.push(path);
                }
                continue;
            }
            let privilege = match metadata.mode() & (libc::S_ISUID | libc::S_ISGID) {
                _ if !metadata.is_file() => continue,
                0 if has_capabilities(&path) => "capabilities",
                0 => continue,
                bits if bits & libc::S_ISUID != 0 => "setuid",
                _ => "setgid",
            };
            found += 1;
            if found <= NAMED {
                fact("files.privileged", format_args!("{privilege} {}", path.display()));
            }
        }
    }
    fact("files.count", entries);
    fact("files.found", found);
    fact("files.unreadable", unreadable);
}

fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else { return false };
    let name = c"security.capability";
    // SAFETY: both strings end with a NUL; a size of 0 asks for the length and writes nothing.
    unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}
