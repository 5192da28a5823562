//! A job's references to the data that they mean, by way of the cache.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::claim::is_in;
use super::memory::Share;
use super::{Store, StoreError, Trouble};
use crate::job::{Data, Job, Reference, Rejection};
use crate::sha256::Sha256;

/// Objects of one job that are brought at the same time.
const AT_ONCE: usize = 8;

/// How often data is fetched again that went out of the cache before it was read.
const TRIES: u32 = 3;

/// A job's data, and the share of memory that it takes; both are kept as long as the job runs.
#[derive(Debug, Default)]
pub struct Fetched {
    pub data: Data,
    pub share: Option<Share>,
}

impl Store {
    /// Fetches everything that a job refers to. Without a store for data nothing is fetched, and the plan says so.
    ///
    /// # Errors
    /// [`Trouble::Rejected`] where a bucket isn't allowed, an object is missing, too large, or not what its hash says;
    /// [`Trouble::Failed`] where we failed.
    pub async fn fetch(&self, job: &Job) -> Result<Fetched, Trouble> {
        let references = job.references();
        let (Some(client), Some(cache)) = (&self.client, &self.cache) else { return Ok(Fetched::default()) };
        if references.is_empty() {
            return Ok(Fetched::default());
        }
        let mut distinct: HashMap<Sha256, &Reference> = HashMap::new();
        for reference in references {
            self.check_bucket(reference)?;
            distinct.entry(reference.sha256).or_insert(reference);
        }
        let total = &AtomicU64::new(0);
        let bring = |wanted| async move {
            let length = cache.bring(client, wanted, self.settings.maximum_object_bytes).await?;
            let so_far = total.fetch_add(length, Ordering::Relaxed).saturating_add(length);
            // At once, so that a job of a thousand large objects doesn't fetch them all to be refused.
            if so_far > self.settings.maximum_data_bytes {
                return Err(too_much(self.settings.maximum_data_bytes).into());
            }
            Ok::<_, Trouble>((wanted, length))
        };
        // Boxed, because the compiler can't see that a stream of borrowing futures may change its thread.
        let work: Vec<_> = distinct.into_values().map(|wanted| bring(wanted).boxed()).collect();
        let present: Vec<(&Reference, u64)> = stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await?;

        let share = self.data_memory.share(total.load(Ordering::Relaxed)).await?;
        let mut data = Data::default();
        for (wanted, length) in present {
            let mut bytes = cache.read(wanted.sha256, length).await?;
            for _ in 0..TRIES {
                if bytes.is_some() {
                    break;
                }
                cache.bring(client, wanted, self.settings.maximum_object_bytes).await?;
                bytes = cache.read(wanted.sha256, length).await?;
            }
            let bytes = bytes.ok_or_else(|| gone(wanted))?;
            data.insert(wanted.sha256, bytes);
        }
        Ok(Fetched { data, share: Some(share) })
    }

    fn check_bucket(&self, reference: &Reference) -> Result<(), Rejection> {
        let object = &reference.object;
        match is_in(&self.settings.data_buckets, object) {
            true => Ok(()),
            false => Err(reference.refuse_uri(format!("names {object}, which this operator doesn't allow for data"))),
        }
    }
}

fn too_much(limit: u64) -> Rejection {
    Rejection::new("job", format!("names more than {limit} bytes of data in S3, the most that one job may"))
}

fn gone(wanted: &Reference) -> StoreError {
    StoreError::Service {
        operation: "keep",
        object: wanted.object.to_string(),
        reason: "it leaves the cache faster than it is read; store.cache_bytes is too small for the jobs at hand"
            .to_owned(),
        code: None,
        is_outage: false,
    }
}
