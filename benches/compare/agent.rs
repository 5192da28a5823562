//! The agent alone: the program that is PID 1 of every container, without a container and without an engine, spoken to over two
//! pipes. What a test then takes more than bare exec is the agent's own.
//!
//! It gets namespaces for processes and mounts, for it must be PID 1, and a copy of an image's files as its root. Its accounts are
//! files that stand still: reading those of a real group takes some microseconds more.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use caisson::protocol::{Event, Request, Restore, Sealer, Stdin, Step, StepEnding, VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Fallible;
use crate::options::Options;
use crate::report::figures::{Agent, Figures, PROGRAM};
use crate::ways::bare::{Bare, enter};
use crate::workloads::{Workload, Workloads};

/// The same that `caisson` carries inside.
static AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/caisson-agent"));

const STEPS: usize = 400;
const WARM_UP: usize = 20;
const PROGRAM_PATH: &str = "agent";

/// What the agent reads of its group, with figures under which nothing is ever over a limit.
const ACCOUNTS: [(&str, &str); 5] = [
    ("cpuacct/cpuacct.usage", "0\n"),
    ("memory/memory.usage_in_bytes", "1048576\n"),
    ("memory/memory.max_usage_in_bytes", "1048576\n"),
    ("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"),
    ("memory/memory.kmem.usage_in_bytes", "0\n"),
];

pub(crate) async fn measure(options: &Options, workloads: &Workloads, figures: &mut Figures) -> Fallible<()> {
    let workload = workloads.of(PROGRAM)?;
    let root = workload.root.as_deref().ok_or("it needs root")?;
    prepare(root)?;
    let mut agent = Conversation::start(root).await?;
    let bare = Bare::open(workload, 1).await?;
    let (mut agent_ms, mut bare_ms) = (Vec::new(), Vec::new());
    for turn in 0..WARM_UP + options.share_of(STEPS, 100) {
        let begin = Instant::now();
        agent.run(workload).await?;
        let took = begin.elapsed();
        let alone = bare.run(workload).await?;
        if turn >= WARM_UP {
            agent_ms.push(took.as_secs_f64() * 1e3);
            bare_ms.push(alone.as_secs_f64() * 1e3);
        }
    }
    figures.agent = Some(Agent { agent_ms, bare_ms });
    Ok(())
}

fn prepare(root: &Path) -> Fallible<()> {
    use std::os::unix::fs::PermissionsExt;
    for (path, text) in ACCOUNTS {
        let file = root.join("sys/fs/cgroup").join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(root))?;
        std::fs::write(file, text)?;
    }
    std::fs::create_dir_all(root.join("dev/shm"))?;
    std::fs::write(root.join(PROGRAM_PATH), AGENT)?;
    Ok(std::fs::set_permissions(root.join(PROGRAM_PATH), std::fs::Permissions::from_mode(0o555))?)
}

/// What becomes the agent: `caisson-bench --agent ROOT`, in namespaces of its own.
pub(crate) fn become_agent(arguments: &[String]) -> ExitCode {
    use std::os::unix::process::CommandExt;
    let entered = match arguments.first() {
        // The agent wipes `/dev/shm` after each step: it must be the copy's own.
        Some(root) => enter(Path::new(root), false).and_then(|()| Ok(put_on_a_filter()?)),
        None => Err("where?".into()),
    };
    let error = match entered {
        Ok(()) => std::process::Command::new(format!("/{PROGRAM_PATH}")).env_clear().exec().to_string(),
        Err(error) => error.to_string(),
    };
    eprintln!("error: the agent alone: {error}");
    ExitCode::FAILURE
}

/// Under the engine's filter the agent does what it does in a container. This one allows everything.
fn put_on_a_filter() -> std::io::Result<()> {
    let allow =
        libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let program = libc::sock_fprog { len: 1, filter: std::ptr::from_ref(&allow).cast_mut() };
    let done = |answer: libc::c_int| if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) };
    // SAFETY: prctl with plain integers.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the program points to one live instruction; the kernel copies it and doesn't write.
    done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&program)) })
}

#[derive(Debug)]
struct Conversation {
    _process: Child,
    input: ChildStdin,
    output: ChildStdout,
    arrived: Vec<u8>,
    sealer: Sealer,
    sent: u32,
    received: u32,
}

impl Conversation {
    async fn start(root: &Path) -> Fallible<Conversation> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]);
        command.arg(std::env::current_exe()?).arg("--agent").arg(root);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let input = process.stdin.take().ok_or("its stdin is a pipe")?;
        let output = process.stdout.take().ok_or("its stdout is a pipe")?;
        let key = *uuid::Uuid::new_v4().as_bytes();
        let mut conversation = Conversation {
            _process: process,
            input,
            output,
            arrived: Vec::new(),
            sealer: Sealer::new(key),
            sent: 0,
            received: 0,
        };
        conversation.send(&Request::Hello { version: VERSION, nonce: 1, key }).await?;
        match conversation.next().await? {
            Event::Ready { .. } => Ok(conversation),
            other => Err(format!("the agent says {other:?}").into()),
        }
    }

    async fn run(&mut self, workload: &Workload) -> Fallible<()> {
        let bytes = |text: &String| text.as_bytes().to_vec();
        self.send(&Request::Step(Step {
            argv: workload.argv.iter().map(bytes).collect(),
            env: vec![b"HOME=/box".to_vec()],
            stdin: Stdin::Bytes(0),
            restore: Restore::No,
            cpu_time_us: 10_000_000,
            wall_time_us: 10_000_000,
            cpu_wait_us: 0,
            file_wait_us: 0,
            output_bytes: 1 << 20,
            file_size_bytes: 1 << 20,
            open_files: 64,
            stack_bytes: 8 << 20,
        }))
        .await?;
        loop {
            match self.next().await? {
                Event::Stdout(_) | Event::Stderr(_) => {}
                Event::Ended(ended) if ended.ending == StepEnding::Exited(0) => return Ok(()),
                other => return Err(format!("the agent says {other:?}").into()),
            }
        }
    }

    async fn send(&mut self, request: &Request) -> Fallible<()> {
        let frame = request.encode(self.sent);
        self.sent += 1;
        Ok(self.input.write_all(&frame).await?)
    }

    async fn next(&mut self) -> Fallible<Event> {
        loop {
            if let Some((event, length)) = Event::take(&self.arrived, self.received, &self.sealer)? {
                self.arrived.drain(..length);
                self.received += 1;
                return Ok(event);
            }
            if self.output.read_buf(&mut self.arrived).await? == 0 {
                return Err("the agent has ended".into());
            }
        }
    }
}
