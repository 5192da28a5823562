//! Telling a program that doesn't fit into its memory from one that does, before the kernel does.
//!
//! A program that fills its memory doesn't always meet the kernel's killer. While there is something left to take back, the
//! kernel takes it: the pages of the program's own interpreter, which are read again at the next instruction. Such a program
//! does next to nothing for minutes (27 s were seen for a Node.js program of 96 MiB), and the limit that it then passes is one
//! of time. What tells it from an honest program is that its few remaining pages of files are read again and again, all of
//! them, while its memory is full.

use std::time::{Duration, Instant};

use caisson::cgroup::Reclaim;

use crate::meter::is_full;

/// How long it has to go on: long enough for a program that only passes by its limit, and ended well within a second.
const LEAST: Duration = Duration::from_millis(400);

/// After how long the counting begins anew, so that many short moments don't add up.
const WINDOW: Duration = Duration::from_secs(2);

/// How many times over all file pages have to be read back. A program that fits reads what it lost once.
const TURNOVER: u64 = 20;

/// As many pages (1 MiB) are counted at least, or a program with next to none would have read them back at once.
const LEAST_PAGES: u64 = 256;

/// How many major faults that takes at least. One that only reads large files has none.
const LEAST_FAULTS: u64 = 100;

const PAGE_BYTES: u64 = 4_096;

/// The account of one program.
pub(crate) struct Thrashing {
    limit_bytes: u64,
    /// When memory was found full, what the kernel had counted by then, and the most pages of files since.
    begun: Option<(Instant, Reclaim, u64)>,
}

impl Thrashing {
    /// `limit_bytes` is the container's, `None` where the kernel doesn't tell it; nothing is ever found then.
    pub(crate) fn new(limit_bytes: Option<u64>) -> Thrashing {
        Thrashing { limit_bytes: limit_bytes.unwrap_or(u64::MAX), begun: None }
    }

    /// Whether the program is found to thrash. `reclaim` asks the kernel, and isn't called while there is memory left.
    pub(crate) fn look(&mut self, now: Instant, memory_bytes: u64, reclaim: impl FnOnce() -> Option<Reclaim>) -> bool {
        if !is_full(memory_bytes, self.limit_bytes) {
            self.begun = None;
            return false;
        }
        // With more of it in files, it isn't the program that fills the memory.
        let Some(found) = reclaim().filter(|found| found.file_bytes <= self.limit_bytes / 8) else {
            self.begun = None;
            return false;
        };
        let pages = (found.file_bytes / PAGE_BYTES).max(LEAST_PAGES);
        let (begun, before, most_pages) = match self.begun {
            Some((begun, before, most_pages)) if now - begun < WINDOW => (begun, before, most_pages.max(pages)),
            _ => (now, found, pages),
        };
        self.begun = Some((begun, before, most_pages));
        let read_back = found.refaults.saturating_sub(before.refaults);
        let faults = found.major_faults.saturating_sub(before.major_faults);
        now - begun >= LEAST && faults >= LEAST_FAULTS && read_back >= TURNOVER * most_pages
    }
}
