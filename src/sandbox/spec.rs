//! The hardening, all of it, on one screen: a pure function from what a job needs to the engine's create call.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, ResourcesUlimits,
};

use sha2::{Digest, Sha256};

use super::agent;
use super::seccomp;
use crate::protocol::{PROGRAM_PATH, WORKSPACE};

/// Names a worker's containers, so that it (or the next one) finds and removes what a crash left.
pub const LABEL_WORKER: &str = "caisson.worker";
pub const LABEL_JOB: &str = "caisson.job";
pub const LABEL_EXECUTION: &str = "caisson.execution";
/// Unix seconds after which nobody can still want the container.
pub const LABEL_DEADLINE: &str = "caisson.deadline";
/// On containers that were made ahead, in place of a job's labels.
pub const LABEL_POOL: &str = "caisson.pool";

/// Inodes of each writable directory. Their kernel memory is charged to the container, to no process of it.
pub const INODES: u64 = 16_384;

/// Shared memory: enough for the semaphores and small buffers of multiprocessing libraries.
const SHARED_MEMORY_BYTES: u64 = 16 << 20;

/// The runtime's own start needs this much (runc's init is a Go program with a dozen threads), so a container that is
/// to have less is created with it and made smaller before its program runs.
pub const START_MEMORY_BYTES: u64 = 64 << 20;
pub const START_PIDS: u64 = 32;

/// Descriptors of the agent; programs get theirs from the step's limits, which can only be lower.
const OPEN_FILES: i64 = 16_384;

/// The agent itself is counted by the pids limit.
pub const AGENT_PROCESSES: u64 = 1;

/// Who the container belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    pub worker: String,
    pub job: String,
    pub execution: String,
    pub deadline: i64,
}

/// Everything that varies between sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec<'a> {
    /// The image's id, never a name that could mean something else by then.
    pub image: &'a str,
    pub memory_bytes: u64,
    pub processes: u64,
    pub disk_bytes: u64,
    pub uid: u32,
    /// As `cpuset.cpus` takes it; without, the container gets one CPU's worth of time on any.
    pub cpus: Option<&'a str>,
    pub runtime: Option<&'a str>,
    pub agent_volume: &'a str,
    /// [`agent::PROGRAM`], or [`agent::READABLE_PROGRAM`] where the runtime needs it.
    pub agent_program: &'a str,
    /// Stays alive without its worker, for somebody to look into.
    pub keep: bool,
    /// Isn't removed by the engine when it has ended, so that it can be started again.
    pub stays: bool,
    pub labels: &'a HashMap<String, String>,
}

impl Spec<'_> {
    pub fn create_body(&self) -> ContainerCreateBody {
        let memory = signed(self.memory_bytes.max(START_MEMORY_BYTES));
        let host = HostConfig {
            // No privilege to lose: none held, none gained by exec.
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges=true".to_owned(), format!("seccomp={}", seccomp::text())]),
            privileged: Some(false),
            // Nothing to write but the tmpfs mounts, each with a size and a number of inodes.
            readonly_rootfs: Some(true),
            tmpfs: Some(self.tmpfs()),
            mounts: Some(vec![agent::mount(self.agent_volume, true)]),
            // "none" is a private namespace without the engine's own /dev/shm, whose inodes have no cap; ours has.
            ipc_mode: Some("none".to_owned()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            // What may be used up. Swap equal to memory means none.
            memory: Some(memory),
            memory_swap: Some(memory),
            memory_swappiness: None,
            oom_kill_disable: Some(false),
            pids_limit: Some(signed((self.processes + AGENT_PROCESSES).max(START_PIDS))),
            cpuset_cpus: self.cpus.map(str::to_owned),
            nano_cpus: self.cpus.is_none().then_some(1_000_000_000),
            ulimits: Some(vec![
                // 1 and not 0: the kernel then writes no core and starts no program to pipe it to (core(5), fs/coredump.c).
                ulimit("core", 1),
                ulimit("nofile", OPEN_FILES),
                ulimit("memlock", 64 << 10),
                ulimit("msgqueue", 0),
            ]),
            // Nothing a program prints lands on the host's disk.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            // When the worker dies, its end of stdin closes, the agent exits, and the engine clears up. What is to be started
            // again stays instead, for its worker or a sweep to remove. Nothing runs in it any more either way.
            auto_remove: Some(!self.stays),
            init: Some(false),
            runtime: self.runtime.map(str::to_owned),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            // The image's own entry point, arguments, folder, environment and health check decide nothing.
            entrypoint: Some(vec![self.agent_program.to_owned()]),
            cmd: Some(vec![]),
            working_dir: Some("/".to_owned()),
            env: Some(vec![format!("PATH={PROGRAM_PATH}")]),
            healthcheck: Some(bollard::models::HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..Default::default()
            }),
            hostname: Some("caisson".to_owned()),
            user: Some(format!("{uid}:{uid}", uid = self.uid)),
            // A private network namespace with nothing in it. Cheaper than the "none" network, which the engine sets up.
            network_disabled: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            open_stdin: Some(true),
            // The dead man's switch: the container's stdin closes when the worker's connection does.
            stdin_once: Some(!self.keep),
            tty: Some(false),
            labels: Some(self.labels.clone()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    /// The mounts' roots belong to root, as `/tmp` does everywhere: a program that owned them could take their permissions
    /// away, or leave more extended attributes on them than anybody can list, for the next test to find.
    fn tmpfs(&self) -> HashMap<String, String> {
        let options = |size: u64, exec: &str| {
            format!("rw,{exec},nosuid,nodev,size={size},nr_inodes={INODES},mode=1777,uid=0,gid=0")
        };
        HashMap::from([
            (WORKSPACE.to_owned(), options(self.disk_bytes, "exec")),
            ("/tmp".to_owned(), options(self.disk_bytes, "exec")),
            ("/dev/shm".to_owned(), options(SHARED_MEMORY_BYTES, "noexec")),
        ])
    }
}

/// Names everything that confines a job and is the same for all jobs: the first twelve hexadecimal digits of a hash over
/// the create call of a reference sandbox and the agent. What a job's own limits vary is in its result's `limits`.
pub fn profile_id(runtime: Option<&str>, agent_program: &str) -> String {
    let nobody = Labels { worker: String::new(), job: String::new(), execution: String::new(), deadline: 0 };
    let reference = Spec {
        image: "",
        memory_bytes: START_MEMORY_BYTES,
        processes: START_PIDS,
        disk_bytes: 0,
        uid: 0,
        cpus: Some(""),
        runtime,
        agent_volume: "",
        agent_program,
        keep: false,
        stays: false,
        labels: &nobody.to_map(),
    };
    // A `Value` has its keys in order, so that the text is the same each time.
    let body = serde_json::to_value(reference.create_body()).unwrap_or_default().to_string();
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(agent::hash(agent_program == agent::READABLE_PROGRAM));
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

impl Labels {
    pub fn to_map(&self) -> HashMap<String, String> {
        HashMap::from([
            (LABEL_WORKER.to_owned(), self.worker.clone()),
            (LABEL_JOB.to_owned(), self.job.clone()),
            (LABEL_EXECUTION.to_owned(), self.execution.clone()),
            (LABEL_DEADLINE.to_owned(), self.deadline.to_string()),
        ])
    }
}

/// For a container that was made ahead: whose it is, and until when somebody can still want it.
pub(crate) fn waiting_labels(worker: &str, deadline: i64) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_WORKER.to_owned(), worker.to_owned()),
        (LABEL_POOL.to_owned(), "made-ahead".to_owned()),
        (LABEL_DEADLINE.to_owned(), deadline.to_string()),
    ])
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> HashMap<String, String> {
        let labels = Labels {
            worker: "worker-1".to_owned(),
            job: "sum-17".to_owned(),
            execution: "6f1c9f0e-6f2b-4b59-9d6d-3f1f3c1c2b6a".to_owned(),
            deadline: 1_800_000_000,
        };
        labels.to_map()
    }

    /// The whole create call, for the eyes of whoever changes it. The seccomp profile has a test of its own.
    #[test]
    fn the_create_call_is_what_was_reviewed() {
        let labels = labels();
        let spec = Spec {
            image: "sha256:0123",
            memory_bytes: 256 << 20,
            processes: 64,
            disk_bytes: 64 << 20,
            uid: 20_003,
            cpus: Some("1"),
            runtime: None,
            agent_volume: "caisson-agent-0123456789abcdef",
            agent_program: agent::PROGRAM,
            keep: false,
            stays: false,
            labels: &labels,
        };
        let mut body = serde_json::to_value(spec.create_body()).expect("a create call serializes");
        let options = body["HostConfig"]["SecurityOpt"].as_array_mut().expect("there are security options");
        let profile = options[1].as_str().and_then(|option| option.strip_prefix("seccomp=")).expect("a profile");
        assert_eq!(serde_json::from_str::<serde_json::Value>(profile).expect("JSON"), seccomp::profile());
        options[1] = "seccomp=(the profile)".into();
        insta::assert_json_snapshot!(body);
    }

    /// The engine's AppArmor profile and its mapping of users hold for whatever doesn't say otherwise.
    #[test]
    fn nothing_turns_off_what_the_engine_does_by_itself() {
        let labels = labels();
        let spec = Spec {
            image: "sha256:0123",
            memory_bytes: 64 << 20,
            processes: 32,
            disk_bytes: 4096,
            uid: 20_000,
            cpus: None,
            runtime: None,
            agent_volume: "v",
            agent_program: agent::PROGRAM,
            keep: false,
            stays: false,
            labels: &labels,
        };
        let host = spec.create_body().host_config.expect("there is a host configuration");
        let options = host.security_opt.expect("there are security options");
        assert!(!options.iter().any(|option| option.contains("unconfined") || option.contains("disable")), "{options:?}");
        assert!(!options.iter().any(|option| option.starts_with("apparmor") || option.starts_with("label")));
        assert_eq!((host.userns_mode, host.privileged, host.pid_mode), (None, Some(false), None));
        assert_eq!((host.masked_paths, host.readonly_paths), (None, None));
        assert_eq!((host.cap_add, host.devices, host.binds), (None, None, None));
    }

    #[test]
    fn a_sandbox_smaller_than_its_runtimes_start_is_created_larger() {
        let labels = labels();
        let spec = Spec {
            image: "sha256:0123",
            memory_bytes: 8 << 20,
            processes: 1,
            disk_bytes: 4096,
            uid: 20_000,
            cpus: None,
            runtime: Some("runsc"),
            agent_volume: "v",
            agent_program: agent::READABLE_PROGRAM,
            keep: true,
            stays: true,
            labels: &labels,
        };
        let host = spec.create_body().host_config.expect("there is a host configuration");
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.memory_swap, host.memory);
        assert_eq!(host.pids_limit, Some(32));
        assert_eq!(host.nano_cpus, Some(1_000_000_000));
        assert_eq!(host.runtime.as_deref(), Some("runsc"));
        assert_eq!(host.auto_remove, Some(false), "it is to be started again");
        assert_eq!(spec.create_body().stdin_once, Some(false), "a kept sandbox doesn't end with its worker");
    }

    #[test]
    fn the_profile_is_the_same_each_time_and_depends_on_the_runtime() {
        let profile = |runtime| profile_id(runtime, agent::PROGRAM);
        assert_eq!(profile(None), profile(None));
        assert_ne!(profile(None), profile(Some("runsc")));
        assert_ne!(profile(None), profile_id(None, agent::READABLE_PROGRAM));
        assert_eq!(profile(None).len(), 12);
    }
}
