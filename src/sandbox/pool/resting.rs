//! One container that has ended and may be started again: nothing runs in it, and it takes no memory. What stays of it is its
//! entry in the engine with its id, its uid, its CPU and the upper directory of a root that nobody could write to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Kind, Place};
use crate::sandbox::fate::Fates;
use crate::sandbox::janitor::{Janitor, Remains};
use crate::sandbox::live::birth::{Born, Stopped, start_again};
use crate::sandbox::{SandboxError, Shared};

/// How often a container is started at most. A hundredth of creating and removing is little, and whatever engine or kernel
/// might gather for one container over its lives has a bound.
const MOST_STARTS: u32 = 100;

/// How long one rests at most. Under load it is taken within a second; and a sweep of any worker takes one that rested for
/// twice as long ([`FORSAKEN_S`](crate::sandbox::sweep::FORSAKEN_S)) for what a dead worker left.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// What a container of the pool has behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    /// When it was made.
    pub(crate) since: Instant,
    /// The one on its labels, in Unix seconds.
    pub(crate) deadline: i64,
    starts: u32,
}

/// A container of the pool whose agent has answered.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) born: Born,
    pub(crate) place: Place,
    pub(crate) cpu: Option<usize>,
    pub(crate) past: Past,
}

#[derive(Debug)]
pub(crate) struct Resting {
    /// Until it is started.
    content: Option<(Stopped, Place)>,
    pub(crate) cpu: Option<usize>,
    pub(crate) past: Past,
    since: Instant,
    janitor: Arc<Janitor>,
}

impl Past {
    /// For one that is being made.
    pub(crate) fn begin(deadline: i64) -> Past {
        Past { since: Instant::now(), deadline, starts: 1 }
    }

    /// Whether it has a life left, where none may be older than `age`.
    pub(crate) fn allows_another(&self, age: Duration) -> bool {
        self.starts < MOST_STARTS
            && self.since.elapsed() < age
            && self.deadline > jiff::Timestamp::now().as_second()
    }
}

impl Resting {
    pub(crate) fn new(
        stopped: Stopped,
        place: Place,
        cpu: Option<usize>,
        past: Past,
        janitor: &Arc<Janitor>,
    ) -> Resting {
        Resting { content: Some((stopped, place)), cpu, past, since: Instant::now(), janitor: janitor.clone() }
    }

    pub(crate) fn id(&self) -> &str {
        self.content.as_ref().map_or("", |(stopped, _)| &stopped.id)
    }

    /// When it was laid down.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Whether it has rested too long, or is too old.
    pub(crate) fn is_stale(&self, age: Duration) -> bool {
        self.since.elapsed() > LONGEST_REST || !self.past.allows_another(age)
    }

    /// Whether something happened to it since its end.
    pub(crate) fn is_spoilt(&self, fates: &Fates) -> bool {
        self.content.as_ref().is_none_or(|(stopped, _)| !fates.may_start_again(&stopped.id))
    }

    /// Starts it again as the kind says. One that doesn't start is removed.
    pub(crate) async fn start(mut self, shared: &Arc<Shared>, kind: &Kind) -> Result<Started, SandboxError> {
        let (stopped, place) = self.content.take().ok_or(SandboxError::NotAgain)?;
        let size = (kind.memory_bytes, kind.processes);
        let (born, place) = start_again(shared, stopped, size, place).await?;
        Ok(Started { born, place, cpu: self.cpu, past: Past { starts: self.past.starts + 1, ..self.past } })
    }

    /// Makes room for others: `leaving` is held until it is gone.
    pub(crate) fn leave(mut self, leaving: OwnedSemaphorePermit) {
        self.clear_away(leaving);
    }

    fn clear_away(&mut self, held: impl Send + 'static) {
        if let Some((stopped, place)) = self.content.take() {
            let Stopped { id, ownership, .. } = stopped;
            self.janitor.clear_away(Remains { id, ownership, conversation: None }, (place, held));
        }
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.clear_away(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_container_has_a_bounded_number_of_lives_and_no_life_past_its_age_or_deadline() {
        let now = jiff::Timestamp::now().as_second();
        let age = Duration::from_secs(300);
        let past = Past::begin(now + 4_000);
        assert!(past.allows_another(age));
        assert!(Past { starts: MOST_STARTS - 1, ..past }.allows_another(age));
        assert!(!Past { starts: MOST_STARTS, ..past }.allows_another(age));
        assert!(!Past::begin(now - 1).allows_another(age));
        tokio::time::advance(age).await;
        assert!(!past.allows_another(age));
    }
}
