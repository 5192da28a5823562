//! `caisson dlq`: what can be said on its command line.

use clap::{Args, Subcommand};

pub const HELP: &str = "\
The queue is the one that the redrive policy of the configured incoming queue names, or the one given by --queue.

Looking takes messages and gives them back at the end, so it counts as a receive, and whoever else looks meanwhile doesn't see \
them; killed, they reappear by themselves, after half a minute in a small queue. SQS has no list of a queue's messages: they are received until nothing new comes, which finds all \
there are nearly always, but others that come or go meanwhile may be missed. Of a FIFO queue only the first messages of each \
group can be seen until those are gone.

Exit codes: 0 done, also when a message was gone already; 1 something failed; 64 the configuration is wrong or doesn't say \
which queue; 130 interrupted, after giving back what was taken and saying what was done.";

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// Show what lies in the dead-letter queue, one message a line.
    List(ListArgs),
    /// Show one message as a whole, with its attributes.
    Show(ShowArgs),
    /// Send messages back to the queue they came from, and delete them here once they are there.
    #[command(after_help = REDRIVE_HELP)]
    Redrive(RedriveArgs),
    /// Delete messages for good.
    Drop(DropArgs),
}

const REDRIVE_HELP: &str = "\
A message is sent before it is deleted here, so none is lost whatever happens in between; killed at that moment, it is in both \
queues, and its job may be answered twice. Body, attributes and message group are kept; to a FIFO queue it goes with a new \
deduplication id.

Copies of what was no job are left, since they were answered already and would only be rejected again; --copies or their \
--message sends them too.

Example: caisson dlq redrive --job submission-4711 --dry-run";

/// Which queue.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// The dead-letter queue's URL, instead of the one that the incoming queue names.
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
}

/// Which messages.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// Only the message with this id; may be given several times.
    #[arg(long, value_name = "ID")]
    pub message: Vec<String>,
    /// Only messages with the job of this id; may be given several times.
    #[arg(long, value_name = "ID")]
    pub job: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub place: Where,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Look at no more messages than this.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub limit: u64,
}

#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// The message's id, as `list` shows it.
    #[arg(value_name = "MESSAGE_ID")]
    pub id: String,
    #[command(flatten)]
    pub place: Where,
    /// The body alone, byte for byte.
    #[arg(long)]
    pub body: bool,
}

#[derive(Debug, Clone, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    pub place: Where,
    #[command(flatten)]
    pub which: Which,
    /// The queue to send to, instead of the incoming queue that they came from.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Send copies of what was no job, too.
    #[arg(long)]
    pub copies: bool,
    /// Send at most this many messages a second.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    pub per_second: u32,
    /// Stop after this many messages.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Say what would be done, and do nothing of it.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("selection").required(true).multiple(true).args(["all", "message", "job"]))]
pub struct DropArgs {
    #[command(flatten)]
    pub place: Where,
    #[command(flatten)]
    pub which: Which,
    /// Every message of the queue.
    #[arg(long, conflicts_with_all = ["message", "job"])]
    pub all: bool,
    /// Delete without asking.
    #[arg(long)]
    pub yes: bool,
    /// Stop after this many messages.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    pub dry_run: bool,
}

impl Which {
    /// Whether everything is meant.
    pub fn is_all(&self) -> bool {
        self.message.is_empty() && self.job.is_empty()
    }
}
