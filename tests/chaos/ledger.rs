//! What happened in a run: what was sent, what passed between workers and queues, what was done to them, and what came back.
//! Plain data, so that the oracle can also be asked about ledgers that are made up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::jobs::Kind;

/// A moment: how long after the run began.
pub(crate) type At = Duration;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sent {
    pub(crate) job_id: String,
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    pub(crate) at: At,
}

/// How a job came into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Way {
    Plain,
    /// As a pointer to an object in S3.
    Pointer,
    /// With its receipts used up by somebody who never answered, so that the queue has moved it to the dead letters.
    Buried,
}

/// A result, as far as anything is decided by it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answer {
    pub(crate) job_id: String,
    pub(crate) message: String,
    pub(crate) execution: String,
    pub(crate) attempt: u64,
    pub(crate) redelivered: bool,
    pub(crate) verdict: String,
    /// The first test's, where there is one.
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) worker: String,
    pub(crate) lease: String,
    pub(crate) at: At,
}

/// One receipt of a message by a worker.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Receipt {
    pub(crate) message: String,
    /// How often the message had been received by then.
    pub(crate) attempt: u64,
    pub(crate) post: usize,
    /// Whether it was received from the dead letters.
    pub(crate) is_dead: bool,
    pub(crate) from: At,
    /// When its lease ends, as it was renewed last.
    pub(crate) until: At,
    /// Whether the worker has heard of it.
    pub(crate) is_told: bool,
    pub(crate) end: Option<(At, End)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum End {
    Deleted,
    /// To be handed out again at once.
    GivenBack,
    /// To be handed out again after a rest, as what a worker failed to run.
    Rests,
}

/// A result that the outgoing queue has taken.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Publication {
    pub(crate) message: String,
    pub(crate) execution: String,
    pub(crate) post: usize,
    pub(crate) at: At,
    /// Whether the worker has heard of it.
    pub(crate) is_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Side {
    Queue,
    Engine,
}

/// A request that met a fault, or whose answer nobody heard.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Hit {
    pub(crate) post: usize,
    pub(crate) side: Side,
    pub(crate) operation: String,
    pub(crate) fault: &'static str,
    /// The messages that the request was about, where it says so.
    pub(crate) messages: Vec<String>,
    pub(crate) at: At,
}

/// What goes wrong for a while, or at once where it ends when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum What {
    /// The worker is killed.
    Killed,
    /// It is told to stop, and has ended.
    Drained,
    /// It is told to stop, its calls are swallowed, and it is told once more.
    Swallowed,
    /// It is stopped (SIGSTOP), and goes on (SIGCONT).
    Suspended,
    /// Nothing comes through between it and its queues.
    BlackHole,
    /// Its engine lacks every image.
    Sick,
    /// Nobody reads its log.
    UnreadLog,
    /// The outgoing queue takes seconds for each answer.
    SlowResults,
    /// The outgoing queue doesn't answer.
    HangingResults,
    /// S3 is away.
    NoStore,
    /// Deleting is denied.
    NoDeletions,
    /// Batches are done, and the answers don't say so.
    NothingConfirmed,
    /// Batches are done in part.
    DoneInPart,
    /// The outgoing queue takes smaller messages than before, and the incoming one allows fewer receipts.
    LowerLimits,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trouble {
    pub(crate) what: What,
    /// `None`: all of them.
    pub(crate) post: Option<usize>,
    pub(crate) from: At,
    /// `None` while it goes on.
    pub(crate) until: Option<At>,
}

/// What lies among the dead letters at the end.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Letter {
    /// The id that the message had in the incoming queue.
    pub(crate) message: String,
    /// The verdict that the letter says it was answered with.
    pub(crate) answered: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Entries {
    /// By message.
    pub(crate) sent: BTreeMap<String, Sent>,
    pub(crate) answers: Vec<Answer>,
    /// The messages that have a result.
    #[serde(skip)]
    pub(crate) answered: BTreeSet<String>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) publications: Vec<Publication>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) letters: Vec<Letter>,
    /// The fewest receipts that the queue allowed a message.
    pub(crate) fewest_receipts: u64,
    /// The most messages that the workers of each post had in hand at a time.
    pub(crate) most_in_hand: Vec<usize>,
    /// What must never pass, and did.
    pub(crate) violations: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    begun: Instant,
    entries: Mutex<Entries>,
}

impl Ledger {
    pub(crate) fn new() -> Ledger {
        Ledger { begun: Instant::now(), entries: Mutex::default() }
    }

    pub(crate) fn now(&self) -> At {
        self.begun.elapsed()
    }

    /// The same of a moment that has been.
    pub(crate) fn at(&self, moment: Instant) -> At {
        moment.saturating_duration_since(self.begun)
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("nobody panics with it")
    }

    pub(crate) fn sent(&self, message: String, job_id: &str, kind: Kind, way: Way) {
        let at = self.now();
        self.entries().sent.insert(message, Sent { job_id: job_id.to_owned(), kind, way, at });
    }

    pub(crate) fn answered(&self, answer: Answer) {
        let mut entries = self.entries();
        if entries.sent.contains_key(&answer.message) {
            entries.answered.insert(answer.message.clone());
        }
        entries.answers.push(answer);
    }

    pub(crate) fn begins(&self, what: What, post: Option<usize>) {
        let from = self.now();
        self.entries().troubles.push(Trouble { what, post, from, until: None });
    }

    pub(crate) fn ends(&self, what: What, post: Option<usize>) {
        let now = self.now();
        let mut entries = self.entries();
        let open = |it: &&mut Trouble| it.what == what && it.post == post && it.until.is_none();
        entries.troubles.iter_mut().filter(open).for_each(|it| it.until = Some(now));
    }

    /// It happens, and is over.
    pub(crate) fn happens(&self, what: What, post: usize) {
        let now = self.now();
        self.entries().troubles.push(Trouble { what, post: Some(post), from: now, until: Some(now) });
    }

    /// How many messages have no result.
    pub(crate) fn unanswered(&self) -> usize {
        let entries = self.entries();
        entries.sent.len() - entries.answered.len()
    }
}

impl Entries {
    pub(crate) fn by_message(&self) -> BTreeMap<&str, Vec<&Answer>> {
        group(&self.answers, |answer| &answer.message)
    }

    pub(crate) fn by_job(&self) -> BTreeMap<&str, Vec<&Answer>> {
        group(&self.answers, |answer| &answer.job_id)
    }

    /// From sending to the first result, of messages of which this holds.
    pub(crate) fn waits(&self, which: impl Fn(&Sent) -> bool) -> Vec<Duration> {
        let answers = self.by_message();
        let which = self.sent.iter().filter(|(_, sent)| which(sent));
        let waits = which.filter_map(|(message, sent)| {
            let first = answers.get(message.as_str())?.iter().map(|answer| answer.at).min()?;
            Some(first.saturating_sub(sent.at))
        });
        let mut waits: Vec<Duration> = waits.collect();
        waits.sort_unstable();
        waits
    }
}

fn group(answers: &[Answer], key: impl Fn(&Answer) -> &str) -> BTreeMap<&str, Vec<&Answer>> {
    let mut groups: BTreeMap<&str, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        groups.entry(key(answer)).or_default().push(answer);
    }
    groups
}
