//! Whether the engine's disk has room for more containers. A full one fails creations and starts, and with them jobs;
//! so it is looked at before a job is taken.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{StatVfs, statvfs};
use tokio::sync::OnceCell;

use super::engine::Engine;
use super::settings::Watermarks;
use crate::metrics;

/// How long the engine may take to say where it keeps its containers.
const ASK: Duration = Duration::from_secs(5);

/// Too little is free where the engine keeps its containers: no job should be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{free} {what} are free in {} and {setting} asks for {needed}; free some (`docker system df` tells what takes them), \
     or lower the setting", .folder.display()
)]
pub struct NoRoom {
    pub folder: PathBuf,
    /// `bytes` or `inodes`.
    pub what: &'static str,
    pub setting: &'static str,
    pub free: u64,
    pub needed: u64,
}

#[derive(Debug)]
pub(crate) struct Room {
    watermarks: Watermarks,
    /// `None` inside: this process can't see it.
    folder: OnceCell<Option<PathBuf>>,
}

impl Room {
    pub(crate) fn new(watermarks: Watermarks) -> Room {
        Room { watermarks, folder: OnceCell::new() }
    }

    /// An engine that doesn't say where it keeps its containers is asked again next time; that it is away shows elsewhere.
    pub(crate) async fn check(&self, engine: &Engine) -> Result<(), NoRoom> {
        if self.watermarks == Watermarks::default() {
            return Ok(());
        }
        let asked = self.folder.get_or_try_init(|| async {
            let folder = tokio::time::timeout(ASK, engine.root_folder()).await.map_err(drop)?.map_err(drop)?;
            Ok::<_, ()>(visible(folder))
        });
        let Ok(Some(folder)) = asked.await else { return Ok(()) };
        match statvfs(folder) {
            Ok(found) => {
                metrics::disk_free(found.f_bfree.saturating_mul(found.f_frsize), found.f_ffree);
                judge(folder, &found, self.watermarks)
            }
            Err(_) => Ok(()),
        }
    }
}

/// The folder, if it can be looked at from here: a worker in a container of its own mostly can't. Said once.
fn visible(folder: String) -> Option<PathBuf> {
    match statvfs(folder.as_str()) {
        Ok(_) => Some(folder.into()),
        Err(error) => {
            tracing::info!(
                folder,
                reason = %std::io::Error::from(error),
                "the engine's disk can't be looked at from here, so its free space isn't watched"
            );
            None
        }
    }
}

fn judge(folder: &Path, found: &StatVfs, watermarks: Watermarks) -> Result<(), NoRoom> {
    // What is kept for root counts: the engine is root.
    let bytes = found.f_bfree.saturating_mul(found.f_frsize);
    let too_little = |what, setting, free, needed| NoRoom { folder: folder.to_owned(), what, setting, free, needed };
    if bytes < watermarks.bytes {
        return Err(too_little("bytes", "worker.minimum_free_bytes", bytes, watermarks.bytes));
    }
    // File systems that make inodes as they go (btrfs) say that they have none at all.
    if found.f_files > 0 && found.f_ffree < watermarks.inodes {
        return Err(too_little("inodes", "worker.minimum_free_inodes", found.f_ffree, watermarks.inodes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_bytes_or_inodes_are_told_with_the_setting_that_asks_for_them() {
        let folder = Path::new("/");
        let found = statvfs(folder).expect("the root folder can be looked at");
        let judged = |bytes, inodes| judge(folder, &found, Watermarks { bytes, inodes });
        assert_eq!(judged(1, 0), Ok(()));
        let error = judged(u64::MAX, 0).expect_err("no disk has that much");
        assert!(error.to_string().contains("worker.minimum_free_bytes asks for 18446744073709551615"), "{error}");
        if found.f_files > 0 {
            let error = judged(0, u64::MAX).expect_err("no disk has that many");
            assert!(error.to_string().contains("inodes are free in / and worker.minimum_free_inodes"), "{error}");
        }
        let none = StatVfs { f_files: 0, f_ffree: 0, ..found };
        assert_eq!(judge(folder, &none, Watermarks { bytes: 0, inodes: 1_000 }), Ok(()), "btrfs has no inodes to count");
    }
}
