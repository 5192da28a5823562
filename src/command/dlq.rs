//! `caisson dlq`: the dead-letter queue, looked at and worked on.

mod contents;
mod discard;
mod list;
mod pace;
mod redrive;
mod selection;
mod show;
mod walk;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{BAD_CONFIGURATION, failed};
use crate::cli::dlq::{DlqCommand, Where};
use crate::config::Config;
use crate::queue::Sqs;

/// A dead-letter queue, and the incoming queues whose dead letters go there, each with its ARN.
struct Place {
    queue: Sqs,
    sources: Vec<(String, Sqs)>,
}

/// Why there is no place to work on.
enum Nowhere {
    /// The configuration or the command line doesn't say it.
    Unsaid(String),
    Failed(String),
}

pub(super) async fn run(config: &Config, command: DlqCommand) -> ExitCode {
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            // Without a handler there is nothing to wait for, and the signal does what it does by default.
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
        }
    });
    let (place, needs_source) = match &command {
        DlqCommand::List(args) => (&args.place, false),
        DlqCommand::Show(args) => (&args.place, false),
        DlqCommand::Redrive(args) => (&args.place, args.to.is_none()),
        DlqCommand::Drop(args) => (&args.place, false),
    };
    let place = match find(config, place, needs_source).await {
        Ok(place) => place,
        Err(Nowhere::Failed(problem)) => return failed(&problem),
        Err(Nowhere::Unsaid(problem)) => {
            eprintln!("{problem}");
            return BAD_CONFIGURATION.into();
        }
    };
    match command {
        DlqCommand::List(args) => list::run(&place.queue, &args, &stop).await,
        DlqCommand::Show(args) => show::run(&place.queue, &args, &stop).await,
        DlqCommand::Redrive(args) => redrive::run(&place, &args, &stop).await,
        DlqCommand::Drop(args) => discard::run(&place, &args, &stop).await,
    }
}

/// The dead-letter queue that was named, or else the only one that the incoming queues name.
async fn find(config: &Config, named: &Where, needs_source: bool) -> Result<Place, Nowhere> {
    let incoming = config.queue.incoming();
    if let (Some(url), true) = (&named.queue, !needs_source || incoming.is_empty()) {
        if needs_source {
            let problem =
                "queue.incoming_url: isn't set, so it isn't known where messages go back to; set it, or give --to";
            return Err(Nowhere::Unsaid(problem.to_owned()));
        }
        return Ok(Place { queue: Sqs::open(url).await, sources: Vec::new() });
    }
    let Some(first) = incoming.first() else {
        let problem = "queue.incoming_url: isn't set, so its dead-letter queue isn't known; set it, or give --queue";
        return Err(Nowhere::Unsaid(problem.to_owned()));
    };
    let client = Sqs::open(&first.url).await;
    let mut sources = Vec::new();
    for queue in &incoming {
        let queue = client.sibling(&queue.url);
        let attributes =
            queue.attributes().await.map_err(|error| Nowhere::Failed(format!("{}: {error}", queue.url())))?;
        sources.extend(attributes.dead_letter_arn.map(|dead| (dead, attributes.arn.unwrap_or_default(), queue)));
    }
    let wanted = match &named.queue {
        Some(url) => {
            let attributes = client.sibling(url).attributes().await;
            attributes.map_err(|error| Nowhere::Failed(format!("{url}: {error}")))?.arn.unwrap_or_default()
        }
        None => {
            let mut all: Vec<&String> = sources.iter().map(|(dead, _, _)| dead).collect();
            all.sort();
            all.dedup();
            match all.as_slice() {
                [only] => (*only).clone(),
                [] => {
                    let problem =
                        "no incoming queue has a redrive policy, so there is no dead-letter queue; give --queue";
                    return Err(Nowhere::Unsaid(problem.to_owned()));
                }
                several => {
                    let names: Vec<&str> = several.iter().map(|arn| arn.as_str()).collect();
                    let problem = format!(
                        "the incoming queues have several dead-letter queues; give --queue with the URL of one of {}",
                        names.join(", ")
                    );
                    return Err(Nowhere::Unsaid(problem));
                }
            }
        }
    };
    let queue = match &named.queue {
        Some(url) => client.sibling(url),
        None => client.of_arn(&wanted).await.map_err(|error| Nowhere::Failed(format!("{wanted}: {error}")))?,
    };
    let sources: Vec<(String, Sqs)> =
        sources.into_iter().filter(|(dead, _, _)| *dead == wanted).map(|(_, arn, queue)| (arn, queue)).collect();
    if needs_source && sources.is_empty() {
        let problem =
            format!("{} is no incoming queue's dead-letter queue; give --to with the queue to send to", queue.url());
        return Err(Nowhere::Unsaid(problem));
    }
    Ok(Place { queue, sources })
}

/// A bar on a terminal, as long as SQS thinks the queue is.
async fn progress(queue: &Sqs) -> ProgressBar {
    let bar = ProgressBar::new(queue.about_how_many().await.unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos} of about {len} messages  {per_sec}") {
        bar.set_style(style);
    }
    bar
}
