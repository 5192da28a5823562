//! The Docker Engine's API, each call with a name and a time limit. The one place that speaks bollard's language for
//! single requests; the conversation over an attached container is in [`super::conversation`].

use std::collections::HashMap;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::models::{ContainerCreateBody, ContainerUpdateBody, VolumeCreateRequest};
use bollard::query_parameters as query;
use bollard::{ClientVersion, Docker};
use bytes::Bytes;
use futures_util::StreamExt;

/// An engine call that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}: {reason}")]
pub struct EngineError {
    pub operation: &'static str,
    pub reason: String,
    /// The HTTP status, when the engine answered at all.
    pub status: Option<u16>,
}

/// Ordinary calls answer in milliseconds; on a host with a slow disk and every core busy, creating and starting a
/// container was seen to take seconds. Past this the engine is taken to hang.
pub(super) const CALL: Duration = Duration::from_secs(60);

/// Removal waits for the kernel to end the container's processes.
const REMOVAL: Duration = Duration::from_secs(120);

/// What an error's text is cut to.
const DESCRIPTION_CHARACTERS: usize = 400;

#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    socket: String,
}

/// What is asked of an image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The id of its content.
    pub(crate) id: String,
    /// The folders it wants volumes for.
    pub(crate) volumes: Vec<String>,
}

/// A container as listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub id: String,
    pub labels: HashMap<String, String>,
}

impl Engine {
    /// Connects and agrees on the newest version of the API that both sides know.
    ///
    /// # Errors
    /// When nothing answers at the socket.
    pub async fn connect(socket: &str) -> Result<Engine, EngineError> {
        let operation = "reach the Docker engine";
        let explain = |reason: String| EngineError {
            operation,
            reason: format!("{reason} (is it running, and may this user open {socket}?)"),
            status: None,
        };
        // Any version both surely know; negotiation raises or lowers it.
        let oldest = ClientVersion { major_version: 1, minor_version: 41 };
        let docker = Docker::connect_with_unix(socket, CALL.as_secs(), &oldest)
            .map_err(|error| explain(describe(&error)))?;
        let docker = tokio::time::timeout(CALL, docker.negotiate_version())
            .await
            .map_err(|_| explain("it doesn't answer".to_owned()))?
            .map_err(|error| explain(describe(&error)))?;
        Ok(Engine { docker, socket: socket.to_owned() })
    }

    pub fn socket(&self) -> &str {
        &self.socket
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        call("ping the engine", CALL, self.docker.ping()).await.map(drop)
    }

    /// An image by its reference, or `None` when the engine doesn't have it.
    pub(crate) async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        match call("inspect an image", CALL, self.docker.inspect_image(reference)).await {
            Ok(image) => Ok(Some(Image {
                id: image.id.unwrap_or_default(),
                volumes: image.config.and_then(|config| config.volumes).unwrap_or_default(),
            })),
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, EngineError> {
        let options = query::CreateContainerOptionsBuilder::default().name(name).build();
        call("create a container", CALL, self.docker.create_container(Some(options), body))
            .await
            .map(|created| created.id)
    }

    pub(crate) async fn attach(&self, id: &str) -> Result<AttachContainerResults, EngineError> {
        let options =
            query::AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).build();
        call("attach to a container", CALL, self.docker.attach_container(id, Some(options))).await
    }

    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        let none = None::<query::StartContainerOptions>;
        call("start a container", CALL, self.docker.start_container(id, none)).await
    }

    /// Sets the memory (swap equal) and the pids limit of a running container.
    pub(crate) async fn resize(&self, id: &str, memory_bytes: u64, pids: u64) -> Result<(), EngineError> {
        let memory = i64::try_from(memory_bytes).unwrap_or(i64::MAX);
        let body = ContainerUpdateBody {
            memory: Some(memory),
            memory_swap: Some(memory),
            pids_limit: Some(i64::try_from(pids).unwrap_or(i64::MAX)),
            ..ContainerUpdateBody::default()
        };
        call("set a container's limits", CALL, self.docker.update_container(id, body)).await.map(drop)
    }

    /// Whether a container exists and runs.
    pub(crate) async fn is_running(&self, id: &str) -> Result<bool, EngineError> {
        let none = None::<query::InspectContainerOptions>;
        match call("inspect a container", CALL, self.docker.inspect_container(id, none)).await {
            Ok(container) => Ok(container.state.and_then(|state| state.running).unwrap_or(false)),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Kills and removes. A container that is gone already, or is being removed, is success.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match call("remove a container", REMOVAL, self.docker.remove_container(id, Some(options))).await {
            Err(error) if matches!(error.status, Some(404 | 409)) => Ok(()),
            outcome => outcome,
        }
    }

    /// All containers, running or not, that carry every one of the labels (`key` or `key=value`).
    pub(crate) async fn list(&self, labels: &[String]) -> Result<Vec<Listed>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = call("list containers", CALL, self.docker.list_containers(Some(options))).await?;
        Ok(found
            .into_iter()
            .filter_map(|container| {
                Some(Listed { id: container.id?, labels: container.labels.unwrap_or_default() })
            })
            .collect())
    }

    /// Makes an image of one tar archive (`docker import`).
    pub(crate) async fn import(&self, repository: &str, tag: &str, tar: Vec<u8>) -> Result<(), EngineError> {
        let options =
            query::CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(tag).build();
        let body = bollard::body_full(Bytes::from(tar));
        let mut progress = self.docker.create_image(Some(options), Some(body), None);
        let all = async {
            while let Some(step) = progress.next().await {
                step?;
            }
            Ok(())
        };
        call("import the agent's image", CALL, all).await
    }

    pub(crate) async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let options = query::RemoveImageOptionsBuilder::default().force(true).build();
        call("remove an image", CALL, self.docker.remove_image(reference, Some(options), None)).await.map(drop)
    }

    /// Whether the volume exists.
    pub(crate) async fn has_volume(&self, name: &str) -> Result<bool, EngineError> {
        match call("inspect a volume", CALL, self.docker.inspect_volume(name)).await {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn create_volume(&self, name: &str, labels: HashMap<String, String>) -> Result<(), EngineError> {
        let request =
            VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
        call("create a volume", CALL, self.docker.create_volume(request)).await.map(drop)
    }

    /// Removes a volume; one that is gone already is success. `false`: a container has it.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        let none = None::<query::RemoveVolumeOptions>;
        match call("remove a volume", CALL, self.docker.remove_volume(name, none)).await {
            Ok(()) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(true),
            Err(error) if error.status == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether any container has the volume.
    pub(crate) async fn is_volume_used(&self, name: &str) -> Result<bool, EngineError> {
        let filters = HashMap::from([("volume".to_owned(), vec![name.to_owned()])]);
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let users = call("list containers", CALL, self.docker.list_containers(Some(options))).await?;
        Ok(!users.is_empty())
    }
}

pub(super) async fn call<T>(
    operation: &'static str,
    limit: Duration,
    future: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limit, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let status = match &error {
                bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
                _ => None,
            };
            Err(EngineError { operation, reason: describe(&error), status })
        }
        Err(_) => Err(EngineError { operation, reason: format!("no answer within {} s", limit.as_secs()), status: None }),
    }
}

/// The error with its causes, which bollard's own text leaves out.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    // Some runtimes answer with their whole usage text; the first line says what is wrong.
    let mut line = text.lines().next().unwrap_or_default().to_owned();
    if let Some((end, _)) = line.char_indices().nth(DESCRIPTION_CHARACTERS) {
        line.truncate(end);
        line.push('…');
    }
    line
}
