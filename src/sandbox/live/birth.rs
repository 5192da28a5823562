//! From a place on the host to a container whose agent has answered, for a job that waits or for one that will come.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::timeout;

use super::agent_failure;
use crate::crash;
use crate::protocol::{Event, Request, VERSION};
use crate::report::SandboxReport;
use crate::sandbox::conversation::{Conversation, Lost};
use crate::sandbox::engine::Removal;
use crate::sandbox::janitor::Remains;
use crate::sandbox::owned::Ownership;
use crate::sandbox::spec::{AGENT_PROCESSES, START_MEMORY_BYTES, START_PIDS, Spec};
use crate::sandbox::{SandboxError, Shared, agent};
use crate::steps;

/// What a container is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// The image's id.
    pub(crate) image: &'a str,
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) uid: u32,
    pub(crate) cpu: Option<usize>,
    /// Isn't removed by the engine when it has ended.
    pub(crate) stays: bool,
    pub(crate) labels: &'a HashMap<String, String>,
}

/// A container in which nothing has run yet. It doesn't end itself when dropped; it is soon part of what does.
#[derive(Debug)]
pub(crate) struct Born {
    pub(crate) id: String,
    pub(crate) ownership: Ownership,
    pub(crate) conversation: Conversation,
    /// What the kernel holds it to: memory in bytes, and pids with the agent's.
    pub(crate) in_force: (u64, u64),
    pub(crate) confinement: SandboxReport,
    /// Which folders its programs can write to, a bit for each.
    pub(crate) places: u8,
}

/// Makes a container and greets its agent. `held` (a slot, say) comes back with it, or with the error when the container
/// is gone again; where it can't be removed, the janitor keeps what is held until it can.
pub(crate) async fn birth<H: Send + 'static>(
    shared: &Arc<Shared>,
    wish: Wish<'_>,
    held: H,
) -> Result<(Born, H), SandboxError> {
    let is_readable = || shared.readable_agent.load(Ordering::Relaxed);
    let volume = shared.agent_volume(is_readable()).await?;
    let (error, held) = match attempt(shared, wish, held, volume).await {
        Ok(born) => return Ok(born),
        Err(failure) => failure,
    };
    let (SandboxError::Engine(engine_error), Some(held)) = (&error, held) else { return Err(error) };
    if !engine_error.reason.contains(agent::PROGRAM) {
        return Err(error);
    }
    // The engine names the agent: it couldn't be started. There are two causes that can be mended, once.
    if engine_error.reason.contains("permission denied") {
        tracing::info!(runtime = shared.settings.runtime, "this runtime starts only readable programs; using a readable agent");
        shared.readable_agent.store(true, Ordering::Relaxed);
    } else {
        // Somebody removed the volume meanwhile (another worker that ended, or a prune), and the engine made an empty
        // one in its place.
        tracing::info!(volume, "the agent's volume is empty; filling it again");
        agent::fill(&shared.engine, is_readable()).await?;
    }
    let volume = shared.agent_volume(is_readable()).await?;
    attempt(shared, wish, held, volume).await.map_err(|(error, _)| error)
}

async fn attempt<H: Send + 'static>(
    shared: &Arc<Shared>,
    wish: Wish<'_>,
    held: H,
    volume: &str,
) -> Result<(Born, H), (SandboxError, Option<H>)> {
    let mut unborn = Unborn { shared, id: None, holds: Some((shared.owned.new_name(wish.stays), held)) };
    match unborn.try_all(wish, volume).await {
        Ok((id, conversation, confinement, places)) => {
            let (ownership, held) = unborn.holds.take().expect("they are taken once");
            let in_force = start_size(wish.memory_bytes, wish.processes);
            Ok((Born { id, ownership, conversation, in_force, confinement, places }, held))
        }
        Err(error) => {
            let held = unborn.remove(&error).await;
            Err((error, held))
        }
    }
}

/// What a container starts with that is to have this much memory (bytes) and so many processes of its own: memory and pids.
fn start_size(memory_bytes: u64, processes: u64) -> (u64, u64) {
    (memory_bytes.max(START_MEMORY_BYTES), (processes + AGENT_PROCESSES).max(START_PIDS))
}

/// A container that has ended, in order, and that the engine still has.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) id: String,
    pub(crate) ownership: Ownership,
    /// What it would be held to if it started as it is: memory in bytes, and pids with the agent's.
    pub(crate) in_force: (u64, u64),
    pub(crate) confinement: SandboxReport,
    /// Which folders its programs could write to.
    pub(crate) places: u8,
}

/// Starts a container again that is to have this much memory and so many processes, and greets its new agent. As with
/// [`birth`], `held` comes back with it, and is free after an error when the container is gone.
pub(crate) async fn start_again<H: Send + 'static>(
    shared: &Arc<Shared>,
    stopped: Stopped,
    (memory_bytes, processes): (u64, u64),
    held: H,
) -> Result<(Born, H), SandboxError> {
    let Stopped { id, ownership, in_force, confinement, places } = stopped;
    let mut unborn = Unborn { shared, id: Some(id.clone()), holds: Some((ownership, held)) };
    let wanted = start_size(memory_bytes, processes);
    let started = async {
        // What a job changed is kept by the engine. As it doesn't run, this only changes what it starts with.
        if in_force != wanted {
            shared.engine.resize(&id, wanted.0, wanted.1).await?;
        }
        if !shared.fates.expect_again(&id) {
            return Err(SandboxError::NotAgain);
        }
        let (conversation, greeting) = unborn.bring_up(&id).await?;
        // Runtimes are known that give a folder which they made themselves other permissions at the second start.
        if greeting.places != places {
            return Err(SandboxError::OtherPlaces);
        }
        Ok((conversation, greeting))
    };
    match started.await {
        Ok((conversation, greeting)) => {
            let (ownership, held) = unborn.holds.take().expect("they are taken once");
            let confinement = SandboxReport { landlock: greeting.landlock, cgroup: greeting.cgroup, ..confinement };
            Ok((Born { id, ownership, conversation, in_force: wanted, confinement, places }, held))
        }
        Err(error) => {
            unborn.remove(&error).await;
            Err(error)
        }
    }
}

/// A container on its way. Dropped before it is there (a cancelled job), it goes to the janitor.
struct Unborn<'a, H: Send + 'static> {
    shared: &'a Arc<Shared>,
    /// `None` until the engine has told it.
    id: Option<String>,
    holds: Option<(Ownership, H)>,
}

impl<H: Send + 'static> Unborn<'_, H> {
    async fn try_all(
        &mut self,
        wish: Wish<'_>,
        volume: &str,
    ) -> Result<(String, Conversation, SandboxReport, u8), SandboxError> {
        let shared = self.shared;
        let runtime = shared.settings.runtime.as_deref();
        let readable = volume == agent::volume_name(true);
        let cpus = wish.cpu.map(|cpu| cpu.to_string());
        let spec = Spec {
            image: wish.image,
            memory_bytes: wish.memory_bytes,
            processes: wish.processes,
            disk_bytes: wish.disk_bytes,
            uid: wish.uid,
            cpus: cpus.as_deref(),
            runtime,
            agent_volume: volume,
            agent_program: agent::program(readable),
            keep: shared.settings.keep,
            stays: wish.stays,
            labels: wish.labels,
        };
        let name = self.holds.as_ref().map_or("", |(ownership, _)| ownership.name());
        let id = shared.engine.create(name, shared.weakened(spec.create_body())).await?;
        self.id = Some(id.clone());
        shared.fates.expect(&id);
        crash::point!("created");
        steps::passed!("created");
        let (conversation, greeting) = self.bring_up(&id).await?;
        let confinement = SandboxReport {
            profile: shared.profile(readable).to_owned(),
            runtime: shared.settings.runtime.clone(),
            landlock: greeting.landlock,
            cgroup: greeting.cgroup,
            pinned: wish.cpu.is_some(),
        };
        Ok((id, conversation, confinement, greeting.places))
    }

    /// Starts the container that is there, whose events are expected, and greets its agent.
    async fn bring_up(&self, id: &str) -> Result<(Conversation, Greeting), SandboxError> {
        let shared = self.shared;
        let attached = shared.engine.attach(id).await?;
        steps::passed!("attached");
        shared.engine.start(id).await?;
        crash::point!("started");
        steps::passed!("started");
        let mut conversation = Conversation::new(attached, *uuid::Uuid::new_v4().as_bytes());
        let greeted = timeout(shared.settings.patience.ready, greet(&mut conversation)).await;
        let greeting = greeted.map_err(|_| SandboxError::NotReady(shared.settings.patience.ready))??;
        if greeting.network {
            return Err(SandboxError::Network);
        }
        crash::point!("first_frame");
        steps::passed!("greeted");
        Ok((conversation, greeting))
    }

    /// After a failure: what is held is free if the engine says that the container is gone.
    async fn remove(mut self, error: &SandboxError) -> Option<H> {
        // Where the engine refused to make it, there is nothing to remove. Where the call was cut off there may be, by
        // the name that is ours alone.
        let refused = matches!(error, SandboxError::Engine(error) if error.status.is_some());
        let gone = match &self.id {
            None if refused => true,
            None => false,
            Some(id) => matches!(self.shared.engine.remove(id).await, Ok(Removal::Gone | Removal::Absent)),
        };
        if !gone {
            return None;
        }
        if let Some(id) = &self.id {
            self.shared.fates.forget(id);
        }
        self.holds.take().map(|(_, held)| held)
    }
}

impl<H: Send + 'static> Drop for Unborn<'_, H> {
    fn drop(&mut self) {
        if let Some((ownership, held)) = self.holds.take() {
            let id = self.id.take().unwrap_or_else(|| ownership.name().to_owned());
            self.shared.janitor.clear_away(Remains { id, ownership, conversation: None }, held);
        }
    }
}

/// What the agent says of the place it finds itself in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Greeting {
    network: bool,
    landlock: u8,
    cgroup: u8,
    places: u8,
}

/// Says hello and hears it back.
pub(crate) async fn greet(conversation: &mut Conversation) -> Result<Greeting, SandboxError> {
    let nonce = u64::from_le_bytes(first_eight(uuid::Uuid::new_v4().as_bytes()));
    let answer = async {
        conversation.send(&Request::Hello { version: VERSION, nonce, key: conversation.key() }).await?;
        conversation.next().await
    };
    let lost: Lost = match answer.await {
        Ok(Event::Ready { version: VERSION, nonce: echoed, network, landlock, cgroup, places }) if echoed == nonce => {
            return Ok(Greeting { network, landlock, cgroup, places });
        }
        Ok(Event::Failed { operation, errno }) => return Err(agent_failure(&operation, errno)),
        Ok(other) => return Err(SandboxError::Unexpected(format!("{other:?}"))),
        Err(lost) => lost,
    };
    let complaint = conversation.complaint();
    Err(SandboxError::Conversation(format!("{lost} {complaint}").trim().to_owned()))
}

fn first_eight(bytes: &[u8; 16]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    [a, b, c, d, e, f, g, h]
}
