//! SQS by its SDK: each call a function in our own words. The only place that names `aws_sdk_sqs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Message;
use super::batch::not_done;
use super::service::{Letters, Outgoing, Queue, QueueError, Refused};
use crate::aws::Refusal;
use crate::metrics::{self, QueueRequest};
use crate::trace::Trace;

/// One queue.
#[derive(Debug, Clone)]
pub struct Sqs {
    pub(super) client: Client,
    url: String,
    /// Set when a standard queue refuses message groups, as some do that only speak SQS's language.
    groups_refused: Arc<AtomicBool>,
}

/// What a queue says of itself.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// Bytes of the largest message it takes, attributes included.
    pub maximum_message_bytes: usize,
    /// After how many receipts a message moves to the dead-letter queue; `None` without one.
    pub max_receive_count: Option<u64>,
    pub dead_letter_arn: Option<String>,
    /// The queue's own name for itself, the same under each of its URLs.
    pub arn: Option<String>,
    /// How long it keeps a message, in seconds.
    pub retention_s: Option<u64>,
}

/// The message attributes of W3C Trace Context.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// What every SQS queue takes since August 2025 unless it is set lower.
const MAXIMUM_MESSAGE_BYTES: usize = 1 << 20;

/// How long an answer may take; the SDK itself would wait for ever. A connection that a gateway has forgotten looks like
/// this, and a mebibyte over a slow line is done in less.
pub const ANSWER: Duration = Duration::from_secs(10);

/// By this attribute the SQS Extended Client Library knows a pointer to a body in S3.
const PAYLOAD_SIZE: &str = "ExtendedPayloadSize";

fn within(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(limit).build()
}

impl Sqs {
    /// A queue by its URL, with region, credentials and endpoint from where AWS's own tools take them.
    pub async fn open(url: &str) -> Sqs {
        let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(within(ANSWER)).load().await;
        Sqs { client: Client::new(&config), url: url.to_owned(), groups_refused: Arc::default() }
    }

    /// Another queue with the same client.
    pub fn sibling(&self, url: &str) -> Sqs {
        Sqs { client: self.client.clone(), url: url.to_owned(), groups_refused: Arc::default() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the queue says of itself, now.
    ///
    /// # Errors
    /// When the queue doesn't exist, isn't allowed, or can't be reached.
    pub async fn attributes(&self) -> Result<Attributes, QueueError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::MaximumMessageSize)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::MessageRetentionPeriod)
            .send()
            .await
            .map_err(|error| failed("read the queue's attributes", &error))?;
        let get = |name| answer.attributes().and_then(|all| all.get(&name));
        let redrive: HashMap<String, serde_json::Value> = get(QueueAttributeName::RedrivePolicy)
            .and_then(|policy| serde_json::from_str(policy).ok())
            .unwrap_or_default();
        // The console writes the number as text, the API takes both.
        let max_receive_count = redrive.get("maxReceiveCount").and_then(|count| match count {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        Ok(Attributes {
            maximum_message_bytes: get(QueueAttributeName::MaximumMessageSize)
                .and_then(|size| size.parse().ok())
                .unwrap_or(MAXIMUM_MESSAGE_BYTES),
            max_receive_count,
            dead_letter_arn: redrive.get("deadLetterTargetArn").and_then(|arn| arn.as_str()).map(str::to_owned),
            arn: get(QueueAttributeName::QueueArn).cloned(),
            retention_s: get(QueueAttributeName::MessageRetentionPeriod).and_then(|seconds| seconds.parse().ok()),
        })
    }

    async fn receive_messages(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        metrics::queue_request(QueueRequest::Receive);
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(whole(count))
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::SenderId)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .message_attribute_names(TRACEPARENT)
            .message_attribute_names(TRACESTATE)
            .customize()
            // A long poll takes as long as it was asked to, before the answer. Tried once: a message's lease is counted from
            // here on, and one that a second try brings would seem to have used up the time of the first.
            .config_override(
                aws_sdk_sqs::Config::builder()
                    .timeout_config(within(wait + ANSWER))
                    .retry_config(RetryConfig::disabled()),
            )
            .send()
            .await
            .map_err(|error| failed("receive messages", &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn change_visibility(&self, receipt_handle: &str, to: Duration) -> Result<(), QueueError> {
        metrics::queue_request(QueueRequest::Release);
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds(to))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("give a message back", &error))
    }

    async fn change_visibilities(&self, handles: &[String], to: Duration) -> Result<Vec<Refused>, QueueError> {
        metrics::queue_request(QueueRequest::Extend);
        let operation = "renew messages";
        let entries = handles.iter().enumerate().map(|(index, handle)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(handle)
                .visibility_timeout(seconds(to))
                .build()
                .map_err(|error| invalid(operation, &error))
        });
        let answer = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await
            .map_err(|error| failed(operation, &error))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        Ok(not_done(handles.len(), done, &answer.failed))
    }

    async fn delete_messages(&self, handles: &[String]) -> Result<Vec<Refused>, QueueError> {
        metrics::queue_request(QueueRequest::Delete);
        let operation = "delete messages";
        let entries = handles.iter().enumerate().map(|(index, handle)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(handle)
                .build()
                .map_err(|error| invalid(operation, &error))
        });
        let answer = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await
            .map_err(|error| failed(operation, &error))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        Ok(not_done(handles.len(), done, &answer.failed))
    }

    async fn send_messages(&self, messages: &[Outgoing]) -> Result<Vec<Refused>, QueueError> {
        let groups = !self.is_fifo()
            && messages.iter().any(|message| message.fair_group.is_some())
            && !self.groups_refused.load(Ordering::Relaxed);
        let is_refusal = |reason: &str| groups && reason.contains("MessageGroupId");
        let outcome = self.send_once(messages, groups).await;
        let refused = match &outcome {
            Ok(refused) => refused.iter().any(|refused| is_refusal(&refused.reason)),
            Err(error) => error.code.is_some() && is_refusal(&error.reason),
        };
        if !refused {
            return outcome;
        }
        self.groups_refused.store(true, Ordering::Relaxed);
        tracing::warn!(queue = self.url, "the queue refuses message groups; they are no longer passed on to it");
        match outcome {
            // What was taken must not be sent again: the refused ones come again by themselves.
            Ok(refused) => Ok(refused),
            Err(_) => self.send_once(messages, false).await,
        }
    }

    async fn send_once(&self, messages: &[Outgoing], groups: bool) -> Result<Vec<Refused>, QueueError> {
        metrics::queue_request(QueueRequest::Send);
        let operation = "publish results";
        let fifo = self.is_fifo();
        let entries = messages.iter().enumerate().map(|(index, message)| {
            let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
            for (name, value) in &message.attributes {
                let value = MessageAttributeValue::builder()
                    .data_type("String")
                    .string_value(value)
                    .build()
                    .map_err(|error| invalid(operation, &error))?;
                entry = entry.message_attributes(*name, value);
            }
            if let Some(header) = &message.aws_trace_header {
                let value = MessageSystemAttributeValue::builder()
                    .data_type("String")
                    .string_value(header)
                    .build()
                    .map_err(|error| invalid(operation, &error))?;
                entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
            }
            if let Some(bytes) = message.payload_bytes {
                let value = MessageAttributeValue::builder().data_type("Number").string_value(bytes.to_string());
                entry =
                    entry.message_attributes(PAYLOAD_SIZE, value.build().map_err(|error| invalid(operation, &error))?);
            }
            if fifo {
                entry = entry.message_group_id(&message.group).message_deduplication_id(&message.deduplication);
            } else if groups {
                entry = entry.set_message_group_id(message.fair_group.clone());
            }
            entry.build().map_err(|error| invalid(operation, &error))
        });
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await
            .map_err(|error| failed(operation, &error))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        Ok(not_done(messages.len(), done, &answer.failed))
    }
}

impl Queue for Sqs {
    fn url(&self) -> &str {
        &self.url
    }

    fn attributes(&self) -> BoxFuture<'_, Result<Attributes, QueueError>> {
        Sqs::attributes(self).boxed()
    }

    fn letters_of<'a>(&'a self, arn: &'a str) -> BoxFuture<'a, Result<Arc<dyn Letters>, QueueError>> {
        async move { Ok(Arc::new(self.of_arn(arn).await?) as Arc<dyn Letters>) }.boxed()
    }

    fn receive(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        self.receive_messages(count, visibility, wait).boxed()
    }

    fn extend<'a>(&'a self, handles: &'a [String], to: Duration) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.change_visibilities(handles, to).boxed()
    }

    fn release<'a>(&'a self, handle: &'a str, delay: Duration) -> BoxFuture<'a, Result<(), QueueError>> {
        self.change_visibility(handle, delay).boxed()
    }

    fn delete<'a>(&'a self, handles: &'a [String]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.delete_messages(handles).boxed()
    }

    fn send<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Refused>, QueueError>> {
        self.send_messages(messages).boxed()
    }
}

fn message(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let attribute = |name| message.attributes.as_ref().and_then(|all| all.get(&name));
    let receive_count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent = attribute(MessageSystemAttributeName::SentTimestamp);
    let text = |name| message.message_attributes.as_ref()?.get(name)?.string_value.as_deref();
    let aws = attribute(MessageSystemAttributeName::AwsTraceHeader).map(String::as_str);
    let trace = Trace::read(text(TRACEPARENT), text(TRACESTATE), aws);
    Some(Message {
        group: attribute(MessageSystemAttributeName::MessageGroupId).cloned(),
        sender: attribute(MessageSystemAttributeName::SenderId).cloned(),
        trace,
        receive_count: receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
        sent: sent
            .and_then(|milliseconds| milliseconds.parse().ok())
            .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok()),
        id: message.message_id?,
        receipt_handle: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
    })
}

pub(super) fn failed<E>(operation: &'static str, error: &SdkError<E>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Refusal { reason, code } = Refusal::of(error);
    QueueError { operation, reason, code }
}

pub(super) fn invalid(operation: &'static str, error: &dyn std::error::Error) -> QueueError {
    QueueError { operation, reason: error.to_string(), code: None }
}

pub(super) fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

pub(super) fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
