//! Reading what the kernel says of a process: what its threads are doing at this moment.
//!
//! The parsers take text and know nothing of files, so that they are tested on recorded text; the agent does the reading.

/// What a thread is doing, as far as its CPU time and its waiting are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or it could and has no CPU.
    Runnable,
    /// It waits for something that no signal interrupts: for a disk, nearly always.
    Uninterruptible,
    /// It waits for something else, was stopped, or has ended.
    Asleep,
}

/// What a thread that isn't runnable waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A file system.
    Files,
    /// Another program, a time, input: whatever is the program's own business.
    Other,
    /// The kernel doesn't tell at this moment, and will in a while.
    Unknown,
}

/// What of a `stat` file of a process or a thread is of use here (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The third field.
    pub state: State,
    /// Of the whole process: the twentieth field.
    pub threads: u64,
    /// Whether the reader may know what the kernel only tells of processes that don't hide (prctl(2), `PR_SET_DUMPABLE`): the
    /// address of the program's code, the twenty-sixth field, is 1 for others and 0 for what has ended.
    pub is_open: bool,
}

impl Stat {
    /// The second field is the name in brackets, which may hold anything, brackets and blanks too.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let name_end = text.iter().rposition(|&byte| byte == b')')?;
        let mut fields =
            text[name_end + 1..].split(|byte| byte.is_ascii_whitespace()).filter(|field| !field.is_empty());
        let state = match fields.next()? {
            b"R" => State::Runnable,
            b"D" => State::Uninterruptible,
            _ => State::Asleep,
        };
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<u64>().ok();
        let threads = number(fields.nth(16)?)?;
        let code = number(fields.nth(5)?)?;
        Some(Stat { state, threads, is_open: code > 1 })
    }

    /// What the thread waits for, by the name of the kernel's function that it waits in (its file `wchan`,
    /// proc_pid_wchan(5)).
    ///
    /// A thread whose `vfork` waits for the child is uninterruptible too, and that is no disk; whoever hides gets no credit
    /// for waiting. `0` is what an open one has on its way to sleep or back; on a busy host that lasts, since a thread that
    /// had more than its share stays in the scheduler's queue for a while after it fell asleep (Linux 6.12, `DELAY_DEQUEUE`
    /// in kernel/sched/features.h). What a file system in user space answers is waited for interruptibly at first:
    /// fuse-overlayfs keeps images that way. The names were read on Linux 6.18.
    pub fn waits_for(&self, function: &[u8]) -> WaitsFor {
        match (self.state, function) {
            (State::Uninterruptible, b"kernel_clone" | b"wait_for_vfork_done") => WaitsFor::Other,
            (State::Uninterruptible, _) if self.is_open => WaitsFor::Files,
            (State::Asleep, b"request_wait_answer") => WaitsFor::Files,
            (State::Asleep, b"0") if self.is_open => WaitsFor::Unknown,
            _ => WaitsFor::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on Linux 6.18, behind the state.
    const OPEN: &str = "1 7 7 0 -1 4194304 312 0 68 0 2 4 0 0 20 0 3 0 168094 6852608 1008 18446744073709551615 \
        94901217632256 94901217825521 140725303221648 0 0 0 0 0 0 1 0 0 17 0 0 0 0 0 0";
    /// The same of a process that hides.
    const HIDDEN: &str = "1 7 7 0 -1 4194304 312 0 68 0 2 4 0 0 20 0 3 0 168094 6852608 1008 18446744073709551615 1 1 0 0 0 0 \
        0 0 0 0 0 0 17 0 0 0 0 0 0";

    fn stat(state: &str, rest: &str) -> Stat {
        Stat::parse(format!("27 (main) {state} {rest}\n").as_bytes()).expect("it is whole")
    }

    #[test]
    fn a_state_is_read_behind_whatever_the_program_calls_itself() {
        for (letter, state) in [
            ("R", State::Runnable),
            ("D", State::Uninterruptible),
            ("S", State::Asleep),
            ("T", State::Asleep),
            ("Z", State::Asleep),
        ] {
            for name in ["main", ") R 1 (", "a b\nc", ")"] {
                let text = format!("27 ({name}) {letter} {OPEN}\n");
                assert_eq!(Stat::parse(text.as_bytes()), Some(Stat { state, threads: 3, is_open: true }), "{text:?}");
            }
        }
        let cut = format!("27 (main) R {}", &OPEN[..60]);
        let wordy = format!("27 (main) R {}", OPEN.replace(" 3 ", " x "));
        for nothing in ["", "27 (main) R 1 1", "27 main R", &cut, &wordy] {
            assert_eq!(Stat::parse(nothing.as_bytes()), None, "{nothing:?}");
        }
    }

    #[test]
    fn what_is_waited_for_is_known_where_the_kernel_tells() {
        for (state, rest, function, expected) in [
            ("D", OPEN, "folio_wait_bit_common", WaitsFor::Files),
            ("D", OPEN, "0", WaitsFor::Files),
            ("S", OPEN, "request_wait_answer", WaitsFor::Files),
            ("D", OPEN, "kernel_clone", WaitsFor::Other),
            ("D", HIDDEN, "0", WaitsFor::Other),
            ("D", HIDDEN, "folio_wait_bit_common", WaitsFor::Other),
            ("S", OPEN, "0", WaitsFor::Unknown),
            ("S", HIDDEN, "0", WaitsFor::Other),
            // Such a file is empty where there is none, as under gVisor.
            ("S", OPEN, "", WaitsFor::Other),
            ("S", OPEN, "hrtimer_nanosleep", WaitsFor::Other),
            ("R", OPEN, "request_wait_answer", WaitsFor::Other),
        ] {
            assert_eq!(stat(state, rest).waits_for(function.as_bytes()), expected, "{state} {function}");
        }
        // What has ended and is not yet taken in.
        let ended = stat("Z", &OPEN.replace("94901217632256", "0"));
        assert_eq!(ended.waits_for(b"0"), WaitsFor::Other);
    }
}
