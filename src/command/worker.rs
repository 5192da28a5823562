//! `caisson worker`: the queues, the engine, and everything between them, until told to stop.

use std::process::ExitCode;
use std::time::Duration;

use super::local::{self, Local};
use super::{BAD_CONFIGURATION, failed};
use crate::config::Config;
use crate::queue::{Inbox, Outbox, Sqs};
use crate::sandbox::SandboxError;
use crate::shutdown::Shutdown;
use crate::worker::Worker;

pub(super) async fn run(config: &Config) -> ExitCode {
    let (Some(incoming), Some(outgoing)) = (&config.queue.incoming_url, &config.queue.outgoing_url) else {
        for (key, value) in
            [("queue.incoming_url", &config.queue.incoming_url), ("queue.outgoing_url", &config.queue.outgoing_url)]
        {
            if value.is_none() {
                eprintln!("{key}: is needed by `caisson worker`; set it in the file given with --config, or by its variable");
            }
        }
        return BAD_CONFIGURATION.into();
    };
    let shutdown = match Shutdown::on_signals(Duration::from_secs(config.worker.grace_period_s)) {
        Ok(shutdown) => shutdown,
        Err(error) => return failed(&format!("the signal handlers could not be installed: {error}")),
    };
    let incoming = Sqs::open(incoming).await;
    let outgoing = incoming.sibling(outgoing);
    let mut attributes = Vec::new();
    for (which, queue) in [("incoming", &incoming), ("outgoing", &outgoing)] {
        match queue.attributes().await {
            Ok(found) => attributes.push(found),
            Err(error) => return failed(&format!("the {which} queue {}: {error}", queue.url())),
        }
    }
    if attributes[0].max_receive_count.is_none() {
        tracing::warn!(
            queue = incoming.url(),
            "the incoming queue has no dead-letter queue: a message that can never be answered comes back for ever"
        );
    }
    let pipeline = match local::pipeline(config, Local::default()).await {
        Ok(pipeline) => pipeline,
        Err(error) => return failed(&error),
    };
    for language in config.languages.iter() {
        match pipeline.sandboxes.resolve_image(&language.image).await {
            Ok(_) => {}
            Err(error @ SandboxError::ImageMissing { .. }) => tracing::warn!(language = language.name, "{error}"),
            Err(error) => return failed(&error),
        }
    }
    let visibility = Duration::from_secs(config.queue.visibility_timeout_s);
    let wait = Duration::from_secs(config.queue.wait_time_s);
    tracing::info!(
        worker.id = pipeline.worker.id,
        version = pipeline.worker.version,
        incoming = incoming.url(),
        outgoing = outgoing.url(),
        slots = config.worker.slots.unwrap_or_else(local::cpus),
        pinned = pipeline.sandboxes.are_pinned(),
        "working"
    );
    let worker = Worker {
        pipeline,
        inbox: Inbox::new(incoming, visibility, wait),
        outbox: Outbox::start(outgoing, attributes[1].maximum_message_bytes),
        max_receive_count: attributes[0].max_receive_count,
    };
    worker.run(shutdown.clone()).await;
    let clean = !shutdown.abort.is_cancelled();
    tracing::info!(clean, "stopped");
    ExitCode::SUCCESS
}
