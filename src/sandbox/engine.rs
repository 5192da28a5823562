//! The Docker Engine's API, each call with a name and a time limit. The one place that speaks bollard's language for
//! single requests; the conversation over an attached container is in [`super::conversation`].

mod store;

use std::collections::HashMap;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::models::{ContainerCreateBody, ContainerUpdateBody};
use bollard::query_parameters as query;
use bollard::{ClientVersion, Docker};

use super::settings::Patience;

/// An engine call that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}: {reason}")]
pub struct EngineError {
    pub operation: &'static str,
    pub reason: String,
    /// The HTTP status, when the engine answered at all.
    pub status: Option<u16>,
}

/// What an error's text is cut to.
const DESCRIPTION_CHARACTERS: usize = 400;

#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    socket: String,
    pub(super) patience: Patience,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It was there and is no more.
    Gone,
    /// There is no such container, whatever the engine lists: after some removals it goes on listing what it doesn't have.
    Absent,
    /// The engine is removing it already, and hasn't finished.
    UnderWay,
}

/// A container or an image as listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub id: String,
    /// Empty for what never had one.
    pub name: String,
    pub labels: HashMap<String, String>,
    /// Unix seconds.
    pub created: i64,
    /// Whether it was made and never started. Never so for an image.
    pub never_started: bool,
    /// Whether it ran and has ended. Never so for an image.
    pub has_ended: bool,
}

impl Engine {
    /// Connects and agrees on the newest version of the API that both sides know.
    ///
    /// # Errors
    /// When nothing answers at the socket.
    pub async fn connect(socket: &str) -> Result<Engine, EngineError> {
        Engine::connect_with(socket, Patience::default()).await
    }

    /// As [`Self::connect`], with a patience of the caller's own.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_with(socket: &str, patience: Patience) -> Result<Engine, EngineError> {
        let operation = "reach the Docker engine";
        let explain = |reason: String| EngineError {
            operation,
            reason: format!("{reason} (is it running, and may this user open {socket}?)"),
            status: None,
        };
        // Any version both surely know; negotiation raises or lowers it.
        let oldest = ClientVersion { major_version: 1, minor_version: 41 };
        // Each call has a limit of ours; the client's own is behind all of them.
        let longest = patience.call.max(patience.removal).as_secs() + 1;
        let docker = Docker::connect_with_unix(socket, longest, &oldest)
            .map_err(|error| explain(describe(&error)))?;
        let docker = tokio::time::timeout(patience.call, docker.negotiate_version())
            .await
            .map_err(|_| explain("it doesn't answer".to_owned()))?
            .map_err(|error| explain(describe(&error)))?;
        Ok(Engine { docker, socket: socket.to_owned(), patience })
    }

    pub fn socket(&self) -> &str {
        &self.socket
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        call("ping the engine", self.patience.ping, self.docker.ping()).await.map(drop)
    }

    pub(crate) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, EngineError> {
        let options = query::CreateContainerOptionsBuilder::default().name(name).build();
        call("create a container", self.patience.call, self.docker.create_container(Some(options), body))
            .await
            .map(|created| created.id)
    }

    pub(crate) async fn attach(&self, id: &str) -> Result<AttachContainerResults, EngineError> {
        let options =
            query::AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).build();
        call("attach to a container", self.patience.call, self.docker.attach_container(id, Some(options))).await
    }

    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        let none = None::<query::StartContainerOptions>;
        call("start a container", self.patience.call, self.docker.start_container(id, none)).await
    }

    /// Sets the memory (swap equal) and the pids limit of a container. One that doesn't run starts with them the next time.
    pub(crate) async fn resize(&self, id: &str, memory_bytes: u64, pids: u64) -> Result<(), EngineError> {
        let memory = i64::try_from(memory_bytes).unwrap_or(i64::MAX);
        let body = ContainerUpdateBody {
            memory: Some(memory),
            memory_swap: Some(memory),
            pids_limit: Some(i64::try_from(pids).unwrap_or(i64::MAX)),
            ..ContainerUpdateBody::default()
        };
        call("set a container's limits", self.patience.call, self.docker.update_container(id, body)).await.map(drop)
    }

    /// Whether a container exists and runs.
    pub(crate) async fn is_running(&self, id: &str) -> Result<bool, EngineError> {
        let none = None::<query::InspectContainerOptions>;
        match call("inspect a container", self.patience.call, self.docker.inspect_container(id, none)).await {
            Ok(container) => Ok(container.state.and_then(|state| state.running).unwrap_or(false)),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// When a container that doesn't run ended, in Unix seconds; `None` for one that runs, never ran, or isn't there.
    pub(crate) async fn ended_at(&self, id: &str) -> Result<Option<i64>, EngineError> {
        let none = None::<query::InspectContainerOptions>;
        match call("inspect a container", self.patience.call, self.docker.inspect_container(id, none)).await {
            Ok(container) => {
                let state = container.state.filter(|state| state.running == Some(false));
                let at = state.and_then(|state| state.finished_at?.parse::<jiff::Timestamp>().ok());
                Ok(at.map(|at| at.as_second()).filter(|second| *second > 0))
            }
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the engine keeps images and containers, in its own file system.
    pub(crate) async fn root_folder(&self) -> Result<String, EngineError> {
        let info = call("ask the engine about itself", self.patience.call, self.docker.info()).await?;
        Ok(info.docker_root_dir.unwrap_or_default())
    }

    /// Kills and removes. A container that is gone already is success.
    pub(crate) async fn remove(&self, id: &str) -> Result<Removal, EngineError> {
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match call("remove a container", self.patience.removal, self.docker.remove_container(id, Some(options))).await {
            Ok(()) => Ok(Removal::Gone),
            Err(error) if error.status == Some(404) => Ok(Removal::Absent),
            Err(error) if error.status == Some(409) => Ok(Removal::UnderWay),
            Err(error) => Err(error),
        }
    }

    /// All containers, running or not, that carry every one of the labels (`key` or `key=value`).
    pub(crate) async fn list(&self, labels: &[String]) -> Result<Vec<Listed>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
        let options = query::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = call("list containers", self.patience.call, self.docker.list_containers(Some(options))).await?;
        Ok(found
            .into_iter()
            .filter_map(|container| {
                let state = container.state.map(|state| state.to_string()).unwrap_or_default();
                let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
                Some(Listed {
                    id: container.id?,
                    // The engine's names begin with a slash.
                    name: name.trim_start_matches('/').to_owned(),
                    labels: container.labels.unwrap_or_default(),
                    created: container.created.unwrap_or_default(),
                    never_started: state == "created",
                    has_ended: state == "exited",
                })
            })
            .collect())
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
            // What isn't there or is in use was asked for, not a failure.
            if !matches!(status, Some(404 | 409)) {
                crate::metrics::engine_failed(operation);
            }
            Err(EngineError { operation, reason: describe(&error), status })
        }
        Err(_) => {
            crate::metrics::engine_failed(operation);
            let reason = format!("no answer within {} s", limit.as_secs_f32());
            Err(EngineError { operation, reason, status: None })
        }
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
