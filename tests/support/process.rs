//! `caisson` as a process.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::{PATIENCE, within_time};

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("its stdout is text")
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text().lines().collect()
    }
}

/// The binary, with no configuration from the test's own surroundings but the worker's name. Killed when dropped.
pub(crate) fn caisson(worker: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caisson"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CAISSON_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("CAISSON_WORKER_ID", worker).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end, with these bytes as its stdin.
pub(crate) async fn finish(command: Command, stdin: &[u8]) -> Ended {
    finish_within(PATIENCE, command, stdin).await
}

/// The same for what takes longer than all else.
pub(crate) async fn finish_within(limit: Duration, mut command: Command, stdin: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it can be started");
    let mut input = child.stdin.take().expect("its stdin is a pipe");
    let stdin = stdin.to_vec();
    // Beside the reading, or two full pipes would wait for each other.
    let feeding = tokio::spawn(async move {
        // It may well end without having read everything.
        let _ = input.write_all(&stdin).await;
    });
    let output =
        within_time(limit, "the end of a process", child.wait_with_output()).await.expect("it can be waited for");
    feeding.abort();
    Ended {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal to a child of ours.
pub(crate) fn signal(child: &Child, signal: i32) {
    let pid = child.id().expect("the process has not been waited for");
    let pid = i32::try_from(pid).expect("a process id is an int");
    // SAFETY: plain integers; the process is our child and not yet reaped, so the id is still its own.
    let outcome = unsafe { libc::kill(pid, signal) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
}
