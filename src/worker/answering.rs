//! What the worker needs of whatever turns a message into its answer: the pipeline in service, a pretended one in the model
//! test.

use std::fmt::Debug;

use crate::answer::{Origin, Request};
use crate::execute::Remaining;
use crate::health::Condition;
use crate::job::{self, Bounds};
use crate::pipeline::{Failure, Pipeline};
use crate::queue::sources::Permits;
use crate::report::{MessageBody, Report};
use crate::sandbox::slots;

/// What this host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub condition: Condition,
    pub reason: String,
}

pub trait Answering: Permits + Debug + Send + Sync + 'static {
    /// Who runs them, for the log.
    fn worker_id(&self) -> &str;

    /// How many jobs it runs at a time.
    fn slots(&self) -> usize;

    /// Whether jobs could run, as far as can be told without one.
    ///
    /// # Errors
    /// What is in the way.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Whether the object store does what it failed to do last.
    ///
    /// # Errors
    /// That it fails again.
    fn probe_store(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Whether the host has what jobs need: images, and room.
    ///
    /// # Errors
    /// What is missing.
    fn fitness(&self) -> impl Future<Output = Result<(), Unfit>> + Send;

    /// Answers a message. Dropping the future kills what runs. `remaining` tells all the while how long it may still take.
    ///
    /// # Errors
    /// Only what is ours: the job is as it was and may be tried again, here or elsewhere.
    fn answer(
        &self,
        body: &[u8],
        origin: Origin,
        permit: Self::Permit,
        remaining: &Remaining,
    ) -> impl Future<Output = Result<Report, Box<Failure>>> + Send;

    /// What is known of a message that isn't answered, as far as that can be found out without running anything.
    fn request(&self, body: &[u8], origin: Origin) -> impl Future<Output = Request> + Send;

    /// The answer to a message that is given up, for a reason of ours.
    fn internal_error(&self, request: Request, reason: &str) -> Report;

    /// A result as a message of at most `max_bytes`.
    fn message(&self, report: &Report, max_bytes: usize) -> impl Future<Output = MessageBody> + Send;

    /// A message was answered and deleted: clears away what belonged to it.
    fn settled(&self, body: &str) -> impl Future<Output = ()> + Send;

    /// Clears away what is left, at the end.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

impl Permits for Pipeline {
    type Permit = slots::Permit;

    async fn permit(&self) -> slots::Permit {
        self.sandboxes.permit().await
    }

    fn try_permit(&self) -> Option<slots::Permit> {
        self.sandboxes.try_permit()
    }
}

impl Answering for Pipeline {
    fn worker_id(&self) -> &str {
        &self.worker.id
    }

    fn slots(&self) -> usize {
        self.sandboxes.slots()
    }

    async fn probe(&self) -> Result<(), String> {
        self.sandboxes.probe().await.map_err(|error| error.to_string())
    }

    async fn probe_store(&self) -> Result<(), String> {
        self.store.probe().await.map_err(|error| error.to_string())
    }

    async fn fitness(&self) -> Result<(), Unfit> {
        let unfit = |condition, reason| Unfit { condition, reason };
        // With few slots an engine that goes away takes them all before enough jobs have failed to open its breaker.
        let stuck = self.sandboxes.stubborn();
        if stuck >= self.slots() && self.sandboxes.try_permit().is_none() {
            return Err(unfit(
                Condition::Engine,
                format!("no slot is free, and {stuck} containers can't be removed from the engine"),
            ));
        }
        let missing = self.sandboxes.missing_images(self.policy.images()).await;
        if !missing.is_empty() {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            return Err(unfit(Condition::Images, missing.join("; ")));
        }
        self.sandboxes.room().await.map_err(|no_room| unfit(Condition::Disk, no_room.to_string()))
    }

    async fn answer(
        &self,
        body: &[u8],
        origin: Origin,
        permit: slots::Permit,
        remaining: &Remaining,
    ) -> Result<Report, Box<Failure>> {
        self.process_telling(body, origin, permit, remaining).await
    }

    async fn request(&self, body: &[u8], origin: Origin) -> Request {
        let payload = match self.store.open_message(body).await {
            Ok(payload) => payload,
            Err(_) => return Request::of_unread(origin),
        };
        let parsed = match &payload {
            Some(payload) => job::parse_with(&payload.bytes, &Bounds { body_bytes: payload.bytes.len() }),
            None => job::parse_with(body, &self.bounds),
        };
        match parsed {
            Ok(job) => Request::of(&job, origin),
            Err(invalid) => Request::of_invalid(&invalid, origin),
        }
    }

    fn internal_error(&self, request: Request, reason: &str) -> Report {
        request.internal_error(reason, &self.worker)
    }

    async fn message(&self, report: &Report, max_bytes: usize) -> MessageBody {
        self.store.message(report, max_bytes).await
    }

    async fn settled(&self, body: &str) {
        if let Some(payload) = self.store.payload_to_delete(body) {
            self.store.delete_payload(&payload).await;
        }
    }

    async fn close(&self) {
        self.sandboxes.close().await;
    }
}
