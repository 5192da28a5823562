//! The dead-letter queue, as a worker uses it. A copy of what is no job goes there: its sender is told `rejected`, but nobody waits
//! for an answer that has no job id, and the message itself is deleted. A job that is given up goes there with the verdict that it
//! was answered with. And what SQS moved there by itself is found here, so that it is answered, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::letter::{Attribute, Content, Letter};
use super::service::{Letters, QueueError};
use super::sqs::{TRACEPARENT, TRACESTATE};
use super::{Duties, Message};

/// The attributes of a copy, by which it is told from a message that SQS moved here.
pub const COPY: &str = "caisson_copy";
/// Why it is no job.
pub const REASON: &str = "caisson_reason";
/// The id that the message had in the incoming queue.
pub const ORIGINAL: &str = "caisson_message_id";

/// The verdict that was published for it. SQS moves a message here without a word whether anybody was told; what has this
/// attribute was put here by a worker that had told.
pub const ANSWERED: &str = "caisson_answered";
/// The ARN of the incoming queue that it comes from, as SQS itself says it of what it moves.
pub const SOURCE: &str = "caisson_source";

/// How long a copy may take. The answer is published by then, but the message waits for its deletion.
const LONGEST: Duration = Duration::from_secs(10);

/// As many as a message may have ("Amazon SQS message metadata", developer guide).
const MOST_ATTRIBUTES: usize = 10;

/// Bytes of a reason: a sentence is wanted, not half of the message again.
const REASON_BYTES: usize = 1_000;

/// The dead-letter queue of an incoming queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    letters: Arc<dyn Letters>,
    /// The incoming queue's.
    source_arn: Option<String>,
    duties: Duties,
    /// Whether a failure has been told already: where one copy fails, they all may.
    told: Arc<AtomicBool>,
    /// Whether the last look through it went well.
    looked: Arc<AtomicBool>,
    /// Whether a look has ever gone well; `None` before the first one that was answered.
    may_look: Arc<watch::Sender<Option<bool>>>,
}

impl DeadLetters {
    /// `source_arn` is the ARN of the incoming queue.
    pub fn new(letters: Arc<dyn Letters>, source_arn: Option<String>, duties: Duties) -> DeadLetters {
        let may_look = Arc::new(watch::Sender::new(None));
        DeadLetters { letters, source_arn, duties, told: Arc::default(), looked: Arc::default(), may_look }
    }

    pub fn letters(&self) -> &dyn Letters {
        self.letters.as_ref()
    }

    /// Whether this worker is to answer what SQS moves there.
    pub fn are_to_be_answered(&self) -> bool {
        self.duties.answers
    }

    /// Whether somebody answers what SQS moves there: this worker does, as it may look there. One look that fails later doesn't
    /// change that, since what is there is found by the next one.
    pub fn are_answered(&self) -> bool {
        self.duties.answers && *self.may_look.borrow() == Some(true)
    }

    /// Completes when it is known whether this worker may look there, which takes a look that is answered. At once where it isn't to look.
    pub async fn known(&self) {
        if self.duties.answers {
            // The sender is ours, so waiting can't fail.
            let _ = self.may_look.subscribe().wait_for(Option::is_some).await;
        }
    }

    /// Notes how a look through it went; tells whether that is news.
    pub fn looked(&self, outcome: Result<(), &QueueError>) -> bool {
        self.may_look.send_modify(|may_look| match outcome {
            Ok(()) => *may_look = Some(true),
            // Only an answer says that it may not.
            Err(error) if error.code.is_some() => _ = may_look.get_or_insert(false),
            Err(_) => {}
        });
        self.looked.swap(outcome.is_ok(), Ordering::Relaxed) != outcome.is_ok()
    }

    /// Whether it is a message of this incoming queue that SQS moved here, and nobody has answered it.
    ///
    /// Where the service doesn't say which queue a letter comes from, as some do that only speak SQS's language, its receipts tell:
    /// what somebody put here by hand has few.
    pub fn is_unanswered(&self, letter: &Letter, max_receive_count: u64) -> bool {
        let is_moved = match &letter.source_arn {
            Some(arn) => Some(arn) == self.source_arn.as_ref(),
            None => letter.receive_count > max_receive_count,
        };
        is_moved && [ANSWERED, COPY].iter().all(|name| letter.text(name).is_none())
    }

    /// Sends a copy of what is no job, if that is wanted, in one try. Its failure is told once and changes nothing else.
    pub async fn copy(&self, message: &Message, reason: &str) {
        if !self.duties.copies {
            return;
        }
        match self.put(self.letter(message, COPY, "1", reason)).await {
            Ok(()) => {
                tracing::debug!(queue = self.letters.url(), "a copy of the message is in the dead-letter queue");
            }
            Err(error) if !self.told.swap(true, Ordering::Relaxed) => tracing::warn!(
                queue = self.letters.url(),
                error,
                "what is no job could not be copied to the dead-letter queue; further failures are not told. The role needs \
                 sqs:SendMessage there, or turn queue.copy_unparsable off"
            ),
            Err(_) => {}
        }
    }

    /// Puts a message here that was answered with this verdict and is to be looked at by somebody, in one try. The caller deletes
    /// the message itself afterwards.
    ///
    /// # Errors
    /// When it isn't certain that the copy is here.
    pub async fn keep_answered(&self, message: &Message, verdict: &str, reason: &str) -> Result<(), String> {
        self.put(self.letter(message, ANSWERED, verdict, reason)).await
    }

    /// Replaces a letter that was found here by one that says with which verdict it was answered.
    ///
    /// # Errors
    /// When it isn't certain that the copy is here, or the letter itself is still here; then it is found again.
    pub async fn mark_answered(&self, letter: &Letter, verdict: &str, reason: &str) -> Result<(), String> {
        let message = letter.message();
        let mut marked = self.letter(&message, ANSWERED, verdict, reason);
        for (name, attribute) in &letter.attributes {
            if marked.attributes.len() < MOST_ATTRIBUTES {
                marked.attributes.entry(name.clone()).or_insert_with(|| attribute.clone());
            }
        }
        self.put(marked).await?;
        let handles = [letter.receipt_handle.clone()];
        match self.letters.remove(&handles).await {
            Ok(left) => left.into_iter().next().map_or(Ok(()), |(_, reason)| Err(reason)),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn put(&self, letter: Letter) -> Result<(), String> {
        match tokio::time::timeout(LONGEST, self.letters.put(&[letter])).await {
            Ok(Ok(answers)) => match answers.into_iter().find_map(Result::err) {
                None => Ok(()),
                Some(error) => Err(error.to_string()),
            },
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LONGEST.as_secs())),
        }
    }

    fn letter(&self, message: &Message, mark: &str, value: &str, reason: &str) -> Letter {
        let text = |text: String| Attribute { data_type: "String".to_owned(), content: Content::Text(text) };
        let attributes = [
            (mark, Some(value.to_owned())),
            (REASON, Some(sendable(reason))),
            (ORIGINAL, Some(message.id.clone())),
            (SOURCE, self.source_arn.clone()),
            (TRACEPARENT, message.trace.traceparent()),
            (TRACESTATE, message.trace.tracestate().map(str::to_owned)),
        ];
        let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), text(value?))));
        Letter {
            // The id makes the deduplication id of a FIFO: a message that is answered twice is copied once.
            id: message.id.clone(),
            receipt_handle: String::new(),
            body: message.body.clone(),
            attributes: attributes.collect::<BTreeMap<_, _>>(),
            group: message.group.clone(),
            trace: message.trace.aws_header().map(str::to_owned),
            receive_count: message.receive_count,
            sent: message.sent,
            sender: message.sender.clone(),
            source_arn: None,
        }
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
    use crate::queue::pretended::{Pretended, message};

    #[test]
    fn a_reason_is_something_that_sqs_takes_whatever_it_quotes() {
        assert_eq!(sendable("a\u{0}b\u{ffff}\tc\u{1b}"), "ab\tc");
        assert_eq!(sendable("\u{1}"), "unknown");
        let long = "ä".repeat(REASON_BYTES);
        assert_eq!(sendable(&long).len(), REASON_BYTES);
    }

    fn dead_letters() -> DeadLetters {
        let sqs = Pretended::default();
        DeadLetters::new(
            Arc::new(sqs),
            Some("arn:jobs".to_owned()),
            Duties { copies: true, answers: true, ..Duties::default() },
        )
    }

    fn given_up() -> Message {
        Message { body: "{".to_owned(), receive_count: 2, group: Some("tenant".to_owned()), ..message("m-1") }
    }

    #[test]
    fn a_copy_has_the_whole_body_its_reason_and_the_group() {
        let copy = dead_letters().letter(&given_up(), COPY, "1", "job: isn't JSON");
        assert_eq!((copy.body.as_str(), copy.group.as_deref()), ("{", Some("tenant")));
        assert_eq!(copy.text(COPY), Some("1"));
        assert_eq!(copy.text(REASON), Some("job: isn't JSON"));
        assert_eq!(copy.text(ORIGINAL), Some("m-1"));
        assert_eq!(copy.text(SOURCE), Some("arn:jobs"));
    }

    #[test]
    fn only_what_sqs_moved_here_from_the_incoming_queue_is_unanswered() {
        let dead = dead_letters();
        let moved = |source: Option<&str>, receive_count| {
            let letter = dead.letter(&given_up(), "other", "1", "");
            let letter = Letter { source_arn: source.map(str::to_owned), receive_count, ..letter };
            dead.is_unanswered(&letter, 5)
        };
        assert!(moved(Some("arn:jobs"), 1));
        assert!(!moved(Some("arn:others"), 9), "another queue has the same dead-letter queue");
        assert!(moved(None, 6) && !moved(None, 5), "the service doesn't say where it comes from");
        for mark in [COPY, ANSWERED] {
            let letter = dead.letter(&given_up(), mark, "1", "");
            assert!(!dead.is_unanswered(&Letter { source_arn: Some("arn:jobs".to_owned()), ..letter }, 1));
        }
    }
}
