//! What failed on our side, and whether it says something of the engine's health.

use std::time::Duration;

use super::engine::EngineError;
use crate::protocol::FrameError;

/// What failed on our side. The job it hit goes back unjudged.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the image {reference} is missing on this host{}", hint(.reference))]
    ImageMissing { reference: String },
    #[error("the image {reference} declares volumes ({}), which would be writable without a bound", .volumes.join(", "))]
    ImageVolumes { reference: String, volumes: Vec<String> },
    #[error("the agent didn't answer within {} s", .0.as_secs_f32())]
    NotReady(Duration),
    #[error("the agent could not {operation}: {}", std::io::Error::from_raw_os_error(*.errno))]
    Agent { operation: String, errno: i32 },
    #[error("the agent broke the protocol before any program ran: {0}")]
    Protocol(#[from] FrameError),
    #[error("the agent said something that doesn't belong here: {0}")]
    Unexpected(String),
    #[error("the conversation with the agent broke off before any program ran: {0}")]
    Conversation(String),
    #[error("the agent was lost with only the job's files in its sandbox: {0}")]
    Lost(String),
    #[error("the sandbox ended, but not by the job's doing: {0}")]
    Disturbed(String),
    #[error("the host kept the program waiting for a CPU for {:.1} s, which is too long to judge it", .0.as_secs_f32())]
    HostBusy(Duration),
    #[error("the engine gave the sandbox a network, which it must not have; nothing was run in it")]
    Network,
    #[error("this runtime can't change the limits of a live container; jobs get more containers from now on")]
    CannotResize,
    #[error("the container ended otherwise than it should have, or somebody did something with it since")]
    NotAgain,
    #[error("the folders that programs write to have other permissions than at the container's first start")]
    OtherPlaces,
    #[error("no free block of user ids: {0}")]
    Uids(String),
}

impl SandboxError {
    /// Whether the engine (or the host under it) is to blame rather than this one job's image or files, so that the next
    /// job would most likely meet the same. Several in a row are a reason to stop taking jobs until
    /// [`Sandboxes::ping`](super::Sandboxes::ping) answers.
    ///
    /// What a job could bring about on purpose doesn't count, or one job sent often would stop a worker. So an agent that
    /// doesn't come up counts, and one that is lost with the job's files in hand doesn't.
    pub fn is_engine_failure(&self) -> bool {
        match self {
            SandboxError::Engine(error) => error.is_engine_failure(),
            SandboxError::NotReady(_)
            | SandboxError::Conversation(_)
            | SandboxError::Disturbed(_)
            | SandboxError::HostBusy(_)
            | SandboxError::Network => true,
            SandboxError::ImageMissing { .. }
            | SandboxError::ImageVolumes { .. }
            | SandboxError::Agent { .. }
            | SandboxError::Protocol(_)
            | SandboxError::Unexpected(_)
            | SandboxError::Lost(_)
            | SandboxError::CannotResize
            | SandboxError::NotAgain
            | SandboxError::OtherPlaces
            | SandboxError::Uids(_) => false,
        }
    }
}

impl EngineError {
    /// No answer at all, or one that says that the engine itself is in trouble. An image or a container that isn't there
    /// any more (404) or is being changed by somebody else (409) is no such answer.
    pub fn is_engine_failure(&self) -> bool {
        !matches!(self.status, Some(404 | 409))
    }
}

/// What builds the images that Caisson brings along.
fn hint(reference: &str) -> String {
    match reference.strip_prefix("caisson/") {
        Some(name) => {
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            format!("; build it with: just images {name}")
        }
        None => "; pull or build it before its jobs come".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(status: Option<u16>) -> SandboxError {
        EngineError { operation: "create a container", reason: String::new(), status }.into()
    }

    #[test]
    fn what_only_one_job_meets_is_no_failure_of_the_engine() {
        for error in [engine(None), engine(Some(500)), engine(Some(400)), SandboxError::NotReady(Duration::ZERO)] {
            assert!(error.is_engine_failure(), "{error}");
        }
        let missing = SandboxError::ImageMissing { reference: "x".to_owned() };
        let agent = SandboxError::Agent { operation: "write a file of the job".to_owned(), errno: 28 };
        let lost = SandboxError::Lost("the agent fell silent".to_owned());
        for error in [engine(Some(404)), engine(Some(409)), missing, agent, lost, SandboxError::CannotResize] {
            assert!(!error.is_engine_failure(), "{error}");
        }
    }
}
