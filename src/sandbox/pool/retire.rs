//! The end of a job in a container that may be started again: it is let go, and what became of it is held against what an
//! orderly end looks like. Anything else, however harmless it may be, and it is removed as any other.

use std::sync::Arc;

use tokio::time::timeout;

use super::{Kind, Past, Place, Pool, Resting, count};
use crate::sandbox::Shared;
use crate::sandbox::conversation::Conversation;
use crate::sandbox::janitor::Remains;
use crate::sandbox::live::birth::Stopped;
use crate::sandbox::slots::Slot;

/// A container whose job has ended in order as far as its sandbox can tell. Its agent is in a read.
#[derive(Debug)]
pub(crate) struct Retired {
    pub(crate) stopped: Stopped,
    pub(crate) conversation: Conversation,
    pub(crate) slot: Slot,
    pub(crate) kind: Kind,
    pub(crate) past: Past,
}

/// Ends the container and lays it down, or has it removed. Returns at once; the slot is free when the container has ended.
pub(crate) fn retire(shared: &Arc<Shared>, retired: Retired) {
    let task_shared = shared.clone();
    shared.janitor.attend(async move {
        let shared = task_shared;
        let Some(pool) = &shared.pool else { return };
        let Retired { stopped, conversation, slot, kind, past } = retired;
        match end(&shared, pool, &stopped.id, conversation, past).await {
            Ok(()) => pool.lay_down(&shared, stopped, slot, kind, past),
            Err(reason) => discard(&shared, pool, stopped, slot, reason),
        }
    });
}

/// Ends the container. Otherwise: why it can't be started again.
async fn end(
    shared: &Shared,
    pool: &Pool,
    id: &str,
    conversation: Conversation,
    past: Past,
) -> Result<(), &'static str> {
    let goodbye = shared.settings.patience.goodbye;
    if !past.allows_another(pool.age) {
        conversation.hang_up().await;
        return Err("it has lived long enough");
    }
    match timeout(goodbye, conversation.part()).await {
        Ok(true) => {}
        Ok(false) => return Err("its agent said something after the job"),
        Err(_) => return Err("its agent didn't leave"),
    }
    if shared.fates.of(id, goodbye).await.is_none() {
        shared.fates.listen_anew();
        return Err("the engine doesn't say how it ended");
    }
    if shared.fates.may_start_again(id) { Ok(()) } else { Err("it didn't end in order") }
}

fn discard(shared: &Shared, pool: &Pool, stopped: Stopped, slot: Slot, reason: &str) {
    count(&pool.counters.discarded);
    tracing::debug!(container.id = stopped.id, reason, "a container isn't started again");
    let Stopped { id, ownership, .. } = stopped;
    shared.janitor.clear_away(Remains { id, ownership, conversation: None }, slot);
}

impl Pool {
    /// Puts it on the shelf. It needs a seat for that, and the pool must still be open.
    fn lay_down(&self, shared: &Shared, stopped: Stopped, slot: Slot, kind: Kind, past: Past) {
        let Ok(seat) = self.seats.clone().try_acquire_owned() else {
            return discard(shared, self, stopped, slot, "there is no place for it");
        };
        let mut shelf = self.shelf();
        if self.closed.is_cancelled() || shelf.unfit.contains(&kind.digest) {
            drop(shelf);
            return discard(shared, self, stopped, slot, "the pool is closed, or its image unfit");
        }
        let cpu = slot.cpu.number;
        // The uid stays with the container. All else of the slot is free, and not before the container can be found.
        let Slot { uid, .. } = slot;
        let resting = Resting::new(stopped, Place { uid, seat }, cpu, past, &shared.janitor);
        shelf.resting.entry(kind).or_default().push(resting);
        drop(shelf);
        self.changed.notify_one();
    }
}
