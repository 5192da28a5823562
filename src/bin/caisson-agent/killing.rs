//! The time between the kernel's kill of a process for want of memory and that process's end.
//!
//! The kernel takes back at once what such a process has in its address space, but not what files hold: a memory file, a
//! tmpfs. That is there until the process has ended, which takes long on a busy host. Whoever asks for memory meanwhile brings
//! about the next kill, and beside the dying there may be nobody but PID 1. So the agent opens nothing while that lasts: what
//! the kernel keeps of an open file is memory, too.

use std::time::{Duration, Instant};

/// For how long in all the agent holds back in one step. A program that has its children killed one after the other gains no
/// more than that beside its wall limit.
const MOST: Duration = Duration::from_secs(5);

/// The account of one program.
pub(crate) struct Killing {
    kills: u64,
    is_under_way: bool,
    looked: Instant,
    lasted: Duration,
}

impl Killing {
    /// By `now` the kernel has counted so many kills.
    pub(crate) fn new(now: Instant, kills: u64) -> Killing {
        Killing { kills, is_under_way: false, looked: now, lasted: Duration::ZERO }
    }

    /// Whether somebody is being killed who still has the memory. `kills` asks the kernel, and isn't called while there is
    /// memory left.
    pub(crate) fn look<E>(
        &mut self,
        now: Instant,
        is_full: bool,
        kills: impl FnOnce() -> Result<u64, E>,
    ) -> Result<bool, E> {
        if self.is_under_way {
            self.lasted += now - self.looked;
        }
        self.looked = now;
        let kills = if is_full { kills()? } else { self.kills };
        self.is_under_way = is_full && (self.is_under_way || kills > self.kills) && self.lasted < MOST;
        self.kills = kills;
        Ok(self.is_under_way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_from_a_kill_until_there_is_memory_and_not_for_ever() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut killing = Killing::new(start, 3);
        let mut look = |ms, is_full, kills| killing.look(at(ms), is_full, || Ok::<u64, ()>(kills)).expect("it is told");
        assert!(!look(10, true, 3), "nobody was killed");
        assert!(look(20, true, 4));
        assert!(look(30, true, 4), "it still has the memory");
        assert!(!look(40, false, 4) && !look(50, true, 4), "it has ended, and memory is full again");
        assert!(look(60, true, 5));
        assert!(look(4_900, true, 5) && !look(5_100, true, 5), "that is enough");
        assert!(!look(5_200, true, 6), "for good");
    }
}
