//! `docker run --rm`, hardened as Caisson's containers are.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use caisson::sandbox::seccomp;
use caisson::sandbox::spec::INODES;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{DISK_BYTES, MEMORY_BYTES, PROCESSES, UID, check};
use crate::Fallible;
use crate::options::Options;
use crate::workloads::Workload;

#[derive(Debug)]
pub(crate) struct DockerRun {
    flags: Vec<String>,
    runtime: Option<String>,
}

/// The flags up to the image, for every program; the profile is Caisson's own, in a file.
pub(crate) fn flags(options: &Options) -> Fallible<Vec<String>> {
    let profile: PathBuf = std::path::absolute(options.work.join("seccomp.json"))?;
    std::fs::write(&profile, seccomp::profile().to_string())?;
    let tmpfs = |place: &str, exec: &str, size: u64| {
        format!("{place}:rw,{exec},nosuid,nodev,size={size},nr_inodes={INODES},mode=1777,uid=0,gid=0")
    };
    let pairs = [
        ("--network", "none".to_owned()),
        ("--user", format!("{UID}:{UID}")),
        ("--cap-drop", "ALL".to_owned()),
        ("--security-opt", "no-new-privileges".to_owned()),
        ("--security-opt", format!("seccomp={}", profile.display())),
        ("--memory", MEMORY_BYTES.to_string()),
        ("--memory-swap", MEMORY_BYTES.to_string()),
        ("--pids-limit", (PROCESSES + 1).to_string()),
        ("--cpus", "1".to_owned()),
        ("--ipc", "none".to_owned()),
        ("--cgroupns", "private".to_owned()),
        ("--tmpfs", tmpfs("/tmp", "exec", DISK_BYTES)),
        ("--tmpfs", tmpfs("/dev/shm", "noexec", 16 << 20)),
        ("--ulimit", "core=1".to_owned()),
        ("--ulimit", "nofile=16384".to_owned()),
        ("--ulimit", "memlock=65536".to_owned()),
        ("--ulimit", "msgqueue=0".to_owned()),
        ("--log-driver", "none".to_owned()),
        ("--hostname", "caisson".to_owned()),
        ("--label", format!("caisson.bench={}", options.id)),
        ("--workdir", "/box".to_owned()),
    ];
    let mut flags: Vec<String> =
        ["docker", "run", "--rm", "--interactive", "--read-only"].iter().map(|flag| (*flag).to_owned()).collect();
    flags.extend(pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    Ok(flags)
}

impl DockerRun {
    pub(crate) fn open(options: &Options, runtime: Option<&str>) -> Fallible<DockerRun> {
        Ok(DockerRun { flags: flags(options)?, runtime: runtime.map(str::to_owned) })
    }

    pub(crate) async fn run(&self, workload: &Workload) -> Fallible<Duration> {
        let mut command = Command::new(&self.flags[0]);
        command.args(&self.flags[1..]);
        if let Some(runtime) = &self.runtime {
            command.args(["--runtime", runtime]);
        }
        command.args(["--volume", &format!("{}:/box:ro", workload.folder.display())]);
        let (program, arguments) = workload.argv.split_first().ok_or("there is no program")?;
        command.args(["--entrypoint", program]).arg(&workload.image).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let begin = Instant::now();
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that doesn't read may have ended by now.
            let _ = stdin.write_all(workload.stdin.as_bytes()).await;
        }
        let output = child.wait_with_output().await?;
        let took = begin.elapsed();
        check(workload, output.status.success(), &output.stdout, &output.stderr)?;
        Ok(took)
    }
}
