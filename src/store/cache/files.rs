//! The cache's files, as the file system sees them. Everything here may wait for the disk.

use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::StoreError;
use crate::sha256::{Hasher, Sha256};

/// What tells a file from another one that came in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) length: u64,
    inode: u64,
    changed: (i64, i64),
}

/// How old an unfinished file has to be before it surely has nobody who goes on with it.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Where this user's programs keep what can be fetched again: systemd's word first, then the desktop's, then a folder of
/// our own among the temporary ones.
pub(in super::super) fn default_folder() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named("CACHE_DIRECTORY") {
        return folder.join("data");
    }
    let home = || named("HOME").map(|home| home.join(".cache"));
    match named("XDG_CACHE_HOME").or_else(home).filter(|folder| folder.is_absolute()) {
        Some(folder) => folder.join("caisson/data"),
        None => std::env::temp_dir().join("caisson-data"),
    }
}

/// Makes the folder, for us alone, or makes sure that it is.
pub(super) fn prepare(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::cache("make the folder", folder, error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let found = fs::metadata(folder).map_err(failed)?;
    let bad = |problem| Err(StoreError::Folder { path: folder.to_owned(), problem });
    // What we make there belongs to us; and whether we can is worth knowing now.
    let probe = Unfinished::new(folder, Sha256::of(&[]));
    let ours = File::create_new(probe.path()).and_then(|file| file.metadata()).map_err(failed)?.uid();
    if found.uid() != ours {
        return bad("belongs to another user, who could change what programs are judged by");
    }
    if found.mode() & 0o022 != 0 {
        return bad("can be written by others, who could change what programs are judged by");
    }
    Ok(())
}

pub(super) fn identity(found: &Metadata) -> Identity {
    Identity { length: found.len(), inode: found.ino(), changed: (found.mtime(), found.mtime_nsec()) }
}

/// The file's identity if it holds what its name says. It is read unless it is known; one that holds something else is
/// removed.
pub(super) fn check(path: &Path, sha256: Sha256, known: Option<Identity>) -> io::Result<Option<Identity>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let identity = identity(&file.metadata()?);
    if known != Some(identity) && hash(&mut file)? != sha256 {
        tracing::warn!(file = %path.display(), "a file of the cache was damaged and is removed");
        fs::remove_file(path)?;
        return Ok(None);
    }
    file.set_times(FileTimes::new().set_accessed(SystemTime::now()))?;
    Ok(Some(identity))
}

fn hash(file: &mut File) -> io::Result<Sha256> {
    let (mut hasher, mut buffer) = (Hasher::default(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.push(&buffer[..count]),
        }
    }
}

pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that is being written; it goes with its guard unless it is finished.
#[derive(Debug)]
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    /// The name begins with a dot and is used once.
    pub(super) fn new(folder: &Path, sha256: Sha256) -> Unfinished {
        Unfinished(folder.join(format!(".{sha256}.{}", uuid::Uuid::new_v4().simple())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it its name. Whatever had that name before held the same.
    pub(super) fn finish(&self, name: &Path) -> io::Result<()> {
        fs::rename(&self.0, name)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Under its final name it isn't found here any more.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what was used longest ago until the rest is within `capacity`, and what was abandoned. `newest` stays.
pub(super) fn evict(folder: &Path, capacity: u64, newest: Sha256) -> io::Result<Vec<Sha256>> {
    let (mut files, mut total) = (Vec::new(), 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another worker may be tidying too.
        let Ok(found) = entry.metadata() else { continue };
        let name = entry.file_name();
        let Some(sha256) = name.to_str().and_then(Sha256::from_hex) else {
            let age = found.modified().ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
            if found.is_file() && is_unfinished(name.to_str()) && age > ABANDONED {
                let _ = fs::remove_file(entry.path());
            }
            continue;
        };
        total += found.len();
        if sha256 != newest {
            files.push((found.accessed()?, found.len(), sha256, entry.path()));
        }
    }
    files.sort();
    let mut removed = Vec::new();
    for (_, length, sha256, path) in files {
        if total <= capacity {
            break;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => removed.push(sha256),
        }
        total -= length;
    }
    Ok(removed)
}

/// Whether a name is one of ours; the operator may have named a folder with other things in it.
fn is_unfinished(name: Option<&str>) -> bool {
    let parts = name.and_then(|name| name.strip_prefix('.')).and_then(|name| name.split_once('.'));
    parts.is_some_and(|(sha256, _)| Sha256::from_hex(sha256).is_some())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn put(folder: &Path, bytes: &[u8], used_s_ago: u64) -> Sha256 {
        let sha256 = Sha256::of(bytes);
        let path = folder.join(sha256.to_string());
        fs::write(&path, bytes).expect("it can be written");
        let used = SystemTime::now() - Duration::from_secs(used_s_ago);
        let file = File::options().write(true).open(path).expect("it is there");
        file.set_times(FileTimes::new().set_accessed(used)).expect("it is ours");
        sha256
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_the_newest_and_strangers_stay() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let folder = folder.path();
        let (old, new, older) = (put(folder, b"aaaa", 20), put(folder, b"bbbb", 10), put(folder, b"cccc", 30));
        let newest = put(folder, b"dddd", 99);
        fs::write(folder.join("notes.txt"), [0; 100]).expect("it can be written");
        assert_eq!(evict(folder, 16, newest).expect("it is a folder"), []);
        assert_eq!(evict(folder, 8, newest).expect("it is a folder"), [older, old]);
        assert_eq!(evict(folder, 0, newest).expect("it is a folder"), [new]);
        assert_eq!(evict(folder, 0, newest).expect("it is a folder"), []);
        assert!(folder.join("notes.txt").exists() && folder.join(newest.to_string()).exists());
    }

    #[test]
    fn only_abandoned_files_of_ours_are_tidied_away() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let folder = folder.path();
        let (fresh, abandoned) = (Unfinished::new(folder, Sha256::of(b"1")), Unfinished::new(folder, Sha256::of(b"2")));
        let stranger = folder.join(".hidden.file");
        for (path, age) in [(fresh.path(), 0), (abandoned.path(), 7_200), (&stranger, 7_200)] {
            let file = File::create(path).expect("it can be made");
            let modified = SystemTime::now() - Duration::from_secs(age);
            file.set_times(FileTimes::new().set_modified(modified)).expect("it is ours");
        }
        evict(folder, 0, Sha256::of(b"")).expect("it is a folder");
        assert!(fresh.path().exists() && !abandoned.path().exists() && stranger.exists());
        let path = fresh.path().to_owned();
        drop(fresh);
        assert!(!path.exists(), "a guard takes its file along");
    }

    #[test]
    fn a_damaged_file_is_removed_and_a_known_one_is_not_read_again() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let sha256 = put(folder.path(), b"good", 5);
        let path = folder.path().join(sha256.to_string());
        let known = check(&path, sha256, None).expect("it can be read").expect("it is good");
        assert_eq!(known.length, 4);
        assert_eq!(check(&path, sha256, Some(known)).expect("it can be read"), Some(known));
        fs::write(&path, b"evil").expect("it can be written");
        // Another time of change, whatever the clock's grain.
        let file = File::options().write(true).open(&path).expect("it is there");
        file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).expect("it is ours");
        assert_eq!(check(&path, sha256, Some(known)).expect("it can be read"), None);
        assert!(!path.exists());
        assert_eq!(check(&path, sha256, None).expect("its absence is no error"), None);
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        prepare(folder.path()).expect("it is ours alone");
        prepare(&folder.path().join("deeper/still")).expect("it is made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        let refused = prepare(folder.path()).expect_err("others can write there").to_string();
        assert!(refused.contains("can be written by others") && refused.contains("store.cache_dir"), "{refused}");
    }
}
