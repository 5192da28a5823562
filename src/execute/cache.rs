//! Compile results by everything that decides them, so that one worker compiles the same sources once.
//!
//! In memory, with a bound on its bytes; what was used longest ago goes first. Nothing of it outlives the process or
//! reaches another one. The workspaces in it were made by hostile programs: they stay the bytes that an agent gave, and
//! go to another agent only, for a job in which the very same programs would have run.

mod key;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{MAX_ARCHIVE_BYTES, StepResult};
use crate::metrics;
use crate::report::SandboxReport;

pub(super) use key::{Inputs, Key};

/// What an entry is counted with beyond its archive and streams: its key, its figures, and the tables' own room.
const ENTRY_BYTES: u64 = 1024;

/// One entry's largest share in the whole.
const LARGEST_SHARE: u64 = 4;

/// A compile step that was run.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Completed, or a compile error by the compiler's own exit code.
    pub(super) result: StepResult,
    /// The workspace that it left; `None` after a compile error.
    pub(super) archive: Option<Bytes>,
    /// What confined it.
    pub(super) confinement: SandboxReport,
}

/// The compile results that a process keeps.
#[derive(Debug)]
pub struct CompileCache {
    max_bytes: u64,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    entries: HashMap<Key, Entry>,
    /// From the one that was used longest ago to the newest.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    compiled: Arc<Compiled>,
    bytes: u64,
    used: u64,
}

impl CompileCache {
    /// Keeps at most `max_bytes` of results.
    pub fn new(max_bytes: u64) -> CompileCache {
        metrics::compile_cache_holds(0, 0);
        CompileCache { max_bytes, contents: Mutex::default() }
    }

    /// How many results it holds, and their bytes.
    pub fn holds(&self) -> (usize, u64) {
        let contents = self.contents();
        (contents.entries.len(), contents.bytes)
    }

    /// Bytes of the largest workspace that is kept.
    pub(super) fn largest(&self) -> u64 {
        (self.max_bytes / LARGEST_SHARE).saturating_sub(ENTRY_BYTES).min(MAX_ARCHIVE_BYTES)
    }

    /// The result of this key, if there is one and it suits.
    pub(super) fn find(&self, key: Key, suits: impl FnOnce(&Compiled) -> bool) -> Option<Arc<Compiled>> {
        let found = self.contents().find(key).filter(|compiled| suits(compiled));
        metrics::compile_cache_asked(found.is_some());
        found
    }

    /// Keeps a result, unless it is too large. Where two jobs compiled the same at the same time, the first one stays.
    pub(super) fn keep(&self, key: Key, compiled: Compiled) {
        let result = &compiled.result;
        let archive = compiled.archive.as_ref().map_or(0, |archive| archive.len());
        let bytes = ENTRY_BYTES + (archive + result.stdout.bytes.len() + result.stderr.bytes.len()) as u64;
        if bytes > self.max_bytes / LARGEST_SHARE {
            tracing::debug!(bytes, "a compile result is too large to be kept");
            return;
        }
        let mut contents = self.contents();
        contents.keep(key, compiled, bytes);
        let evicted = contents.shrink_to(self.max_bytes);
        metrics::compile_cache_holds(contents.bytes, evicted);
    }

    /// Every change leaves it whole, so that a panic elsewhere does no harm.
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn find(&mut self, key: Key) -> Option<Arc<Compiled>> {
        let entry = self.entries.get_mut(&key)?;
        self.uses += 1;
        self.by_use.remove(&entry.used);
        self.by_use.insert(self.uses, key);
        entry.used = self.uses;
        Some(entry.compiled.clone())
    }

    fn keep(&mut self, key: Key, compiled: Compiled, bytes: u64) {
        if self.find(key).is_some() {
            return;
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.entries.insert(key, Entry { compiled: Arc::new(compiled), bytes, used: self.uses });
        self.bytes += bytes;
    }

    /// Drops what was used longest ago until the rest is within `max_bytes`; how many that were.
    fn shrink_to(&mut self, max_bytes: u64) -> u64 {
        let mut dropped = 0;
        while self.bytes > max_bytes {
            let Some((_, key)) = self.by_use.pop_first() else { break };
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.bytes;
                dropped += 1;
            }
        }
        dropped
    }
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
