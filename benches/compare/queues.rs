//! Queues of the local SQS, for a worker to be measured between them.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::Fallible;

/// The most that SQS takes at once.
const BATCH: usize = 10;

#[derive(Debug)]
pub(crate) struct Queue {
    client: Client,
    pub(crate) url: String,
}

impl Queue {
    /// Never in a real SQS: without the variable that says that this one may be filled with rubbish there is none.
    pub(crate) async fn create(name: &str) -> Fallible<Queue> {
        if std::env::var_os("CAISSON_TEST_SQS_URL").is_none() {
            return Err("there is no local SQS; `just bench` brings one along".into());
        }
        let client = Client::new(&aws_config::load_from_env().await);
        let created = client.create_queue().queue_name(name).send().await?;
        let url = created.queue_url.ok_or("a queue without a URL")?;
        Ok(Queue { client, url })
    }

    pub(crate) async fn send(&self, bodies: &[String]) -> Fallible<()> {
        for (number, some) in bodies.chunks(BATCH).enumerate() {
            let mut request = self.client.send_message_batch().queue_url(&self.url);
            for (index, body) in some.iter().enumerate() {
                let id = format!("{number}-{index}");
                request = request.entries(SendMessageBatchRequestEntry::builder().id(id).message_body(body).build()?);
            }
            let failed = request.send().await?.failed;
            if !failed.is_empty() {
                return Err("the local SQS refuses messages".into());
            }
        }
        Ok(())
    }
}
