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
pub(crate) mod http;
pub(crate) mod jobs;
pub(crate) mod lab;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod queue;
pub(crate) mod runtimes;
pub(crate) mod worker;

use std::time::Duration;

/// How long to wait before asking again. Short against everything that is asked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A name that no other test and no other run has.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// Awaits what could hang, and says what it was if it does.
pub(crate) async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(seconds), future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not done within {seconds} s"),
    }
}

/// Asks until there is an answer, and says what was missing if there never is.
pub(crate) async fn until<T>(seconds: u64, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = async {
        loop {
            if let Some(answer) = probe().await {
                return answer;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    within(seconds, what, answer).await
}
