//! Bare fork and exec, on the host but with the image's own files.
//!
//! A small process of its own does it, in a copy of the image's files (`chroot`, which takes root) and with its own mounts, so
//! that everything is gone with it. It is asked over a pipe and measures by itself: what the asking takes is not in the figure.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use crate::Fallible;
use crate::workloads::Workload;

/// What the process is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    argv: Vec<String>,
    stdin: String,
    expected: String,
}

#[derive(Debug)]
pub(crate) struct Bare {
    idle: Mutex<Vec<Server>>,
    count: Semaphore,
}

/// One run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) took: Duration,
    /// The program's and the kernel's for it.
    pub(crate) cpu: Duration,
}

#[derive(Debug)]
struct Server {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Bare {
    pub(crate) async fn open(workload: &Workload, at_a_time: usize) -> Fallible<Bare> {
        let root = workload.root.as_deref().ok_or("there is no copy of the image's files")?;
        let mut idle = Vec::new();
        for _ in 0..at_a_time {
            let mut server = Server::start(root)?;
            server.ask(workload).await?;
            idle.push(server);
        }
        Ok(Bare { idle: Mutex::new(idle), count: Semaphore::new(at_a_time) })
    }

    pub(crate) async fn run(&self, workload: &Workload) -> Fallible<Duration> {
        Ok(self.measured(workload).await?.took)
    }

    pub(crate) async fn measured(&self, workload: &Workload) -> Fallible<Measured> {
        let _one = self.count.acquire().await?;
        let server = self.idle.lock().map_err(|_| "a bare run panicked")?.pop();
        let mut server = server.ok_or("no process is idle")?;
        let measured = server.ask(workload).await?;
        self.idle.lock().map_err(|_| "a bare run panicked")?.push(server);
        Ok(measured)
    }
}

impl Server {
    fn start(root: &Path) -> Fallible<Server> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe()?).arg("--bare").arg(root);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let input = process.stdin.take().ok_or("its stdin is a pipe")?;
        let output = BufReader::new(process.stdout.take().ok_or("its stdout is a pipe")?).lines();
        Ok(Server { _process: process, input, output })
    }

    async fn ask(&mut self, workload: &Workload) -> Fallible<Measured> {
        let order = Order {
            argv: workload.argv.clone(),
            stdin: workload.stdin.to_owned(),
            expected: workload.expected.to_owned(),
        };
        let line = serde_json::to_string(&order)? + "\n";
        self.input.write_all(line.as_bytes()).await?;
        let answer = self.output.next_line().await?.ok_or("bare exec ended; it needs root")?;
        Ok(serde_json::from_str(&answer).map_err(|_| format!("{}, bare: {answer}", workload.name))?)
    }
}

/// The small process: `caisson-bench --bare ROOT`.
pub(crate) fn serve(arguments: &[String]) -> ExitCode {
    let outcome = arguments.first().ok_or_else(|| "where?".into()).and_then(|root| answer(Path::new(root)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: bare exec: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(root: &Path) -> Fallible<()> {
    enter(root, true)?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        match once(&order) {
            Ok(measured) => writeln!(out, "{}", serde_json::to_string(&measured)?)?,
            Err(error) => writeln!(out, "{}", error.to_string().replace('\n', " "))?,
        }
        out.flush()?;
    }
    Ok(())
}

/// Makes a copy of an image the root of this process, with what a container would have mounted. Only in a mount namespace of
/// its own. `devices` are the host's own: never for a process that empties places such as `/dev/shm`.
pub(crate) fn enter(root: &Path, devices: bool) -> Fallible<()> {
    let mount = |arguments: &[&str], place: &str| -> Fallible<()> {
        let status = std::process::Command::new("mount").args(arguments).arg(root.join(place)).status()?;
        if status.success() { Ok(()) } else { Err(format!("mount {place}: {status}").into()) }
    };
    mount(&["-t", "proc", "proc"], "proc")?;
    if devices {
        mount(&["--rbind", "/dev"], "dev")?;
    }
    std::os::unix::fs::chroot(root)?;
    Ok(std::env::set_current_dir("/box")?)
}

fn once(order: &Order) -> Fallible<Measured> {
    let (program, arguments) = order.argv.split_first().ok_or("there is no program")?;
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().env("PATH", caisson::protocol::PROGRAM_PATH).env("HOME", "/box");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (before, begin) = (children_cpu(), Instant::now());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that doesn't read may have ended by now.
        let _ = stdin.write_all(order.stdin.as_bytes());
    }
    let output = child.wait_with_output()?;
    let took = begin.elapsed();
    if !output.status.success() || output.stdout != order.expected.as_bytes() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Measured { took, cpu: children_cpu().saturating_sub(before) })
}

/// CPU time of all children that were waited for.
fn children_cpu() -> Duration {
    // SAFETY: an `rusage` of zeroes is a valid value, to be overwritten.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the right type.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    let time = |time: libc::timeval| Duration::new(time.tv_sec.unsigned_abs(), time.tv_usec as u32 * 1_000);
    time(usage.ru_utime) + time(usage.ru_stime)
}
