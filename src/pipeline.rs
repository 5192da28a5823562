//! A job's whole way in one function: fetch, parse, plan, run, answer.
//!
//! Three outcomes never mix. What the program did becomes a verdict, what is wrong with the job a rejection; both are
//! reports. What goes wrong on our side is a [`Failure`], and nothing is published for it.

use crate::answer::{Origin, Request};
use crate::execute::{self, Allowance, CompileCache, Remaining};
use crate::job::{self, Bounds, Job};
use crate::plan::{Plan, Policy};
use crate::report::{Report, WorkerReport};
use crate::sandbox::slots::Permit;
use crate::sandbox::spec::Labels;
use crate::sandbox::{SandboxError, Sandboxes};
use crate::steps;
use crate::store::{Fetched, Store, StoreError, Trouble};
use crate::telemetry;

/// What every job of a process goes through the same way.
#[derive(Debug)]
pub struct Pipeline {
    pub sandboxes: Sandboxes,
    pub store: Store,
    pub policy: Policy,
    pub worker: WorkerReport,
    pub bounds: Bounds,
    /// `None`: every job compiles.
    pub compile_cache: Option<CompileCache>,
}

/// What went wrong on our side.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job that we failed. It is as it was and may be tried again, here or elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    pub cause: Cause,
    /// What is known of the job, for an answer that says that we failed.
    pub request: Request,
}

/// Added to a job's own longest time for the container's deadline, after which any worker may sweep it.
const DEADLINE_SLACK_S: i64 = 300;

/// The same for what lies before each test: another container, or the workspace restored.
const BETWEEN_TESTS_S: i64 = 1;

impl Pipeline {
    /// Answers one message. Dropping the future kills what runs.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn process(&self, body: &[u8], origin: Origin, permit: Permit) -> Result<Report, Box<Failure>> {
        self.process_telling(body, origin, permit, &Remaining::default()).await
    }

    /// As [`Self::process`]; `remaining` tells all the while how long it may still take.
    ///
    /// # Errors
    /// As [`Self::process`].
    pub async fn process_telling(
        &self,
        body: &[u8],
        origin: Origin,
        permit: Permit,
        remaining: &Remaining,
    ) -> Result<Report, Box<Failure>> {
        let payload = match self.store.open_message(body).await {
            Ok(payload) => payload,
            Err(trouble) => return self.troubled(trouble, Request::of_unread(origin)),
        };
        let job = match &payload {
            // Its size is bounded by what the store takes.
            Some(payload) => job::parse_with(&payload.bytes, &Bounds { body_bytes: payload.bytes.len() }),
            None => job::parse_with(body, &self.bounds),
        };
        // What was read from it is in memory as long as the job runs.
        let _share = payload.map(|payload| payload.share);
        let job = match job {
            Ok(job) => job,
            Err(invalid) => {
                telemetry::job_is(invalid.job_id.as_deref(), None);
                let request = Request::of_invalid(&invalid, origin);
                return Ok(request.rejected(&invalid.rejection, &self.worker));
            }
        };
        telemetry::job_is(Some(&job.id), Some(&job.environment));
        steps::passed!("parsed");
        let mut request = Request::of(&job, origin);
        if let Some(expires_at) = job.expires_at.filter(|expires_at| *expires_at < jiff::Timestamp::now()) {
            return Ok(request.expired(expires_at, &self.worker));
        }
        let fetched = match self.fetch(&job).await {
            Ok(fetched) => fetched,
            Err(trouble) => return self.troubled(trouble, request),
        };
        let plan = match Plan::with_data(job, &self.policy, &fetched.data) {
            Ok(plan) => plan,
            Err(rejection) => return Ok(request.rejected(&rejection, &self.worker)),
        };
        let labels = self.labels(&plan, &request.execution_id);
        request.start();
        steps::passed!("planned");
        // Large, and callers would have it on their stacks.
        let cache = self.compile_cache.as_ref();
        let execution = Box::pin(execute::execute(&self.sandboxes, cache, permit, &plan, &labels, remaining));
        match execution.await {
            Ok(execution) => {
                let report = request.executed(&plan, execution, &self.worker);
                steps::passed!("reported");
                Ok(report)
            }
            Err(error) => Err(Box::new(Failure { cause: error.into(), request })),
        }
    }

    /// The data that a job refers to, if nothing else is wrong with it.
    async fn fetch(&self, job: &Job) -> Result<Fetched, Trouble> {
        if job.references().is_empty() {
            return Ok(Fetched::default());
        }
        Plan::check(job, &self.policy)?;
        self.store.fetch(job).await
    }

    fn troubled(&self, trouble: Trouble, request: Request) -> Result<Report, Box<Failure>> {
        match trouble {
            Trouble::Rejected(rejection) => Ok(request.rejected(&rejection, &self.worker)),
            Trouble::Failed(error) => Err(Box::new(Failure { cause: error.into(), request })),
        }
    }

    /// Who a job's containers belong to, and until when.
    pub fn labels(&self, plan: &Plan, execution_id: &str) -> Labels {
        let longest_ms = plan.longest_ms().saturating_add(Allowance::waiting_ms(plan.longest_ms()));
        let longest_s = i64::try_from(longest_ms / 1_000).unwrap_or(i64::MAX / 2);
        let between_s = i64::try_from(plan.tests.len()).unwrap_or(i64::MAX / 4).saturating_mul(BETWEEN_TESTS_S);
        Labels {
            worker: self.worker.id.clone(),
            job: plan.job_id.clone(),
            execution: execution_id.to_owned(),
            deadline: jiff::Timestamp::now().as_second() + longest_s + between_s + DEADLINE_SLACK_S,
        }
    }
}
