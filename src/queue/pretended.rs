//! A queue that does as it is told and remembers it, for the tests of what speaks to one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::letter::Letter;
use super::{Letters, Message, Outgoing, Queue, QueueError, Refused};
use crate::trace::Trace;

/// When a request came, and how many messages it was for.
type Requests = Arc<Mutex<Vec<(Instant, usize)>>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Pretended {
    is_fifo: bool,
    /// How long it takes to answer.
    takes: Duration,
    renewed: Requests,
    deleted: Requests,
}

impl Pretended {
    pub(super) fn fifo() -> Pretended {
        Pretended { is_fifo: true, ..Pretended::default() }
    }

    pub(super) fn slow(takes: Duration) -> Pretended {
        Pretended { takes, ..Pretended::default() }
    }

    pub(super) fn renewed(&self) -> Vec<(Instant, usize)> {
        self.renewed.lock().expect("nobody panics with it").clone()
    }

    pub(super) fn deleted(&self) -> Vec<(Instant, usize)> {
        self.deleted.lock().expect("nobody panics with it").clone()
    }
}

type Answer = BoxFuture<'static, Result<Vec<Refused>, QueueError>>;

fn enter(requests: &Requests, handles: &[String], takes: Duration) -> Answer {
    requests.lock().expect("nobody panics with it").push((Instant::now(), handles.len()));
    async move {
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        Ok(Vec::new())
    }
    .boxed()
}

impl Queue for Pretended {
    fn url(&self) -> &str {
        if self.is_fifo { "pretended.fifo" } else { "pretended" }
    }

    fn receive(&self, _: usize, _: Duration, _: Duration) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        unreachable!("nothing is received here")
    }

    fn extend<'a>(&'a self, handles: &'a [String], _: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        enter(&self.renewed, handles, self.takes)
    }

    fn release<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        unreachable!("nothing is given back here")
    }

    fn delete<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        enter(&self.deleted, handles, self.takes)
    }

    fn send<'a>(&'a self, _: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        unreachable!("nothing is sent here")
    }
}

impl Letters for Pretended {
    fn url(&self) -> &str {
        "pretended-dead"
    }

    fn about_how_many(&self) -> BoxFuture<'_, Result<u64, QueueError>> {
        unreachable!("nobody counts here")
    }

    fn take(&self, _: Duration, _: Duration) -> BoxFuture<'_, Result<Vec<Letter>, QueueError>> {
        unreachable!("nothing is taken here")
    }

    fn put<'a>(&'a self, _: &'a [Letter]) -> BoxFuture<'a, Result<Vec<Result<String, QueueError>>, QueueError>> {
        unreachable!("nothing is put here")
    }

    fn remove<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<Vec<(usize, String)>, QueueError>> {
        unreachable!("nothing is removed here")
    }

    fn give_back<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), QueueError>> {
        unreachable!("nothing is given back here")
    }
}

pub(super) fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        receipt_handle: id.to_owned(),
        body: String::new(),
        receive_count: 1,
        sent: None,
        group: None,
        sender: None,
        trace: Trace::default(),
    }
}
