//! The EC2 instance that a worker runs on: learns of its end in time, and tells Auto Scaling when it may come.
//!
//! ```text
//! Instance::watch ─┬─ look: metadata every few seconds ─► Shutdown::drain
//!                  ├─ (protect) protection: busy? ─► SetInstanceProtection
//!                  ├─ (replace_when_sick) sickness: can't this host run jobs? ─► SetInstanceHealth
//!                  └─ lifecycle, once the instance is to end: heartbeats
//! Instance::leave ─── unprotect, or complete the lifecycle action
//! ```
//!
//! All of it is help from outside and none of it is needed: without the metadata service, or without permission, the
//! worker works on and says so once. Off EC2 nothing of it exists.

mod group;
mod lifecycle;
mod metadata;
mod notice;
mod platform;
mod protection;
mod sickness;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::retry::Retry;
use crate::shutdown::Shutdown;
use group::{Group, Hook};
use metadata::{Metadata, MetadataError};
use notice::Seen;

/// How to treat the instance, from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether there is a metadata service; `None`: find out from the machine.
    pub metadata: Option<bool>,
    pub poll_interval: Duration,
    /// What is kept of a Spot notice's time for publishing and clearing away.
    pub interruption_margin: Duration,
    pub drain_on_rebalance: bool,
    /// How long jobs may go on after a rebalance recommendation.
    pub grace_period: Duration,
    /// How long jobs may go on once Auto Scaling ends the instance.
    pub scale_in_grace: Duration,
    /// The Auto Scaling group; `None`: ask.
    pub group: Option<String>,
    /// The lifecycle hook to complete; `None`: the group's only one.
    pub hook: Option<String>,
    /// The least time between two changes of the protection from scale-in; `None`: it is left alone.
    pub protection_interval: Option<Duration>,
    /// How long this host alone can't run jobs until Auto Scaling is told; `None`: never.
    pub unhealthy_after: Option<Duration>,
}

/// Waits between tries to learn what group the instance belongs to.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long leaving waits for what is under way, or isn't known yet.
const LEAVE: Duration = Duration::from_secs(15);

/// A watched instance.
#[derive(Debug)]
pub struct Instance {
    shared: Arc<Shared>,
    /// Ends with whether the protection is to be taken away.
    protection: Option<JoinHandle<bool>>,
    /// Ends with what there is to complete.
    termination: JoinHandle<Option<(Group, Hook)>>,
    sickness: Option<AbortOnDropHandle<()>>,
    _look: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    metadata: Metadata,
    shutdown: Shutdown,
    /// `None` in it: the instance has no group.
    group: OnceCell<Option<Group>>,
    /// Auto Scaling ends the instance.
    terminating: CancellationToken,
    /// The jobs are done.
    leaving: CancellationToken,
}

impl Instance {
    /// Begins to watch the machine we are on, in the background; `None` off EC2. Whatever announces its end drains
    /// `shutdown`.
    pub fn watch(settings: Settings, shutdown: Shutdown) -> Option<Instance> {
        let variable = |name: &str| std::env::var(name).ok();
        if !settings.metadata.unwrap_or_else(|| platform::has_metadata(variable)) {
            return None;
        }
        let shared = Arc::new(Shared {
            settings,
            metadata: Metadata::new(),
            shutdown,
            group: OnceCell::new(),
            terminating: CancellationToken::new(),
            leaving: CancellationToken::new(),
        });
        let look = AbortOnDropHandle::new(tokio::spawn(shared.clone().look()));
        let termination = tokio::spawn(shared.clone().await_termination());
        Some(Instance { shared, protection: None, termination, sickness: None, _look: look })
    }

    /// From now on the instance is protected from scale-in while `is_busy`, where the settings want that.
    pub fn protect(&mut self, is_busy: impl Fn() -> bool + Send + Sync + 'static) {
        let Some(interval) = self.shared.settings.protection_interval else { return };
        let shared = self.shared.clone();
        self.protection = Some(tokio::spawn(async move {
            let group = shared.leaving.run_until_cancelled(shared.group()).await;
            let Some(Some(group)) = group else { return false };
            protection::keep(group, interval, is_busy, &shared.leaving).await
        }));
    }

    /// From now on Auto Scaling is told when this host hasn't been able to run jobs for so long as the settings say. `fault` says why
    /// it can't, and `None` where it can or where that is no fault of its own.
    pub fn replace_when_sick(&mut self, fault: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let Some(after) = self.shared.settings.unhealthy_after else { return };
        let shared = self.shared.clone();
        self.sickness = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            sickness::watch(&shared, fault, after).await;
        })));
    }

    /// The jobs are done: takes the protection away, and lets Auto Scaling end the instance if it wants to. A moment where
    /// all is well, two minutes where Auto Scaling doesn't answer.
    pub async fn leave(self) {
        let Instance { shared, protection, termination, sickness: _, _look } = self;
        shared.leaving.cancel();
        let is_protected = match protection {
            Some(keeping) => matches!(timeout(LEAVE, keeping).await, Ok(Ok(true))),
            None => false,
        };
        // One that is being terminated has lost its protection already, and Auto Scaling would refuse the call.
        if is_protected
            && !shared.terminating.is_cancelled()
            && let Some(Some(group)) = shared.group.get()
            && let Err(error) = group.protect(false).await
        {
            tracing::warn!(%error, code = error.code, "the instance stays protected from scale-in until a worker starts on it again");
        }
        if let Ok(Ok(Some((group, hook)))) = timeout(LEAVE, termination).await {
            lifecycle::complete(&group, &hook).await;
        }
    }
}

impl Shared {
    /// Looks for announcements for as long as the process lives: a later one may be more urgent.
    async fn look(self: Arc<Self>) {
        let mut seen = Seen::default();
        let mut well = None;
        loop {
            let (now_seen, outcome) = self.metadata.look(&seen).await;
            match (&outcome, well) {
                (Ok(()), None) => tracing::info!("watching for the end of this EC2 instance"),
                (Ok(()), Some(false)) => tracing::info!("the instance metadata service answers again"),
                (Err(error), None | Some(true)) => tracing::warn!(
                    %error,
                    "the instance metadata service can't be asked, so an end of this instance would come unannounced; asking on"
                ),
                _ => {}
            }
            well = Some(outcome.is_ok());
            self.act_on(&seen, &now_seen);
            seen = now_seen;
            tokio::time::sleep(self.settings.poll_interval).await;
        }
    }

    fn act_on(&self, before: &Seen, seen: &Seen) {
        if seen.rebalance && !before.rebalance && !self.settings.drain_on_rebalance {
            tracing::info!("a rebalance recommendation came: working on, as instance.on_rebalance says");
        }
        for reason in notice::reasons(before, seen, jiff::Timestamp::now(), &self.settings) {
            self.shutdown.drain(&reason);
        }
        if seen.terminating {
            self.terminating.cancel();
        }
    }

    /// Keeps Auto Scaling waiting from the announcement until the jobs are done; the hook to complete then.
    async fn await_termination(self: Arc<Self>) -> Option<(Group, Hook)> {
        tokio::select! {
            biased;
            () = self.terminating.cancelled() => {}
            () = self.leaving.cancelled() => return None,
        }
        let group = self.group().await?;
        let hook = match group.hook(self.settings.hook.as_deref()).await {
            Ok(hook) => hook?,
            Err(error) => {
                let hook = self.settings.hook.clone().map(|name| Hook { name, timeout: None });
                // With its name there is no need to know more.
                if hook.is_none() {
                    tracing::warn!(%error, code = error.code, "no lifecycle action is completed; name the hook in instance.lifecycle_hook");
                }
                hook?
            }
        };
        lifecycle::keep_waiting(group, &hook, &self.leaving).await;
        Some((group.clone(), hook))
    }

    /// The instance's group, asked for until there is an answer.
    async fn group(&self) -> Option<&Group> {
        let found = self.group.get_or_init(|| async {
            let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
            let mut failing = false;
            loop {
                match self.find_group().await {
                    Ok(group) => return group,
                    // The look tells of it.
                    Err(Unknown::Instance(error)) => tracing::debug!(%error, "it isn't known yet which instance this is"),
                    Err(Unknown::Group(error)) if !failing => {
                        tracing::warn!(%error, code = error.code, "trying again; instance.auto_scaling_group can name it instead");
                        failing = true;
                    }
                    Err(Unknown::Group(_)) => {}
                }
                retry.pause().await;
            }
        });
        found.await.as_ref()
    }

    async fn find_group(&self) -> Result<Option<Group>, Unknown> {
        let identity = self.metadata.identity().await?;
        Ok(Group::of(&identity, &self.settings).await?)
    }
}

/// Why an instance's group isn't known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Instance(#[from] MetadataError),
    #[error(transparent)]
    Group(#[from] group::GroupError),
}

#[cfg(test)]
impl Settings {
    /// The defaults.
    fn for_tests() -> Settings {
        Settings {
            metadata: None,
            poll_interval: Duration::from_secs(5),
            interruption_margin: Duration::from_secs(15),
            drain_on_rebalance: false,
            grace_period: Duration::from_secs(100),
            scale_in_grace: Duration::from_secs(3_600),
            group: None,
            hook: None,
            protection_interval: None,
            unhealthy_after: None,
        }
    }
}
