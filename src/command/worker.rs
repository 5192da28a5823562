//! `caisson worker`: the queues, the engine, and everything between them, until told to stop.

use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::instance;
use super::local::{self, Local};
use super::{BAD_CONFIGURATION, failed};
use crate::config::{Config, Incoming};
use crate::health::manager::Manager;
use crate::health::{self, Condition, Health};
use crate::instance::Instance;
use crate::metrics;
use crate::metrics::cloudwatch::Exporter;
use crate::pipeline::Pipeline;
use crate::queue::sources::Source;
use crate::queue::{ANSWER, Attributes, Duties, Inbox, Outbox, QueueError, Sqs};
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::worker::Worker;

/// Beside the longest that one answer may take: enough for one that is lost, and the long poll that follows it, on a busy
/// host. Past it the worker isn't alive.
const MARGIN: Duration = Duration::from_secs(30);

/// Between two tries to reach a queue at the start.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// SQS's words for a queue that doesn't exist, by its two protocols.
const ABSENT: [&str; 2] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// For the last line of metrics.
const LAST_LINE: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &Config) -> ExitCode {
    let named = config.queue.incoming();
    let (false, Some(outgoing)) = (named.is_empty(), &config.queue.outgoing_url) else {
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
    let code = tokio::select! {
        biased;
        code = work(config, id, &named, outgoing, &shutdown) => code,
        () = shutdown.over.cancelled() => {
            tracing::warn!("ended while calls were under way; what was in hand reappears when its visibility timeout ends");
            ExitCode::SUCCESS
        }
    };
    let clean = !shutdown.abort.is_cancelled();
    tracing::info!(clean, "stopped");
    code
}

/// Starts and works until told to stop. While it starts nothing is in hand, so that the first signal is enough then.
async fn work(config: &Config, id: String, named: &[Incoming], outgoing: &str, shutdown: &Shutdown) -> ExitCode {
    // Begun now, so that an end that was announced before we came is known before the first message is taken.
    let mut instance = Instance::watch(instance::settings(config), shutdown.clone());
    let health = match listen(config, Duration::from_secs(config.queue.wait_time_s)) {
        Ok(health) => health,
        Err(error) => return failed(&error),
    };
    match Manager::find(|name| std::env::var_os(name)) {
        Ok(None) => {}
        Ok(Some(manager)) => drop(tokio::spawn(manager.tell(health.clone(), shutdown.intake.clone()))),
        Err(error) => tracing::warn!(%error, "NOTIFY_SOCKET: the service manager can't be told how the worker is"),
    }
    let started = tokio::select! {
        biased;
        started = start(config, id, named, outgoing, &health) => started,
        () = shutdown.intake.cancelled() => return ExitCode::SUCCESS,
    };
    let Started { pipeline, sources, outbox } = match started {
        Ok(started) => started,
        Err(error) => return failed(&error),
    };
    if let Some(instance) = &mut instance {
        let sources = sources.clone();
        instance.protect(move || sources.iter().any(|source| source.inbox.holds_any()));
        let health = health.clone();
        instance.replace_when_sick(move || health.host_fault());
    }
    let stopped = CancellationToken::new();
    let exporter = config.metrics.cloudwatch.then(|| {
        let exporter = Exporter::new(&config.metrics.cloudwatch_namespace, &pipeline.worker.id);
        tokio::spawn(exporter.run(metrics::all(), stopped.clone().cancelled_owned()))
    });
    Worker::new(pipeline, sources, outbox, health).run(shutdown.clone()).await;
    if let Some(instance) = instance {
        instance.leave().await;
    }
    stopped.cancel();
    if let Some(exporter) = exporter {
        // Whoever doesn't read our stdout must not keep us from ending.
        let _ = tokio::time::timeout(LAST_LINE, exporter).await;
    }
    ExitCode::SUCCESS
}

/// What a worker works with.
struct Started {
    pipeline: Pipeline,
    sources: Vec<Source>,
    outbox: Outbox,
}

async fn start(
    config: &Config,
    id: String,
    named: &[Incoming],
    outgoing: &str,
    health: &Health,
) -> Result<Started, String> {
    let client = Sqs::open(outgoing).await;
    let outgoing_attributes = reached(health, Condition::Outgoing, client.url(), async || client.attributes().await)
        .await
        .map_err(|error| format!("the outgoing queue {}: {error}", client.url()))?;
    let mut sources = Vec::new();
    for incoming in named {
        let source = source(config, incoming, client.sibling(&incoming.url), &outgoing_attributes, health).await;
        sources.push(source.map_err(|error| format!("the incoming queue {}: {error}", incoming.url))?);
    }
    let local = Local { id: Some(id), many: true, ..Local::default() };
    let mut pipeline = local::pipeline(config, local).await.map_err(|error| error.to_string())?;
    pipeline.policy.languages = config.languages.only(&config.worker.languages);
    tracing::info!(
        worker.id = pipeline.worker.id,
        version = pipeline.worker.version,
        incoming = named.iter().map(|incoming| incoming.url.as_str()).collect::<Vec<_>>().join(" "),
        outgoing = client.url(),
        slots = pipeline.sandboxes.slots(),
        pinned = pipeline.sandboxes.are_pinned(),
        "working"
    );
    let outbox = Outbox::start(client, outgoing_attributes.maximum_message_bytes);
    Ok(Started { pipeline, sources, outbox })
}

/// What a queue says of itself, asked for until it says something. A worker that ended because of an outage would have its service
/// manager start it again and again, and in the end its instance replaced, for nothing. That there is no such queue is an end.
async fn reached<T>(
    health: &Health,
    condition: Condition,
    queue: &str,
    ask: impl AsyncFn() -> Result<T, QueueError>,
) -> Result<T, QueueError> {
    let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match ask().await {
            Err(error) if !error.code.as_deref().is_some_and(|code| ABSENT.contains(&code)) => {
                let wait = retry.next_wait();
                health.set(condition, false, &error.to_string());
                tracing::error!(queue, %error, code = error.code, wait_ms = wait.as_millis(), "the worker waits for a queue before it starts");
                tokio::time::sleep(wait).await;
            }
            outcome => {
                health.set(condition, true, "");
                return outcome;
            }
        }
    }
}

/// An incoming queue with its heartbeat and its dead letters, or why it can't be one.
async fn source(
    config: &Config,
    incoming: &Incoming,
    queue: Sqs,
    outgoing: &Attributes,
    health: &Health,
) -> Result<Source, Box<dyn std::error::Error>> {
    let visibility = Duration::from_secs(config.queue.visibility_timeout_s);
    let wait = Duration::from_secs(config.queue.wait_time_s);
    let inbox = Inbox::new(queue, visibility, wait).with_duties(Duties {
        copies: config.queue.copy_unparsable,
        answers: config.queue.answer_dead_letters,
        outgoing_arn: outgoing.arn.clone(),
    });
    let attributes = reached(health, Condition::Queue, inbox.url(), async || inbox.look_again().await).await?;
    if attributes.arn.is_some() && attributes.arn == outgoing.arn {
        // Under another URL, or the configuration's own check would have found it.
        return Err("it is the outgoing queue too; results would be taken for jobs, so name another queue".into());
    }
    if attributes.dead_letter_arn.is_none() {
        tracing::warn!(
            queue = inbox.url(),
            "the incoming queue has no dead-letter queue: what can't be answered in ten receipts is answered internal_error and deleted"
        );
    }
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
