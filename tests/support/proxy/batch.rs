//! Batches that are done in part: the server gets those entries that are to be done, and the client an answer that says of
//! the others what it is to say.

use serde_json::{Value, json};

use super::fault::Entry;
use super::http::Request;

/// A batch, taken apart.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What the server is to do.
    done: Vec<Value>,
    /// Of these, the ids that the client isn't told of.
    unconfirmed: Vec<Value>,
    /// What the answer says of those that are refused.
    refused: Vec<Value>,
    /// Whether nothing but what is done is left.
    is_whole: bool,
}

impl Parts {
    /// Takes a batch apart; `None` for what is none.
    pub(super) fn of(request: &Request, fate: impl Fn(usize, &Value) -> Entry) -> Option<Parts> {
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let mut parts = Parts { is_whole: true, ..Parts::default() };
        for (index, entry) in body["Entries"].as_array()?.iter().enumerate() {
            let fate = fate(index, entry);
            parts.is_whole &= fate == Entry::Done;
            match fate {
                Entry::Done => parts.done.push(entry.clone()),
                Entry::Unconfirmed => {
                    parts.done.push(entry.clone());
                    parts.unconfirmed.push(entry["Id"].clone());
                }
                Entry::Refused(code) => {
                    let said = json!({ "Id": entry["Id"], "Code": code, "Message": reason(code), "SenderFault": true });
                    parts.refused.push(said);
                }
                Entry::Forgotten => {}
            }
        }
        Some(parts)
    }

    /// Whether all is done and said.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The body for the server; `None` when it has nothing to do.
    pub(super) fn request(&self, request: &Request) -> Option<Vec<u8>> {
        let mut body: Value = serde_json::from_slice(&request.body).ok()?;
        body["Entries"] = Value::Array(self.done.clone());
        (!self.done.is_empty()).then(|| body.to_string().into_bytes())
    }

    /// The body for the client, from the server's.
    pub(super) fn answer(&self, body: &[u8]) -> Vec<u8> {
        let mut answer: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
        let list = |answer: &Value, name: &str| answer[name].as_array().cloned().unwrap_or_default();
        let mut successful = list(&answer, "Successful");
        successful.retain(|entry| !self.unconfirmed.contains(&entry["Id"]));
        let mut failed = list(&answer, "Failed");
        failed.extend(self.refused.iter().cloned());
        answer["Successful"] = Value::Array(successful);
        answer["Failed"] = Value::Array(failed);
        answer.to_string().into_bytes()
    }
}

/// In SQS's own words, where a worker might look into them.
fn reason(code: &str) -> &str {
    match code {
        TOO_LONG => "One or more parameters are invalid. Reason: Message must be shorter than the queue's maximum.",
        "AccessDenied" => "Access to the resource is denied.",
        _ => "Try again.",
    }
}

/// What SQS says of a message that is longer than the queue takes.
const TOO_LONG: &str = "InvalidParameterValue";

/// The fate of messages where one may be only so long.
pub(super) fn longer_than(longest: usize) -> impl Fn(usize, &Value) -> Entry {
    move |_, entry| match entry["MessageBody"].as_str() {
        Some(body) if body.len() > longest => Entry::Refused(TOO_LONG),
        _ => Entry::Done,
    }
}

/// An answer to a receive, without an attribute of its messages.
pub(super) fn without(attribute: &str, body: &[u8]) -> Vec<u8> {
    let Ok(mut answer) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    for message in answer["Messages"].as_array_mut().into_iter().flatten() {
        if let Some(attributes) = message["Attributes"].as_object_mut() {
            attributes.remove(attribute);
        }
    }
    answer.to_string().into_bytes()
}
