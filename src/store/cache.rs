//! Data by its hash in a local folder, so that a thousand submissions to one problem fetch its tests once.
//!
//! A file is named by the SHA-256 of what it holds. It is written under another name, hashed while it comes, brought to
//! the disk and only then given its name; so several workers may share a folder, and one that dies leaves no half of
//! anything under a name. Each process hashes a file once more before it uses it for the first time, for what happened on
//! the disk since; from then on the same inode with the same length and time of change is the same content. The folder has
//! to be ours alone: whoever could write there could change what programs are judged by.
//!
//! The time of last access is set by us at each use, whatever the file system is mounted with, and says what goes first
//! when the folder is full.

mod files;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use self::files::{Identity, Unfinished};
use super::client::{Client, Unavailable};
use super::{StoreError, Trouble};
use crate::job::Reference;
use crate::sha256::{Hasher, Sha256};

pub(super) use files::default_folder;

/// Downloads at the same time, of all jobs. Few enough for a small host's disk and descriptors.
const DOWNLOADS: usize = 16;

#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    /// Bytes of all files together, once an eviction is through.
    capacity: u64,
    /// Held while somebody looks for data or fetches it; the others with the same wish wait, and then find it.
    locks: Mutex<HashMap<Sha256, Weak<tokio::sync::Mutex<()>>>>,
    /// Files that this process knows to hold what their names say.
    known: Mutex<HashMap<Sha256, Identity>>,
    downloads: Semaphore,
    /// One eviction at a time, or two would make twice the room.
    eviction: tokio::sync::Mutex<()>,
}

impl Cache {
    pub(super) fn open(folder: PathBuf, capacity: u64) -> Result<Cache, StoreError> {
        files::prepare(&folder)?;
        Ok(Cache {
            folder,
            capacity,
            locks: Mutex::default(),
            known: Mutex::default(),
            downloads: Semaphore::new(DOWNLOADS),
            eviction: tokio::sync::Mutex::default(),
        })
    }

    /// Makes sure that the data is here, and answers its length.
    pub(super) async fn bring(&self, client: &Client, wanted: &Reference, limit: u64) -> Result<u64, Trouble> {
        let lock = self.lock_of(wanted.sha256);
        let _alone = lock.lock().await;
        let length = match self.length_of(wanted.sha256).await? {
            Some(length) => length,
            None => self.download(client, wanted, limit).await?,
        };
        if length > limit {
            return Err(too_large(wanted, limit));
        }
        Ok(length)
    }

    /// The data, if it is still here; another process may have made room meanwhile.
    pub(super) async fn read(&self, sha256: Sha256, length: u64) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(sha256);
        let read = blocking(&path, "read", files::read).await?;
        Ok(read.filter(|bytes| bytes.len() as u64 == length).map(Bytes::from))
    }

    fn path(&self, sha256: Sha256) -> PathBuf {
        self.folder.join(sha256.to_string())
    }

    fn lock_of(&self, sha256: Sha256) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&sha256).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(sha256, Arc::downgrade(&lock));
        lock
    }

    /// The length of a file that holds what its name says. One that doesn't is removed.
    async fn length_of(&self, sha256: Sha256) -> Result<Option<u64>, StoreError> {
        let path = self.path(sha256);
        let known = self.known().get(&sha256).copied();
        let found = blocking(&path, "read", move |path| files::check(path, sha256, known)).await?;
        match found {
            Some(identity) => self.known().insert(sha256, identity),
            None => self.known().remove(&sha256),
        };
        Ok(found.map(|identity| identity.length))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Sha256, Identity>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn download(&self, client: &Client, wanted: &Reference, limit: u64) -> Result<u64, Trouble> {
        // The semaphore is never closed.
        let _slot = self.downloads.acquire().await;
        let unavailable = |why: Unavailable| match why.reason(limit) {
            Ok(reason) => Trouble::Rejected(wanted.refuse_uri(format!("names {}, which {reason}", wanted.object))),
            Err(error) => Trouble::Failed(error),
        };
        let mut download = client.get(&wanted.object, limit).await.map_err(unavailable)?;
        let unfinished = Unfinished::new(&self.folder, wanted.sha256);
        let failed = |error| StoreError::cache("write", unfinished.path(), error);
        let mut file = tokio::fs::File::create_new(unfinished.path()).await.map_err(failed)?;
        let (mut hasher, mut length) = (Hasher::default(), 0);
        while let Some(piece) = download.next().await.map_err(unavailable)? {
            hasher.push(&piece);
            length += piece.len() as u64;
            file.write_all(&piece).await.map_err(failed)?;
        }
        if hasher.finish() != wanted.sha256 {
            // Its hash isn't told: with it the same producer could ask again, and print what it may not read.
            return Err(wanted.refuse_sha256(format!("is not the hash of {}", wanted.object)).into());
        }
        // Before the name: a host that loses power must not come back with a good name on an empty file.
        file.sync_all().await.map_err(failed)?;
        let identity = files::identity(&file.metadata().await.map_err(failed)?);
        unfinished.finish(&self.path(wanted.sha256)).map_err(failed)?;
        self.known().insert(wanted.sha256, identity);
        tracing::info!(object = %wanted.object, bytes = length, "data fetched");
        self.evict(wanted.sha256).await;
        Ok(length)
    }

    /// Makes room; what has just come stays. A folder that can't be tidied is no reason to fail a job.
    async fn evict(&self, newest: Sha256) {
        let _alone = self.eviction.lock().await;
        let capacity = self.capacity;
        match blocking(&self.folder, "make room in", move |folder| files::evict(folder, capacity, newest)).await {
            Ok(removed) => {
                let mut known = self.known();
                for sha256 in removed {
                    known.remove(&sha256);
                }
            }
            Err(error) => tracing::warn!(%error, "the cache may grow past its limit"),
        }
    }
}

fn too_large(wanted: &Reference, limit: u64) -> Trouble {
    let reason = format!("names {}, which is larger than {limit} bytes, the most that is taken", wanted.object);
    Trouble::Rejected(wanted.refuse_uri(reason))
}

/// File work on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    path: &Path,
    operation: &'static str,
    work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let owned = path.to_owned();
    let outcome = tokio::task::spawn_blocking(move || work(&owned)).await;
    let outcome = outcome.unwrap_or_else(|gone| Err(std::io::Error::other(gone)));
    outcome.map_err(|error| StoreError::cache(operation, path, error))
}
