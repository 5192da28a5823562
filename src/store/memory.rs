//! What jobs' messages and data may take of the worker's memory together.
//!
//! A job waits for its share while it holds a slot, and what it waits for is freed by jobs that may want a slot again for
//! their next sandbox. So it doesn't wait for ever: its message goes back, and the others get on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::StoreError;

/// Longer than most jobs run; short against the visibility of a message that nobody renews.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Shares are counted in these.
const UNIT_BYTES: u64 = 1 << 10;

#[derive(Debug)]
pub(super) struct Memory {
    units: Arc<Semaphore>,
    all: u32,
}

/// A share, given back when it is dropped.
#[derive(Debug)]
pub struct Share(Option<OwnedSemaphorePermit>);

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Memory {
        let all = units(bytes).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Memory { units: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// # Errors
    /// [`StoreError::Busy`] when it doesn't get free in time. More than there is altogether counts as all of it.
    pub(super) async fn share(&self, bytes: u64) -> Result<Share, StoreError> {
        let wanted = self.units.clone().acquire_many_owned(units(bytes).min(self.all));
        match tokio::time::timeout(LONGEST_WAIT, wanted).await {
            Ok(Ok(permit)) => Ok(Share(Some(permit))),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(StoreError::Busy(LONGEST_WAIT)),
        }
    }
}

impl Share {
    /// Gives back what is above `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        if let Some(permit) = &mut self.0 {
            let more = permit.num_permits().saturating_sub(units(bytes) as usize);
            drop(permit.split(more));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_share_is_waited_for_given_back_in_part_and_not_waited_for_for_ever() {
        let memory = Memory::new(10 << 10);
        let mut first = memory.share(8 << 10).await.expect("all of it is free");
        assert!(matches!(memory.share(3 << 10).await, Err(StoreError::Busy(_))));
        first.shrink_to(7 << 10);
        let second = memory.share(3 << 10).await.expect("as much was given back");
        assert!(matches!(memory.share(1).await, Err(StoreError::Busy(_))));
        drop((first, second));
        drop(memory.share(1 << 40).await.expect("more than there is counts as all"));
        assert_eq!(memory.units.available_permits(), 10);
    }
}
