//! A worker's log, taken from its pipe into a file, for as long as somebody reads it.

use std::path::PathBuf;

use std::io::Write as _;
use std::os::fd::AsRawFd;

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::sync::watch;

/// As small as a pipe can be, so that one that nobody reads is soon full.
const PIPE_BYTES: i32 = 4_096;

pub(crate) async fn read(mut pipe: ChildStderr, file: PathBuf, mut is_read: watch::Receiver<bool>) {
    // SAFETY: the descriptor is the pipe's and open. Where it can't be made smaller it is only full later.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES) };
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("the log can be opened");
    let mut buffer = [0; 4_096];
    // The end of the run ends it as well.
    while is_read.wait_for(|on| *on).await.is_ok() {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => log.write_all(&buffer[..length]).expect("the log can be written"),
        }
    }
}
