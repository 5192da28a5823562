//! The queue in memory, what happened to its messages, and what must hold of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::dead_letters::ANSWERED;
use crate::queue::letter::{Attribute, Content, Letter};
use crate::queue::{BATCH, Message};
use crate::trace::Trace;

/// Of the incoming queue and of its dead letters.
pub(super) const ARN: &str = "arn:model:jobs";
pub(super) const DEAD_ARN: &str = "arn:model:dead";

pub(super) const VISIBILITY: Duration = Duration::from_secs(60);

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded, and good enough to choose faults.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True that often in a thousand.
    pub(super) fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1_000) < per_mille
    }

    pub(super) fn split(&mut self) -> Rng {
        Rng(self.next())
    }
}

#[derive(Debug)]
struct Stored {
    id: String,
    receive_count: u64,
    visible_at: Instant,
    /// The newest receipt.
    handle: String,
    state: Place,
    /// Whether it was once handed out without being hidden, so that two may hold it with good receipts.
    doubled: bool,
    /// In the dead letters: whether a worker put it there and said that it was answered.
    marked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Queue,
    Deleted,
    DeadLetters,
}

/// A result on the outgoing queue.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) message: String,
    pub(super) execution: String,
    pub(super) attempt: u64,
    pub(super) verdict: String,
}

#[derive(Debug, Default)]
struct State {
    messages: Vec<Stored>,
    results: Vec<Published>,
    /// Failures of ours that a pretended engine made, by message.
    failures: usize,
    faults: usize,
    crashes: usize,
    violations: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct World {
    faulty: AtomicBool,
    max_receive_count: Option<u64>,
    state: Mutex<State>,
}

/// What a job of that name truly does.
pub(super) fn truth(job_id: &str) -> &'static str {
    if job_id.len().is_multiple_of(2) { "accepted" } else { "wrong_answer" }
}

impl World {
    pub(super) fn new(rng: &mut Rng) -> Arc<World> {
        let max_receive_count = [None, Some(1), Some(2), Some(5), Some(50), Some(50)][rng.below(6)];
        let now = Instant::now();
        let mut arrival = rng.split();
        let stored = |index: usize| Stored {
            id: format!("m{}", "x".repeat(index)),
            receive_count: 0,
            visible_at: now + Duration::from_secs(arrival.below(300) as u64),
            handle: String::new(),
            state: Place::Queue,
            doubled: false,
            marked: false,
        };
        let messages = (0..1 + rng.below(15)).map(stored).collect();
        let state = Mutex::new(State { messages, ..State::default() });
        Arc::new(World { faulty: AtomicBool::new(true), max_receive_count, state })
    }

    pub(super) fn max_receive_count(&self) -> Option<u64> {
        self.max_receive_count
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.faulty.load(Ordering::Relaxed)
    }

    /// From now on nothing fails.
    pub(super) fn calm(&self) {
        self.faulty.store(false, Ordering::Relaxed);
    }

    pub(super) fn note_fault(&self) {
        self.lock().faults += 1;
    }

    pub(super) fn note_crash(&self) {
        self.lock().crashes += 1;
    }

    pub(super) fn note_failure(&self) {
        self.lock().failures += 1;
    }

    pub(super) fn violated(&self, what: impl Into<String>) {
        self.lock().violations.insert(what.into());
    }

    /// Hands out what is visible; `doubling` leaves it visible.
    pub(super) fn take(&self, count: usize, visibility: Duration, doubling: bool) -> Vec<Message> {
        let now = Instant::now();
        let mut taken = Vec::new();
        for stored in &mut self.lock().messages {
            if taken.len() == count || stored.state != Place::Queue || stored.visible_at > now {
                continue;
            }
            if self.max_receive_count.is_some_and(|most| stored.receive_count >= most) {
                stored.state = Place::DeadLetters;
                continue;
            }
            stored.receive_count += 1;
            stored.handle = format!("{}#{}", stored.id, stored.receive_count);
            stored.doubled |= doubling;
            if !doubling {
                stored.visible_at = now + visibility;
            }
            taken.push(Message {
                id: stored.id.clone(),
                receipt_handle: stored.handle.clone(),
                body: body(&stored.id),
                receive_count: stored.receive_count,
                sent: None,
                group: None,
                sender: None,
                trace: Trace::default(),
            });
        }
        taken
    }

    /// What a queue does with a receipt, newest or not: `true` when it is still good.
    pub(super) fn hide(&self, handle: &str, to: Duration) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(stored) = state.messages.iter_mut().find(|stored| stored.handle == handle) else { return false };
        if stored.state != Place::Queue || stored.visible_at <= now && !stored.doubled {
            return false;
        }
        stored.visible_at = now + to;
        true
    }

    pub(super) fn delete(&self, handle: &str) {
        let mut state = self.lock();
        let id = handle.split('#').next().unwrap_or_default().to_owned();
        if !state.results.iter().any(|result| result.message == id) {
            state.violations.insert(format!("{id} was deleted and nobody has its result"));
        }
        if let Some(stored) = state.messages.iter_mut().find(|stored| stored.id == id && stored.state == Place::Queue) {
            stored.state = Place::Deleted;
        }
    }

    /// Dead letters that are visible.
    pub(super) fn dead_letters(&self) -> u64 {
        let now = Instant::now();
        let is_there = |stored: &&Stored| stored.state == Place::DeadLetters && stored.visible_at <= now;
        self.lock().messages.iter().filter(is_there).count() as u64
    }

    /// Hands out up to ten of them.
    pub(super) fn take_dead_letters(&self, visibility: Duration) -> Vec<Letter> {
        let now = Instant::now();
        let mut state = self.lock();
        let there =
            state.messages.iter_mut().filter(|stored| stored.state == Place::DeadLetters && stored.visible_at <= now);
        there
            .take(BATCH)
            .map(|stored| {
                stored.receive_count += 1;
                stored.visible_at = now + visibility;
                stored.handle = format!("{}#{}", stored.id, stored.receive_count);
                let text =
                    Attribute { data_type: "String".to_owned(), content: Content::Text("internal_error".to_owned()) };
                Letter {
                    id: stored.id.clone(),
                    receipt_handle: stored.handle.clone(),
                    body: body(&stored.id),
                    attributes: stored.marked.then(|| (ANSWERED.to_owned(), text)).into_iter().collect(),
                    group: None,
                    trace: None,
                    receive_count: stored.receive_count,
                    sent: None,
                    sender: None,
                    source_arn: Some(ARN.to_owned()),
                }
            })
            .collect()
    }

    pub(super) fn give_back_dead_letter(&self, handle: &str) {
        if let Some(stored) = self.lock().messages.iter_mut().find(|stored| stored.handle == handle) {
            stored.visible_at = Instant::now();
        }
    }

    /// A letter that a worker puts among the dead ones. One message has one place here, so this moves it.
    pub(super) fn put_dead_letter(&self, id: &str) {
        let mut state = self.lock();
        if !state.results.iter().any(|result| result.message == id) {
            state.violations.insert(format!("{id} was said to be answered and nobody has its result"));
        }
        if let Some(stored) = state.messages.iter_mut().find(|stored| stored.id == id) {
            stored.marked = true;
            if stored.state == Place::Deleted {
                stored.state = Place::DeadLetters;
            }
        }
    }

    pub(super) fn publish(&self, result: Published) {
        let mut state = self.lock();
        if result.verdict == "internal_error" {
            let least = self.max_receive_count.unwrap_or(11);
            if result.attempt < least {
                state.violations.insert(format!("{result:?}: given up before the last attempt"));
            }
        } else if result.verdict != truth(&result.message) {
            state.violations.insert(format!("{result:?}: not what the job does"));
        }
        state.results.push(result);
    }

    /// Whoever says that a message was certainly his must be right.
    pub(super) fn check_held(&self, message: &str, attempt: u64) {
        let mut state = self.lock();
        let Some(stored) = state.messages.iter().find(|stored| stored.id == message) else { return };
        let others = stored.receive_count != attempt || stored.visible_at <= Instant::now();
        if others && !stored.doubled && stored.state == Place::Queue {
            state.violations.insert(format!("{message}: published as held, and others could have had it"));
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        let state = self.lock();
        let is_answered = |id: &str| state.results.iter().any(|result| result.message == id);
        state.messages.iter().all(|stored| match stored.state {
            Place::Queue => false,
            Place::DeadLetters => is_answered(&stored.id),
            Place::Deleted => true,
        })
    }

    /// What must hold at the end; what happened, when it does.
    pub(super) fn verdict(&self) -> Result<String, String> {
        let state = self.lock();
        let mut violations = state.violations.clone();
        let mut extra = 0;
        for stored in &state.messages {
            let mut executions: BTreeMap<&str, u64> = BTreeMap::new();
            for result in state.results.iter().filter(|result| result.message == stored.id) {
                executions.insert(&result.execution, result.attempt);
            }
            match stored.state {
                Place::Queue => _ = violations.insert(format!("{stored:?}: never settled")),
                Place::Deleted | Place::DeadLetters if executions.is_empty() => {
                    violations.insert(format!("{}: gone without a result", stored.id));
                }
                Place::Deleted | Place::DeadLetters => {}
            }
            extra += executions.len().saturating_sub(1);
            if executions.values().filter(|attempt| **attempt == 1).count() > 1 {
                violations.insert(format!("{}: two executions say that they are the first", stored.id));
            }
        }
        let causes = state.faults + state.crashes + state.failures;
        if extra > causes {
            violations.insert(format!("{extra} results too many, from {causes} faults"));
        }
        if !violations.is_empty() {
            return Err(format!("{violations:#?}\n{:#?}\n{:#?}", state.messages, state.results));
        }
        Ok(format!(
            "{} messages, {} results, {extra} too many; {} faults, {} crashes, {} failures of the engine",
            state.messages.len(),
            state.results.len(),
            state.faults,
            state.crashes,
            state.failures
        ))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn body(id: &str) -> String {
    format!(r#"{{ "id": "{id}", "language": "any", "files": [{{ "path": "main", "content": "" }}] }}"#)
}
