//! What becomes of a message that is received again and again: the queue's redrive policy, which its owner may change while workers
//! run.

use super::Attributes;
use super::dead_letters::DeadLetters;
use super::service::Queue;

/// What a worker does with a dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duties {
    /// Puts copies of what is no job there.
    pub copies: bool,
    /// Answers what SQS moved there and nobody answered.
    pub answers: bool,
    /// The outgoing queue's ARN. Dead letters that go there are left alone: they lie among the results.
    pub outgoing_arn: Option<String>,
}

/// A queue's redrive policy, as it was read last.
#[derive(Debug, Clone, Default)]
pub struct Redrive {
    /// After how many receipts the queue moves a message to its dead-letter queue; `None` where it has none.
    pub max_receive_count: Option<u64>,
    /// That queue, where it may be used.
    pub dead_letters: Option<DeadLetters>,
    /// Its ARN.
    dead_letter_arn: Option<String>,
}

impl Redrive {
    /// The policy that the queue's attributes tell, with the dead-letter queue opened where that is a new one.
    pub(super) async fn renewed(self, queue: &dyn Queue, attributes: &Attributes, duties: &Duties) -> Redrive {
        let is_same = self.dead_letter_arn == attributes.dead_letter_arn;
        let mut renewed = Redrive {
            max_receive_count: attributes.max_receive_count,
            dead_letters: self.dead_letters.filter(|_| is_same),
            dead_letter_arn: attributes.dead_letter_arn.clone(),
        };
        let Some(arn) = attributes.dead_letter_arn.as_deref().filter(|_| !is_same) else { return renewed };
        if duties.outgoing_arn.as_deref() == Some(arn) {
            tracing::warn!(arn, "the incoming queue's dead letters go to the outgoing queue, among the results");
        } else if duties.copies || duties.answers {
            match queue.letters_of(arn).await {
                Ok(letters) => {
                    renewed.dead_letters = Some(DeadLetters::new(letters, attributes.arn.clone(), duties.clone()));
                }
                Err(error) => tracing::warn!(
                    arn,
                    %error,
                    "the dead-letter queue can't be used: what is no job isn't copied there, and what lies there isn't answered; \
                     the role needs sqs:GetQueueUrl on it"
                ),
            }
        }
        renewed
    }
}
