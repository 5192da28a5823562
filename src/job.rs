//! The incoming message: from bytes that anybody may have written to a [`Job`] that everything behind can rely on.
//!
//! Reading goes in two steps. The bytes become a `JobMessage` (types, known fields, no key twice, counts bounded while
//! they are read), and the message becomes a `Job` (everything that takes more than one field or a rule to decide). What
//! takes the operator's word, such as maxima and the allow-list of images, is decided later, with the policy at hand.

mod check;
mod command;
mod content;
mod envelope;
mod environment;
mod explain;
mod image;
mod message;
mod metadata;
mod path;
mod read;
mod shape;
mod text;
mod time;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::checker::Checker;
use crate::limits::LimitsRequest;

pub use crate::rejection::Rejection;
pub use crate::whole::MAX as MAX_WHOLE_NUMBER;
pub use content::{Content, Data, Reference, S3Object, is_bucket_name};
pub use environment::forbidden_environment_names;
pub(crate) use explain::shown;

/// Bytes of the largest message that SQS carries, and so of the largest job that arrives in one.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Files of one job.
pub const MAX_FILES: usize = 1_000;
/// Tests of one job.
pub const MAX_TESTS: usize = 2_000;
/// Entries of `args`, `compile` and `run`, each.
pub const MAX_ARGUMENTS: usize = 256;
/// Entries of `env`.
pub const MAX_ENVIRONMENT: usize = 128;
/// Bytes of arguments and environment together, far enough below what the kernel takes for one `exec`.
pub const MAX_TEXT_BYTES: usize = 96 << 10;
/// Bytes of `metadata` as it is written.
pub const MAX_METADATA_BYTES: usize = 8 << 10;
/// How deep `metadata` may be nested, its own braces included.
pub const MAX_METADATA_DEPTH: usize = 32;
/// `capture_bytes` where the job says nothing.
pub const DEFAULT_CAPTURE_BYTES: u64 = 64 << 10;
/// The largest `capture_bytes`.
pub const MAX_CAPTURE_BYTES: u64 = 16 << 20;

/// What a check answers: the value, or why the job is refused.
type Checked<T> = Result<T, Rejection>;

fn refuse<T>(field: impl Into<String>, reason: impl Into<String>) -> Checked<T> {
    Err(Rejection::new(field, reason))
}

/// A message that is no job, with as much of the job as a result can still echo.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{rejection}")]
pub struct InvalidJob {
    /// The job's id, where the message is JSON, has a valid one, and isn't another system's envelope.
    pub job_id: Option<String>,
    pub rejection: Rejection,
    /// The job's metadata, on the same condition.
    pub metadata: Option<Box<RawValue>>,
}

/// How much [`parse_with`] takes. All other bounds are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the body.
    pub body_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { body_bytes: MAX_BODY_BYTES }
    }
}

/// One request: what to run, in what, with which inputs and limits.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: String,
    pub environment: Environment,
    /// At least one; the paths are relative, distinct, and stay inside the directory they are put in.
    pub files: Vec<JobFile>,
    /// The path of one of `files`.
    pub main: Option<String>,
    pub compile: Option<Vec<String>>,
    /// Always given with [`Environment::Image`].
    pub run: Option<Vec<String>>,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// At least one, with distinct ids. A message without `tests` gets one, `1`, with the message's `stdin`.
    pub tests: Vec<Test>,
    pub checker: Checker,
    /// Whether the tests after a failed one are skipped.
    pub stop_on_failure: bool,
    pub isolation: Isolation,
    pub limits: LimitsRequest,
    pub compile_limits: LimitsRequest,
    /// Bytes of each stream that come back in the result.
    pub capture_bytes: u64,
    pub expires_at: Option<jiff::Timestamp>,
    /// An object, as the producer wrote it.
    pub metadata: Option<Box<RawValue>>,
}

/// What the job runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// A key of the worker's language registry.
    Language(String),
    /// An image by its reference, which the operator's allow-list has to have.
    Image(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    pub path: String,
    pub content: Content,
    /// Whether it may be run by its name; `None`: if it is a script, which its first bytes tell.
    pub executable: Option<bool>,
}

/// One run of the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    pub id: String,
    pub stdin: Content,
    /// `None`: the test is only run.
    pub expected_stdout: Option<Content>,
    /// In place of the job's.
    pub args: Option<Vec<String>>,
    /// On top of the job's; `disk_bytes` is never set here.
    pub limits: LimitsRequest,
    /// Finite, not negative.
    pub points: Option<f64>,
    pub group: Option<String>,
}

/// How the tests of a job are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// One container for all tests of the job.
    #[default]
    Job,
    /// A fresh container for each test.
    Test,
}

/// Reads a job from a message's body of at most [`MAX_BODY_BYTES`].
///
/// # Errors
/// [`InvalidJob`] with the first thing that is wrong. Memory and time are bounded by a small multiple of the body's size,
/// whatever it holds.
pub fn parse(body: &[u8]) -> Result<Job, InvalidJob> {
    parse_with(body, &Bounds::default())
}

/// The same with other bounds, for a job that did not come in a message.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(body: &[u8], bounds: &Bounds) -> Result<Job, InvalidJob> {
    let text = read::text(body, bounds).map_err(|rejection| InvalidJob { job_id: None, rejection, metadata: None })?;
    read::message(text).and_then(check::job).map_err(|rejection| {
        if let Some(rejection) = envelope::look(text) {
            return InvalidJob { job_id: None, rejection, metadata: None };
        }
        let (job_id, metadata) = read::what_can_be_echoed(text);
        InvalidJob { job_id, rejection, metadata }
    })
}

/// The id that the answer to a message will have, whether it holds a good job or a bad one.
pub fn id_of(body: &[u8], bounds: &Bounds) -> Option<String> {
    let text = read::text(body, bounds).ok()?;
    if envelope::look(text).is_some() { None } else { read::what_can_be_echoed(text).0 }
}

/// Whether a text is what another system puts around messages. An id in it is not a job's.
pub(crate) fn is_envelope(text: &str) -> bool {
    envelope::look(text).is_some()
}

/// The JSON Schema of the message.
pub fn schema() -> schemars::Schema {
    message::schema()
}

#[cfg(test)]
mod tests;
