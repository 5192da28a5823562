//! The queues, by what they say of themselves. No message is taken and none is sent: what needs that can't be looked
//! at, and is said to be so.

use super::finding::{Area, Check, Finding};
use crate::queue::Attributes;

const fn check(id: &'static str, promise: &'static str) -> Check {
    Check::new(Area::Queues, id, promise)
}

pub const CONFIGURED: Check = check("queues.configured", "both queues are configured");
pub const REACHABLE: Check = check("queues.reachable", "both queues answer");
pub const APART: Check = check("queues.apart", "jobs and results have queues of their own");
pub const REDRIVE: Check = check("queues.redrive", "what can't be answered ends in a dead-letter queue");
pub const RETENTION: Check = check("queues.retention", "messages outlive a weekend without workers");
pub const SIZE: Check = check("queues.size", "results may be as large as SQS takes them");
pub const HEARTBEAT: Check = check("queues.heartbeat", "a heartbeat may fail and the job stays ours");
pub const LONG_POLL: Check = check("queues.long-poll", "an empty queue is asked rarely");
pub const UNTRIED: Check = check("queues.untried", "this host may receive, delete and send");

pub const CHECKS: [Check; 9] = [CONFIGURED, REACHABLE, APART, REDRIVE, RETENTION, SIZE, HEARTBEAT, LONG_POLL, UNTRIED];

/// What the queues answered, and what the configuration makes of them.
#[derive(Debug, Clone)]
pub struct QueuesFacts {
    /// At least one.
    pub incoming: Vec<Answer>,
    pub outgoing: Answer,
    /// `queue.visibility_timeout_s`.
    pub visibility_timeout_s: u64,
    /// `queue.wait_time_s`.
    pub wait_time_s: u64,
}

/// One queue's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub url: String,
    pub attributes: Result<Attributes, String>,
}

/// SQS counts receipts that never reached anybody, so AWS says never 1 and rather 5 or more (SQS developer guide, "Using
/// dead-letter queues"; Lambda's guide, "Configuring a queue to use with Lambda").
const RECEIVES: u64 = 5;

/// What every queue takes unless it is set lower.
const LARGEST_BYTES: usize = 1 << 20;

/// Less and a queue that fills on a Friday has lost jobs on Monday. The default is four days.
const RETENTION_S: u64 = 3 * 24 * 3600;

/// The heartbeat renews at a third of the timeout: below this, a third is within what a slow call takes.
const VISIBILITY_S: u64 = 30;

pub fn judge(facts: &QueuesFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for answer in &facts.incoming {
        findings.push(reachable("incoming", answer));
    }
    findings.push(reachable("outgoing", &facts.outgoing));
    let incoming: Vec<(&str, &Attributes)> =
        facts.incoming.iter().filter_map(|answer| Some((name(answer), answer.attributes.as_ref().ok()?))).collect();
    let outgoing = facts.outgoing.attributes.as_ref().ok();
    for (name, attributes) in &incoming {
        // With one queue its name says nothing.
        let named = |finding: Finding| match facts.incoming.len() {
            1 => finding,
            _ => Finding { measured: format!("{name}: {}", finding.measured), ..finding },
        };
        findings.extend(outgoing.map(|outgoing| named(apart(attributes, outgoing))));
        findings.push(named(redrive(attributes)));
        findings.push(named(retention(attributes)));
    }
    findings.extend(outgoing.map(size));
    findings.push(heartbeat(facts.visibility_timeout_s));
    findings.push(long_poll(facts.wait_time_s));
    if !incoming.is_empty() || outgoing.is_some() {
        findings.push(UNTRIED.note(
            "not tried",
            "receiving would take a job, and sending would be a result that nobody asked for. The role needs \
             sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on the incoming queue, sqs:SendMessage on \
             the outgoing one and, for copies of what is no job, on the dead-letter queue with sqs:GetQueueUrl, and the use \
             of its key where a queue is encrypted with one of its own",
        ));
    }
    findings
}

fn reachable(which: &str, answer: &Answer) -> Finding {
    match &answer.attributes {
        Ok(_) => REACHABLE.good(format!("{which}: {}", answer.url)),
        Err(reason) => REACHABLE.broken(
            format!("{which}: {reason}"),
            format!(
                "see queue.{which}_url, AWS_REGION, the credentials of this host, and that its role allows \
                 sqs:GetQueueAttributes on the queue"
            ),
        ),
    }
}

/// The last part of its URL.
fn name(answer: &Answer) -> &str {
    answer.url.rsplit('/').next().unwrap_or(&answer.url)
}

fn apart(incoming: &Attributes, outgoing: &Attributes) -> Finding {
    let arns = (incoming.arn.as_deref(), outgoing.arn.as_deref());
    if arns.0.is_some() && arns.0 == arns.1 {
        return APART.broken(
            "both URLs name one queue",
            "the worker would take its own results for jobs: give queue.outgoing_url a queue of its own",
        );
    }
    if incoming.dead_letter_arn.is_some() && incoming.dead_letter_arn.as_deref() == arns.1 {
        return APART.warning(
            "the incoming queue's dead letters go to the outgoing queue",
            "whoever reads results finds jobs among them: give dead letters a queue of their own",
        );
    }
    APART.good("yes")
}

fn redrive(incoming: &Attributes) -> Finding {
    match incoming.max_receive_count {
        None => REDRIVE.warning(
            "no redrive policy",
            "a message that is never answered is given up after ten receipts and then gone: give the incoming queue a dead-letter queue with \
             maxReceiveCount 5 or more",
        ),
        Some(count) if count < RECEIVES => REDRIVE.warning(
            format!("maxReceiveCount {count}"),
            "SQS counts receipts that never arrived, and a worker that is stopped gives its jobs back: 5 or more, or good jobs \
             end as dead letters",
        ),
        Some(count) => REDRIVE.good(format!("maxReceiveCount {count}")),
    }
}

fn retention(incoming: &Attributes) -> Finding {
    let Some(seconds) = incoming.retention_s else { return RETENTION.good("the queue doesn't say") };
    let measured = format!("{:.1} days", seconds as f64 / 86_400.0);
    if seconds < RETENTION_S {
        return RETENTION
            .note(measured, "jobs that wait longer than this are lost without a word: raise MessageRetentionPeriod");
    }
    RETENTION.good(measured)
}

fn size(outgoing: &Attributes) -> Finding {
    let bytes = outgoing.maximum_message_bytes;
    if bytes < LARGEST_BYTES {
        return SIZE.note(
            format!("{} KiB", bytes >> 10),
            "outputs are cut to make a result fit; raise MaximumMessageSize of the outgoing queue to 1 MiB for longer ones",
        );
    }
    SIZE.good(format!("{} KiB", bytes >> 10))
}

fn heartbeat(visibility_s: u64) -> Finding {
    let measured = format!("visible again after {visibility_s} s, renewed every {} s", visibility_s / 3);
    if visibility_s < VISIBILITY_S {
        return HEARTBEAT.warning(
            measured,
            "a slow network or a short pause of this host and another worker runs the job too: raise queue.visibility_timeout_s",
        );
    }
    HEARTBEAT.good(measured)
}

fn long_poll(wait_s: u64) -> Finding {
    let measured = format!("a receive waits {wait_s} s");
    if wait_s == 0 {
        return LONG_POLL.warning(
            measured,
            "an empty queue is asked without a pause, and every call costs: set queue.wait_time_s to 20",
        );
    }
    LONG_POLL.good(measured)
}

#[cfg(test)]
#[path = "queues/tests.rs"]
mod tests;
