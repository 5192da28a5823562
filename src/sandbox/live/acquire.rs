//! From a permit to a sandbox for a job: one that waits, or one made for it.

use std::sync::Arc;

use super::{Conduct, Sandbox};
use super::birth::{Born, Wish, birth};
use crate::metrics;
use crate::sandbox::pool::{Found, Kind, Past, Place, Pool, Started};
use crate::sandbox::slots::{Cpu, Memory, Permit, Slot};
use crate::sandbox::{Need, SandboxError, Shared};
use crate::steps;

pub(crate) async fn acquire(shared: &Arc<Shared>, permit: Permit, need: &Need) -> Result<Sandbox, SandboxError> {
    let memory = shared.slots.memory(need.most_memory_bytes).await;
    steps::passed!("memory held");
    let Some(pool) = &shared.pool else {
        let (cpu, ()) = shared.slots.cpu(|free| (free.first().copied(), ()));
        return make(shared, permit, memory, cpu, need).await;
    };
    let kind = Kind::of(need);
    pool.ask(&kind);
    match take(shared, pool, &kind, need).await {
        (cpu, Some((Started { born, place: Place { uid, seat }, past, .. }, waited))) => {
            // From here on the uid is the slot's, and the permit answers for it.
            let slot = Slot::new(permit, memory, uid, cpu);
            drop(seat);
            if waited {
                pool.taken();
                metrics::warm_start();
            } else {
                pool.found_none();
                metrics::cold_start();
            }
            Ok(Sandbox::new(shared, born, slot, need, pool.recycles(&kind).then_some((kind, past))))
        }
        (cpu, None) => {
            pool.found_none();
            let _goes_first = pool.starting_cold();
            make(shared, permit, memory, cpu, need).await
        }
    }
}

/// A CPU and, if there is one for it, a container that answers, and whether it waited for that.
async fn take(shared: &Arc<Shared>, pool: &Pool, kind: &Kind, need: &Need) -> (Cpu, Option<(Started, bool)>) {
    let labels = &need.labels;
    loop {
        let (cpu, found) = pool.take(kind, labels.deadline, &shared.slots, &shared.fates);
        steps::passed!("taken");
        let mut waiting = match found {
            None => return (cpu, None),
            Some(Found::Waiting(waiting)) => waiting,
            Some(Found::Resting(resting)) => {
                let id = resting.id().to_owned();
                let _goes_first = pool.starting_cold();
                match resting.start(shared, kind).await {
                    Ok(started) => {
                        pool.recycled();
                        tell_taken(&started, need);
                        return (cpu, Some((started, false)));
                    }
                    Err(error) => {
                        pool.not_recycled(&id, kind, &error);
                        continue;
                    }
                }
            }
        };
        if let Err(error) = waiting.wake().await {
            tracing::info!(container.id = waiting.id(), %error, "a waiting container doesn't answer");
            pool.found_dead();
            continue;
        }
        if let Some(started) = waiting.take() {
            steps::passed!("greeted");
            tell_taken(&started, need);
            return (cpu, Some((started, true)));
        }
    }
}

/// Its labels don't tell whose it is.
fn tell_taken(started: &Started, need: &Need) {
    let labels = &need.labels;
    tracing::debug!(
        container.id = started.born.id,
        job.id = labels.job,
        execution.id = labels.execution,
        "took a container of the pool"
    );
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
        stays: false,
        labels: &need.labels.to_map(),
    };
    let (born, slot) = birth(shared, wish, slot).await?;
    metrics::cold_start();
    Ok(Sandbox::new(shared, born, slot, need, None))
}

impl Sandbox {
    /// `of_pool` says what container of the pool it is, where that may be started again.
    fn new(shared: &Arc<Shared>, born: Born, slot: Slot, need: &Need, of_pool: Option<(Kind, Past)>) -> Sandbox {
        Sandbox {
            shared: shared.clone(),
            id: born.id,
            conversation: Some(born.conversation),
            holds: Some((slot, born.ownership)),
            size: (need.memory_bytes, need.processes),
            in_force: born.in_force,
            confinement: born.confinement,
            places: born.places,
            touched: false,
            of_pool,
            conduct: Conduct::default(),
        }
    }
}
