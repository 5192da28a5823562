//! `caisson dlq show`: one message as a whole.

use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::walk::Walk;
use crate::cli::dlq::ShowArgs;
use crate::command::{INTERRUPTED, failed, print};
use crate::printable;
use crate::queue::Sqs;
use crate::queue::letter::{Content, Letter};

pub(super) async fn run(queue: &Sqs, args: &ShowArgs, stop: &CancellationToken) -> ExitCode {
    let mut walk = match Walk::new(queue.clone()).await {
        Ok(walk) => walk,
        Err(error) => return failed(&error),
    };
    let found = loop {
        if stop.is_cancelled() {
            walk.give_back().await;
            return INTERRUPTED.into();
        }
        match walk.next().await {
            Err(error) => {
                walk.give_back().await;
                return failed(&error);
            }
            Ok((letters, _)) if letters.is_empty() => break None,
            Ok((letters, _)) => {
                if let Some(letter) = letters.into_iter().find(|letter| letter.id == args.id) {
                    break Some(letter);
                }
            }
        }
    };
    walk.give_back().await;
    match found {
        // To the byte for a program, and safe for whoever looks at it.
        Some(letter) if args.body && !std::io::stdout().is_terminal() => print(&letter.body),
        Some(letter) if args.body => print(&printable::lines(&letter.body)),
        Some(letter) => print(&printable::json(format!("{:#}\n", whole(&letter)))),
        None => failed(&format!(
            "there is no message {} to be seen in {}; it may be gone, or taken by somebody else right now",
            args.id,
            queue.url()
        )),
    }
}

fn whole(letter: &Letter) -> Value {
    let attributes: Map<String, Value> = letter
        .attributes
        .iter()
        .map(|(name, attribute)| {
            let content = match &attribute.content {
                Content::Text(text) => json!({"type": attribute.data_type, "text": text}),
                Content::Binary(bytes) => {
                    use base64::Engine as _;
                    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                    json!({"type": attribute.data_type, "base64": text})
                }
            };
            (name.clone(), content)
        })
        .collect();
    json!({
        "message_id": letter.id,
        "receive_count": letter.receive_count,
        "sent": letter.sent.map(|sent| format!("{sent:.3}")),
        "message_group_id": letter.group,
        "aws_trace_header": letter.trace,
        "source_arn": letter.source_arn,
        "bytes": letter.bytes(),
        "attributes": attributes,
        "body": letter.body,
    })
}
