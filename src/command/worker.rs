//! `caisson worker`: the queues, the engine, and everything between them, until told to stop.

use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::instance;
use super::local::{self, Local};
use super::{BAD_CONFIGURATION, failed};
use crate::config::{Config, Incoming};
use crate::health::{self, Health};
use crate::instance::Instance;
use crate::metrics;
use crate::metrics::cloudwatch::Exporter;
use crate::queue::dead_letters::DeadLetters;
use crate::queue::sources::Source;
use crate::queue::{ANSWER, Attributes, Inbox, Outbox, Sqs};
use crate::sandbox::SandboxError;
use crate::sandbox::slots;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::worker::Worker;

/// Beside the longest that one answer may take: enough for one that is lost, and the long poll that follows it, on a busy
/// host. Past it the worker isn't alive.
const MARGIN: Duration = Duration::from_secs(30);

/// For the last line of metrics.
const LAST_LINE: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &Config) -> ExitCode {
    let named = config.queue.incoming();
    let (Some(first), Some(outgoing)) = (named.first(), &config.queue.outgoing_url) else {
        for (key, is_missing) in
            [("queue.incoming_url", named.is_empty()), ("queue.outgoing_url", config.queue.outgoing_url.is_none())]
        {
            if is_missing {
                telemetry::say(&format!(
                    "{key}: is needed by `caisson worker`; set it in the file given with --config, or by its variable"
                ));
            }
        }
        return BAD_CONFIGURATION.into();
    };
    let id = match local::worker_id(config) {
        Ok(id) => id,
        Err(error) => return failed(&error),
    };
    let shutdown = match Shutdown::on_signals(Duration::from_secs(config.worker.grace_period_s)) {
        Ok(shutdown) => shutdown,
        Err(error) => return failed(&format!("the signal handlers could not be installed: {error}")),
    };
    // Begun now, so that an end that was announced before we came is known before the first message is taken.
    let mut instance = Instance::watch(instance::settings(config), shutdown.clone());
    let health = match listen(config, Duration::from_secs(config.queue.wait_time_s)) {
        Ok(health) => health,
        Err(error) => return failed(&error),
    };
    let client = Sqs::open(&first.url).await;
    let outgoing = client.sibling(outgoing);
    let outgoing_attributes = match outgoing.attributes().await {
        Ok(found) => found,
        Err(error) => return failed(&format!("the outgoing queue {}: {error}", outgoing.url())),
    };
    let mut sources = Vec::new();
    for incoming in &named {
        match source(config, incoming, client.sibling(&incoming.url), &outgoing_attributes).await {
            Ok(source) => sources.push(source),
            Err(error) => return failed(&format!("the incoming queue {}: {error}", incoming.url)),
        }
    }
    let pipeline = match local::pipeline(config, Local { id: Some(id), many: true, ..Local::default() }).await {
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
    tracing::info!(
        worker.id = pipeline.worker.id,
        version = pipeline.worker.version,
        incoming = named.iter().map(|incoming| incoming.url.as_str()).collect::<Vec<_>>().join(" "),
        outgoing = outgoing.url(),
        slots = config.worker.slots.unwrap_or_else(slots::default_count),
        pinned = pipeline.sandboxes.are_pinned(),
        "working"
    );
    if let Some(instance) = &mut instance {
        let sources = sources.clone();
        instance.protect(move || sources.iter().any(|source| source.inbox.holds_any()));
    }
    let stopped = CancellationToken::new();
    let exporter = config.metrics.cloudwatch.then(|| {
        let exporter = Exporter::new(&config.metrics.cloudwatch_namespace, &pipeline.worker.id);
        tokio::spawn(exporter.run(metrics::all(), stopped.clone().cancelled_owned()))
    });
    let outbox = Outbox::start(outgoing, outgoing_attributes.maximum_message_bytes);
    let worker = Worker::new(pipeline, sources, outbox, health);
    worker.run(shutdown.clone()).await;
    if let Some(instance) = instance {
        instance.leave().await;
    }
    stopped.cancel();
    if let Some(exporter) = exporter {
        // Whoever doesn't read our stdout must not keep us from ending.
        let _ = tokio::time::timeout(LAST_LINE, exporter).await;
    }
    let clean = !shutdown.abort.is_cancelled();
    tracing::info!(clean, "stopped");
    ExitCode::SUCCESS
}

/// An incoming queue with its heartbeat and its dead letters, or why it can't be one.
async fn source(
    config: &Config,
    incoming: &Incoming,
    queue: Sqs,
    outgoing: &Attributes,
) -> Result<Source, Box<dyn std::error::Error>> {
    let attributes = queue.attributes().await?;
    if attributes.arn.is_some() && attributes.arn == outgoing.arn {
        // Under another URL, or the configuration's own check would have found it.
        return Err("it is the outgoing queue too; results would be taken for jobs, so name another queue".into());
    }
    let dead_letters = match &attributes.dead_letter_arn {
        None => {
            tracing::warn!(
                queue = queue.url(),
                "the incoming queue has no dead-letter queue: what can't be answered in ten receipts is answered internal_error and deleted"
            );
            None
        }
        Some(arn) if attributes.dead_letter_arn == outgoing.arn => {
            tracing::warn!(arn, "the incoming queue's dead letters go to the outgoing queue, among the results");
            None
        }
        Some(_) if !config.queue.copy_unparsable => None,
        Some(arn) => match DeadLetters::of(&queue, arn).await {
            Ok(dead_letters) => Some(dead_letters),
            Err(error) => {
                tracing::warn!(arn, %error, "what is no job won't be copied to the dead-letter queue; the role needs sqs:GetQueueUrl on it");
                None
            }
        },
    };
    let visibility = Duration::from_secs(config.queue.visibility_timeout_s);
    let wait = Duration::from_secs(config.queue.wait_time_s);
    let inbox = Inbox::new(queue, visibility, wait).with_redrive(attributes.max_receive_count, dead_letters);
    Ok(Source { inbox, weight: incoming.weight })
}

/// The worker's health, and where it tells it if that is wanted. Before anything else, so that a port in use is told
/// before the first job is taken, and a probe finds somebody during a slow start.
fn listen(config: &Config, wait: Duration) -> Result<Health, String> {
    let health = Health::new(wait + ANSWER + MARGIN);
    health.watch_runtime();
    let Some(listen) = &config.http.listen else { return Ok(health) };
    let address = listen.parse().map_err(|error| format!("http.listen: {listen}: {error}"))?;
    let page = |openmetrics| if openmetrics { metrics::all().openmetrics() } else { metrics::all().prometheus() };
    let address = health::server::start(address, health.clone(), page).map_err(|error| {
        format!("http.listen: cannot listen on {listen}: {error}; choose another port, or leave the setting out")
    })?;
    tracing::info!(%address, "listening for probes and scrapers");
    Ok(health)
}
