//! Queues of the local SQS, each made for one test.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};

use super::{unique, until, within};

/// A queue of the test's own.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// A result as a consumer gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: String,
    pub(crate) report: Value,
    pub(crate) attributes: BTreeMap<String, String>,
    /// FIFO queues only.
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

/// How many messages a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

pub(crate) const EMPTY: Counts = Counts { visible: 0, in_flight: 0, delayed: 0 };

/// A client of the local SQS. Never of a real one: these tests fill it with rubbish.
pub(crate) async fn client() -> Client {
    assert!(
        std::env::var_os("CAISSON_TEST_SQS_URL").is_some(),
        "this test needs the local SQS; run it by `just test`, or under scripts/sqs.sh"
    );
    Client::new(&aws_config::load_from_env().await)
}

impl Queue {
    /// A standard queue.
    pub(crate) async fn create(prefix: &str) -> Queue {
        Queue::create_with(&unique(prefix), &[]).await
    }

    pub(crate) async fn create_fifo(prefix: &str) -> Queue {
        Queue::create_with(&format!("{}.fifo", unique(prefix)), &[(QueueAttributeName::FifoQueue, "true")]).await
    }

    pub(crate) async fn create_with(name: &str, attributes: &[(QueueAttributeName, &str)]) -> Queue {
        let client = client().await;
        let mut request = client.create_queue().queue_name(name);
        for (attribute, value) in attributes {
            request = request.attributes(attribute.clone(), *value);
        }
        let created = within("create a queue", request.send()).await.expect("a queue can be created");
        let url = created.queue_url.expect("a queue has a URL");
        Queue { client, url }
    }

    /// A standard queue whose messages go to another one when they have been received that often.
    pub(crate) async fn create_with_dead_letters(prefix: &str, dead: &Queue, max_receive_count: u64) -> Queue {
        let policy =
            json!({ "deadLetterTargetArn": dead.arn().await, "maxReceiveCount": max_receive_count }).to_string();
        Queue::create_with(&unique(prefix), &[(QueueAttributeName::RedrivePolicy, &policy)]).await
    }

    /// Its name to other AWS services.
    pub(crate) async fn arn(&self) -> String {
        let name = QueueAttributeName::QueueArn;
        let asking = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone()).send();
        let attributes = within("a queue's name", asking).await.expect("the queue answers").attributes;
        attributes.and_then(|mut all| all.remove(&name)).expect("a queue has a name")
    }

    /// Sends a message; its id.
    pub(crate) async fn send(&self, body: &str) -> String {
        let sending = self.client.send_message().queue_url(&self.url).message_body(body).send();
        let sent = within("send a message", sending).await.expect("a message can be sent");
        sent.message_id.expect("a message has an id")
    }

    pub(crate) async fn send_job(&self, job: &Value) -> String {
        self.send(&job.to_string()).await
    }

    /// What is visible right now, taken and hidden for `visibility` seconds. A short wait, since "now" is the point.
    pub(crate) async fn receive(&self, visibility: i32) -> Vec<Message> {
        let receiving = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(0)
            .visibility_timeout(visibility)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send();
        within("receive messages", receiving).await.expect("messages can be received").messages.unwrap_or_default()
    }

    /// Spends receipts of the only message there is, which is visible again at once.
    pub(crate) async fn spend(&self, receipts: u64) {
        for receipt in 0..receipts {
            assert_eq!(self.receive(0).await.len(), 1, "receipt {receipt}");
        }
    }

    pub(crate) async fn delete(&self, message: &Message) {
        let handle = message.receipt_handle().expect("a received message has a handle");
        let deleting = self.client.delete_message().queue_url(&self.url).receipt_handle(handle).send();
        within("delete a message", deleting).await.expect("a message can be deleted");
    }

    /// Deletes up to ten messages.
    pub(crate) async fn delete_all(&self, messages: &[Message]) {
        let entries = messages.iter().enumerate().map(|(index, message)| {
            let handle = message.receipt_handle().expect("a received message has a handle");
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(handle);
            entry.build().expect("an entry has an id and a handle")
        });
        let deleting = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let outcome = within("delete messages", deleting.send()).await.expect("messages can be deleted");
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    }

    /// Takes results until there are `count` of them.
    pub(crate) async fn answers(&self, count: usize) -> Vec<Answer> {
        let mut answers = Vec::new();
        until(&format!("{count} results"), async || {
            for message in self.receive(60).await {
                self.delete(&message).await;
                answers.push(Answer::of(message));
            }
            (answers.len() >= count).then_some(())
        })
        .await;
        answers
    }

    pub(crate) async fn counts(&self) -> Counts {
        let asking =
            self.client.get_queue_attributes().queue_url(&self.url).attribute_names(QueueAttributeName::All).send();
        let all = within("count messages", asking).await.expect("messages can be counted").attributes;
        let all = all.expect("a queue has attributes");
        let count = |name| all.get(&name).and_then(|count: &String| count.parse().ok()).expect("a queue has counts");
        Counts {
            visible: count(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: count(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        }
    }

    /// Makes sure that it has as many now.
    pub(crate) async fn has(&self, counts: Counts) {
        assert_eq!(self.counts().await, counts, "{}", self.url);
    }

    /// Waits until it has as many.
    pub(crate) async fn becomes(&self, counts: Counts) {
        until(&format!("{counts:?} in {}", self.url), async || (self.counts().await == counts).then_some(())).await;
    }
}

impl Answer {
    fn of(message: Message) -> Answer {
        let body = message.body.expect("a result has a body");
        let report = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let attributes = message.message_attributes.unwrap_or_default();
        let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name, value.string_value?))).collect();
        let system = message.attributes.unwrap_or_default();
        Answer {
            body,
            report,
            attributes,
            group: system.get(&MessageSystemAttributeName::MessageGroupId).cloned(),
            deduplication: system.get(&MessageSystemAttributeName::MessageDeduplicationId).cloned(),
        }
    }
}
