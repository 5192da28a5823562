//! A job's whole way in one function: parse, plan, run, answer.
//!
//! Three outcomes never mix. What the program did becomes a verdict, what is wrong with the job a rejection; both are
//! reports. What goes wrong on our side is an error, and nothing is published for it.

use crate::answer::{Origin, Request};
use crate::execute;
use crate::job::{self, Bounds};
use crate::plan::{Plan, Policy};
use crate::report::{Report, WorkerReport};
use crate::sandbox::slots::Permit;
use crate::sandbox::spec::Labels;
use crate::sandbox::{SandboxError, Sandboxes};

/// What every job of a process goes through the same way.
#[derive(Debug)]
pub struct Pipeline {
    pub sandboxes: Sandboxes,
    pub policy: Policy,
    pub worker: WorkerReport,
    pub bounds: Bounds,
}

/// Added to a job's own longest time for the container's deadline, after which any worker may sweep it.
const DEADLINE_SLACK_S: i64 = 300;

impl Pipeline {
    /// Answers one message. Dropping the future kills what runs.
    ///
    /// # Errors
    /// Only what is ours: the job is as it was and may be tried again, here or elsewhere.
    pub async fn process(&self, body: &[u8], origin: Origin, permit: Permit) -> Result<Report, SandboxError> {
        let job = match job::parse_with(body, &self.bounds) {
            Ok(job) => job,
            Err(invalid) => {
                let request = Request::of_invalid(&invalid, origin);
                return Ok(request.rejected(&invalid.rejection, &self.worker));
            }
        };
        let mut request = Request::of(&job, origin);
        if let Some(expires_at) = job.expires_at.filter(|expires_at| *expires_at < jiff::Timestamp::now()) {
            return Ok(request.expired(expires_at, &self.worker));
        }
        let plan = match Plan::new(job, &self.policy) {
            Ok(plan) => plan,
            Err(rejection) => return Ok(request.rejected(&rejection, &self.worker)),
        };
        let labels = self.labels(&plan, &request.execution_id);
        request.start();
        let execution = execute::execute(&self.sandboxes, permit, &plan, &labels).await?;
        Ok(request.executed(&plan, execution, &self.worker))
    }

    /// Who a job's containers belong to, and until when.
    pub fn labels(&self, plan: &Plan, execution_id: &str) -> Labels {
        let longest_s = i64::try_from(plan.longest_ms() / 1_000).unwrap_or(i64::MAX / 2);
        Labels {
            worker: self.worker.id.clone(),
            job: plan.job_id.clone(),
            execution: execution_id.to_owned(),
            deadline: jiff::Timestamp::now().as_second() + longest_s + DEADLINE_SLACK_S,
        }
    }
}
