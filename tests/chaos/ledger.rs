//! What was sent, and what came back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::jobs::Kind;

#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) job_id: String,
    pub(crate) kind: Kind,
}

/// A result, as far as anything is decided by it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) job_id: String,
    pub(crate) message_id: String,
    pub(crate) execution_id: String,
    pub(crate) attempt: u64,
    pub(crate) redelivered: bool,
    pub(crate) verdict: String,
    /// The first test's, where there is one.
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) worker: String,
    pub(crate) lease: String,
}

#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// By message.
    pub(crate) sent: BTreeMap<String, Sent>,
    pub(crate) answers: Vec<Answer>,
    /// From sending to the first result, by message.
    pub(crate) waits: BTreeMap<String, Duration>,
    begun: BTreeMap<String, Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

impl Ledger {
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("nobody panics with it")
    }

    pub(crate) fn sent(&self, message: String, job_id: &str, kind: Kind) {
        let mut entries = self.entries();
        entries.begun.insert(message.clone(), Instant::now());
        entries.sent.insert(message, Sent { job_id: job_id.to_owned(), kind });
    }

    pub(crate) fn answered(&self, report: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message_id = text(&report["message_id"]);
        let mut entries = self.entries();
        let wait = entries.begun.get(&message_id).map(Instant::elapsed);
        if let Some(wait) = wait {
            entries.waits.entry(message_id.clone()).or_insert(wait);
        }
        entries.answers.push(Answer {
            job_id: text(&report["job_id"]),
            message_id,
            execution_id: text(&report["execution_id"]),
            attempt: report["attempt"].as_u64().unwrap_or(0),
            redelivered: report["redelivered"] == true,
            verdict: text(&report["verdict"]),
            reason: text(&report["tests"][0]["reason"]),
            detail: text(&report["detail"]),
            worker: text(&report["worker"]["id"]),
            lease: text(&report["lease"]),
        });
    }

    /// How many messages have no result.
    pub(crate) fn unanswered(&self) -> usize {
        let entries = self.entries();
        entries.sent.len() - entries.waits.len()
    }

    /// All of it, for whoever looks into a failure.
    pub(crate) fn to_json(&self) -> Value {
        let entries = self.entries();
        let answers = entries.by_message();
        let messages = entries.sent.iter().map(|(message, sent)| {
            let answers = answers.get(message.as_str()).map(Vec::as_slice).unwrap_or_default();
            json!({
                "message": message,
                "job": sent.job_id,
                "kind": format!("{:?}", sent.kind),
                "results": answers.iter().map(|answer| json!({
                    "execution": answer.execution_id, "attempt": answer.attempt, "redelivered": answer.redelivered,
                    "verdict": answer.verdict, "reason": answer.reason, "detail": answer.detail,
                    "worker": answer.worker, "lease": answer.lease,
                })).collect::<Vec<_>>(),
            })
        });
        messages.collect()
    }
}

impl Entries {
    pub(crate) fn by_message(&self) -> BTreeMap<&str, Vec<&Answer>> {
        group(&self.answers, |answer| &answer.message_id)
    }

    pub(crate) fn by_job(&self) -> BTreeMap<&str, Vec<&Answer>> {
        group(&self.answers, |answer| &answer.job_id)
    }
}

fn group(answers: &[Answer], key: impl Fn(&Answer) -> &str) -> BTreeMap<&str, Vec<&Answer>> {
    let mut groups: BTreeMap<&str, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        groups.entry(key(answer)).or_default().push(answer);
    }
    groups
}
