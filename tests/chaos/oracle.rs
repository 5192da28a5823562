//! The invariants, one by one, each with what it was judged by.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use crate::accounts::{Accounts, INTERNAL_ERROR};
use crate::figures::{histograms, quantile};
use crate::fleet::{End, lock};
use crate::jobs::Kind;
use crate::ledger::{Entries, Sent, Way};
use crate::leftovers::containers;
use crate::lives::overlaps;
use crate::run::Outcome;
use crate::settings::{LONGEST_DRAIN, LONGEST_END};
use crate::support::eventually;

/// What workers may have at most in a run like this, memory of a debug build included.
const MOST_RSS_BYTES: u64 = 512 << 20;
const MOST_DESCRIPTORS: usize = 256;

#[derive(Default)]
struct Findings {
    text: String,
    violations: usize,
}

impl Findings {
    fn invariant(&mut self, name: &str, figures: &str, violations: &[String]) {
        let word = if violations.is_empty() { "ok  " } else { "FAIL" };
        let _ = writeln!(self.text, "{name:>4} {word}  {figures}");
        for violation in violations.iter().take(12) {
            let _ = writeln!(self.text, "           {violation}");
        }
        if violations.len() > 12 {
            let _ = writeln!(self.text, "           and {} more", violations.len() - 12);
        }
        self.violations += violations.len();
    }
}

fn unless(holds: bool, violation: impl FnOnce() -> String) -> Vec<String> {
    if holds { Vec::new() } else { vec![violation()] }
}

/// Judges a run and prints what came of it; the number of violations.
pub(crate) async fn judge(outcome: &Outcome) -> usize {
    let mut findings = Findings::default();
    conservation(outcome, &mut findings).await;
    answers(outcome, &mut findings);
    accounts(outcome, &mut findings);
    cleanliness(outcome, &mut findings).await;
    containers_that_lived(outcome, &mut findings);
    processes(outcome, &mut findings);
    println!("{}", histograms(outcome));
    println!("{}", findings.text);
    let verdict = if findings.violations == 0 { "every invariant held" } else { "INVARIANTS WERE BROKEN" };
    println!("seed {}: {verdict}, in {:.0} s", outcome.settings.seed, outcome.took.as_secs_f64());
    findings.violations
}

/// I1 and I2: nothing is lost.
async fn conservation(outcome: &Outcome, findings: &mut Findings) {
    let incoming = outcome.keeper.incoming.counts().await;
    let waiting = incoming.visible + incoming.in_flight + incoming.delayed;
    let entries = outcome.ledger.entries();
    let accounts = Accounts::of(&entries);
    let lost = accounts.lost();
    let figures = format!(
        "{} messages sent, {} of them have no result; {waiting} left in the queue, {} dead letters, each answered",
        entries.sent.len(),
        lost.len(),
        entries.letters.len()
    );
    let mut violations = lost;
    violations.extend(accounts.unanswered_letters());
    violations.extend(unless(outcome.in_time, || "the time is over".to_owned()));
    let emptied = !outcome.in_time || outcome.queue_emptied;
    violations.extend(unless(emptied, || "everything is answered, and the queue doesn't empty".to_owned()));
    let strangers = entries.answers.iter().filter(|answer| !entries.sent.contains_key(&answer.message));
    violations.extend(strangers.map(|answer| format!("a result of a message that nobody sent: {answer:?}")));
    findings.invariant("I1", &figures, &violations);

    let figures = outcome.posts.iter().map(|post| post.messages.figures());
    let (deletions, publications) = figures.fold((0, 0), |all, of| (all.0 + of.0, all.1 + of.1));
    let figures = format!("{deletions} deletions asked for, each after its result was confirmed ({publications} were)");
    findings.invariant("I2", &figures, &entries.violations);
}

/// I3, I9 and I11: what the results say.
fn answers(outcome: &Outcome, findings: &mut Findings) {
    let entries = outcome.ledger.entries();
    let by_job = entries.by_job();
    let mut violations = Vec::new();
    for (job, answers) in &by_job {
        // Whoever gives a job up says nothing of its program.
        let judged = answers.iter().map(|answer| answer.verdict.as_str()).filter(|verdict| *verdict != INTERNAL_ERROR);
        let verdicts: BTreeSet<&str> = judged.collect();
        violations.extend(unless(verdicts.len() <= 1, || format!("{job} has the verdicts {verdicts:?}")));
    }
    let several = by_job.values().filter(|answers| answers.len() > 1).count();
    findings.invariant("I3", &format!("{several} of {} jobs have several results", by_job.len()), &violations);

    let (mut changed, mut clean, mut hostile) = (Vec::new(), 0, 0);
    let mut ours = Vec::new();
    for answer in &entries.answers {
        let Some(sent) = entries.sent.get(&answer.message) else { continue };
        if sent.way == Way::Buried && answer.verdict != INTERNAL_ERROR {
            changed.push(format!("{} was never handed out and is {}", answer.job_id, answer.verdict));
        }
        if answer.reason == "sandbox" {
            ours.push(format!("{}, {:?}: {} {}", answer.job_id, sent.kind, answer.verdict, answer.detail));
        }
        if answer.verdict == INTERNAL_ERROR {
            continue;
        }
        let (verdict, reason) = &outcome.baseline[&sent.kind];
        let is_same = answer.verdict == *verdict && (answer.reason == *reason || *verdict == "time_limit");
        if sent.kind.is_honest() {
            clean += 1
        } else {
            hostile += 1
        }
        changed.extend(unless(is_same, || {
            format!(
                "{}, {:?}: {verdict} {reason} without faults, {} {} now",
                answer.job_id, sent.kind, answer.verdict, answer.reason
            )
        }));
    }
    let figures = format!("{clean} results of good jobs beside {hostile} of bad ones, each as in a run without faults");
    findings.invariant("I9", &figures, &changed);
    findings.invariant("I11", "no failure of ours was published as a judgement on a program", &ours);
}

/// I4, I13, I14 and I15: what each receipt came to, and by which fault.
fn accounts(outcome: &Outcome, findings: &mut Findings) {
    let entries = outcome.ledger.entries();
    let accounts = Accounts::of(&entries);
    let (mut extra, mut again, mut same) = (0, 0, 0);
    let mut violations = accounts.unexplained_results();
    for (message, answers) in entries.by_message() {
        extra += answers.len() - 1;
        let executions: BTreeSet<&str> = answers.iter().map(|answer| answer.execution.as_str()).collect();
        same += answers.len() - executions.len();
        again += executions.len() - 1;
        let firsts: BTreeSet<&str> =
            answers.iter().filter(|answer| answer.attempt <= 1).map(|answer| answer.execution.as_str()).collect();
        violations.extend(unless(firsts.len() <= 1, || format!("{message}: {} first executions", firsts.len())));
        let is_honest = answers.iter().all(|answer| answer.redelivered == (answer.attempt > 1));
        violations.extend(unless(is_honest, || format!("{message}: redelivered doesn't say what attempt does")));
    }
    let figures = format!(
        "{extra} extra results ({again} of a further execution, {same} of the same), all flagged, each with a fault that made it"
    );
    findings.invariant("I4", &figures, &violations);

    let most = entries.most_in_hand.iter().max().copied().unwrap_or(0);
    let figures = format!("at most {most} messages in hand of a worker, which has {} slots", outcome.settings.slots);
    findings.invariant("I13", &figures, &accounts.too_many_in_hand(outcome.settings.slots));

    let (all, of_themselves) = accounts.given_up();
    let mut violations = accounts.wrongly_given_up();
    violations.extend(accounts.unexplained_failures());
    violations.extend(accounts.sick_and_greedy(outcome.settings.slots));
    let figures = format!(
        "{all} jobs given up, {} of them buried by the run; none of the others' receipts fell to a healthy worker",
        all - of_themselves
    );
    findings.invariant("I14", &figures, &violations);
    waits(outcome, &entries, findings);
}

/// I15: whoever is honest doesn't wait for poison.
fn waits(outcome: &Outcome, entries: &Entries, findings: &mut Findings) {
    let honest = entries.waits(|sent: &Sent| sent.way != Way::Buried && sent.kind.is_honest());
    let poison = entries.waits(|sent| sent.kind == Kind::Full);
    let (of_honest, of_poison) = (quantile(&honest, 0.5), quantile(&poison, 0.5));
    // They come mixed and wait in one queue, so that neither has reason to wait for longer; the rest is chance and rests.
    let most = of_poison.mul_f64(2.0) + Duration::from_secs(2 * outcome.settings.visibility_s);
    let violations = unless(poison.is_empty() || of_honest <= most, || {
        format!(
            "half of the honest jobs waited longer than {of_honest:?}, half of the poison longer than {of_poison:?}"
        )
    });
    let figures = format!(
        "honest jobs waited {:.1} s in the middle, those that fill their sandboxes {:.1} s",
        of_honest.as_secs_f64(),
        of_poison.as_secs_f64()
    );
    findings.invariant("I15", &figures, &violations);
}

/// I5: nothing is left.
async fn cleanliness(outcome: &Outcome, findings: &mut Findings) {
    let left = || {
        let left = containers().into_iter().filter(|(_, worker)| worker.starts_with(&outcome.prefix));
        left.map(|(id, worker)| format!("container {id} of {worker}")).collect::<Vec<_>>()
    };
    eventually(async || left().is_empty()).await;
    let mut violations = left();
    let ended = outcome.lives.ended().await;
    violations.extend(unless(ended, || "a container that was seen to start was not seen to end".to_owned()));
    let ids: BTreeSet<String> = outcome.lives.events().into_iter().map(|event| event.id).collect();
    let groups = control_groups(&ids);
    violations.extend(groups.iter().map(|group| format!("control group {group}")));
    let figures = format!("{} containers lived; none is left, and no control group of one", ids.len());
    findings.invariant("I5", &figures, &violations);
}

/// The control groups whose name has one of these ids, wherever the engine puts them.
fn control_groups(ids: &BTreeSet<String>) -> Vec<String> {
    let (mut folders, mut found) = (vec![Path::new("/sys/fs/cgroup").to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.trim_start_matches("docker-").trim_end_matches(".scope");
            if ids.contains(id) {
                found.push(path.display().to_string());
            }
            folders.push(path);
        }
    }
    found
}

/// I6, I7 and I8: what the containers were.
fn containers_that_lived(outcome: &Outcome, findings: &mut Findings) {
    let calls = outcome.calls.calls();
    let figures = format!("{} create calls read, no exec and no copy among the calls", calls.created.len());
    let mut violations = calls.violations.clone();
    violations.extend(unless(!calls.created.is_empty(), || "no create call was seen".to_owned()));
    findings.invariant("I6", &figures, &violations);

    let (shared, most, together) = overlaps(&outcome.lives.events(), |name| {
        let Some(created) = calls.created.get(name) else { return Vec::new() };
        // What waits for a job has a CPU's name on it and leaves it to others; no event tells when that changes.
        let pinned = created.cpus.iter().filter(|_| outcome.settings.waiting == 0);
        let cpus = pinned.map(|cpus| format!("CPU {cpus}"));
        cpus.chain([format!("uid {}", created.uid)]).collect()
    });
    let (slots, waiting) = (outcome.settings.slots, outcome.settings.waiting);
    let above = most.iter().filter(|(_, most)| **most > slots + waiting);
    let violations: Vec<String> = above.map(|(worker, most)| format!("{worker} had {most} live containers")).collect();
    let most = most.values().max().copied().unwrap_or(0);
    findings.invariant(
        "I7",
        &format!(
            "at most {most} live containers of a worker, which has {slots} slots and {waiting} places for what waits"
        ),
        &violations,
    );
    findings.invariant("I8", &format!("of up to {together} live containers none shared a user id or a CPU"), &shared);
}

/// I10 and I12: what the workers were.
fn processes(outcome: &Outcome, findings: &mut Findings) {
    let usages = outcome.posts.iter().map(|post| lock(&post.history).most);
    let (rss, descriptors) =
        usages.fold((0, 0), |(rss, files), usage| (usage.rss_bytes.max(rss), usage.descriptors.max(files)));
    let mut violations = unless(rss <= MOST_RSS_BYTES, || format!("more than {} MiB", MOST_RSS_BYTES >> 20));
    violations.extend(unless(descriptors <= MOST_DESCRIPTORS, || format!("more than {MOST_DESCRIPTORS} descriptors")));
    let figures = format!("at most {} MiB and {descriptors} descriptors (flatness: `just soak`)", rss >> 20);
    findings.invariant("I10", &figures, &violations);

    let (mut violations, mut longest, mut drained) = (Vec::new(), Duration::ZERO, 0);
    for end in outcome.posts.iter().flat_map(|post| post.ends()) {
        match end {
            End::Drained { took, early, status } => {
                drained += 1;
                longest = longest.max(took);
                violations.extend(unless(took <= LONGEST_DRAIN, || format!("a drain took {took:?}")));
                let ended_well =
                    status.success() || (early && (status.signal() == Some(libc::SIGTERM) || status.code() == Some(1)));
                violations.extend(unless(ended_well, || format!("a worker that was told to end ended with {status}")));
            }
            End::Hurried { took, status } => {
                drained += 1;
                violations.extend(unless(took <= LONGEST_END, || format!("an end at once took {took:?}")));
                violations
                    .extend(unless(status.success(), || format!("a worker that was hurried ended with {status}")));
            }
            // A worker that can't reach its queue or its engine at the start says so and ends with 1.
            End::Failed { status } => {
                violations.extend(unless(status == "exit status: 1", || format!("a worker ended by itself: {status}")));
            }
            End::Killed => {}
        }
    }
    violations.extend(unless(!outcome.logs.contains("panicked at"), || "a worker panicked; see the logs".to_owned()));
    let figures = format!("{drained} workers ended when told to, the slowest within {:.1} s", longest.as_secs_f64());
    findings.invariant("I12", &figures, &violations);
}
