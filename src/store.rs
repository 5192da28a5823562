//! Data too large for a message, in S3: jobs and results that travel as pointers, and test data that jobs name.
//!
//! ```text
//! message ─ pointer? ─► get ─► the job's body            (buckets for jobs, a size cap, memory reserved)
//! job ─ references ─► cache ─► get what it lacks ─► Data  (buckets for data, caps, each hash checked)
//! report ─ too large for the queue? ─► put ─► pointer     (or the cut report, when S3 can't take it)
//! ```
//!
//! Two kinds of failure never mix: what is wrong with a message or an object is a [`Rejection`], what S3, the network or
//! this host does to us is a [`StoreError`]. Only the file `client` names the SDK.

mod cache;
mod claim;
mod client;
mod error;
mod fetch;
mod memory;
pub mod pointer;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::StoreConfig;
use crate::job::Rejection;
use cache::Cache;
use client::Client;
use memory::Memory;

pub use claim::Payload;
pub use error::StoreError;
pub use fetch::Fetched;

/// Results that are written to S3 at the same time; each is held in memory meanwhile.
const UPLOADS: usize = 4;

/// What a worker may do with S3, which may be nothing.
#[derive(Debug)]
pub struct Store {
    settings: StoreConfig,
    /// `None` when no bucket is configured.
    client: Option<Client>,
    /// `None` when jobs may take no data.
    cache: Option<Arc<Cache>>,
    message_memory: Memory,
    data_memory: Memory,
    uploads: Semaphore,
}

/// Why something didn't come out of the store.
#[derive(Debug)]
pub enum Trouble {
    /// The message or the object is not as it should be.
    Rejected(Rejection),
    /// We failed.
    Failed(StoreError),
}

impl From<Rejection> for Trouble {
    fn from(rejection: Rejection) -> Trouble {
        Trouble::Rejected(rejection)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Failed(error)
    }
}

impl Store {
    /// Makes the cache's folder where one is needed. Nothing is asked of S3.
    ///
    /// # Errors
    /// When the folder can't be made, or isn't ours alone.
    pub async fn open(settings: StoreConfig) -> Result<Store, StoreError> {
        let is_used = !settings.incoming_buckets.is_empty()
            || !settings.data_buckets.is_empty()
            || settings.results_bucket.is_some();
        let client = if is_used { Some(Client::open().await) } else { None };
        let cache = match settings.data_buckets.is_empty() {
            true => None,
            false => {
                let folder = settings.cache_dir.as_ref().map_or_else(cache::default_folder, PathBuf::from);
                Some(Arc::new(Cache::open(folder, settings.cache_bytes)?))
            }
        };
        Ok(Store {
            client,
            cache,
            message_memory: Memory::new(settings.memory_bytes / 2),
            data_memory: Memory::new(settings.memory_bytes / 2),
            uploads: Semaphore::new(UPLOADS),
            settings,
        })
    }

    /// Whether S3 does what it failed to do last.
    ///
    /// # Errors
    /// That it fails again.
    pub async fn probe(&self) -> Result<(), StoreError> {
        match &self.client {
            Some(client) => client.probe().await,
            None => Ok(()),
        }
    }
}
