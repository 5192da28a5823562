//! The beginning of a stream, kept for the result; of the rest only the length and the hash.

use crate::sha256::{Hasher, Sha256};

/// Collects a stream's first bytes. Memory grows with what comes, never past the limit.
#[derive(Debug, Default)]
pub struct Capture {
    limit: u64,
    bytes: Vec<u8>,
    total: u64,
    /// Begins to hash when the stream goes past the limit: what is shown whole needs no hash.
    hasher: Option<Hasher>,
}

/// What all streams of a job may keep together, so that many tests that each print much can't fill the worker's memory.
/// Far above what a message can carry.
pub const MAX_JOB_BYTES: u64 = 8 << 20;

/// Hands out how much each stream of a job may keep.
#[derive(Debug)]
pub struct CaptureBudget {
    per_stream: u64,
    left: u64,
}

impl CaptureBudget {
    /// `per_stream` is what the job asked for.
    pub fn new(per_stream: u64) -> CaptureBudget {
        CaptureBudget { per_stream, left: MAX_JOB_BYTES }
    }

    /// The captures of the next step's stdout and stderr.
    pub fn next_step(&self) -> (Capture, Capture) {
        let limit = self.per_stream.min(self.left / 2);
        (Capture::new(limit), Capture::new(limit))
    }

    /// Takes off what a stream has kept.
    pub fn spend(&mut self, captured: &Captured) {
        self.left = self.left.saturating_sub(captured.bytes.len() as u64);
    }
}

/// What was kept of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The stream's first bytes, at most the limit.
    pub bytes: Vec<u8>,
    /// Bytes that the stream had.
    pub total: u64,
    /// Whether it had more than was kept.
    pub truncated: bool,
    /// Of all of the stream, where less was kept.
    pub sha256: Option<Sha256>,
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: u64) -> Capture {
        Capture { limit, ..Capture::default() }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len() as u64);
        let kept = usize::try_from(room).map_or(chunk.len(), |room| room.min(chunk.len()));
        self.bytes.extend_from_slice(&chunk[..kept]);
        if kept < chunk.len() {
            let hasher = self.hasher.get_or_insert_with(|| {
                let mut hasher = Hasher::default();
                hasher.push(&self.bytes);
                hasher
            });
            hasher.push(&chunk[kept..]);
        }
        self.total = self.total.saturating_add(chunk.len() as u64);
    }

    /// Bytes that the stream has had so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn finish(self) -> Captured {
        Captured {
            truncated: self.total > self.bytes.len() as u64,
            bytes: self.bytes,
            total: self.total,
            sha256: self.hasher.map(Hasher::finish),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(limit: u64, chunks: &[&str]) -> Captured {
        let mut capture = Capture::new(limit);
        for chunk in chunks {
            capture.push(chunk.as_bytes());
        }
        capture.finish()
    }

    #[test]
    fn the_first_bytes_are_kept_and_all_are_counted() {
        for (limit, kept, truncated) in [(0, "", true), (1, "a", true), (4, "abcd", true), (6, "abcdef", false)] {
            let sha256 = truncated.then(|| Sha256::of(b"abcdef"));
            let expected = Captured { bytes: kept.as_bytes().to_vec(), total: 6, truncated, sha256 };
            assert_eq!(captured(limit, &["ab", "", "cde", "f"]), expected, "limit {limit}");
        }
        assert_eq!(captured(0, &[""]), Captured::default());
        assert_eq!(captured(u64::MAX, &["a"]).bytes, b"a");
    }

    #[test]
    fn what_is_not_kept_takes_no_memory() {
        let mut capture = Capture::new(10);
        for _ in 0..1_000 {
            capture.push(&[b'x'; 1_000]);
        }
        assert_eq!((capture.total(), capture.bytes.len()), (1_000_000, 10));
        assert!(capture.bytes.capacity() < 1_000);
    }

    #[test]
    fn the_streams_of_a_job_keep_no_more_than_its_budget() {
        let mut budget = CaptureBudget::new(16 << 20);
        let mut kept = 0;
        for _ in 0..8 {
            let (mut stdout, mut stderr) = budget.next_step();
            for capture in [&mut stdout, &mut stderr] {
                capture.push(&vec![b'x'; 3 << 20]);
            }
            for captured in [stdout.finish(), stderr.finish()] {
                kept += captured.bytes.len() as u64;
                budget.spend(&captured);
            }
        }
        assert!(kept <= MAX_JOB_BYTES, "{kept}");
        assert!(kept > MAX_JOB_BYTES / 2, "{kept}");
    }
}
