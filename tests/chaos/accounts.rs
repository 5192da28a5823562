//! The ledger's own accounts: what each receipt of a message came to, and by which fault. Whatever has no fault of its own to explain
//! it is a violation: a result too many, a job that was given up, a receipt that was spent. Nothing here looks anywhere but into the
//! ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ledger::{Answer, At, End, Entries, Hit, Publication, Receipt, Side, Trouble, Way, What};

/// Messages that a worker may have in hand beside one for each slot. (The worker's own name for it is `BESIDE_SLOTS`.)
const BESIDE_SLOTS: usize = 10;

/// How much earlier or later than it was entered a thing may have happened: an entry is made by whoever sees it.
const SLACK: Duration = Duration::from_secs(2);

/// For so long a container may have waited for its job after a fault hit it.
const WAITED: Duration = Duration::from_secs(60);

/// A breaker's memory: failures in a row within this time open it.
const BREAKER: Duration = Duration::from_secs(120);
const BREAKER_FAILURES: usize = 5;

/// For so long a look hides dead letters, and whoever dies meanwhile leaves them to another.
const LETTERS_HIDDEN: Duration = Duration::from_secs(150);

pub(crate) const INTERNAL_ERROR: &str = "internal_error";

/// How a result begins to say that it answers a dead letter.
const FOR_A_LETTER: &str = "each time its worker failed, stopped or vanished";

/// Troubles that may end what a worker does at any point, or the lease under it.
const OF_A_LIFE: [What; 4] = [What::Killed, What::Swallowed, What::Suspended, What::BlackHole];

pub(crate) struct Accounts<'a> {
    entries: &'a Entries,
    /// Receipts whose failure has a fault of the engine of its own, by their place.
    failures: BTreeMap<usize, &'a Hit>,
}

impl Receipt {
    fn span(&self) -> (At, At) {
        (self.from, self.end.map_or(self.until, |(at, _)| at))
    }
}

/// One run of a job: its results are copies of each other.
#[derive(Debug)]
struct Execution<'a> {
    first: &'a Answer,
    results: usize,
}

impl Execution<'_> {
    fn is_for_a_letter(&self) -> bool {
        self.first.verdict == INTERNAL_ERROR && self.first.detail.contains(FOR_A_LETTER)
    }
}

impl<'a> Accounts<'a> {
    pub(crate) fn of(entries: &'a Entries) -> Accounts<'a> {
        Accounts { entries, failures: failures(entries) }
    }

    /// Messages that have no result.
    pub(crate) fn lost(&self) -> Vec<String> {
        let answers = self.entries.by_message();
        let lost = self.entries.sent.iter().filter(|(message, _)| !answers.contains_key(message.as_str()));
        lost.map(|(message, sent)| format!("{message} ({}, {:?}) has no result", sent.job_id, sent.kind)).collect()
    }

    /// Dead letters whose sender nobody told, or who say that they were answered and weren't.
    pub(crate) fn unanswered_letters(&self) -> Vec<String> {
        let answers = self.entries.by_message();
        let unanswered = self.entries.letters.iter().filter(|letter| !answers.contains_key(letter.message.as_str()));
        unanswered.map(|letter| format!("a dead letter that nobody answered: {letter:?}")).collect()
    }

    /// Posts whose workers had too many messages in hand.
    pub(crate) fn too_many_in_hand(&self, slots: usize) -> Vec<String> {
        let most = self.entries.most_in_hand.iter().enumerate().filter(|(_, most)| **most > slots + BESIDE_SLOTS);
        most.map(|(post, most)| format!("a worker at post {post} had {most} messages in hand")).collect()
    }

    /// Receipts that were spent because a worker failed the job, and no fault explains that.
    pub(crate) fn unexplained_failures(&self) -> Vec<String> {
        let receipts = self.entries.receipts.iter().enumerate();
        let failed = receipts.filter(|(_, receipt)| matches!(receipt.end, Some((_, End::Rests))) && !receipt.is_dead);
        failed
            .filter(|(place, _)| self.cause(*place).is_none())
            .map(|(_, receipt)| format!("failed, and nothing of its host was broken: {receipt:?}"))
            .collect()
    }

    /// Workers whose host lacked every image, and who took in more than they had in hand when they found out.
    pub(crate) fn sick_and_greedy(&self, slots: usize) -> Vec<String> {
        let mut found = Vec::new();
        for sick in self.entries.troubles.iter().filter(|trouble| trouble.what == What::Sick) {
            let span = (sick.from, sick.until.unwrap_or(At::MAX));
            let is_during = |at: At| span.0 <= at && at <= span.1;
            let failed = self.entries.receipts.iter().filter(|receipt| {
                let is_its = sick.post == Some(receipt.post) && !receipt.is_dead;
                is_its && is_during(receipt.from) && matches!(receipt.end, Some((_, End::Rests)))
            });
            // One that is started anew has to find out anew.
            let of_post = self.entries.troubles.iter().filter(|trouble| trouble.post == sick.post);
            let ended = |it: &&Trouble| matches!(it.what, What::Killed | What::Swallowed | What::Drained);
            let starts = 1 + of_post.filter(ended).filter(|it| it.until.is_some_and(is_during)).count();
            let (failed, most) = (failed.count(), starts * (slots + BESIDE_SLOTS));
            if failed > most {
                found.push(format!("{failed} jobs failed on a host without images, which was started {starts} times"));
            }
        }
        found
    }

    /// Results beyond the first that no fault explains.
    pub(crate) fn unexplained_results(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (message, answers) in self.entries.by_message() {
            let executions = executions(&answers);
            for execution in &executions {
                let Answer { execution: id, .. } = execution.first;
                let of_it = self.entries.publications.iter().filter(|it| it.execution == *id);
                let unheard = of_it.filter(|it| !self.is_heard(it)).count();
                if execution.results > unheard + 1 {
                    let results = execution.results;
                    found.push(format!("{message}: {results} results of execution {id}, {unheard} not heard of"));
                }
            }
            // All but the last must have been left with their message in the queue, each by a fault of its own.
            for execution in executions.iter().rev().skip(1) {
                if self.why_left(message, execution).is_none() {
                    found.push(format!("{message}: one more result, and nothing explains it: {:?}", execution.first));
                }
            }
        }
        found
    }

    /// Jobs that were given up although one of their receipts fell to a worker that nothing was wrong with.
    pub(crate) fn wrongly_given_up(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (message, answers) in self.entries.by_message() {
            let is_buried = self.entries.sent.get(message).is_some_and(|sent| sent.way == Way::Buried);
            let Some(answer) = answers.iter().find(|answer| answer.verdict == INTERNAL_ERROR).filter(|_| !is_buried)
            else {
                continue;
            };
            let receipts: Vec<(usize, &Receipt)> = self.receipts_of(message).collect();
            let attempts: BTreeSet<u64> = receipts.iter().map(|(_, receipt)| receipt.attempt).collect();
            if (attempts.len() as u64) < self.entries.fewest_receipts {
                found.push(format!("{message}: given up after the receipts {attempts:?}: {answer:?}"));
            }
            for (place, receipt) in receipts {
                if self.cause(place).or_else(|| self.trouble_of(receipt)).is_none() {
                    found.push(format!("{message}: given up, and a healthy worker had it: {receipt:?}; {answer:?}"));
                }
            }
        }
        found
    }

    /// Messages that were given up, and how many of them nobody had buried.
    pub(crate) fn given_up(&self) -> (usize, usize) {
        let given_up = self.entries.answers.iter().filter(|answer| answer.verdict == INTERNAL_ERROR);
        let messages: BTreeSet<&str> = given_up.map(|answer| answer.message.as_str()).collect();
        let of_itself = |message: &&&str| self.entries.sent.get(**message).is_some_and(|sent| sent.way != Way::Buried);
        (messages.len(), messages.iter().filter(of_itself).count())
    }

    /// The receipts of a message from the incoming queue, with their places.
    fn receipts_of(&self, message: &str) -> impl Iterator<Item = (usize, &'a Receipt)> {
        let all = self.entries.receipts.iter().enumerate();
        all.filter(move |(_, receipt)| receipt.message == message && !receipt.is_dead)
    }

    /// Why a message of which a result was published was still in the queue, or among the dead letters.
    fn why_left(&self, message: &str, execution: &Execution) -> Option<String> {
        if execution.is_for_a_letter() {
            let at = execution.first.at;
            let since = at.saturating_sub(SLACK + LETTERS_HIDDEN);
            let of_letters = |hit: &&Hit| hit.side == Side::Queue && since <= hit.at && hit.at <= at + LETTERS_HIDDEN;
            let hit = self.entries.hits.iter().find(of_letters).map(|hit| format!("{hit:?}"));
            return hit.or_else(|| self.trouble(&OF_A_LIFE, None, (since, at + LETTERS_HIDDEN)));
        }
        let attempt = execution.first.attempt;
        let mut receipts = self.receipts_of(message).filter(|(_, receipt)| receipt.attempt == attempt);
        receipts.find_map(|(place, _)| self.cause(place))
    }

    /// Whether the worker knows that its result was taken. One that is suspended has the answer before it, and gives up waiting for
    /// it before it looks.
    fn is_heard(&self, publication: &Publication) -> bool {
        let suspended = || self.trouble(&[What::Suspended], Some(publication.post), (publication.at, publication.at));
        publication.is_told && suspended().is_none()
    }

    /// Why a receipt came to nothing: a fault that befell just this one, or its worker while it lasted.
    fn cause(&self, place: usize) -> Option<String> {
        let receipt = &self.entries.receipts[place];
        let span = receipt.span();
        if !receipt.is_told {
            return Some("its receive was not heard of".to_owned());
        }
        if let Some(trouble) = self.trouble(&OF_A_LIFE, Some(receipt.post), span) {
            return Some(trouble);
        }
        let is_its =
            |hit: &&Hit| hit.post == receipt.post && hit.messages.contains(&receipt.message) && within(hit.at, span);
        if let Some(hit) = self.entries.hits.iter().find(is_its) {
            return Some(format!("{hit:?}"));
        }
        let sick = || self.trouble(&[What::Sick], Some(receipt.post), span);
        match receipt.end {
            Some((_, End::Rests)) => self.failures.get(&place).map(|hit| format!("{hit:?}")).or_else(sick),
            Some((at, End::GivenBack)) => self
                .trouble(&[What::Drained], Some(receipt.post), span)
                .or_else(sick)
                .or_else(|| (self.engine_hits(receipt.post, at) >= BREAKER_FAILURES).then(|| "a breaker".to_owned())),
            Some((_, End::Deleted)) | None => None,
        }
    }

    /// Why a worker may have failed to run a job of which it had the last receipt.
    fn trouble_of(&self, receipt: &Receipt) -> Option<String> {
        let span = receipt.span();
        let of_its_engine = |hit: &&Hit| hit.post == receipt.post && hit.side == Side::Engine && within(hit.at, span);
        let hit = self.entries.hits.iter().find(of_its_engine).map(|hit| format!("{hit:?}"));
        hit.or_else(|| self.trouble(&[What::Sick, What::Drained], Some(receipt.post), span))
    }

    /// A trouble of these kinds that befell this post, or any, in this time.
    fn trouble(&self, kinds: &[What], post: Option<usize>, (from, end): (At, At)) -> Option<String> {
        let meets = self.entries.troubles.iter().find(|it| {
            let is_there = post.is_none() || it.post.is_none() || it.post == post;
            let until = it.until.unwrap_or(At::MAX);
            kinds.contains(&it.what) && is_there && it.from <= end + SLACK && until.saturating_add(SLACK) >= from
        });
        meets.map(|trouble| format!("{trouble:?}"))
    }

    fn engine_hits(&self, post: usize, before: At) -> usize {
        let of_its_engine = |hit: &&Hit| hit.post == post && hit.side == Side::Engine;
        let hits = self.entries.hits.iter().filter(of_its_engine);
        hits.filter(|hit| hit.at <= before && hit.at + BREAKER >= before).count()
    }
}

fn within(at: At, (from, end): (At, At)) -> bool {
    from.saturating_sub(SLACK) <= at && at <= end + SLACK
}

/// The executions of one message, in the order of their receipts; what answers its dead letter is the last.
fn executions<'a>(answers: &[&'a Answer]) -> Vec<Execution<'a>> {
    let mut executions: Vec<Execution> = Vec::new();
    for answer in answers {
        match executions.iter_mut().find(|execution| execution.first.execution == answer.execution) {
            Some(execution) => execution.results += 1,
            None => executions.push(Execution { first: answer, results: 1 }),
        }
    }
    executions.sort_by_key(|execution| (execution.is_for_a_letter(), execution.first.attempt));
    executions
}

/// Gives each receipt that was spent by a failure of its worker a fault of the engine that came before, and to no other.
fn failures(entries: &Entries) -> BTreeMap<usize, &Hit> {
    let mut failed: Vec<(At, usize)> = Vec::new();
    for (place, receipt) in entries.receipts.iter().enumerate() {
        if let Some((at, End::Rests)) = receipt.end {
            failed.push((at, place));
        }
    }
    failed.sort_unstable();
    let (mut taken, mut found) = (BTreeSet::new(), BTreeMap::new());
    for (at, place) in failed {
        let receipt = &entries.receipts[place];
        let begin = receipt.from.saturating_sub(WAITED);
        let fits = |(index, hit): &(usize, &Hit)| {
            let is_its = hit.side == Side::Engine && hit.post == receipt.post;
            is_its && begin <= hit.at && hit.at <= at + SLACK && !taken.contains(index)
        };
        // The last before it: what came earlier may belong to another.
        if let Some((index, hit)) = entries.hits.iter().enumerate().filter(fits).max_by_key(|(_, hit)| hit.at) {
            taken.insert(index);
            found.insert(place, hit);
        }
    }
    found
}
