//! Whether a job's own files have room in its sandbox. One whose files can't is refused by the name of the limit, before it
//! costs a sandbox.
//!
//! Every figure is the least that the kernel takes, so that nothing is refused that fits. Files that are more than there is
//! room for and pass here all the same fill the sandbox's memory, and that is the job's own doing there, too.

use std::collections::HashSet;

use super::{Plan, PlannedFile};
use crate::job::{Isolation, Rejection};

/// What a sandbox's memory holds before a job's files are in it: the agent, its stack and page tables, the kernel's own of
/// its control group. 1.5 MiB were measured.
const LEAST_BYTES: u64 = 1 << 20;

/// tmpfs keeps whole pages.
const PAGE_BYTES: u64 = 4096;

/// A file's or a folder's inode in a tmpfs, and its name's entry in the kernel's cache, which stays as long as the file does
/// (`shmem_inode_cache` and `dentry` in `/proc/slabinfo`). 944 on Linux 6.18; inodes were a tenth smaller in older ones.
const ENTRY_BYTES: u64 = 832;

/// From this length on, a name has memory of its own beside its entry (`DNAME_INLINE_LEN` in the kernel's `dcache.h`).
const LONG_NAME_BYTES: usize = 40;

/// What a snapshot's record has beside path and content (the agent's `archive.rs`).
const RECORD_BYTES: u64 = 15;

/// # Errors
/// A [`Rejection`] that names the limit into which they don't fit.
pub(super) fn check(plan: &Plan) -> Result<(), Rejection> {
    let files = Files::of(&plan.files);
    let run = ("limits.disk_bytes", plan.run_limits.disk_bytes);
    let compile = plan.compile.iter().map(|command| ("compile_limits.disk_bytes", command.limits.disk_bytes));
    let is_too_small = |(_, room): &(&str, u64)| files.pages > room.next_multiple_of(PAGE_BYTES);
    if let Some((field, room)) = [run].into_iter().chain(compile).find(is_too_small) {
        return Err(Rejection::new(field, format!("is {room}, but the job's files take {} bytes", files.pages)));
    }

    let workspace = files.pages + files.entries;
    let at_first = match &plan.compile {
        None if plan.isolation == Isolation::Job && plan.tests.len() > 1 => workspace + files.snapshot,
        None => workspace,
        Some(command) => {
            let (given, needed) = (command.limits.memory_bytes, workspace + LEAST_BYTES);
            if needed > given {
                let reason = format!("is {given}, but the job's files alone take {needed} bytes");
                return Err(Rejection::new("compile_limits.memory_bytes", reason));
            }
            // What the compile step leaves of them for the tests is its own business.
            0
        }
    };
    for (index, test) in plan.tests.iter().enumerate() {
        let needed = at_first + whole_pages(test.stdin.len() as u64) + LEAST_BYTES;
        let given = test.command.limits.memory_bytes;
        if needed > given {
            let reason =
                format!("is {given}, but the job's files and the stdin of tests[{index}] alone take {needed} bytes");
            return Err(Rejection::new("limits.memory_bytes", reason));
        }
    }
    Ok(())
}

/// What a job's files take, in bytes.
#[derive(Debug, Default)]
struct Files {
    /// Their contents, on the disk that is memory.
    pages: u64,
    /// The kernel's records of them and of their folders.
    entries: u64,
    /// A second copy, from which each test starts.
    snapshot: u64,
}

impl Files {
    fn of(planned: &[PlannedFile]) -> Files {
        let mut files = Files::default();
        let mut folders = HashSet::new();
        for file in planned {
            files.add(&file.path, file.content.len() as u64);
            for (slash, _) in file.path.match_indices('/') {
                let folder = &file.path[..slash];
                if folders.insert(folder) {
                    files.add(folder, 0);
                }
            }
        }
        files.snapshot = whole_pages(files.snapshot);
        files
    }

    fn add(&mut self, path: &str, content_bytes: u64) {
        let name_bytes = path.rsplit('/').next().map_or(0, str::len);
        let is_long = name_bytes >= LONG_NAME_BYTES;
        self.pages += whole_pages(content_bytes);
        self.entries += ENTRY_BYTES + if is_long { name_bytes as u64 } else { 0 };
        self.snapshot += RECORD_BYTES + path.len() as u64 + content_bytes;
    }
}

fn whole_pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES)
}
