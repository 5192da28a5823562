//! SQS by its SDK: each call a function in our own words. The only place that names `aws_sdk_sqs`.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use super::Message;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}: {reason}")]
pub struct QueueError {
    pub operation: &'static str,
    pub reason: String,
    /// The service's own word for it, as `AWS.SimpleQueueService.NonExistentQueue`.
    pub code: Option<String>,
}

/// One entry of a batch that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) index: usize,
    pub(crate) code: String,
    pub(crate) reason: String,
}

/// A message to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) body: String,
    pub(crate) attributes: Vec<(&'static str, String)>,
    /// Group and deduplication id, used where the queue is a FIFO.
    pub(crate) group: String,
    pub(crate) deduplication: String,
}

/// One queue.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    url: String,
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

/// What every SQS queue takes since August 2025 unless it is set lower.
const MAXIMUM_MESSAGE_BYTES: usize = 1 << 20;

/// How long an answer may take; the SDK itself would wait for ever. A connection that a gateway has forgotten looks like
/// this, and a mebibyte over a slow line is done in less.
const ANSWER: Duration = Duration::from_secs(10);

fn within(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(limit).build()
}

impl Sqs {
    /// A queue by its URL, with region, credentials and endpoint from where AWS's own tools take them.
    pub async fn open(url: &str) -> Sqs {
        let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(within(ANSWER)).load().await;
        Sqs { client: Client::new(&config), url: url.to_owned() }
    }

    /// Another queue with the same client.
    pub fn sibling(&self, url: &str) -> Sqs {
        Sqs { client: self.client.clone(), url: url.to_owned() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// FIFO queues are told by their name.
    pub fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

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

    pub(crate) async fn receive(
        &self,
        count: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(whole(count))
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .customize()
            // A long poll takes as long as it was asked to, before the answer.
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(within(wait + ANSWER)))
            .send()
            .await
            .map_err(|error| failed("receive messages", &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    pub(crate) async fn change_visibility(&self, receipt_handle: &str, to: Duration) -> Result<(), QueueError> {
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

    /// Renews up to ten messages at once. The refused ones are named by their index.
    pub(crate) async fn extend(&self, handles: &[String], to: Duration) -> Result<Vec<Refused>, QueueError> {
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
        Ok(refused(&answer.failed))
    }

    /// Deletes up to ten messages at once. The refused ones are named by their index.
    pub(crate) async fn delete(&self, handles: &[String]) -> Result<Vec<Refused>, QueueError> {
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
        Ok(refused(&answer.failed))
    }

    /// Sends up to ten messages at once. The refused ones are named by their index.
    pub(crate) async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Refused>, QueueError> {
        let operation = "publish results";
        let fifo = self.is_fifo();
        let entries = messages.iter().enumerate().map(|(index, message)| {
            let mut entry =
                SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
            for (name, value) in &message.attributes {
                let value = MessageAttributeValue::builder()
                    .data_type("String")
                    .string_value(value)
                    .build()
                    .map_err(|error| invalid(operation, &error))?;
                entry = entry.message_attributes(*name, value);
            }
            if fifo {
                entry = entry.message_group_id(&message.group).message_deduplication_id(&message.deduplication);
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
        Ok(refused(&answer.failed))
    }
}

fn message(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let attribute = |name| message.attributes.as_ref().and_then(|all| all.get(&name));
    let receive_count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent = attribute(MessageSystemAttributeName::SentTimestamp);
    Some(Message {
        receive_count: receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
        sent: sent
            .and_then(|milliseconds| milliseconds.parse().ok())
            .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok()),
        id: message.message_id?,
        receipt_handle: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
    })
}

fn refused(failures: &[aws_sdk_sqs::types::BatchResultErrorEntry]) -> Vec<Refused> {
    failures
        .iter()
        .filter_map(|entry| {
            Some(Refused {
                index: entry.id.parse().ok()?,
                code: entry.code.clone(),
                reason: entry.message.clone().unwrap_or_default(),
            })
        })
        .collect()
}

fn failed<E, R>(operation: &'static str, error: &SdkError<E, R>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let service = error.as_service_error();
    let reason = match service.and_then(ProvideErrorMetadata::message) {
        Some(message) => message.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    };
    QueueError { operation, reason, code: service.and_then(ProvideErrorMetadata::code).map(str::to_owned) }
}

fn invalid(operation: &'static str, error: &dyn std::error::Error) -> QueueError {
    QueueError { operation, reason: error.to_string(), code: None }
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
