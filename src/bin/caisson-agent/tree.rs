//! Files and folders under a directory that hostile code may have shaped: made without following anything, removed
//! whatever their depth, mode or kind.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use crate::sys;

/// Creates a new file (and the folders to it) from a relative path, which the worker has checked; checked again here.
pub(crate) fn create(root: &OwnedFd, path: &[u8], executable: bool) -> io::Result<File> {
    let mode = if executable { 0o755 } else { 0o644 };
    let (folder, name) = descend(root, path)?;
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
    sys::open_at(folder.as_ref().unwrap_or(root), &name, flags, mode).map(File::from)
}

/// Opens the folder that holds `path`'s last component, making folders on the way. `None` is the root itself.
pub(crate) fn descend(root: &OwnedFd, path: &[u8]) -> io::Result<(Option<OwnedFd>, CString)> {
    let mut folder = None;
    let mut components = path.split(|&byte| byte == b'/').peekable();
    loop {
        let component = components.next().ok_or_else(invalid)?;
        if component.is_empty() || component == b"." || component == b".." {
            return Err(invalid());
        }
        let name = CString::new(component).map_err(|_| invalid())?;
        if components.peek().is_none() {
            return Ok((folder, name));
        }
        let parent = folder.as_ref().unwrap_or(root);
        match sys::make_directory_at(parent, &name, 0o755) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        folder = Some(sys::open_at(parent, &name, libc::O_RDONLY | libc::O_DIRECTORY, 0)?);
    }
}

/// Removes everything inside `root`, with a constant number of descriptors and no recursion: a folder's subfolders are
/// first moved up to `root`, so that a tree of any depth becomes flat.
pub(crate) fn wipe(root: &OwnedFd) -> io::Result<()> {
    let mut moved = 0u64;
    loop {
        let mut found = false;
        each_entry(root, |name, is_directory| {
            found = true;
            if !is_directory {
                return sys::unlink_at(root, name, 0);
            }
            match sys::unlink_at(root, name, libc::AT_REMOVEDIR) {
                Ok(()) => Ok(()),
                Err(_) => flatten(root, name, &mut moved),
            }
        })?;
        if !found {
            return Ok(());
        }
    }
}

/// Empties the folder `name` of `root` of its files, moves its subfolders up to `root`, and removes it.
fn flatten(root: &OwnedFd, name: &CStr, moved: &mut u64) -> io::Result<()> {
    // A program may have taken its own folder's permissions away; the owner can always give them back.
    sys::change_mode_at(root, name, 0o700)?;
    let folder = sys::open_at(root, name, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    each_entry(&folder, |entry, is_directory| {
        if !is_directory {
            return sys::unlink_at(&folder, entry, 0);
        }
        // Moving a folder writes its "..", which takes permission on the folder itself.
        sys::change_mode_at(&folder, entry, 0o700)?;
        loop {
            *moved += 1;
            let new_name = CString::new(format!(".wipe-{moved}")).map_err(|_| invalid())?;
            match sys::rename_at(&folder, entry, root, &new_name) {
                // The program has a folder of that very name with something in it; the next number will do.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::EEXIST | libc::ENOTDIR)) => {}
                outcome => return outcome,
            }
        }
    })?;
    sys::unlink_at(root, name, libc::AT_REMOVEDIR)
}

/// Calls `visit` with each entry's name and whether it is a folder. Entries may be removed meanwhile: the directory is
/// read again from its start until a whole pass finds nothing more to call for, or the end is reached undisturbed.
pub(crate) fn each_entry(directory: &OwnedFd, mut visit: impl FnMut(&CStr, bool) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = [0u8; 16 * 1024];
    sys::rewind(directory)?;
    loop {
        let length = sys::directory_entries(directory, &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..length];
        // struct linux_dirent64: inode u64, offset i64, record length u16, type u8, name with a NUL (man getdents64).
        while rest.len() > 19 {
            let record = u16::from_ne_bytes([rest[16], rest[17]]) as usize;
            let kind = rest[18];
            let name = CStr::from_bytes_until_nul(&rest[19..record]).map_err(|_| invalid())?;
            if name != c"." && name != c".." {
                let is_directory = match kind {
                    libc::DT_DIR => true,
                    libc::DT_UNKNOWN => sys::mode_at(directory, name)? & libc::S_IFMT == libc::S_IFDIR,
                    _ => false,
                };
                visit(name, is_directory)?;
            }
            rest = &rest[record..];
        }
    }
}

fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
