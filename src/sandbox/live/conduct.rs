//! How a job behaved in its sandbox, as far as it decides whether the container may be started again.
//!
//! None of this keeps jobs apart: what a job leaves in a container is gone with its last process, its mounts and its
//! namespaces. It is there so that what looks like an attempt at more never gets a second life to show it in.

use crate::protocol::{Ended, StepEnding};

#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// A request was begun and its end not seen.
    is_open: bool,
    was_odd: bool,
}

/// How the kernel words its last resort.
const SIGKILL: i32 = 9;

impl Conduct {
    /// A request to the agent begins. If nothing more is heard of it, the conversation didn't end in order.
    pub(super) fn begins(&mut self) {
        self.is_open = true;
    }

    /// The request that was begun is done, as far as the agent has to say something.
    pub(super) fn is_done(&mut self) {
        self.is_open = false;
    }

    /// A step that was begun has ended.
    pub(super) fn has_run(&mut self, ended: &Ended) {
        self.is_done();
        self.was_odd |= !is_ordinary(ended);
    }

    pub(super) fn misbehaved(&mut self) {
        self.was_odd = true;
    }

    /// Whether every program ended by itself, alone, and left room, and the agent is in a read.
    pub(super) fn is_orderly(&self) -> bool {
        !self.is_open && !self.was_odd
    }
}

/// Whatever the verdict: the program ended by itself, and nobody had to be stopped with it or behind it.
fn is_ordinary(ended: &Ended) -> bool {
    let by_itself = match ended.ending {
        StepEnding::Exited(_) => true,
        // By the agent for a limit, by the kernel for want of memory, or by the program's own choice: not told apart.
        StepEnding::Signalled(signal) => signal != SIGKILL,
        StepEnding::NotStarted(_) => false,
    };
    by_itself && ended.oom_kills == 0 && ended.killed_processes == 0 && ended.full_places == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ended: Ended) -> bool {
        let mut conduct = Conduct::default();
        conduct.begins();
        assert!(!conduct.is_orderly(), "it isn't over");
        conduct.has_run(&ended);
        conduct.begins();
        conduct.has_run(&Ended::default());
        conduct.is_orderly()
    }

    #[test]
    fn a_job_is_orderly_when_each_of_its_programs_ended_by_itself_and_alone() {
        let with = |ending| Ended { ending, ..Ended::default() };
        assert!(Conduct::default().is_orderly());
        assert!(after(with(StepEnding::Exited(0))) && after(with(StepEnding::Exited(3))));
        assert!(after(with(StepEnding::Signalled(11))), "a crash is the program's own end");
        assert!(!after(with(StepEnding::Signalled(SIGKILL))) && !after(with(StepEnding::NotStarted(2))));
        assert!(!after(Ended { oom_kills: 1, ..Ended::default() }));
        assert!(!after(Ended { killed_processes: 1, ..Ended::default() }));
        assert!(!after(Ended { full_places: 1, ..Ended::default() }));
    }
}
