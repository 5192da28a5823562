//! From a permit to a sandbox for a job: one that waits, or one made for it.

use std::sync::Arc;

use super::Sandbox;
use super::birth::{Born, Wish, birth};
use crate::metrics;
use crate::sandbox::pool::{Kind, Place, Pool};
use crate::sandbox::slots::{Cpu, Memory, Permit, Slot};
use crate::sandbox::{Need, SandboxError, Shared};
use crate::steps;

pub(crate) async fn acquire(shared: &Arc<Shared>, permit: Permit, need: &Need) -> Result<Sandbox, SandboxError> {
    let memory = shared.slots.memory(need.memory_bytes).await;
    steps::passed!("memory held");
    let Some(pool) = &shared.pool else {
        let (cpu, ()) = shared.slots.cpu(|free| (free.first().copied(), ()));
        return make(shared, permit, memory, cpu, need).await;
    };
    let kind = Kind::of(need);
    pool.ask(&kind);
    match take(shared, pool, &kind, need).await {
        (cpu, Some((born, Place { uid, seat }))) => {
            // From here on the uid is the slot's, and the permit answers for it.
            let slot = Slot::new(permit, memory, uid, cpu);
            drop(seat);
            pool.taken();
            metrics::warm_start();
            Ok(Sandbox::new(shared, born, slot, need))
        }
        (cpu, None) => {
            let _goes_first = pool.starting_cold();
            make(shared, permit, memory, cpu, need).await
        }
    }
}

/// A CPU and, if there is one for it, a container that waits and answers.
async fn take(shared: &Shared, pool: &Pool, kind: &Kind, need: &Need) -> (Cpu, Option<(Born, Place)>) {
    let labels = &need.labels;
    loop {
        let (cpu, waiting) = pool.take(kind, labels.deadline, &shared.slots, &shared.fates);
        let Some(mut waiting) = waiting else { return (cpu, None) };
        steps::passed!("taken");
        if let Err(error) = waiting.wake().await {
            tracing::info!(container.id = waiting.id(), %error, "a waiting container doesn't answer");
            pool.found_dead();
            continue;
        }
        if let Some((born, place)) = waiting.take() {
            steps::passed!("greeted");
            tracing::debug!(
                container.id = born.id,
                job.id = labels.job,
                execution.id = labels.execution,
                "took a waiting container"
            );
            return (cpu, Some((born, place)));
        }
    }
}

async fn make(
    shared: &Arc<Shared>,
    permit: Permit,
    memory: Memory,
    cpu: Cpu,
    need: &Need,
) -> Result<Sandbox, SandboxError> {
    let slot = Slot::new(permit, memory, shared.slots.uid(), cpu);
    let wish = Wish {
        image: &need.image.digest,
        memory_bytes: need.memory_bytes,
        processes: need.processes,
        disk_bytes: need.disk_bytes,
        uid: slot.uid.number,
        cpu: slot.cpu.number,
        labels: &need.labels.to_map(),
    };
    let (born, slot) = birth(shared, wish, slot).await?;
    metrics::cold_start();
    Ok(Sandbox::new(shared, born, slot, need))
}

impl Sandbox {
    fn new(shared: &Arc<Shared>, born: Born, slot: Slot, need: &Need) -> Sandbox {
        Sandbox {
            shared: shared.clone(),
            id: born.id,
            conversation: Some(born.conversation),
            holds: Some((slot, born.ownership)),
            size: (need.memory_bytes, need.processes),
            in_force: born.in_force,
            confinement: born.confinement,
            touched: false,
        }
    }
}
