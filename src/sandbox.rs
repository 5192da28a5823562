//! The isolated place of one job: a hardened container with the agent as PID 1, made for that job and removed after it.
//!
//! [`Sandboxes`] stands for the engine and hands out capacity; a [`Sandbox`] is one live container and the conversation
//! with its agent. Each runs in a [`slots::Slot`] (a permit, a uid, a CPU set), which it keeps until the engine has said
//! that the container is gone, so that no two live containers ever share one.
//!
//! Every error here is ours. What a program does to its own sandbox, up to killing its supervisor, isn't an error but
//! [`StepOutcome::Broken`].

mod about;
pub mod agent;
mod conversation;
mod engine;
mod fate;
mod live;
pub mod seccomp;
pub mod slots;
pub mod spec;
mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(test)]
pub(crate) use about::recorded;
pub use about::{EngineFacts, RuntimeFacts};
pub use engine::{Engine, EngineError};
pub use live::{Resized, Sandbox, StepOutcome};
use bollard::models::ContainerCreateBody;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::protocol::FrameError;
use crate::report::ImageReport;
use fate::Fates;
use slots::Slots;
use spec::Labels;

/// What failed on our side. The job it hit goes back unjudged.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the image {reference} is missing on this host{}", hint(.reference))]
    ImageMissing { reference: String },
    #[error("the image {reference} declares volumes ({}), which would be writable without a bound", .volumes.join(", "))]
    ImageVolumes { reference: String, volumes: Vec<String> },
    #[error("the agent didn't answer within {} s", .0.as_secs())]
    NotReady(Duration),
    #[error("the agent could not {operation}: {}", std::io::Error::from_raw_os_error(*.errno))]
    Agent { operation: String, errno: i32 },
    #[error("the agent broke the protocol before any program ran: {0}")]
    Protocol(#[from] FrameError),
    #[error("the agent said something that doesn't belong here: {0}")]
    Unexpected(String),
    #[error("the conversation with the agent broke off before any program ran: {0}")]
    Conversation(String),
    #[error("the engine gave the sandbox a network, which it must not have; nothing was run in it")]
    Network,
    #[error("this runtime can't change the limits of a live container; jobs get more containers from now on")]
    CannotResize,
    #[error("no free block of user ids: {0}")]
    Uids(String),
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

/// How the engine is to be used, from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Path of the engine's Unix socket.
    pub engine_socket: String,
    /// The engine's runtime (`runc`, `crun`, `runsc`, …); the engine's default when absent.
    pub runtime: Option<String>,
    pub first_uid: u32,
    pub uids: u32,
    pub pin_cpus: bool,
    /// Sandboxes alive at the same time.
    pub slots: usize,
    /// Memory of all live sandboxes together, in bytes.
    pub memory_bytes: u64,
    pub worker_id: String,
    /// Leaves every sandbox alive when its job is over, for somebody to look into, until its deadline.
    pub keep: bool,
}

/// What a job needs of its sandbox before its first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub image: ImageReport,
    pub memory_bytes: u64,
    pub processes: u64,
    pub disk_bytes: u64,
    /// Becomes the container's labels.
    pub labels: Labels,
}

/// The engine, and the capacity to run sandboxes on it.
#[derive(Debug, Clone)]
pub struct Sandboxes(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) slots: Slots,
    pub(crate) fates: Fates,
    pub(crate) agent: OnceCell<String>,
    /// Whether the runtime was seen to need [`agent::READABLE_PROGRAM`].
    pub(crate) readable_agent: AtomicBool,
    /// Whether the runtime was seen to be unable to change a live container's limits, as gVisor's.
    pub(crate) cannot_resize: AtomicBool,
    pub(crate) teardowns: TaskTracker,
    bare_image: OnceCell<String>,
    weaken: Option<Weaken>,
}

/// Takes something away from the engine's create call, given as its JSON.
#[doc(hidden)]
pub type Weaken = fn(&mut serde_json::Value);

impl Shared {
    /// The create call as it is sent: as it is, but in a test of who watches the watchman.
    pub(crate) fn weakened(&self, body: ContainerCreateBody) -> ContainerCreateBody {
        let Some(weaken) = self.weaken else { return body };
        let mut value = serde_json::to_value(&body).unwrap_or_default();
        weaken(&mut value);
        serde_json::from_value(value).unwrap_or(body)
    }
}

impl Sandboxes {
    /// Connects to the engine, removes what an earlier run of this worker left, and claims a block of user ids.
    ///
    /// # Errors
    /// When the engine doesn't answer or no user ids are free.
    pub async fn open(settings: Settings) -> Result<Sandboxes, SandboxError> {
        Sandboxes::open_with(settings, None).await
    }

    /// As [`Self::open`], with containers that are less than promised: nothing but a test that `caisson doctor` sees it
    /// has a use for them, and no configuration leads here.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[doc(hidden)]
    pub async fn open_weakened(settings: Settings, weaken: Weaken) -> Result<Sandboxes, SandboxError> {
        Sandboxes::open_with(settings, Some(weaken)).await
    }

    async fn open_with(settings: Settings, weaken: Option<Weaken>) -> Result<Sandboxes, SandboxError> {
        let engine = Engine::connect(&settings.engine_socket).await?;
        sweep::orphans(&engine, &settings.worker_id).await?;
        let slots = Slots::claim(&settings)?;
        let fates = Fates::watch(&engine, &settings.worker_id);
        Ok(Sandboxes(Arc::new(Shared {
            engine,
            settings,
            slots,
            fates,
            agent: OnceCell::new(),
            readable_agent: AtomicBool::new(false),
            cannot_resize: AtomicBool::new(false),
            teardowns: TaskTracker::new(),
            bare_image: OnceCell::new(),
            weaken,
        })))
    }

    /// Resolves an image to the engine's id of its content. Nothing is ever pulled here: that would be the job's time.
    ///
    /// # Errors
    /// [`SandboxError::ImageMissing`] when the engine doesn't have it, [`SandboxError::ImageVolumes`] when it would bring
    /// writable folders of its own.
    pub async fn resolve_image(&self, reference: &str) -> Result<ImageReport, SandboxError> {
        let reference = reference.to_owned();
        match self.0.engine.image(&reference).await? {
            None => Err(SandboxError::ImageMissing { reference }),
            Some(image) if !image.volumes.is_empty() => {
                Err(SandboxError::ImageVolumes { reference, volumes: image.volumes })
            }
            Some(image) => Ok(ImageReport { reference, digest: image.id }),
        }
    }

    /// An image that holds nothing but the agent: a sandbox of it shows what every sandbox has, on a host with no other
    /// image. Made when first asked for, removed by [`Self::close`].
    ///
    /// # Errors
    /// When the engine refuses it.
    pub async fn bare_image(&self) -> Result<ImageReport, SandboxError> {
        let made = self.0.bare_image.get_or_try_init(|| agent::import(&self.0.engine)).await?;
        self.resolve_image(made).await
    }

    /// Whether each slot has a CPU of its own.
    pub fn are_pinned(&self) -> bool {
        self.0.slots.are_pinned()
    }

    /// Whether a live container's limits can be changed, as far as is known: not every runtime can.
    pub fn can_resize(&self) -> bool {
        !self.0.cannot_resize.load(Ordering::Relaxed)
    }

    /// Waits for a free slot, without its memory. Taken before a message is received.
    pub async fn permit(&self) -> slots::Permit {
        self.0.slots.permit().await
    }

    /// As [`Self::permit`], but only if one is free now.
    pub fn try_permit(&self) -> Option<slots::Permit> {
        self.0.slots.try_permit()
    }

    /// Makes a sandbox whose agent has answered.
    ///
    /// # Errors
    /// Whatever goes wrong is ours; nothing of the job has run.
    pub async fn acquire(&self, permit: slots::Permit, need: &Need) -> Result<Sandbox, SandboxError> {
        live::acquire(&self.0, permit, need).await
    }

    /// Waits until every container of ours is gone (removing what doesn't go by itself), then removes the agent's volume
    /// unless another worker on this host uses it.
    pub async fn close(&self) {
        self.0.teardowns.close();
        self.0.teardowns.wait().await;
        sweep::close(&self.0).await;
        if let Some(reference) = self.0.bare_image.get()
            && let Err(error) = self.0.engine.remove_image(reference).await
        {
            tracing::warn!(%error, reference, "an image that was made to look around in could not be removed");
        }
    }
}
