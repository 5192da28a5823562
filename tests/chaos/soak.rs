//! Many small jobs through one worker with nothing going wrong: its memory and its descriptors must stay what they were.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::answers::collect;
use crate::fleet::{Usage, usage};
use crate::jobs::Kind;
use crate::ledger::Ledger;
use crate::leftovers::Leftovers;
use crate::sender::{Parcel, send_batch};
use crate::settings::Settings;
use crate::support::jobs::bash;
use crate::support::queue::{EMPTY, Queue};
use crate::support::{unique, worker::Worker};

/// Messages that wait at a time. The local SQS is slow with long queues.
const WAITING: usize = 40;

/// What memory may differ by between the second tenth of a run and the last: an allocator's moods.
const SLACK_BYTES: u64 = 8 << 20;

/// The same for descriptors: connections that are kept for the next request.
const SLACK_DESCRIPTORS: usize = 6;

pub(crate) async fn soak(settings: &Settings) {
    let prefix = unique("soak");
    let _leftovers = Leftovers(prefix);
    let (incoming, outgoing) = (Queue::create("soak-jobs").await, Queue::create("soak-results").await);
    let slots = settings.slots.max(2);
    let worker = Worker::start(&incoming, &outgoing, &format!("worker.slots = {slots}")).await;
    let pid = worker.pid();
    let ledger = Arc::new(Ledger::new());
    let collector = AbortOnDropHandle::new(tokio::spawn(collect(outgoing.clone(), ledger.clone())));

    let begin = Instant::now();
    let (mut sent, mut samples, mut last_look) = (0, Vec::<(usize, Usage)>::new(), Instant::now());
    println!("soak: {} jobs through one worker of {slots} slots", settings.jobs);
    loop {
        let answered = sent - ledger.unanswered();
        if answered == settings.jobs {
            break;
        }
        assert!(begin.elapsed() < settings.longest, "{answered} of {} jobs, and the time is over", settings.jobs);
        if sent < settings.jobs && sent - answered < WAITING {
            let count = (settings.jobs - sent).min(10);
            let one = || Parcel::plain(Kind::SumInBash, bash("echo $((1 + 2))", json!({})));
            let batch: Vec<Parcel> = (0..count).map(|_| one()).collect();
            send_batch(&incoming, &batch, &ledger).await;
            sent += count;
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if last_look.elapsed() >= Duration::from_secs(1) {
            last_look = Instant::now();
            samples.push((answered, usage(pid).expect("the worker lives")));
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    incoming.becomes(EMPTY).await;
    drop(collector);
    worker.stop().await;

    let twice = ledger.entries().answers.len() - settings.jobs;
    println!(
        "      {:.0} s, {:.1} jobs a second (the local SQS has its part in that)",
        seconds,
        settings.jobs as f64 / seconds
    );
    // The first tenth is left out: caches, pools and the allocator fill up in it.
    let of_tenth = |tenth: usize| median(&samples, settings.jobs * tenth / 10, settings.jobs * (tenth + 1) / 10);
    for (name, tenth) in [("start", 1), ("middle", 5), ("end", 9)] {
        let Usage { rss_bytes, descriptors } = of_tenth(tenth);
        println!("      {name:<7} {:>6.1} MiB  {descriptors:>4} descriptors", rss_bytes as f64 / f64::from(1 << 20));
    }
    let (start, end) = (of_tenth(1), of_tenth(9));
    assert_eq!(twice, 0, "without a fault there is no second result");
    assert!(end.rss_bytes <= start.rss_bytes + SLACK_BYTES, "memory grows: {start:?} to {end:?}");
    assert!(end.descriptors <= start.descriptors + SLACK_DESCRIPTORS, "descriptors leak: {start:?} to {end:?}");
}

/// The middle of what was seen while so many jobs were answered.
fn median(samples: &[(usize, Usage)], from: usize, to: usize) -> Usage {
    let within: Vec<Usage> =
        samples.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, usage)| *usage).collect();
    assert!(!within.is_empty(), "no look was taken between {from} and {to} jobs: send more of them");
    let middle = |mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        numbers[numbers.len() / 2]
    };
    Usage {
        rss_bytes: middle(within.iter().map(|usage| usage.rss_bytes).collect()),
        descriptors: middle(within.iter().map(|usage| usage.descriptors as u64).collect()) as usize,
    }
}
