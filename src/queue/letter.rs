//! A message with everything that has to survive a move to another queue; for dead letters, which people look at and send
//! again. The worker's own way of a message is [`Inbox`](super::Inbox).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::batch::not_done;
use super::dead_letters::{ORIGINAL, SOURCE};
use super::service::{Letters, Queue, QueueError, Refused};
use super::sqs::{Sqs, TRACEPARENT, TRACESTATE, failed, invalid, seconds, whole};
use crate::trace::Trace;

/// One message as it lies in a queue, and the right to settle it for as long as it stays hidden.
#[derive(Debug, Clone)]
pub struct Letter {
    pub id: String,
    pub receipt_handle: String,
    pub body: String,
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, which standard queues know too.
    pub group: Option<String>,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// How often it has been received, also by the queue that it comes from, this time included.
    pub receive_count: u64,
    /// When it was sent, by the queue's clock; moving to a dead-letter queue doesn't change that.
    pub sent: Option<jiff::Timestamp>,
    /// Who sent it, as SQS knows them.
    pub sender: Option<String>,
    /// The queue that moved it here, where SQS says so.
    pub source_arn: Option<String>,
}

/// A message attribute: SQS's word for its type, such as `String` or `Number.int`, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub data_type: String,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(String),
    Binary(Vec<u8>),
}

impl Letter {
    /// An attribute's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.attributes.get(name)?.content {
            Content::Text(text) => Some(text),
            Content::Binary(_) => None,
        }
    }

    /// A letter that a worker put here says itself where it comes from.
    fn with_source(self) -> Letter {
        let source_arn = self.source_arn.clone().or_else(|| self.text(SOURCE).map(str::to_owned));
        Letter { source_arn, ..self }
    }

    /// As a worker that received it in the incoming queue would have seen it.
    pub fn message(&self) -> super::Message {
        super::Message {
            id: self.text(ORIGINAL).unwrap_or(&self.id).to_owned(),
            receipt_handle: self.receipt_handle.clone(),
            body: self.body.clone(),
            receive_count: self.receive_count,
            sent: self.sent,
            group: self.group.clone(),
            // A letter that a worker put here was sent by that worker.
            sender: self.sender.clone().filter(|_| self.text(ORIGINAL).is_none()),
            trace: Trace::read(self.text(TRACEPARENT), self.text(TRACESTATE), self.trace.as_deref()),
        }
    }

    /// Bytes as SQS counts them against the size of a message and of a batch.
    pub fn bytes(&self) -> usize {
        let of_attribute = |(name, attribute): (&String, &Attribute)| {
            let content = match &attribute.content {
                Content::Text(text) => text.len(),
                Content::Binary(bytes) => bytes.len(),
            };
            name.len() + attribute.data_type.len() + content
        };
        self.body.len() + self.attributes.iter().map(of_attribute).sum::<usize>()
    }
}

impl Sqs {
    /// Takes up to ten messages with all that is known of them, and hides them for `visibility`.
    ///
    /// # Errors
    /// When the queue can't be asked.
    pub async fn take(&self, visibility: Duration, wait: Duration) -> Result<Vec<Letter>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(self.url())
            .max_number_of_messages(whole(super::BATCH))
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(seconds(wait))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| failed("receive messages", &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(letter).collect())
    }

    /// Sends up to ten messages as they are, in one request; for each the new message's id, or why it was refused.
    ///
    /// To a FIFO queue a message keeps its group and gets a deduplication id made of its id here. So it isn't swallowed
    /// for having been sent before, and a second try after a crash between sending and deleting is, within five minutes.
    ///
    /// # Errors
    /// When the whole request failed. The queue may have the messages all the same.
    pub async fn put(&self, letters: &[Letter]) -> Result<Vec<Result<String, QueueError>>, QueueError> {
        let operation = "send messages";
        let entries = letters
            .iter()
            .enumerate()
            .map(|(index, letter)| entry(index, letter, self.is_fifo()).map_err(|error| invalid(operation, &error)));
        let answer = self
            .client
            .send_message_batch()
            .queue_url(self.url())
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await
            .map_err(|error| failed(operation, &error))?;
        // Only what the queue says it has may be deleted where it was.
        let sent = |index: usize| answer.successful.iter().find(|entry| entry.id == index.to_string());
        let mut outcomes: Vec<Result<String, QueueError>> = (0..letters.len())
            .map(|index| Ok(sent(index).map(|entry| entry.message_id.clone()).unwrap_or_default()))
            .collect();
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        for Refused { index, code, reason } in not_done(letters.len(), done, &answer.failed) {
            outcomes[index] = Err(QueueError { operation: "send a message", reason, code: Some(code) });
        }
        Ok(outcomes)
    }

    /// Deletes up to ten messages; those that couldn't be, by their index, each with the reason.
    ///
    /// # Errors
    /// When the whole request failed.
    pub async fn remove(&self, receipt_handles: &[String]) -> Result<Vec<(usize, String)>, QueueError> {
        let refused = self.delete(receipt_handles).await?;
        Ok(refused.into_iter().map(|refused| (refused.index, refused.reason)).collect())
    }

    /// Makes messages visible again, as many as still can be. What is gone meanwhile is nobody's loss.
    ///
    /// # Errors
    /// When the queue can't be asked; they reappear by themselves then.
    pub async fn give_back(&self, receipt_handles: &[String]) -> Result<(), QueueError> {
        for batch in receipt_handles.chunks(super::BATCH) {
            self.extend(batch, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// The queue of an ARN, in this client's region.
    ///
    /// # Errors
    /// When it isn't the ARN of a queue, or there is no such queue.
    pub async fn of_arn(&self, arn: &str) -> Result<Sqs, QueueError> {
        let operation = "find a queue by its ARN";
        let parts: Vec<&str> = arn.split(':').collect();
        let &[_, _, "sqs", _, account, name] = parts.as_slice() else {
            return Err(QueueError { operation, reason: format!("{arn:?} isn't the ARN of a queue"), code: None });
        };
        let asking = self.client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account);
        let answer = asking.send().await.map_err(|error| failed(operation, &error))?;
        let url = answer.queue_url.ok_or_else(|| QueueError {
            operation,
            reason: format!("the answer for {arn} has no URL"),
            code: None,
        })?;
        Ok(self.sibling(&url))
    }

    /// About how many messages are visible, as SQS says itself.
    ///
    /// # Errors
    /// When the queue can't be asked.
    pub async fn about_how_many(&self) -> Result<u64, QueueError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let asking = self.client.get_queue_attributes().queue_url(self.url()).attribute_names(name.clone());
        let answer = asking.send().await.map_err(|error| failed("count the queue's messages", &error))?;
        Ok(answer.attributes().and_then(|all| all.get(&name)?.parse().ok()).unwrap_or(0))
    }
}

impl Letters for Sqs {
    fn url(&self) -> &str {
        Sqs::url(self)
    }

    fn about_how_many(&self) -> BoxFuture<'_, Result<u64, QueueError>> {
        Sqs::about_how_many(self).boxed()
    }

    fn take(&self, visibility: Duration, wait: Duration) -> BoxFuture<'_, Result<Vec<Letter>, QueueError>> {
        Sqs::take(self, visibility, wait).boxed()
    }

    fn put<'a>(&'a self, letters: &'a [Letter]) -> BoxFuture<'a, Result<Vec<Result<String, QueueError>>, QueueError>> {
        Sqs::put(self, letters).boxed()
    }

    fn remove<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<(usize, String)>, QueueError>> {
        Sqs::remove(self, handles).boxed()
    }

    fn give_back<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<(), QueueError>> {
        Sqs::give_back(self, handles).boxed()
    }
}

fn letter(message: Message) -> Option<Letter> {
    let system = message.attributes.unwrap_or_default();
    let text = |name| system.get(&name).cloned();
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    Some(Letter::with_source(Letter {
        group: text(MessageSystemAttributeName::MessageGroupId),
        trace: text(MessageSystemAttributeName::AwsTraceHeader),
        receive_count: text(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        sent: text(MessageSystemAttributeName::SentTimestamp)
            .and_then(|milliseconds| milliseconds.parse().ok())
            .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok()),
        sender: text(MessageSystemAttributeName::SenderId),
        source_arn: text(MessageSystemAttributeName::DeadLetterQueueSourceArn),
        id: message.message_id?,
        receipt_handle: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
        attributes: attributes.filter_map(|(name, value)| Some((name, attribute(value)?))).collect(),
    }))
}

fn attribute(value: MessageAttributeValue) -> Option<Attribute> {
    let content = match (value.string_value, value.binary_value) {
        (Some(text), _) => Content::Text(text),
        (None, Some(bytes)) => Content::Binary(bytes.into_inner()),
        (None, None) => return None,
    };
    Some(Attribute { data_type: value.data_type, content })
}

fn entry(
    index: usize,
    letter: &Letter,
    fifo: bool,
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&letter.body);
    for (name, attribute) in &letter.attributes {
        let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
        let value = match &attribute.content {
            Content::Text(text) => value.string_value(text),
            Content::Binary(bytes) => value.binary_value(Blob::new(bytes.clone())),
        };
        entry = entry.message_attributes(name, value.build()?);
    }
    if let Some(trace) = &letter.trace {
        let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace).build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry = entry.set_message_group_id(letter.group.clone());
    if fifo {
        let group = letter.group.as_deref().unwrap_or(&letter.id);
        entry = entry.message_group_id(group).message_deduplication_id(format!("caisson-{}", letter.id));
    }
    entry.build()
}
