//! One container that waits for a job: started, greeted, its agent in a read.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::resting::{Past, Started};
use crate::sandbox::SandboxError;
use crate::sandbox::fate::Fates;
use crate::sandbox::janitor::{Janitor, Remains};
use crate::sandbox::live::birth::{Born, greet};
use crate::sandbox::slots::Uid;

/// How long the agent of a waiting container may take to say that it is there. It has nothing else to do.
const AWAKE: Duration = Duration::from_secs(2);

/// What a container takes up for as long as it waits, and until it is gone when no job takes it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) uid: Uid,
    pub(crate) seat: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(crate) struct Waiting {
    /// Until a job takes it.
    content: Option<(Born, Place)>,
    pub(crate) cpu: Option<usize>,
    pub(crate) past: Past,
    janitor: Arc<Janitor>,
}

impl Waiting {
    pub(crate) fn new(started: Started, janitor: &Arc<Janitor>) -> Waiting {
        let Started { born, place, cpu, past } = started;
        Waiting { content: Some((born, place)), cpu, past, janitor: janitor.clone() }
    }

    /// Whether it surely can't be used any more: the engine told of its end, or its agent left or said something unasked.
    pub(crate) fn is_dead(&mut self, fates: &Fates) -> bool {
        let Some((born, _)) = &mut self.content else { return true };
        fates.has_died(&born.id) || born.conversation.next().now_or_never().is_some()
    }

    /// Makes sure that the agent is there. It costs less than a millisecond, and what passes can't have died unnoticed.
    pub(crate) async fn wake(&mut self) -> Result<(), SandboxError> {
        let Some((born, _)) = &mut self.content else { return Err(SandboxError::NotReady(AWAKE)) };
        timeout(AWAKE, greet(&mut born.conversation)).await.map_err(|_| SandboxError::NotReady(AWAKE))?.map(drop)
    }

    pub(crate) fn id(&self) -> &str {
        self.content.as_ref().map_or("", |(born, _)| &born.id)
    }

    /// For the job that takes it.
    pub(crate) fn take(mut self) -> Option<Started> {
        let (born, place) = self.content.take()?;
        Some(Started { born, place, cpu: self.cpu, past: self.past })
    }
}

impl Drop for Waiting {
    /// Whatever doesn't become a job's is cleared away.
    fn drop(&mut self) {
        if let Some((born, place)) = self.content.take() {
            let Born { id, ownership, conversation, .. } = born;
            self.janitor.clear_away(Remains { id, ownership, conversation: Some(conversation) }, place);
        }
    }
}
