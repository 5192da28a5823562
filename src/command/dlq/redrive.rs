//! `caisson dlq redrive`: back to where they came from. A message is sent, then deleted here; never the other way round.

use std::collections::VecDeque;
use std::process::ExitCode;

use indicatif::ProgressBar;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::contents::{Contents, OURS, original, printable};
use super::pace::Pace;
use super::selection::Selection;
use super::walk::Walk;
use super::{Place, progress};
use crate::cli::dlq::RedriveArgs;
use crate::command::{FAILED, INTERRUPTED, print};
use crate::queue::letter::Letter;
use crate::queue::{Queue as _, QueueError, Sqs};

/// So many messages refused in a row are taken for a queue that takes none.
const REFUSALS: u32 = 10;

struct Redrive<'a> {
    args: &'a RedriveArgs,
    place: &'a Place,
    stop: &'a CancellationToken,
    to: Option<Sqs>,
    walk: Walk,
    selection: Selection,
    pace: Pace,
    bar: ProgressBar,
    maximum_bytes: usize,
    sent: u64,
    /// Sent, but still here.
    doubled: u64,
    refused: u64,
    refused_in_a_row: u32,
    /// Chosen, but nobody says where to.
    homeless: u64,
}

pub(super) async fn run(place: &Place, args: &RedriveArgs, stop: &CancellationToken) -> ExitCode {
    let mut maximum_bytes = 256 << 10;
    let to = args.to.as_ref().map(|url| place.queue.sibling(url));
    for queue in to.iter().chain(place.sources.iter().map(|(_, queue)| queue)) {
        match queue.attributes().await {
            Ok(attributes) => maximum_bytes = attributes.maximum_message_bytes,
            Err(error) => return super::failed(&format!("{}: {error}", queue.url())),
        }
    }
    let walk = match Walk::new(place.queue.clone()).await {
        Ok(walk) => walk,
        Err(error) => return super::failed(&error),
    };
    let redrive = Redrive {
        args,
        place,
        stop,
        to,
        walk,
        selection: Selection::new(&args.which, args.copies, args.limit),
        pace: Pace::new(args.per_second),
        bar: progress(&place.queue).await,
        maximum_bytes,
        sent: 0,
        doubled: 0,
        refused: 0,
        refused_in_a_row: 0,
        homeless: 0,
    };
    redrive.run().await
}

impl Redrive<'_> {
    async fn run(mut self) -> ExitCode {
        let problem = self.go().await.err();
        self.bar.finish_and_clear();
        self.tell(problem.as_ref());
        let is_interrupted = self.stop.is_cancelled();
        self.walk.give_back().await;
        match problem {
            None if is_interrupted => INTERRUPTED.into(),
            None if self.refused + self.doubled + self.homeless == 0 => ExitCode::SUCCESS,
            _ => FAILED.into(),
        }
    }

    async fn go(&mut self) -> Result<(), QueueError> {
        while !self.stop.is_cancelled() && !self.selection.is_done() {
            let (letters, taken) = self.walk.next().await?;
            if letters.is_empty() {
                break;
            }
            let mut chosen = Vec::new();
            for letter in letters {
                // What we sent and a worker found to be no job comes back as a copy: it would go round for ever.
                if original(&letter).is_some_and(|id| self.walk.has_passed(id)) || !self.selection.takes(&letter) {
                    continue;
                }
                chosen.push(letter);
            }
            self.send_all(chosen, taken).await?;
        }
        Ok(())
    }

    /// Sends what was taken at `taken`, in pieces that one request can hold, each to one queue.
    async fn send_all(&mut self, letters: Vec<Letter>, taken: Instant) -> Result<(), QueueError> {
        let mut rest = VecDeque::from(letters);
        while let Some(first) = rest.pop_front() {
            let Some(to) = self.destination(&first) else {
                self.homeless += 1;
                eprintln!("{}: it isn't known which queue it came from; say it by --to", first.id);
                continue;
            };
            // In a FIFO one that is refused must not be overtaken by the next of its group.
            let most = if to.is_fifo() { 1 } else { self.pace.batch() };
            let mut bytes = first.bytes();
            let mut batch = vec![first];
            while batch.len() < most
                && let Some(next) = rest.front()
                && bytes + next.bytes() <= self.maximum_bytes
                && self.destination(next).is_some_and(|its| its.url() == to.url())
            {
                bytes += next.bytes();
                batch.extend(rest.pop_front());
            }
            let is_too_late = taken.elapsed() > self.walk.hidden / 2;
            if is_too_late || (!self.args.dry_run && !self.pace.wait(batch.len(), self.stop).await) {
                // It may be visible again before we are done with it: it comes again, and then it is dealt with.
                for letter in batch.iter().chain(&rest) {
                    self.walk.forget(&letter.id);
                    self.selection.put_back();
                }
                return Ok(());
            }
            if self.args.dry_run {
                for letter in &batch {
                    print(&format!("{}  {}  to {}\n", letter.id, what(letter), to.url()));
                }
                self.sent += batch.len() as u64;
            } else {
                self.send(&to, batch).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, to: &Sqs, mut batch: Vec<Letter>) -> Result<(), QueueError> {
        for letter in &mut batch {
            OURS.iter().for_each(|name| drop(letter.attributes.remove(*name)));
        }
        let answers = to.put(&batch).await?;
        let mut arrived = Vec::new();
        for (letter, answer) in batch.into_iter().zip(answers) {
            match answer {
                Ok(new_id) => {
                    // It keeps this id should it come back here, and isn't sent a second time.
                    self.walk.pass_over(new_id);
                    arrived.push(letter);
                    self.refused_in_a_row = 0;
                }
                Err(error) => {
                    self.bar.suspend(|| eprintln!("{}: left here: {error}", letter.id));
                    self.refused += 1;
                    self.refused_in_a_row += 1;
                    if self.refused_in_a_row >= REFUSALS {
                        return Err(error);
                    }
                }
            }
        }
        if arrived.is_empty() {
            return Ok(());
        }
        self.sent += arrived.len() as u64;
        self.bar.inc(arrived.len() as u64);
        let handles: Vec<String> = arrived.iter().map(|letter| letter.receipt_handle.clone()).collect();
        let undeleted = match self.place.queue.remove(&handles).await {
            Ok(undeleted) => undeleted,
            Err(error) => {
                self.doubled += arrived.len() as u64;
                return Err(error);
            }
        };
        for (index, letter) in arrived.iter().enumerate() {
            match undeleted.iter().find(|(undeleted, _)| *undeleted == index) {
                None => self.walk.settled(&letter.id),
                Some((_, reason)) => {
                    self.doubled += 1;
                    self.bar.suspend(|| {
                        eprintln!("{}: sent, but not deleted here: {reason}", letter.id);
                    });
                }
            }
        }
        Ok(())
    }

    fn destination(&self, letter: &Letter) -> Option<Sqs> {
        if let Some(to) = &self.to {
            return Some(to.clone());
        }
        let named = letter.source_arn.as_ref();
        match self.place.sources.as_slice() {
            [(arn, queue)] if named.is_none_or(|named| named == arn) => Some(queue.clone()),
            sources => sources.iter().find(|(arn, _)| named == Some(arn)).map(|(_, queue)| queue.clone()),
        }
    }

    fn tell(&self, problem: Option<&QueueError>) {
        let done = if self.args.dry_run { "would be sent" } else { "sent" };
        let mut line = format!("{} messages {done}", self.sent);
        if self.refused > 0 {
            line.push_str(&format!(", {} refused and left here", self.refused));
        }
        if self.doubled > 0 {
            line.push_str(&format!(
                ", {} of them may still be here too: their jobs may be answered twice",
                self.doubled
            ));
        }
        if self.homeless > 0 {
            line.push_str(&format!(", {} left because nobody says where to", self.homeless));
        }
        match problem {
            Some(error) => line.push_str(&format!("; stopped because of this: {error}")),
            None if self.stop.is_cancelled() => line.push_str("; interrupted"),
            None => {}
        }
        eprintln!("{line}");
        // Interrupted or stopped, nobody knows what would have been found.
        if problem.is_none() && !self.stop.is_cancelled() && !self.selection.is_done() {
            for name in self.selection.missing() {
                eprintln!(
                    "{}: not found; it may be gone already, or taken by somebody else right now",
                    printable(name, 128)
                );
            }
        }
    }
}

/// A letter in a few words.
pub(super) fn what(letter: &Letter) -> String {
    let contents = Contents::of(letter);
    match (contents.job_id, contents.pointer) {
        (Some(id), _) => format!("job {}", printable(&id, 128)),
        (None, Some(pointer)) => format!("a pointer to {}", printable(&pointer, 200)),
        (None, None) => "no job".to_owned(),
    }
}
