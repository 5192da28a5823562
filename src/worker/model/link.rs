//! A worker's way to the queue: where calls fail, and where a worker dies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::MAXIMUM_MESSAGE_BYTES;
use super::world::{ARN, DEAD_ARN, Published, Rng, VISIBILITY, World};
use crate::queue::letter::Letter;
use crate::queue::{Attributes, Letters, Message, Outgoing, Queue, QueueError, Refused};

/// Steps of a worker's life, each a moment at which it may end: before and after every effect on the world.
#[derive(Debug)]
pub(super) struct Life {
    steps: AtomicUsize,
    dies_at: Option<usize>,
    end: CancellationToken,
}

impl Life {
    pub(super) fn new(dies_at: Option<usize>) -> Arc<Life> {
        Arc::new(Life { steps: AtomicUsize::new(0), dies_at, end: CancellationToken::new() })
    }

    pub(super) fn end(&self) {
        self.end.cancel();
    }

    pub(super) async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Returns only while the worker lives.
    pub(super) async fn step(&self) {
        if self.dies_at == Some(self.steps.fetch_add(1, Ordering::Relaxed)) {
            self.end.cancel();
        }
        if self.end.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Incoming,
    Outgoing,
}

#[derive(Debug)]
pub(super) struct Link {
    world: Arc<World>,
    side: Side,
    life: Arc<Life>,
    rng: Mutex<Rng>,
    /// Until when every call meets the same fault.
    spell: Mutex<Option<(Fault, Instant)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It fails and nothing has happened.
    Refused,
    /// It happens, and the answer is lost.
    Swallowed,
    /// It happens after a while.
    Late,
    /// It happens, and the answer comes after a while.
    Slow,
}

const FAULTS: [Fault; 4] = [Fault::Refused, Fault::Swallowed, Fault::Late, Fault::Slow];

impl Link {
    pub(super) fn new(world: Arc<World>, side: Side, life: Arc<Life>, rng: Rng) -> Link {
        Link { world, side, life, rng: Mutex::new(rng), spell: Mutex::default() }
    }

    fn chance(&self, per_mille: usize) -> bool {
        self.world.is_faulty() && lock(&self.rng).chance(per_mille)
    }

    /// What goes wrong with the next call, if anything: now and then one call, and now and then every call for minutes.
    fn fault(&self) -> Option<Fault> {
        let mut spell = lock(&self.spell);
        if let Some((fault, until)) = *spell
            && self.world.is_faulty()
            && Instant::now() < until
        {
            self.world.note_fault();
            return Some(fault);
        }
        if !self.chance(120) {
            return None;
        }
        let fault = FAULTS[lock(&self.rng).below(FAULTS.len())];
        *spell = self.chance(200).then(|| (fault, Instant::now() + self.some_time()));
        self.world.note_fault();
        Some(fault)
    }

    /// Up to twice the visibility timeout.
    fn some_time(&self) -> Duration {
        Duration::from_millis(lock(&self.rng).below(2 * VISIBILITY.as_millis() as usize) as u64)
    }

    /// One call: faults and deaths around its effect.
    async fn call<T>(&self, operation: &'static str, effect: impl FnOnce() -> T + Send) -> Result<T, QueueError> {
        let error = |reason: &str| QueueError { operation, reason: reason.to_owned(), code: None };
        self.life.step().await;
        let fault = self.fault();
        if fault == Some(Fault::Refused) {
            return Err(error("the service is unavailable"));
        }
        if fault == Some(Fault::Late) {
            tokio::time::sleep(self.some_time()).await;
            self.life.step().await;
        }
        let value = effect();
        if fault == Some(Fault::Slow) {
            tokio::time::sleep(self.some_time()).await;
        }
        self.life.step().await;
        if fault == Some(Fault::Swallowed) { Err(error("no answer came")) } else { Ok(value) }
    }

    /// For a batch's entry: refused by itself, for no lasting reason.
    fn refuses(&self) -> bool {
        let refuses = self.chance(30);
        if refuses {
            self.world.note_fault();
        }
        refuses
    }

    fn each(&self, count: usize, mut effect: impl FnMut(usize) -> Option<&'static str>) -> Vec<Refused> {
        let mut refused = Vec::new();
        for index in 0..count {
            let code = if self.refuses() { Some("InternalError") } else { effect(index) };
            if let Some(code) = code {
                refused.push(Refused { index, code: code.to_owned(), reason: code.to_owned() });
            }
        }
        refused
    }
}

impl Queue for Link {
    fn url(&self) -> &str {
        "model"
    }

    fn attributes(&self) -> BoxFuture<'_, Result<Attributes, QueueError>> {
        let effect = || Attributes {
            maximum_message_bytes: MAXIMUM_MESSAGE_BYTES,
            max_receive_count: self.world.max_receive_count().filter(|_| self.side == Side::Incoming),
            dead_letter_arn: self.world.max_receive_count().map(|_| DEAD_ARN.to_owned()),
            arn: Some(ARN.to_owned()),
            retention_s: None,
        };
        self.call("read the queue's attributes", effect).boxed()
    }

    fn letters_of<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Arc<dyn Letters>, QueueError>> {
        let rng = lock(&self.rng).split();
        let link = Link::new(self.world.clone(), self.side, self.life.clone(), rng);
        let effect = move || Arc::new(link) as Arc<dyn Letters>;
        self.call("find a queue by its ARN", effect).boxed()
    }

    fn receive(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        async move {
            assert_eq!(self.side, Side::Incoming);
            let end = Instant::now() + wait;
            loop {
                let doubling = self.chance(10);
                let taken = self.call("receive messages", || self.world.take(count, visibility, doubling)).await?;
                if doubling && !taken.is_empty() {
                    self.world.note_fault();
                }
                if !taken.is_empty() || Instant::now() >= end {
                    return Ok(taken);
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
        .boxed()
    }

    fn extend<'a>(&'a self, handles: &'a [String], to: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        let effect = move || {
            self.each(handles.len(), |index| {
                (!self.world.hide(&handles[index], to)).then_some("ReceiptHandleIsInvalid")
            })
        };
        self.call("renew messages", effect).boxed()
    }

    fn release<'a>(&'a self, handle: &'a str, delay: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        self.call("give a message back", move || _ = self.world.hide(handle, delay)).boxed()
    }

    fn delete<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        let effect = move || {
            self.each(handles.len(), |index| {
                self.world.delete(&handles[index]);
                None
            })
        };
        self.call("delete messages", effect).boxed()
    }

    fn send<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        assert_eq!(self.side, Side::Outgoing);
        let results: Vec<(Published, bool)> = messages.iter().map(published).collect();
        for (result, held) in &results {
            if *held {
                self.world.check_held(&result.message, result.attempt);
            }
        }
        let effect = move || {
            self.each(results.len(), |index| {
                self.world.publish(results[index].0.clone());
                None
            })
        };
        self.call("publish results", effect).boxed()
    }
}

impl Letters for Link {
    fn url(&self) -> &str {
        "model's dead letters"
    }

    fn about_how_many(&self) -> BoxFuture<'_, Result<u64, QueueError>> {
        self.call("count the queue's messages", || self.world.dead_letters()).boxed()
    }

    fn take(&self, visibility: Duration, _: Duration) -> BoxFuture<'_, Result<Vec<Letter>, QueueError>> {
        self.call("receive messages", move || self.world.take_dead_letters(visibility)).boxed()
    }

    fn put<'a>(&'a self, letters: &'a [Letter]) -> BoxFuture<'a, Result<Vec<Result<String, QueueError>>, QueueError>> {
        let effect = move || {
            letters.iter().for_each(|letter| self.world.put_dead_letter(&letter.id));
            letters.iter().map(|letter| Ok(letter.id.clone())).collect()
        };
        self.call("send messages", effect).boxed()
    }

    /// The letter is the one that was put: a message has one place in the model.
    fn remove<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<Vec<(usize, String)>, QueueError>> {
        self.call("delete messages", Vec::new).boxed()
    }

    fn give_back<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<(), QueueError>> {
        let effect = move || handles.iter().for_each(|handle| self.world.give_back_dead_letter(handle));
        self.call("give messages back", effect).boxed()
    }
}

fn published(message: &Outgoing) -> (Published, bool) {
    let report: Value = serde_json::from_str(&message.body).expect("a result is JSON");
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    let result = Published {
        message: text("message_id"),
        execution: text("execution_id"),
        attempt: report["attempt"].as_u64().expect("a number"),
        verdict: text("verdict"),
    };
    (result, report["lease"] == "held")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
