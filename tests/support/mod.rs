//! What the integration tests share. Each binary uses its own part of it.
//!
//! Two rules keep the tests honest: whatever can hang is awaited [`within`] a bound, and whatever takes time to become
//! true is asked for [`until`] it is. Nothing sleeps and hopes.
#![allow(dead_code, reason = "each test binary uses the part it needs")]

pub(crate) mod bucket;
pub(crate) mod cases;
pub(crate) mod chance;
pub(crate) mod ec2;
pub(crate) mod engine;
pub(crate) mod engine_proxy;
pub(crate) mod hardening;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod in_hand;
pub(crate) mod jobs;
pub(crate) mod lab;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod queue;
pub(crate) mod queues;
pub(crate) mod runtimes;
pub(crate) mod worker;

use std::time::Duration;

/// After this, what was awaited counts as hung. It decides nothing else: what a test claims never depends on how long
/// something took. So it is far above what anything here takes where twenty other programs want the same two CPUs, and
/// below nextest's own limit, which ends a test without a word on what it waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// How long to wait before asking again. Short against everything that is asked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A name that no other test and no other run has.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// Awaits what could hang, and says what it was if it does.
pub(crate) fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    within_time(PATIENCE, what, future)
}

/// The same for what takes longer than all else.
pub(crate) fn within_time<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    // On the heap: requests to AWS are large futures, and without optimisation each call around one holds another copy.
    let future = Box::pin(future);
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(value) => value,
            Err(_) => panic!("{what}: not done within {} s", limit.as_secs()),
        }
    }
}

/// Asks until there is an answer, and says what was missing if there never is.
pub(crate) async fn until<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, asked(probe)).await
}

/// Whether it becomes true, for whoever has more to say when it doesn't.
pub(crate) async fn eventually(mut probe: impl AsyncFnMut() -> bool) -> bool {
    tokio::time::timeout(PATIENCE, asked(async || probe().await.then_some(()))).await.is_ok()
}

async fn asked<T>(mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = Box::pin(probe()).await {
            return answer;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
