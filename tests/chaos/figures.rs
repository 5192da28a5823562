//! What happened in a run, in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{Entries, Way};
use crate::run::Outcome;

/// Of waits in order.
pub(crate) fn quantile(waits: &[Duration], share: f64) -> Duration {
    waits.get(((waits.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default()
}

/// What happened, in figures.
pub(crate) fn histograms(outcome: &Outcome) -> String {
    let entries = outcome.ledger.entries();
    let count = |numbers: Vec<u64>| {
        let mut counts = BTreeMap::<u64, usize>::new();
        numbers.into_iter().for_each(|number| *counts.entry(number).or_default() += 1);
        counts.iter().map(|(number, count)| format!("{number}: {count}")).collect::<Vec<_>>().join("  ")
    };
    let attempts = count(entries.answers.iter().map(|answer| answer.attempt).collect());
    let results = count(entries.by_message().values().map(|answers| answers.len() as u64).collect());
    let mut verdicts = BTreeMap::<&str, usize>::new();
    entries.answers.iter().for_each(|answer| *verdicts.entry(&answer.verdict).or_default() += 1);
    let waits = entries.waits(|sent| sent.way != Way::Buried);
    let mut hits = BTreeMap::<String, usize>::new();
    for post in &outcome.posts {
        for (side, proxy) in [("engine", &post.engine), ("SQS", &post.queue)] {
            proxy
                .all_hits()
                .iter()
                .for_each(|((_, fault), n)| *hits.entry(format!("{side} {fault}")).or_default() += n);
        }
    }
    let list = |map: &BTreeMap<String, usize>| {
        map.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let verdicts: BTreeMap<String, usize> =
        verdicts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    let uncertain = entries.answers.iter().filter(|answer| answer.lease != "held").count();
    let workers: usize = outcome.posts.iter().map(|post| post.starts()).sum();
    format!(
        "\nfaults         {}; {} jobs sent twice; {}\n\
         workers        {workers} started at {} posts\n\
         attempts       {attempts}      (results with this attempt)\n\
         results        {results}      (messages with so many results); {uncertain} with an uncertain lease\n\
         verdicts       {}\n\
         waits          median {:.1} s, 95 % {:.1} s, longest {:.1} s, from sending to the first result\n",
        troubles(&entries),
        outcome.sent_twice,
        list(&hits),
        outcome.posts.len(),
        list(&verdicts),
        quantile(&waits, 0.5).as_secs_f64(),
        quantile(&waits, 0.95).as_secs_f64(),
        quantile(&waits, 1.0).as_secs_f64(),
    )
}

/// How many of each, and how long they were together.
fn troubles(entries: &Entries) -> String {
    let mut all = BTreeMap::new();
    for trouble in &entries.troubles {
        let (count, took) = all.entry(trouble.what).or_insert((0, Duration::ZERO));
        *count += 1;
        *took += trouble.until.unwrap_or(trouble.from) - trouble.from;
    }
    let list = all.iter().map(|(what, (count, took))| format!("{what:?} {count} ({} s)", took.as_secs()));
    list.collect::<Vec<_>>().join(", ")
}
