//! Several incoming queues before one set of slots. [`Intake::next`] gives deliveries, each with the permit that it was
//! received for, so there are never more messages than free slots; who is asked when is the rule in `shares`.
//!
//! Polls run as tasks of their own and hold their permits. A poll is never cut off: messages in an answer that nobody
//! reads would stay hidden for a whole visibility timeout.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::service::QueueError;
use super::shares::{Grant, Shares, Wait};
use super::{Delivery, Inbox};
use crate::retry::Retry;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where permits come from.
pub trait Permits {
    type Permit: Send + 'static;
    /// Waits for one. Giving up the wait loses nothing.
    fn permit(&self) -> impl Future<Output = Self::Permit> + Send;
    /// One, if it is free now.
    fn try_permit(&self) -> Option<Self::Permit>;
}

/// Whoever watches whether the queues answer.
pub trait Polls: Debug + Send + Sync {
    /// A queue is about to be asked for messages.
    fn polling(&self);
    /// It has answered, with messages or without.
    fn polled(&self);
    /// It refused, or didn't answer.
    fn failed(&self, error: &QueueError);
}

/// Nobody does.
impl Polls for () {
    fn polling(&self) {}
    fn polled(&self) {}
    fn failed(&self, _: &QueueError) {}
}

/// An incoming queue and its share.
#[derive(Debug, Clone)]
pub struct Source {
    pub inbox: Inbox,
    /// At least 1. Of messages received while several queues have some, relative to the others.
    pub weight: u32,
}

/// The polls of all queues.
#[derive(Debug)]
pub struct Intake<P> {
    sources: Vec<Source>,
    retries: Vec<Retry>,
    shares: Shares,
    /// How many permits it holds at most.
    most: usize,
    free: Vec<P>,
    watch: Arc<dyn Polls>,
    polls: JoinSet<Polled<P>>,
}

#[derive(Debug)]
struct Polled<P> {
    grant: Grant,
    permits: Vec<P>,
    outcome: Result<Vec<Delivery>, QueueError>,
}

fn retry() -> Retry {
    Retry::new(FIRST_WAIT, LONGEST_WAIT)
}

impl<P: Send + 'static> Intake<P> {
    /// `most` bounds the permits it holds, whoever has more of them. `polls` is told of each poll.
    pub fn new(sources: Vec<Source>, most: usize, polls: Arc<dyn Polls>) -> Intake<P> {
        let shares = Shares::new(sources.iter().map(|source| source.weight));
        let retries = sources.iter().map(|_| retry()).collect();
        Intake { sources, retries, shares, most, free: Vec::new(), watch: polls, polls: JoinSet::new() }
    }

    /// Waits for the next deliveries, at least one. Failures of a queue are logged and tried again, each queue by itself.
    ///
    /// May be given up at any time and called again: what is under way stays.
    pub async fn next<C: Permits<Permit = P>>(&mut self, capacity: &C) -> Vec<(Delivery, P)> {
        loop {
            while self.wants()
                && let Some(permit) = capacity.try_permit()
            {
                self.free.push(permit);
            }
            let now = Instant::now();
            for grant in self.shares.grant(self.free.len(), now) {
                self.ask(grant);
            }
            let look = self.shares.next_look(now).filter(|_| !self.free.is_empty());
            tokio::select! {
                biased;
                Some(polled) = self.polls.join_next() => {
                    let arrived = self.answered(polled);
                    if !arrived.is_empty() {
                        return arrived;
                    }
                }
                permit = capacity.permit(), if self.wants() => self.free.push(permit),
                () = tokio::time::sleep_until(look.unwrap_or(now)), if look.is_some() => {}
            }
        }
    }

    /// Lets the polls under way end, and gives what they still brought.
    pub async fn close(mut self) -> Vec<(Delivery, P)> {
        let mut arrived = Vec::new();
        while let Some(polled) = self.polls.join_next().await {
            arrived.extend(self.answered(polled));
        }
        arrived
    }

    fn wants(&self) -> bool {
        self.free.len() < self.shares.wanted().min(self.most.saturating_sub(self.shares.asked()))
    }

    fn ask(&mut self, grant: Grant) {
        let permits = self.free.split_off(self.free.len() - grant.permits);
        let inbox = self.sources[grant.source].inbox.clone();
        self.watch.polling();
        self.polls.spawn(async move {
            let outcome = match grant.wait {
                Wait::Full => inbox.receive(grant.permits).await,
                Wait::AtMost(wait) => inbox.receive_within(grant.permits, wait).await,
            };
            Polled { grant, permits, outcome }
        });
    }

    fn answered(&mut self, polled: Result<Polled<P>, JoinError>) -> Vec<(Delivery, P)> {
        let Polled { grant, mut permits, outcome } = match polled {
            Ok(polled) => polled,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let arrived = match outcome {
            Ok(deliveries) => {
                self.watch.polled();
                self.retries[grant.source] = retry();
                self.shares.answered(grant, deliveries.len());
                // The queue never gives more than was asked for; if it did, the rest would reappear by itself.
                deliveries.into_iter().map_while(|delivery| Some((delivery, permits.pop()?))).collect()
            }
            Err(error) => {
                self.watch.failed(&error);
                let wait = self.retries[grant.source].next_wait();
                let queue = self.sources[grant.source].inbox.url();
                tracing::error!(queue, %error, code = error.code, wait_ms = wait.as_millis(), "no messages could be received");
                self.shares.failed(grant, Instant::now() + wait);
                Vec::new()
            }
        };
        // What brought nothing is free for others: a job that is tried again waits for it.
        self.free.clear();
        arrived
    }
}
