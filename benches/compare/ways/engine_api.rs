//! The engine's API with a container for each program, as a plain grader would use it: create, attach, start, wait, remove.
//!
//! The create call is Caisson's own with the program in the agent's place, and the program's folder mounted read-only where
//! Caisson has a tmpfs that it writes the files into.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters as query;
use bollard::{ClientVersion, Docker};
use caisson::sandbox::agent;
use caisson::sandbox::spec::Spec;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use super::{DISK_BYTES, MEMORY_BYTES, PROCESSES, UID, check};
use crate::Fallible;
use crate::machine::socket;
use crate::options::Options;
use crate::workloads::Workload;

const CALL_SECONDS: u64 = 120;

#[derive(Debug)]
pub(crate) struct EngineApi {
    docker: Docker,
    runtime: Option<String>,
    labels: HashMap<String, String>,
}

impl EngineApi {
    pub(crate) async fn open(options: &Options, runtime: Option<&str>) -> Fallible<EngineApi> {
        let oldest = ClientVersion { major_version: 1, minor_version: 41 };
        let docker = Docker::connect_with_unix(&socket(), CALL_SECONDS, &oldest)?.negotiate_version().await?;
        let labels = HashMap::from([("caisson.bench".to_owned(), options.id.clone())]);
        Ok(EngineApi { docker, runtime: runtime.map(str::to_owned), labels })
    }

    fn body(&self, workload: &Workload) -> ContainerCreateBody {
        let spec = Spec {
            image: &workload.image,
            memory_bytes: MEMORY_BYTES,
            processes: PROCESSES,
            disk_bytes: DISK_BYTES,
            uid: UID,
            cpus: None,
            runtime: self.runtime.as_deref(),
            agent_volume: "",
            agent_program: agent::PROGRAM,
            keep: false,
            stays: false,
            labels: &self.labels,
        };
        let mut body = spec.create_body();
        body.entrypoint = Some(workload.argv.clone());
        body.working_dir = Some("/box".to_owned());
        if let Some(host) = &mut body.host_config {
            host.mounts = None;
            host.binds = Some(vec![format!("{}:/box:ro", workload.folder.display())]);
            if let Some(tmpfs) = &mut host.tmpfs {
                tmpfs.remove("/box");
            }
            // Removed by a call, as here somebody waits for it.
            host.auto_remove = Some(false);
        }
        body
    }

    /// The clock stops when the exit code is here; the removal comes behind it, as Caisson's does.
    pub(crate) async fn run(&self, workload: &Workload) -> Fallible<Duration> {
        let begin = Instant::now();
        let created = self.docker.create_container(None::<query::CreateContainerOptions>, self.body(workload)).await?;
        let ran = self.run_in(&created.id, workload, begin).await;
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        self.docker.remove_container(&created.id, Some(options)).await?;
        ran
    }

    async fn run_in(&self, id: &str, workload: &Workload, begin: Instant) -> Fallible<Duration> {
        let options =
            query::AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).build();
        let mut attached = self.docker.attach_container(id, Some(options)).await?;
        self.docker.start_container(id, None::<query::StartContainerOptions>).await?;
        attached.input.write_all(workload.stdin.as_bytes()).await?;
        attached.input.shutdown().await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(output) = attached.output.next().await {
            match output? {
                LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                other => stdout.extend_from_slice(&other.into_bytes()),
            }
        }
        let mut waiting = self.docker.wait_container(id, None::<query::WaitContainerOptions>);
        let is_good_exit = matches!(waiting.next().await, Some(Ok(answer)) if answer.status_code == 0);
        let took = begin.elapsed();
        check(workload, is_good_exit, &stdout, &stderr)?;
        Ok(took)
    }
}
