//! From a permit to a sandbox whose agent has answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::{Sandbox, agent_failure};
use crate::protocol::{Event, Request, VERSION};
use crate::report::SandboxReport;
use crate::sandbox::conversation::Conversation;
use crate::sandbox::slots::{Permit, Slot};
use crate::sandbox::spec::{AGENT_PROCESSES, START_MEMORY_BYTES, START_PIDS, Spec, profile_id};
use crate::sandbox::{Need, SandboxError, Shared, agent};

/// From start to the agent's greeting. Seconds on a busy host; past this something is wrong with the host.
const READY: Duration = Duration::from_secs(60);

pub(crate) async fn acquire(shared: &Arc<Shared>, permit: Permit, need: &Need) -> Result<Sandbox, SandboxError> {
    let slot = shared.slots.slot(permit, need.memory_bytes).await;
    let volume = shared.agent.get_or_try_init(|| agent::install(&shared.engine)).await?;
    let (error, slot) = match start(shared, slot, need, volume).await {
        Ok(sandbox) => return Ok(sandbox),
        Err(failure) => failure,
    };
    let SandboxError::Engine(engine_error) = &error else { return Err(error) };
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
        agent::fill(&shared.engine, volume).await?;
    }
    start(shared, slot, need, volume).await.map_err(|(error, _)| error)
}

async fn start(
    shared: &Arc<Shared>,
    slot: Slot,
    need: &Need,
    volume: &str,
) -> Result<Sandbox, (SandboxError, Slot)> {
    let cpus = slot.cpu.map(|cpu| cpu.to_string());
    let pinned = cpus.is_some();
    let runtime = shared.settings.runtime.as_deref();
    let agent_program =
        if shared.readable_agent.load(Ordering::Relaxed) { agent::READABLE_PROGRAM } else { agent::PROGRAM };
    let spec = Spec {
        image: &need.image.digest,
        memory_bytes: need.memory_bytes,
        processes: need.processes,
        disk_bytes: need.disk_bytes,
        uid: slot.uid,
        cpus: cpus.as_deref(),
        runtime,
        agent_volume: volume,
        agent_program,
        keep: shared.settings.keep,
        labels: &need.labels,
    };
    let name = format!("caisson-{}", uuid::Uuid::new_v4().simple());
    let id = match shared.engine.create(&name, shared.weakened(spec.create_body())).await {
        Ok(id) => id,
        // The call may have been cut off after the engine had made the container; its name is ours alone.
        Err(error) => {
            if error.status.is_none() {
                let _ = shared.engine.remove(&name).await;
            }
            return Err((error.into(), slot));
        }
    };
    shared.fates.expect(&id);
    let mut sandbox = Sandbox {
        shared: shared.clone(),
        id,
        conversation: None,
        slot: Some(slot),
        size: (need.memory_bytes, need.processes),
        in_force: (
            need.memory_bytes.max(START_MEMORY_BYTES),
            (need.processes + AGENT_PROCESSES).max(START_PIDS),
        ),
        confinement: SandboxReport {
            profile: profile_id(runtime, agent_program),
            runtime: shared.settings.runtime.clone(),
            landlock: 0,
            cgroup: 0,
            pinned,
        },
        touched: false,
    };
    match sandbox.greet().await {
        Ok(()) => Ok(sandbox),
        Err(error) => {
            let slot = sandbox.remove_now().await;
            Err((error, slot))
        }
    }
}

impl Sandbox {
    async fn greet(&mut self) -> Result<(), SandboxError> {
        let attached = self.shared.engine.attach(&self.id).await?;
        self.shared.engine.start(&self.id).await?;
        let mut conversation = Conversation::new(attached);
        let nonce = u64::from_le_bytes(first_eight(uuid::Uuid::new_v4().as_bytes()));
        let greeting = async {
            conversation.send(&Request::Hello { version: VERSION, nonce }).await?;
            conversation.next().await
        };
        let answer = timeout(READY, greeting).await.map_err(|_| SandboxError::NotReady(READY))?;
        match answer {
            Ok(Event::Ready { version: VERSION, nonce: echoed, network, landlock, cgroup }) if echoed == nonce => {
                (self.confinement.landlock, self.confinement.cgroup) = (landlock, cgroup);
                if network {
                    return Err(SandboxError::Network);
                }
            }
            Ok(Event::Failed { operation, errno }) => return Err(agent_failure(&operation, errno)),
            Ok(other) => return Err(SandboxError::Unexpected(format!("{other:?}"))),
            Err(lost) => {
                let complaint = conversation.complaint();
                return Err(SandboxError::Conversation(format!("{lost} {complaint}").trim().to_owned()));
            }
        }
        self.conversation = Some(conversation);
        Ok(())
    }
}

fn first_eight(bytes: &[u8; 16]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    [a, b, c, d, e, f, g, h]
}
