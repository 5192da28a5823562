//! What a worker says of itself when it is asked, over HTTP. It has to be started with [`LISTEN`] in its configuration.

use serde_json::Value;

use super::http::get;
use super::prometheus::Page;
use super::until;
use super::worker::Worker;

pub(crate) const LISTEN: &str = "http.listen = \"127.0.0.1:0\"";

/// The answer of `/readyz`.
#[derive(Debug)]
pub(crate) struct Readiness {
    pub(crate) ok: bool,
    body: Value,
}

impl Readiness {
    /// Whether a condition holds; `None` when there is none of that name.
    pub(crate) fn holds(&self, condition: &str) -> Option<bool> {
        let conditions = self.body["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().find(|it| it["condition"] == condition)?["ok"].as_bool()
    }
}

pub(crate) async fn readiness(worker: &Worker) -> Readiness {
    let answer = get(worker.listening().await, "/readyz").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
    assert_eq!(answer.status == 200, body["ok"] == true, "{body:#}");
    Readiness { ok: answer.status == 200, body }
}

/// Waits until a worker isn't ready for want of this condition.
pub(crate) async fn loses(worker: &Worker, condition: &str) {
    until(&format!("a worker that isn't ready: {condition}"), async || {
        let readiness = readiness(worker).await;
        (!readiness.ok && readiness.holds(condition) == Some(false)).then_some(())
    })
    .await;
}

/// Waits until nothing keeps a worker from being ready.
pub(crate) async fn becomes_ready(worker: &Worker) {
    until("a worker that is ready", async || readiness(worker).await.ok.then_some(())).await;
}

/// The page of metrics, read to the letter.
pub(crate) async fn metrics(worker: &Worker) -> Page {
    let answer = get(worker.listening().await, "/metrics").await;
    assert_eq!(answer.status, 200);
    Page::read(&answer.body)
}
