//! A copy of what is no job goes to the dead-letter queue: its sender is told `rejected`, but nobody waits for an answer
//! that has no job id, and the message itself is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Message;
use super::letter::{Attribute, Content, Letter};
use super::service::QueueError;
use super::sqs::Sqs;

/// The attributes of a copy, by which it is told from a message that SQS moved here.
pub const COPY: &str = "caisson_copy";
/// Why it is no job.
pub const REASON: &str = "caisson_reason";
/// The id that the message had in the incoming queue.
pub const ORIGINAL: &str = "caisson_message_id";

/// How long a copy may take. The answer is published by then, but the message waits for its deletion.
const LONGEST: Duration = Duration::from_secs(10);

/// Bytes of a reason: a sentence is wanted, not half of the message again.
const REASON_BYTES: usize = 1_000;

/// The dead-letter queue of an incoming queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    queue: Sqs,
    /// Whether a failure has been told already: where one copy fails, they all may.
    told: Arc<AtomicBool>,
}

impl DeadLetters {
    /// The dead-letter queue that `incoming` names in its redrive policy.
    ///
    /// # Errors
    /// When there is no such queue, or it can't be asked for.
    pub async fn of(incoming: &Sqs, dead_letter_arn: &str) -> Result<DeadLetters, QueueError> {
        let queue = incoming.of_arn(dead_letter_arn).await?;
        Ok(DeadLetters { queue, told: Arc::default() })
    }

    pub fn url(&self) -> &str {
        self.queue.url()
    }

    /// Sends a copy, in one try. Its failure is told once and changes nothing else.
    pub(super) async fn copy(&self, message: &Message, reason: &str) {
        let outcome = tokio::time::timeout(LONGEST, self.queue.put(&[copy(message, reason)])).await;
        let problem = match outcome {
            Ok(Ok(answers)) => answers.into_iter().find_map(Result::err).map(|error| error.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", LONGEST.as_secs())),
        };
        match problem {
            None => tracing::debug!(queue = self.url(), "a copy of the message is in the dead-letter queue"),
            Some(error) if !self.told.swap(true, Ordering::Relaxed) => tracing::warn!(
                queue = self.url(),
                error,
                "what is no job could not be copied to the dead-letter queue; further failures are not told. The role needs \
                 sqs:SendMessage there, or turn queue.copy_unparsable off"
            ),
            Some(_) => {}
        }
    }
}

fn copy(message: &Message, reason: &str) -> Letter {
    let text = |text: String| Attribute { data_type: "String".to_owned(), content: Content::Text(text) };
    let attributes = [
        (COPY, "1".to_owned()),
        (REASON, sendable(reason)),
        (ORIGINAL, message.id.clone()),
    ];
    Letter {
        // The id makes the deduplication id of a FIFO: a message that is answered twice is copied once.
        id: message.id.clone(),
        receipt_handle: String::new(),
        body: message.body.clone(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), text(value))).into_iter().collect::<BTreeMap<_, _>>(),
        group: message.group.clone(),
        trace: None,
        receive_count: message.receive_count,
        sent: message.sent,
        source_arn: None,
    }
}

/// Cut to its size and without the characters that SQS refuses. Never empty, which SQS refuses as well.
fn sendable(reason: &str) -> String {
    let refused =
        |letter: char| letter.is_control() && !"\t\n\r".contains(letter) || "\u{fffe}\u{ffff}".contains(letter);
    let mut text: String = reason.chars().filter(|letter| !refused(*letter)).collect();
    text.truncate(text.floor_char_boundary(REASON_BYTES));
    if text.is_empty() { "unknown".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_something_that_sqs_takes_whatever_it_quotes() {
        assert_eq!(sendable("a\u{0}b\u{ffff}\tc\u{1b}"), "ab\tc");
        assert_eq!(sendable("\u{1}"), "unknown");
        let long = "ä".repeat(REASON_BYTES);
        assert_eq!(sendable(&long).len(), REASON_BYTES);
    }

    #[test]
    fn a_copy_has_the_whole_body_its_reason_and_the_group() {
        let message = Message {
            id: "m-1".to_owned(),
            receipt_handle: "r".to_owned(),
            body: "{".to_owned(),
            receive_count: 2,
            sent: None,
            group: Some("tenant".to_owned()),
            trace: crate::trace::Trace::default(),
        };
        let copy = copy(&message, "job: isn't JSON");
        assert_eq!((copy.body.as_str(), copy.group.as_deref()), ("{", Some("tenant")));
        assert_eq!(copy.text(COPY), Some("1"));
        assert_eq!(copy.text(REASON), Some("job: isn't JSON"));
        assert_eq!(copy.text(ORIGINAL), Some("m-1"));
    }
}
