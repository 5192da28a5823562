//! `caisson dlq drop`: deletes for good, after asking.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::redrive::what;
use super::selection::Selection;
use super::walk::Walk;
use super::{Place, progress};
use crate::cli::dlq::DropArgs;
use crate::command::{FAILED, INTERRUPTED, print};
use crate::queue::QueueError;

/// As clap has it for a command line that is wrong.
const BAD_USAGE: u8 = 2;

#[derive(Default)]
struct Count {
    deleted: u64,
    undeleted: u64,
}

pub(super) async fn run(place: &Place, args: &DropArgs, stop: &CancellationToken) -> ExitCode {
    if !args.yes && !args.dry_run {
        if !std::io::stdin().is_terminal() {
            eprintln!("caisson: deleting takes --yes where nobody can be asked");
            return BAD_USAGE.into();
        }
        if !is_confirmed(place, args).await {
            eprintln!("nothing was deleted");
            return ExitCode::SUCCESS;
        }
    }
    let bar = progress(&place.queue).await;
    let mut walk = match Walk::new(place.queue.clone()).await {
        Ok(walk) => walk,
        Err(error) => return super::failed(&error),
    };
    let mut selection = Selection::new(&args.which, true, args.limit);
    let mut count = Count::default();
    let problem = go(place, args, stop, &mut walk, &mut selection, &bar, &mut count).await.err();
    bar.finish_and_clear();
    walk.give_back().await;
    let verb = if args.dry_run { "would be deleted" } else { "deleted" };
    let interrupted = if stop.is_cancelled() { "; interrupted" } else { "" };
    eprintln!("{} messages {verb}{interrupted}", count.deleted);
    if let Some(error) = problem {
        return super::failed(&error);
    }
    if stop.is_cancelled() {
        return INTERRUPTED.into();
    }
    if !selection.is_done() {
        for name in selection.missing() {
            eprintln!("{name}: not found; it may be gone already, or taken by somebody else right now");
        }
    }
    if count.undeleted > 0 { FAILED.into() } else { ExitCode::SUCCESS }
}

async fn go(
    place: &Place,
    args: &DropArgs,
    stop: &CancellationToken,
    walk: &mut Walk,
    selection: &mut Selection,
    bar: &ProgressBar,
    count: &mut Count,
) -> Result<(), QueueError> {
    while !stop.is_cancelled() && !selection.is_done() {
        let (letters, _) = walk.next().await?;
        if letters.is_empty() {
            return Ok(());
        }
        let chosen: Vec<_> = letters.into_iter().filter(|letter| selection.takes(letter)).collect();
        if args.dry_run || chosen.is_empty() {
            for letter in &chosen {
                print(&format!("{}  {}\n", letter.id, what(letter)));
            }
            count.deleted += chosen.len() as u64;
            continue;
        }
        let handles: Vec<String> = chosen.iter().map(|letter| letter.receipt_handle.clone()).collect();
        let undeleted = place.queue.remove(&handles).await?;
        for (index, letter) in chosen.iter().enumerate() {
            match undeleted.iter().find(|(undeleted, _)| *undeleted == index) {
                None => {
                    walk.settled(&letter.id);
                    count.deleted += 1;
                    bar.inc(1);
                }
                Some((_, reason)) => {
                    count.undeleted += 1;
                    bar.suspend(|| eprintln!("{}: not deleted: {reason}", letter.id));
                }
            }
        }
    }
    Ok(())
}

async fn is_confirmed(place: &Place, args: &DropArgs) -> bool {
    let about = place.queue.about_how_many().await.unwrap_or(0);
    let which = if args.all { format!("all messages (about {about})") } else { "the named messages".to_owned() };
    eprint!("Delete {which} of {} for good? Type yes: ", place.queue.url());
    let _ = std::io::stderr().flush();
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    matches!(answer.await, Ok(Ok(line)) if line.trim() == "yes")
}
