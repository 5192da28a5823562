//! What the outgoing queue brought.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::ledger::{Answer, At, Ledger};
use crate::support::queue::Queue;

/// Takes results for ever, and enters them.
pub(crate) async fn collect(outgoing: Queue, ledger: Arc<Ledger>) {
    loop {
        let messages = outgoing.receive(60).await;
        if messages.is_empty() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        for message in messages {
            let report: Value = serde_json::from_str(message.body().unwrap_or_default()).expect("a result is JSON");
            ledger.answered(read(&report, ledger.now()));
            outgoing.delete(&message).await;
        }
    }
}

fn read(report: &Value, at: At) -> Answer {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Answer {
        job_id: text(&report["job_id"]),
        message: text(&report["message_id"]),
        execution: text(&report["execution_id"]),
        attempt: report["attempt"].as_u64().unwrap_or(0),
        redelivered: report["redelivered"] == true,
        verdict: text(&report["verdict"]),
        reason: text(&report["tests"][0]["reason"]),
        detail: text(&report["detail"]),
        worker: text(&report["worker"]["id"]),
        lease: text(&report["lease"]),
        at,
    }
}
