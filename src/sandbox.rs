//! The isolated place of one job: a hardened container with the agent as PID 1, made for that job and removed after it.
//!
//! [`Sandboxes`] stands for the engine and hands out capacity; a [`Sandbox`] is one live container and the conversation
//! with its agent. Each runs in a [`slots::Slot`] (a permit, a uid, a CPU set), which it keeps until the engine has said
//! that the container is gone, so that no two live containers ever share one.
//!
//! Every error here is ours. What a job does to its own sandbox, from files that fill its memory to killing its supervisor,
//! isn't an error but [`Broken`].

mod about;
pub mod agent;
mod conversation;
mod engine;
mod error;
mod fate;
mod images;
mod janitor;
mod live;
mod owned;
mod pool;
mod probe;
mod room;
pub mod seccomp;
mod settings;
pub mod slots;
pub mod spec;
mod sweep;

use std::sync::{Arc, OnceLock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(test)]
pub(crate) use about::recorded;
pub use about::{EngineFacts, RuntimeFacts};
pub use engine::{Engine, EngineError};
pub use error::SandboxError;
pub use live::{Broken, Resized, Sandbox, StepOutcome};
pub use pool::{PoolFigures, WAITING_BYTES};
pub use room::NoRoom;
pub use settings::{Patience, PoolSettings, Settings, Watermarks};
use bollard::models::ContainerCreateBody;
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use crate::report::ImageReport;
use fate::Fates;
use images::Images;
use janitor::Janitor;
use owned::Owned;
use pool::Pool;
use room::Room;
use slots::Slots;
use spec::Labels;
use sweep::Sweep;

/// How long the meaning of an image's name is remembered where there is a pool; it is asked for more often than that for what
/// is in use.
const IMAGE_NAMES_HOLD: Duration = Duration::from_secs(5);

/// What a job needs of its sandbox before its first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub image: ImageReport,
    pub memory_bytes: u64,
    /// What it may be given later, and so has to be free of the memory for all sandboxes.
    pub most_memory_bytes: u64,
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
    pub(crate) fates: Arc<Fates>,
    pub(crate) owned: Owned,
    pub(crate) janitor: Arc<Janitor>,
    pub(crate) pool: Option<Pool>,
    pub(crate) images: Images,
    /// The volume with the agent that can't be read, and with the other one.
    agent: [OnceCell<String>; 2],
    /// Whether the runtime was seen to need [`agent::READABLE_PROGRAM`].
    pub(crate) readable_agent: AtomicBool,
    /// Whether the runtime was seen to be unable to change a live container's limits, as gVisor's.
    pub(crate) cannot_resize: AtomicBool,
    room: Room,
    _sweep: AbortOnDropHandle<()>,
    bare_image: OnceCell<String>,
    /// What confines a sandbox, with the agent that can't be read and with the other one.
    profiles: [OnceLock<String>; 2],
    weaken: Option<Weaken>,
}

/// Takes something away from the engine's create call, given as its JSON.
#[doc(hidden)]
pub type Weaken = fn(&mut serde_json::Value);

impl Shared {
    /// [`spec::profile_id`] of this worker's sandboxes. Every report has it, and it never changes.
    pub(crate) fn profile(&self, readable_agent: bool) -> &str {
        let make = || spec::profile_id(self.settings.runtime.as_deref(), agent::program(readable_agent));
        self.profiles[usize::from(readable_agent)].get_or_init(make)
    }

    /// The volume that holds this agent, filled when first asked for.
    pub(crate) async fn agent_volume(&self, readable: bool) -> Result<&str, SandboxError> {
        let volume = &self.agent[usize::from(readable)];
        Ok(volume.get_or_try_init(|| agent::install(&self.engine, readable)).await?)
    }

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
        let patience = settings.patience;
        let engine = Engine::connect_with(&settings.engine_socket, patience).await?;
        let owned = Owned::default();
        let mut sweep = Sweep::new(&engine, &settings.worker_id, &owned);
        sweep.once().await?;
        let slots = Slots::claim(&settings)?;
        let pool = settings.pool.filter(|pool| pool.containers > 0);
        let recycles = settings.recycle && pool.is_some();
        let fates = Arc::new(Fates::watch(&engine, &settings.worker_id, recycles));
        let pool = pool.map(|pool| Pool::new(&pool, settings.slots, recycles));
        let hold = if pool.is_some() { IMAGE_NAMES_HOLD } else { Duration::ZERO };
        let shared = Arc::new(Shared {
            janitor: Arc::new(Janitor::new(&engine, &fates, patience)),
            pool,
            images: Images::new(hold),
            room: Room::new(settings.watermarks),
            _sweep: AbortOnDropHandle::new(tokio::spawn(sweep.run(patience.sweep))),
            engine,
            settings,
            slots,
            fates,
            owned,
            agent: Default::default(),
            readable_agent: AtomicBool::new(false),
            profiles: Default::default(),
            cannot_resize: AtomicBool::new(false),
            bare_image: OnceCell::new(),
            weaken,
        });
        if shared.pool.is_some() {
            // It ends by itself when the pool closes, or when nobody has the sandboxes any more.
            tokio::spawn(pool::keep(Arc::downgrade(&shared)));
        }
        Ok(Sandboxes(shared))
    }

    /// What became of the containers that were made ahead; all zero without a pool.
    pub fn pool_figures(&self) -> PoolFigures {
        self.0.pool.as_ref().map(Pool::figures).unwrap_or_default()
    }

    /// Whether the engine answers, within seconds: for whoever waits for it to come back.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn ping(&self) -> Result<(), SandboxError> {
        Ok(self.0.engine.ping().await?)
    }

    /// How many sandboxes run side by side.
    pub fn slots(&self) -> usize {
        self.0.settings.slots
    }

    /// Whether a sandbox of our own starts and its agent answers: whoever sends jobs has no say in that. Where no slot is free
    /// jobs run, which is as good.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn probe(&self) -> Result<(), SandboxError> {
        probe::probe(self).await
    }

    /// What is wrong with those of these images that jobs can't run in. They are looked at once a minute, and when a job has found
    /// one missing.
    pub async fn missing_images(&self, references: impl Iterator<Item = &str>) -> Vec<SandboxError> {
        self.0.images.missing(&self.0.engine, references).await
    }

    /// Whether the engine's disk has room for more sandboxes; to be asked before a job is taken. What can't be found out is
    /// taken for room.
    ///
    /// # Errors
    /// [`NoRoom`] says what is short, and of which setting.
    pub async fn room(&self) -> Result<(), NoRoom> {
        self.0.room.check(&self.0.engine).await
    }

    /// Containers that should be gone and couldn't be removed so far. Each keeps its slot.
    pub fn stubborn(&self) -> usize {
        self.0.janitor.stubborn()
    }

    /// Resolves an image to the engine's id of its content. Nothing is ever pulled here: that would be the job's time.
    ///
    /// # Errors
    /// [`SandboxError::ImageMissing`] when the engine doesn't have it, [`SandboxError::ImageVolumes`] when it would bring
    /// writable folders of its own.
    pub async fn resolve_image(&self, reference: &str) -> Result<ImageReport, SandboxError> {
        self.0.images.resolve(&self.0.engine, reference).await
    }

    /// An image that holds nothing but the agent: a sandbox of it shows what every sandbox has, on a host with no other
    /// image. Made when first asked for, removed by [`Self::close`].
    ///
    /// # Errors
    /// When the engine refuses it.
    pub async fn bare_image(&self) -> Result<ImageReport, SandboxError> {
        let made = self.0.bare_image.get_or_try_init(|| agent::import(&self.0.engine, false)).await?;
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

    /// What confines whatever runs in a sandbox that is made now, as its [`Sandbox::confinement`] will say it.
    pub fn profile(&self) -> String {
        self.0.profile(self.0.readable_agent.load(Ordering::Relaxed)).to_owned()
    }

    /// The agent's program as sandboxes that are made now have it.
    pub(crate) fn agent_program(&self) -> &'static str {
        agent::program(self.0.readable_agent.load(Ordering::Relaxed))
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
        Box::pin(live::acquire(&self.0, permit, need)).await
    }

    /// Waits until every container of ours is gone (removing what doesn't go by itself), then removes the agent's volume
    /// unless another worker on this host uses it. Doesn't wait for ever: past [`Patience::close`] the rest is said and
    /// left to the next worker's sweep.
    pub async fn close(&self) {
        let limit = self.0.settings.patience.close;
        if let Some(pool) = &self.0.pool {
            pool.close().await;
        }
        self.0.janitor.close(limit).await;
        sweep::close(&self.0, limit).await;
        if let Some(reference) = self.0.bare_image.get()
            && let Err(error) = self.0.engine.remove_image(reference).await
        {
            tracing::warn!(%error, reference, "an image that was made to look around in could not be removed");
        }
    }
}
