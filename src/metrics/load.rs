//! What a fleet is scaled by, from its workers' own mouths: how much of its slots each one uses, and for how much of the time something
//! keeps it from taking jobs. Both are means over the last minute, because jobs of seconds come and go between two looks.
//!
//! The queue's own count of messages in flight would not do. It counts as well what a worker only keeps because its results can't be
//! published, and what rests until it is tried again; more instances would change nothing about either.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);

/// Between two moments that are kept to count from.
const APART: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Load(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    slots: f64,
    busy: f64,
    /// `None` before the worker takes jobs and after that: then it is no part of the fleet.
    is_held_up: Option<bool>,
    /// Integrals over time, the newest last; none while it is no part of the fleet.
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    /// Slots in use while the worker wasn't held up, times seconds.
    used: f64,
    /// Seconds in which it was.
    held_up: f64,
}

/// Shares from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    pub(super) used: f64,
    pub(super) held_up: f64,
}

impl Load {
    pub(super) fn has_slots(&self, slots: usize) {
        self.change(Instant::now(), |inner| inner.slots = slots as f64);
    }

    pub(super) fn busy(&self, by: f64) {
        self.change(Instant::now(), |inner| inner.busy += by);
    }

    pub(super) fn is_held_up(&self, to: Option<bool>) {
        self.change(Instant::now(), |inner| {
            match to {
                None => inner.marks.clear(),
                Some(_) if inner.is_held_up.is_none() => {
                    inner.marks = VecDeque::from([Mark { at: Instant::now(), used: 0.0, held_up: 0.0 }]);
                }
                Some(_) => {}
            }
            inner.is_held_up = to;
        });
    }

    /// The shares of the last minute, or of the time since the worker began.
    pub(super) fn shares(&self, now: Instant) -> Option<Shares> {
        let mut inner = self.lock();
        inner.advance(now);
        while inner.marks.get(1).is_some_and(|second| now.saturating_duration_since(second.at) >= WINDOW) {
            inner.marks.pop_front();
        }
        let (first, last) = (*inner.marks.front()?, *inner.marks.back()?);
        // Kept as a place to count from later, however often somebody looks.
        let before = inner.marks.len().checked_sub(2).and_then(|index| inner.marks.get(index)).map(|mark| mark.at);
        if before.is_none_or(|before| last.at.saturating_duration_since(before) >= APART) {
            inner.marks.push_back(last);
        }
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        (seconds > 0.0 && inner.slots > 0.0).then(|| Shares {
            used: ((last.used - first.used) / seconds / inner.slots).clamp(0.0, 1.0),
            held_up: ((last.held_up - first.held_up) / seconds).clamp(0.0, 1.0),
        })
    }

    fn change(&self, now: Instant, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        inner.advance(now);
        change(&mut inner);
    }

    /// Every change is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Brings the newest mark up to now.
    fn advance(&mut self, now: Instant) {
        let (busy, is_held_up) = (self.busy, self.is_held_up == Some(true));
        let Some(last) = self.marks.back().copied() else { return };
        let passed = now.saturating_duration_since(last.at).as_secs_f64();
        let next = Mark {
            at: last.at.max(now),
            used: last.used + if is_held_up { 0.0 } else { passed * busy },
            held_up: last.held_up + if is_held_up { passed } else { 0.0 },
        };
        // The first one is where the window begins, and stays.
        if self.marks.len() == 1 {
            self.marks.push_back(next);
        } else if let Some(newest) = self.marks.back_mut() {
            *newest = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two slots, in the fleet since the beginning.
    fn load(start: Instant) -> Load {
        let load = Load::default();
        load.change(start, |inner| {
            inner.slots = 2.0;
            inner.is_held_up = Some(false);
            inner.marks.push_back(Mark { at: start, used: 0.0, held_up: 0.0 });
        });
        load
    }

    #[test]
    fn shares_are_means_over_a_minute_and_time_that_is_held_up_is_no_use() {
        let start = Instant::now();
        let (load, at) = (load(start), |seconds| start + Duration::from_secs(seconds));
        assert_eq!(load.shares(start), None, "no time has passed");
        load.change(at(10), |inner| inner.busy = 2.0);
        assert_eq!(load.shares(at(20)), Some(Shares { used: 0.5, held_up: 0.0 }));
        load.change(at(25), |inner| inner.is_held_up = Some(true));
        assert_eq!(load.shares(at(40)), Some(Shares { used: 15.0 / 40.0, held_up: 15.0 / 40.0 }));
        // From 20 on, which is the last look that is a minute ago.
        assert_eq!(load.shares(at(80)), Some(Shares { used: 5.0 / 60.0, held_up: 55.0 / 60.0 }));
        load.change(at(90), |inner| (inner.busy, inner.is_held_up) = (0.0, Some(false)));
        assert_eq!(load.shares(at(200)), Some(Shares { used: 0.0, held_up: 10.0 / 120.0 }));
    }

    #[test]
    fn a_worker_that_starts_or_stops_says_nothing() {
        let load = Load::default();
        load.has_slots(2);
        load.busy(1.0);
        assert_eq!(load.shares(Instant::now() + WINDOW), None);
        load.is_held_up(Some(false));
        assert!(load.shares(Instant::now() + WINDOW).is_some_and(|shares| shares.used > 0.4));
        load.is_held_up(None);
        assert_eq!(load.shares(Instant::now() + 2 * WINDOW), None);
    }
}
