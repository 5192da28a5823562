//! S3 by its SDK: each call a function in our own words. The only place that names `aws_sdk_s3`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::StoreError;
use super::error::is_outage;
use crate::aws::{Refusal, in_one_line};
use crate::job::S3Object;

/// How long an answer may take to begin, and to go on; the SDK itself would wait for ever.
const ANSWER: Duration = Duration::from_secs(10);

/// How long one object may take altogether: the largest that the settings allow over a line of 10 MiB a second.
const WHOLE_OBJECT: Duration = Duration::from_secs(120);

/// How long writing a result may take, all tries together. Its job's message is ours for far longer.
const UPLOAD: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Client {
    s3: aws_sdk_s3::Client,
    /// The object that was read last: what an outage is told by.
    last: Mutex<Option<S3Object>>,
}

/// Why an object can't be had.
#[derive(Debug)]
pub(super) enum Unavailable {
    Missing,
    /// S3 refuses us this object, with credentials that are good.
    Denied,
    /// In a storage class that has to be restored first.
    Archived,
    TooLarge,
    Ours(StoreError),
}

impl Unavailable {
    /// What is wrong with the object, in words that follow its name; or our failure.
    pub(super) fn reason(self, limit: u64) -> Result<String, StoreError> {
        match self {
            Unavailable::Missing => Ok("does not exist".to_owned()),
            Unavailable::Denied => Ok("may not be read by this worker".to_owned()),
            Unavailable::Archived => Ok("is archived and has to be restored first".to_owned()),
            Unavailable::TooLarge => Ok(format!("is larger than {limit} bytes, the most that is taken")),
            Unavailable::Ours(error) => Err(error),
        }
    }
}

impl Client {
    /// Region, credentials and endpoint come from where AWS's own tools take them.
    pub(super) async fn open() -> Client {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ANSWER).build();
        let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
        // Whoever names an endpoint means a server that may have no DNS name for each bucket.
        let named = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(named).build();
        Client { s3: aws_sdk_s3::Client::from_conf(config), last: Mutex::default() }
    }

    /// Begins to read an object of at most `limit` bytes.
    pub(super) async fn get(&self, object: &S3Object, limit: u64) -> Result<Download, Unavailable> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(object.clone());
        let until = Instant::now() + WHOLE_OBJECT;
        let answer = self.s3.get_object().bucket(object.bucket()).key(object.key()).send().await;
        let answer = answer.map_err(|error| unavailable(object, &error))?;
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        if length.is_some_and(|length| length > limit) {
            return Err(Unavailable::TooLarge);
        }
        Ok(Download { name: object.to_string(), stream: answer.body, received: 0, limit, until })
    }

    /// Whether S3 gives the beginning of the object that was read last, or says what is wrong with it.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(object) = last else { return Ok(()) };
        let outcome = match self.get(&object, u64::MAX).await {
            Ok(mut download) => download.next().await.map(drop),
            Err(unavailable) => Err(unavailable),
        };
        match outcome {
            Err(Unavailable::Ours(error)) if error.is_outage() => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn put(&self, object: &S3Object, body: Bytes) -> Result<(), StoreError> {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ANSWER).operation_timeout(UPLOAD).build();
        self.s3
            .put_object()
            .bucket(object.bucket())
            .key(object.key())
            .content_type("application/json")
            .body(ByteStream::from(body))
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(timeouts))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("write", object.to_string(), &error))
    }

    pub(super) async fn delete(&self, object: &S3Object) -> Result<(), StoreError> {
        let answer = self.s3.delete_object().bucket(object.bucket()).key(object.key()).send().await;
        answer.map(drop).map_err(|error| failed("delete", object.to_string(), &error))
    }
}

/// An object on its way.
#[derive(Debug)]
pub(super) struct Download {
    name: String,
    stream: ByteStream,
    received: u64,
    limit: u64,
    until: Instant,
}

impl Download {
    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Unavailable> {
        let broken = |reason: String| {
            let object = self.name.clone();
            Unavailable::Ours(StoreError::Service { operation: "read", object, reason, code: None, is_outage: true })
        };
        let piece = match timeout_at(self.until, timeout(ANSWER, self.stream.try_next())).await {
            Ok(Ok(piece)) => piece.map_err(|error| broken(in_one_line(&error)))?,
            Ok(Err(_)) => return Err(broken(format!("nothing more came within {} s", ANSWER.as_secs()))),
            Err(_) => return Err(broken(format!("not done within {} s", WHOLE_OBJECT.as_secs()))),
        };
        self.received = self.received.saturating_add(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        // What was announced is no promise.
        if self.received > self.limit { Err(Unavailable::TooLarge) } else { Ok(piece) }
    }

    /// All of it.
    pub(super) async fn collect(mut self) -> Result<Vec<u8>, Unavailable> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// Whose fault it is that an object can't be read. What isn't surely the message's is ours: a bucket on the operator's own
/// list that doesn't exist, credentials that have expired, a service in trouble.
fn unavailable<E>(object: &S3Object, error: &SdkError<E>) -> Unavailable
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error.as_service_error().and_then(ProvideErrorMetadata::code), status) {
        (Some("NoSuchKey"), _) | (None, Some(404)) => Unavailable::Missing,
        (Some("AccessDenied" | "AllAccessDisabled"), _) => Unavailable::Denied,
        (Some("InvalidObjectState"), _) => Unavailable::Archived,
        _ => Unavailable::Ours(failed("read", object.to_string(), error)),
    }
}

fn failed<E>(operation: &'static str, object: String, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Refusal { reason, code } = Refusal::of(error);
    let status = error.raw_response().map(|response| response.status().as_u16());
    let is_outage = is_outage(code.as_deref(), status);
    StoreError::Service { operation, object, reason, code, is_outage }
}
