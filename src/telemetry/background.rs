//! Lines that a thread of its own writes, so that nobody is kept waiting by whoever doesn't read them. What waits is bounded
//! in bytes. What comes beyond that is lost and counted, and told as soon as lines are taken again.
//!
//! The crate `tracing-appender` has such a thread too. But it bounds the number of lines, however long they are, it can't tell
//! in the log what it dropped, and where its queue is full at the end it prints to stdout, which may be just as unread.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::metrics;

/// What may wait to be written: minutes of an ordinary log, and little beside the rest of a worker's memory.
const MOST_BYTES: usize = 1 << 20;

/// A handle; clones write to the same place.
#[derive(Debug, Clone, Default)]
pub(super) struct Background(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Box<[u8]>>,
    /// Of all that waits.
    bytes: usize,
    /// The thread has something in hand.
    writing: bool,
    /// Lines that were lost and that nobody has been told of.
    lost: u64,
}

enum Next {
    Line(Box<[u8]>),
    Lost(u64),
}

impl Background {
    /// Starts the thread that writes to `out`, for as long as the process lives. `tell_lost` is told there how many lines were
    /// lost, once all that waited is written.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        tell_lost: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Background> {
        let background = Background::default();
        let writer = background.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(out, tell_lost))?;
        Ok(background)
    }

    /// Takes a line to be written, or loses it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.bytes + line.len() > MOST_BYTES {
            state.lost += 1;
            return metrics::log_line_lost();
        }
        state.bytes += line.len();
        state.waiting.push_back(line.into());
        self.0.changed.notify_all();
    }

    /// Waits until all is written, but no longer than `limit`; whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let is_busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        let waited = self.0.changed.wait_timeout_while(self.lock(), limit, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn run(&self, mut out: impl Write, tell_lost: impl Fn(u64)) {
        let mut works = true;
        loop {
            match self.next(works) {
                Next::Line(line) => {
                    works = out.write_all(&line).and_then(|()| out.flush()).is_ok();
                    if !works {
                        self.lock().lost += 1;
                        metrics::log_line_lost();
                    }
                }
                Next::Lost(lines) => tell_lost(lines),
            }
        }
    }

    /// Waits for something to do. What was lost is told to no place that takes nothing: that would be one more lost line.
    fn next(&self, works: bool) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.waiting.pop_front() {
                state.bytes -= line.len();
                state.writing = true;
                return Next::Line(line);
            }
            if works && state.lost > 0 {
                state.writing = true;
                return Next::Lost(std::mem::take(&mut state.lost));
            }
            state.writing = false;
            self.0.changed.notify_all();
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Every change is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a formatter writes at once is a line.
impl Write for Background {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Far above what a thread needs on a busy machine; it decides nothing else.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes each line only when it is let, and then does as it is told.
    struct Gate {
        permits: Receiver<io::Result<()>>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.permits.recv().map_err(io::Error::other)??;
            self.taken.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Setup {
        background: Background,
        permits: Sender<io::Result<()>>,
        taken: Receiver<Vec<u8>>,
        lost: Receiver<u64>,
    }

    fn setup() -> Setup {
        let ((permits, permitted), (took, taken), (lose, lost)) = (channel(), channel(), channel());
        let gate = Gate { permits: permitted, taken: took };
        let tell = move |lines| lose.send(lines).expect("the test is still there");
        let background = Background::start(gate, tell).expect("there can be one more thread");
        Setup { background, permits, taken, lost }
    }

    impl Setup {
        fn let_through(&self, lines: usize) -> Vec<Vec<u8>> {
            (0..lines).for_each(|_| self.permits.send(Ok(())).expect("the thread is there"));
            (0..lines).map(|_| self.taken.recv_timeout(PATIENCE).expect("a line was let through")).collect()
        }
    }

    #[test]
    fn a_place_that_takes_nothing_keeps_nobody_waiting_and_what_was_lost_is_told_once_when_it_takes_again() {
        let it = setup();
        let line = |number: usize| format!("{number:0>1023}\n").into_bytes();
        let sent = 2 * MOST_BYTES / 1_024;
        (0..sent).for_each(|number| it.background.push(&line(number)));
        assert!(!it.background.flush(Duration::from_millis(1)), "nothing was taken");
        assert!(it.lost.try_recv().is_err(), "nobody would hear it");

        let kept = {
            let state = it.background.lock();
            state.waiting.len() + usize::from(state.writing)
        };
        assert!(kept >= MOST_BYTES / 1_024, "only {kept} lines were kept");
        let taken = it.let_through(kept);
        assert!((0..kept - 1).all(|number| taken[number] == line(number)), "the first are kept, in their order");
        assert_eq!(it.lost.recv_timeout(PATIENCE), Ok((sent - kept) as u64));
        assert!(it.background.flush(PATIENCE) && it.lost.try_recv().is_err(), "it is told once");

        it.background.push(b"more\n");
        assert_eq!(it.let_through(1), [b"more\n"]);
        assert!(it.background.flush(PATIENCE) && it.lost.try_recv().is_err());
    }

    #[test]
    fn a_place_that_fails_loses_lines_until_it_works_again_and_is_told_then() {
        let it = setup();
        for _ in 0..3 {
            it.background.push(b"lost\n");
            it.permits.send(Err(io::ErrorKind::BrokenPipe.into())).expect("the thread is there");
        }
        assert!(it.background.flush(PATIENCE), "a failure is an end, too");
        assert!(it.lost.try_recv().is_err(), "nobody would hear it");
        it.background.push(b"here\n");
        assert_eq!(it.let_through(1), [b"here\n"]);
        assert_eq!(it.lost.recv_timeout(PATIENCE), Ok(3));
    }
}
