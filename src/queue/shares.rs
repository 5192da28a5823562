//! Who is asked next, when there are several incoming queues: the rule alone, without clocks, queues or tasks.
//!
//! A queue is *busy* when its last answer held a message, and *quiet* otherwise.
//!
//! - Among busy queues, permits are handed out by weight (stride scheduling): each message received moves its queue on by
//!   the inverse of its weight, and the queue that is furthest behind is asked next. Answers that hold less than was
//!   asked for are paid back, so it is messages that are shared, not questions.
//! - A quiet queue has no share and saves none up: when it becomes busy it starts where the others are.
//! - While some queue is busy, each quiet one is asked now and then with one permit and without waiting, so that its
//!   first message is found. Permits are never put aside for it.
//! - When all are quiet, each is long-polled with one permit. With fewer permits than queues they take turns.
//!
//! Polls are short when there are several queues: a permit that waits at one queue is missing at the others.

use std::time::Duration;

use tokio::time::Instant;

use super::BATCH;

/// How long a poll of a quiet queue waits, when there are permits for all of them. It is also the longest that a slot can
/// be missing at another queue.
const IDLE_WAIT: Duration = Duration::from_secs(2);

/// The same while they take turns: the longest that the first message of one waits for each queue before it. The queue
/// counts in whole seconds.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// How often a quiet queue is asked while another is busy. Ten requests a second cost about a dollar in three days.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// What one message of a queue of weight 1 costs. Divisible enough that no weight up to 100 is off by a millionth.
const STRIDE: i64 = 1 << 32;

/// One question to one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) source: usize,
    /// At least 1, at most what a receive can ask for.
    pub(super) permits: usize,
    pub(super) wait: Wait,
}

/// How long a poll may wait for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as is configured: there is no other queue.
    Full,
    AtMost(Duration),
}

#[derive(Debug)]
pub(super) struct Shares {
    sources: Vec<Source>,
    /// How far the queue that was served last had come: where one that joins begins.
    reached: i64,
    /// Permits of the questions under way.
    asked: usize,
}

#[derive(Debug)]
struct Source {
    stride: i64,
    /// Messages received and asked for, in strides.
    passed: i64,
    is_busy: bool,
    /// Questions under way.
    polls: usize,
    asked: Option<Instant>,
    /// Not to be asked before, after a failure.
    rests_until: Option<Instant>,
}

impl Source {
    fn is_awake(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| asked + PROBE_EVERY <= now)
    }
}

impl Shares {
    /// One weight for each queue, all at least 1.
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Shares {
        let source = |weight: u32| Source {
            stride: STRIDE / i64::from(weight.max(1)),
            passed: 0,
            is_busy: false,
            polls: 0,
            asked: None,
            rests_until: None,
        };
        Shares { sources: weights.into_iter().map(source).collect(), reached: 0, asked: 0 }
    }

    /// How many free permits it can make use of now.
    pub(super) fn wanted(&self) -> usize {
        match self.sources.as_slice() {
            [only] if only.polls > 0 => 0,
            sources => sources.len() * BATCH,
        }
    }

    /// How many permits the questions under way have.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// What to ask with `free` permits. Together never more than those.
    pub(super) fn grant(&mut self, free: usize, now: Instant) -> Vec<Grant> {
        if let [only] = self.sources.as_slice() {
            let may = only.polls == 0 && only.is_awake(now) && free > 0;
            let whole = Grant { source: 0, permits: free.min(BATCH), wait: Wait::Full };
            return if may { vec![self.ask(whole, now)] } else { Vec::new() };
        }
        let mut free = free;
        let mut grants = self.ask_quiet(&mut free, now);
        grants.extend(self.ask_busy(free, now));
        grants
    }

    fn ask_quiet(&mut self, free: &mut usize, now: Instant) -> Vec<Grant> {
        let someone_is_busy = self.busy(now).next().is_some();
        let mut quiet: Vec<usize> = self.indices(|it| !it.is_busy && it.polls == 0 && it.is_awake(now)).collect();
        let wait = match someone_is_busy {
            true => Duration::ZERO,
            false if *free >= quiet.len() => IDLE_WAIT,
            false => TURN_WAIT,
        };
        if someone_is_busy {
            quiet.retain(|index| self.sources[*index].is_due(now));
        }
        // Who waits longest comes first; of those that wait as long, the one with the greater weight.
        quiet.sort_by_key(|index| (self.sources[*index].asked, self.sources[*index].stride));
        let mut grants = Vec::new();
        for source in quiet.into_iter().take(*free) {
            self.sources[source].passed = self.sources[source].passed.max(self.reached);
            grants.push(self.ask(Grant { source, permits: 1, wait: Wait::AtMost(wait) }, now));
        }
        *free -= grants.len();
        grants
    }

    fn ask_busy(&mut self, free: usize, now: Instant) -> Vec<Grant> {
        let mut counts = vec![0_usize; self.sources.len()];
        for _ in 0..free {
            let behind = self.busy(now).min_by_key(|index| (self.sources[*index].passed, self.sources[*index].stride));
            let Some(source) = behind else { break };
            self.reached = self.reached.max(self.sources[source].passed);
            self.sources[source].passed += self.sources[source].stride;
            counts[source] += 1;
        }
        let mut grants = Vec::new();
        for (source, count) in counts.into_iter().enumerate() {
            let mut left = count;
            while left > 0 {
                let permits = left.min(BATCH);
                // It is paid for already.
                self.sources[source].passed -= self.cost(source, permits);
                grants.push(self.ask(Grant { source, permits, wait: Wait::AtMost(Duration::ZERO) }, now));
                left -= permits;
            }
        }
        grants
    }

    fn ask(&mut self, grant: Grant, now: Instant) -> Grant {
        let cost = self.cost(grant.source, grant.permits);
        self.asked += grant.permits;
        let source = &mut self.sources[grant.source];
        source.passed += cost;
        source.polls += 1;
        source.asked = Some(now);
        grant
    }

    /// A question was answered with `received` messages.
    pub(super) fn answered(&mut self, grant: Grant, received: usize) {
        self.asked -= grant.permits;
        let unused = self.cost(grant.source, grant.permits.saturating_sub(received));
        let source = &mut self.sources[grant.source];
        source.polls -= 1;
        source.passed -= unused;
        source.is_busy = received > 0;
        source.rests_until = None;
    }

    /// A question failed; the queue is left alone until then. The others go on.
    pub(super) fn failed(&mut self, grant: Grant, until: Instant) {
        self.answered(grant, 0);
        self.sources[grant.source].rests_until = Some(until);
    }

    /// When to ask [`Shares::grant`] again although nothing has happened: a rest ends, or a quiet queue is due.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let someone_is_busy = self.busy(now).next().is_some();
        let idle = self.sources.iter().filter(|it| it.polls == 0);
        idle.filter_map(|it| match it.rests_until {
            Some(until) if until > now => Some(until),
            _ if !it.is_busy && someone_is_busy => it.asked.map(|asked| asked + PROBE_EVERY),
            _ => None,
        })
        .min()
    }

    fn cost(&self, source: usize, messages: usize) -> i64 {
        self.sources[source].stride.saturating_mul(i64::try_from(messages).unwrap_or(i64::MAX))
    }

    fn busy(&self, now: Instant) -> impl Iterator<Item = usize> {
        self.indices(move |it| it.is_busy && it.is_awake(now))
    }

    fn indices(&self, which: impl Fn(&Source) -> bool) -> impl Iterator<Item = usize> {
        self.sources.iter().enumerate().filter(move |(_, source)| which(source)).map(|(index, _)| index)
    }
}

#[cfg(test)]
#[path = "shares/tests.rs"]
mod tests;
