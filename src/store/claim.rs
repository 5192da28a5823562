//! Messages whose body is in S3: jobs that come so, and results that leave so.

use bytes::Bytes;

use super::memory::Share;
use super::{Store, StoreError, Trouble, pointer};
use crate::config::BucketPlace;
use crate::job::{Rejection, S3Object};
use crate::report::{MessageBody, Report, cut};

/// Bytes of the largest result in S3. All streams of a job together keep 8 MiB, which is 48 MiB if every byte is escaped.
const MAX_RESULT_BYTES: usize = 64 << 20;

/// A job's text is in memory twice while it is read: as it came, and as what was read from it.
const COPIES: u64 = 2;

/// A body that came from S3, and the share of memory that it takes.
#[derive(Debug)]
pub struct Payload {
    pub bytes: Vec<u8>,
    pub share: Share,
}

/// Whether an object lies in one of these places.
pub(super) fn is_in(places: &[String], object: &S3Object) -> bool {
    places.iter().filter_map(|place| BucketPlace::read(place)).any(|place| place.holds(object))
}

impl Store {
    /// Fetches the body that a message points to; `None` when the message is its own body.
    ///
    /// # Errors
    /// [`Trouble::Rejected`] where the pointer is bad, its bucket isn't allowed, or the object is missing or too large;
    /// [`Trouble::Failed`] where we failed.
    pub async fn open_message(&self, body: &[u8]) -> Result<Option<Payload>, Trouble> {
        let Some(object) = pointer::read(body) else { return Ok(None) };
        let object = object?;
        self.check_incoming(&object)?;
        let Some(client) = &self.client else { return Ok(None) };
        let limit = self.settings.maximum_job_bytes;
        let mut share = self.message_memory.share(COPIES * limit).await?;
        let got = match client.get(&object, limit).await {
            Ok(download) => download.collect().await,
            Err(unavailable) => Err(unavailable),
        };
        let bytes = match got {
            Ok(bytes) => bytes,
            Err(unavailable) => {
                let reason = unavailable.reason(limit)?;
                return Err(Rejection::new("job", format!("is a pointer to {object}, which {reason}")).into());
            }
        };
        share.shrink_to(COPIES * bytes.len() as u64);
        Ok(Some(Payload { bytes, share }))
    }

    fn check_incoming(&self, object: &S3Object) -> Result<(), Rejection> {
        let buckets = &self.settings.incoming_buckets;
        if buckets.is_empty() {
            let reason = "is a pointer to S3, and none are taken here; the operator has to set store.incoming_buckets";
            return Err(Rejection::new("job", reason));
        }
        match is_in(buckets, object) {
            true => Ok(()),
            false => Err(Rejection::new(
                "job",
                format!("is a pointer to {object}, which this operator doesn't allow for jobs"),
            )),
        }
    }

    /// What of a message is to be deleted once its job is answered, by the operator's choice. Ask before the message is
    /// given away, and of nothing but a job: what else an object is, nobody gave to us.
    pub fn payload_to_delete(&self, body: &str) -> Option<S3Object> {
        if !self.settings.delete_incoming_payloads {
            return None;
        }
        let object = pointer::read(body.as_bytes())?.ok()?;
        self.check_incoming(&object).ok().map(|()| object)
    }

    /// Deletes it. What stays costs storage and nothing else, so one try has to do.
    pub async fn delete_payload(&self, object: &S3Object) {
        let Some(client) = &self.client else { return };
        if let Err(error) = client.delete(object).await {
            tracing::warn!(%error, "the payload of an answered job stays in S3");
        }
    }

    /// A report as a message of at most `max_bytes`: whole; or whole in S3 with a pointer to it in the message; or cut,
    /// where no bucket is set or S3 doesn't take it. This takes some seconds at most.
    pub async fn message(&self, report: &Report, max_bytes: usize) -> MessageBody {
        let (Some(client), Some(bucket)) = (&self.client, &self.settings.results_bucket) else {
            return MessageBody::of(cut::to_message(report, max_bytes));
        };
        if let Some(whole) = cut::whole(report, max_bytes) {
            return MessageBody::of(whole);
        }
        // The semaphore is never closed.
        let _one_of_few = self.uploads.acquire().await;
        let text = cut::to_message(report, MAX_RESULT_BYTES);
        let bytes = text.len() as u64;
        let put = async {
            let object = self.result_object(bucket, report)?;
            client.put(&object, Bytes::from(text)).await.map(|()| object)
        };
        match put.await {
            Ok(object) => MessageBody { text: pointer::write(&object), payload_bytes: Some(bytes) },
            Err(error) => {
                tracing::warn!(
                    %error,
                    execution.id = report.execution_id,
                    "a result that is too large for the queue could not be written to S3; it is cut instead"
                );
                MessageBody::of(cut::to_message(report, max_bytes))
            }
        }
    }

    /// A key of its own for each execution: a second one never changes what somebody may be reading.
    fn result_object(&self, bucket: &str, report: &Report) -> Result<S3Object, StoreError> {
        let name = |id: &&str| !id.bytes().all(|byte| byte == b'.');
        let ids = [report.job_id.as_deref(), report.message_id.as_deref()];
        let id = ids.into_iter().flatten().find(name).unwrap_or("none");
        let key = format!("{}{id}/{}", self.settings.results_prefix, report.execution_id);
        S3Object::new(bucket, &key).map_err(|reason| StoreError::Service {
            operation: "write",
            object: format!("s3://{bucket}/{key}"),
            reason: format!("it {reason}"),
            code: None,
            is_outage: false,
        })
    }
}
