//! A snapshot of the workspace, taken once after the compile step and restored before each test. What a program closed is
//! opened up for it and closed again, so the workspace is afterwards what it was.
//!
//! It is a memory file that only the agent has a descriptor of, so no program can change what the next one starts from.
//! The worker carries it to another sandbox as bytes it never looks into. Each record is a kind (u8), a mode (u32), a
//! path's length (u16), a content's length (u64), the path and the content.
//!
//! What is restored may have been made in another sandbox, whose agent a program had taken over. So it may be any bytes:
//! nothing is made but inside the workspace, nothing that is there is followed or opened, and no device, pipe or socket
//! has a form here.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use caisson::protocol::{CHUNK, Event};

use crate::channel::Channel;
use crate::{sys, tree};

/// What a compile step may leave behind. A tree beyond these isn't one that a compiler makes.
const MAX_ENTRIES: usize = 8_192;
const MAX_PATH: usize = libc::PATH_MAX as usize;

const FILE: u8 = 1;
const FOLDER: u8 = 2;
const LINK: u8 = 3;
const RECORD: usize = 15;

pub(crate) fn take(root: &OwnedFd) -> io::Result<File> {
    let mut archive = sys::memory_file(c"snapshot")?;
    let mut pending = vec![Vec::new()];
    let mut opened_up = Vec::new();
    let mut entries = 0;
    while let Some(path) = pending.pop() {
        let folder = open_folder(root, &path, &mut opened_up)?;
        let folder = folder.as_ref().unwrap_or(root);
        tree::each_entry(folder, |name, _| {
            entries += 1;
            let path = if path.is_empty() { name.to_bytes().to_vec() } else { [&path, name.to_bytes()].join(&b'/') };
            if entries > MAX_ENTRIES || path.len() > MAX_PATH {
                return Err(io::Error::from_raw_os_error(libc::E2BIG));
            }
            let mode = sys::mode_at(folder, name)?;
            match mode & libc::S_IFMT {
                libc::S_IFDIR => {
                    record(&mut archive, FOLDER, mode, &path, 0)?;
                    pending.push(path);
                }
                libc::S_IFLNK => {
                    let mut target = [0; MAX_PATH];
                    let length = sys::read_link_at(folder, name, &mut target)?;
                    record(&mut archive, LINK, mode, &path, length as u64)?;
                    archive.write_all(&target[..length])?;
                }
                libc::S_IFREG => {
                    let is_closed = mode & 0o400 == 0;
                    if is_closed {
                        sys::change_mode_at(folder, name, mode & 0o7777 | 0o400)?;
                    }
                    let file = File::from(sys::open_at(folder, name, libc::O_RDONLY | libc::O_NONBLOCK, 0)?);
                    if is_closed {
                        sys::change_mode_at(folder, name, mode & 0o7777)?;
                    }
                    let size = sys::size(&file)?;
                    record(&mut archive, FILE, mode, &path, size)?;
                    copy(&file, &mut 0, &archive, size)?;
                }
                // Sockets and pipes mean nothing to the next program.
                _ => {}
            }
            Ok(())
        })?;
    }
    // Deepest first: a closed folder lets nobody through to those inside it.
    for (path, mode) in opened_up.iter().rev() {
        let (folder, name) = tree::descend(root, path)?;
        sys::change_mode_at(folder.as_ref().unwrap_or(root), &name, *mode)?;
    }
    Ok(archive)
}

pub(crate) fn restore(archive: &File, root: &OwnedFd) -> io::Result<()> {
    let end = sys::size(archive)? as i64;
    let mut offset = 0;
    let mut folders = Vec::new();
    let mut entries = 0;
    while offset < end {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        let mut header = [0; RECORD];
        read_exact(archive, &mut header, &mut offset)?;
        let mode = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) & 0o7777;
        let length = u16::from_le_bytes([header[5], header[6]]) as usize;
        let size = u64::from_le_bytes(header[7..].try_into().map_err(|_| malformed())?);
        if length > MAX_PATH || size > (end - offset) as u64 {
            return Err(malformed());
        }
        let mut path = vec![0; length];
        read_exact(archive, &mut path, &mut offset)?;
        let (folder, name) = tree::descend(root, &path)?;
        let folder = folder.as_ref().unwrap_or(root);
        match header[0] {
            FOLDER if size == 0 => {
                sys::make_directory_at(folder, &name, 0o755)?;
                if mode != 0o755 {
                    folders.push((path, mode));
                }
            }
            LINK if size <= MAX_PATH as u64 => {
                let mut target = vec![0; size as usize];
                read_exact(archive, &mut target, &mut offset)?;
                let target = CString::new(target).map_err(|_| malformed())?;
                sys::symlink_at(&target, folder, &name)?;
            }
            FILE => {
                let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
                let file = File::from(sys::open_at(folder, &name, flags, 0o600)?);
                copy(archive, &mut offset, &file, size)?;
                sys::change_mode(&file.into(), mode)?;
            }
            _ => return Err(malformed()),
        }
    }
    // Last, and deepest first: a folder without write permission takes no further files.
    for (path, mode) in folders.iter().rev() {
        let (folder, name) = tree::descend(root, path)?;
        sys::change_mode_at(folder.as_ref().unwrap_or(root), &name, *mode)?;
    }
    Ok(())
}

pub(crate) fn send(archive: &File, channel: &mut Channel) -> io::Result<()> {
    let mut offset = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = sys::read_at(archive.as_raw_fd(), &mut buffer, offset)?;
        if length == 0 {
            return Ok(());
        }
        channel.send(&Event::Data(buffer[..length].to_vec()))?;
        offset += length as i64;
    }
}

/// Opens a folder, and notes what it has to get back where that took another mode.
fn open_folder(
    root: &OwnedFd,
    path: &[u8],
    opened_up: &mut Vec<(Vec<u8>, libc::mode_t)>,
) -> io::Result<Option<OwnedFd>> {
    if path.is_empty() {
        return Ok(None);
    }
    let (folder, name) = tree::descend(root, path)?;
    let folder = folder.as_ref().unwrap_or(root);
    let mode = sys::mode_at(folder, &name)?;
    if mode & 0o500 != 0o500 {
        sys::change_mode_at(folder, &name, mode & 0o7777 | 0o500)?;
        opened_up.push((path.to_vec(), mode & 0o7777));
    }
    sys::open_at(folder, &name, libc::O_RDONLY | libc::O_DIRECTORY, 0).map(Some)
}

fn record(archive: &mut File, kind: u8, mode: u32, path: &[u8], size: u64) -> io::Result<()> {
    let mut header = Vec::with_capacity(RECORD + path.len());
    header.push(kind);
    header.extend_from_slice(&mode.to_le_bytes());
    header.extend_from_slice(&u16::try_from(path.len()).map_err(|_| malformed())?.to_le_bytes());
    header.extend_from_slice(&size.to_le_bytes());
    header.extend_from_slice(path);
    archive.write_all(&header)
}

/// Copies exactly `size` bytes. Nobody else is alive to change a file's size meanwhile.
fn copy(from: &File, offset: &mut i64, to: &File, size: u64) -> io::Result<()> {
    let copied = sys::copy(from.as_raw_fd(), offset, to.as_raw_fd(), size)?;
    if copied == size { Ok(()) } else { Err(malformed()) }
}

fn read_exact(archive: &File, into: &mut [u8], offset: &mut i64) -> io::Result<()> {
    let length = sys::read_at(archive.as_raw_fd(), into, *offset)?;
    *offset += length as i64;
    if length == into.len() { Ok(()) } else { Err(malformed()) }
}

fn malformed() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADMSG)
}
