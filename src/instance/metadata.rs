//! The instance metadata service, asked by IMDSv2: a session token first, then documents that are there or aren't.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::imds::client::Client;
use aws_config::imds::client::error::ImdsError;

use super::notice::{self, Seen};
use crate::aws::in_one_line;

/// How long to wait for a connection, and then for an answer. The service is on the machine's own link: it answers in
/// milliseconds, or something is wrong.
const ANSWER: Duration = Duration::from_secs(1);

/// How long one look may take altogether, a new token included.
const LOOK: Duration = Duration::from_secs(4);

/// Why the service could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct MetadataError(String);

/// What doesn't change while an instance lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) region: String,
}

/// The service of the machine we are on, or wherever `AWS_EC2_METADATA_SERVICE_ENDPOINT` says.
#[derive(Debug)]
pub(super) struct Metadata(Mutex<Client>);

/// One attempt: whoever looks every few seconds needs no retries, and would only be late.
fn client() -> Client {
    Client::builder()
        .max_attempts(1)
        .connect_timeout(ANSWER)
        .read_timeout(ANSWER)
        .operation_attempt_timeout(2 * ANSWER)
        .operation_timeout(2 * ANSWER)
        .build()
}

impl Metadata {
    pub(super) fn new() -> Metadata {
        Metadata(Mutex::new(client()))
    }

    /// Everything that may announce the instance's end. What could be read is in the first part, even where some of it
    /// could not: it then has what `before` had.
    pub(super) async fn look(&self, before: &Seen) -> (Seen, Result<(), MetadataError>) {
        let asking = async {
            tokio::join!(
                self.get("spot/instance-action"),
                self.get("events/recommendations/rebalance"),
                self.get("autoscaling/target-lifecycle-state"),
            )
        };
        let Ok((interruption, rebalance, target)) = tokio::time::timeout(LOOK, asking).await else {
            return (before.clone(), Err(MetadataError(format!("no answer within {} s", LOOK.as_secs()))));
        };
        let mut seen = before.clone();
        let mut outcome = Ok(());
        match interruption {
            Ok(text) => seen.interruption = text.as_deref().map(notice::interruption),
            Err(error) => outcome = Err(error),
        }
        match rebalance {
            Ok(text) => seen.rebalance = text.is_some(),
            Err(error) => outcome = Err(error),
        }
        match target {
            Ok(text) => seen.terminating = text.as_deref().is_some_and(notice::is_terminating),
            Err(error) => outcome = Err(error),
        }
        (seen, outcome)
    }

    /// # Errors
    /// When the service can't be asked, or has neither.
    pub(super) async fn identity(&self) -> Result<Identity, MetadataError> {
        let (id, region) = tokio::join!(self.get("instance-id"), self.get("placement/region"));
        let there = |what: &str, text: Option<String>| {
            text.map(|text| text.trim().to_owned()).ok_or_else(|| MetadataError(format!("there is no {what}")))
        };
        Ok(Identity { id: there("instance-id", id?)?, region: there("placement/region", region?)? })
    }

    /// A document below `meta-data`; `None` when it isn't there.
    async fn get(&self, path: &str) -> Result<Option<String>, MetadataError> {
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match client.get(format!("/latest/meta-data/{path}")).await {
            Ok(text) => Ok(Some(text.into())),
            Err(ImdsError::ErrorResponse(answer)) => match answer.response().status().as_u16() {
                404 => Ok(None),
                401 => {
                    // A token that the service has forgotten stays in the client for hours: start anew.
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = self::client();
                    Err(MetadataError(format!("{path}: the session token was refused")))
                }
                status => Err(MetadataError(format!("{path}: HTTP status {status}"))),
            },
            Err(error) => Err(MetadataError(format!("{path}: {}", in_one_line(&error)))),
        }
    }
}
