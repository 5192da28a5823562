//! Time stamps that a program can set on what isn't its own, and a later one can read.
//!
//! Whoever may write to a file may also set its times to now, and so tell a later program of the same container something by
//! when it did that. Devices can be written to by everybody, and so can the writable places, whose contents are emptied but
//! whose folders stay. So after each program the agent sets the times of all of them to now.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use caisson::protocol::WORKSPACE;

use crate::{SCRATCH, sys};

/// The folder of POSIX message queues, which engines mount although it can't be used here.
const QUEUES: &str = "/dev/mqueue";

pub(crate) struct Times(Vec<CString>);

impl Times {
    /// Finds what there is to write to. Programs can't add to it: the folders aren't theirs.
    pub(crate) fn find() -> Times {
        let places: Vec<PathBuf> = [WORKSPACE, QUEUES].into_iter().chain(SCRATCH).map(PathBuf::from).collect();
        let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.path());
        // Some of the places are there as well, and are set before the devices.
        let devices: Vec<PathBuf> = entries.filter(|path| !places.contains(path)).collect();
        let all =
            places.into_iter().chain(devices).filter_map(|path| CString::new(path.into_os_string().into_vec()).ok());
        Times(all.filter(|path| sys::set_times(path).is_ok()).collect())
    }

    /// An error is that of a file that can't be written to any more, whose times nobody else sets either.
    pub(crate) fn reset(&self) {
        for path in &self.0 {
            let _ = sys::set_times(path);
        }
    }
}
