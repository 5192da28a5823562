//! The end of a program: all processes of the container but PID 1 are killed and taken in.

use std::io;
use std::time::{Duration, Instant};

use crate::sys;

/// How long the kernel may take to end killed processes. Longer means one stuck inside the kernel, and then only the end
/// of the container helps.
pub(crate) const SWEEP: Duration = Duration::from_secs(5);

/// How many of the dead are taken in at a time: more than a container may have processes.
pub(crate) const MOST_ENDED: usize = 4_096;

/// Ends a process of its own as it ends a program's, before there is a program. Where something refuses that, as an AppArmor
/// profile does that knows the container by another name, no limit could be kept, and each program would be blamed for it.
pub(crate) fn prove() -> io::Result<()> {
    sys::start_idle_child()?;
    Swept::default().sweep()
}

/// What the dead of a step tell.
#[derive(Default)]
pub(crate) struct Swept {
    /// The highest resident size among the dead, in bytes.
    pub(crate) resident_peak: u64,
    /// How often the kernel took the CPU from one of them.
    pub(crate) involuntary_switches: u64,
    /// How many had not ended by themselves.
    pub(crate) killed: u64,
}

impl Swept {
    /// Kills until nobody is left. A kill that is refused is refused again, so it is the end: on a host that logs refusals each
    /// further one would be a line of its log.
    pub(crate) fn sweep(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + SWEEP;
        // Those that have ended by themselves and had nobody to wait for them. Not for ever: a program may make them as fast
        // as they are taken in.
        self.reap(MOST_ENDED)?;
        self.killed = 0;
        loop {
            sys::kill_everyone()?;
            if self.reap(usize::MAX)? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            // Wakes for nothing but time: the dying are waited for a millisecond at a time.
            sys::poll(&mut [], 1)?;
        }
    }

    /// Takes in who has ended, up to `most` of them. Whether nobody is left.
    fn reap(&mut self, most: usize) -> io::Result<bool> {
        for _ in 0..most {
            match sys::reap(-1) {
                Ok(Some(reaped)) => {
                    self.count(&reaped);
                    self.killed += 1;
                }
                Ok(None) => return Ok(false),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    pub(crate) fn count(&mut self, dead: &sys::Reaped) {
        self.resident_peak = self.resident_peak.max(dead.resident_peak);
        self.involuntary_switches += dead.involuntary_switches;
    }
}
