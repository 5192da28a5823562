//! The oracle, asked about ledgers that are made up: it has to see what is wrong with them, and to leave alone what a fault explains.

use std::time::Duration;

use crate::accounts::{Accounts, INTERNAL_ERROR};
use crate::jobs::Kind;
use crate::ledger::{Answer, At, End, Entries, Hit, Letter, Publication, Receipt, Sent, Side, Trouble, Way, What};

fn s(seconds: u64) -> At {
    Duration::from_secs(seconds)
}

/// Messages in which everything goes well until one says otherwise: each `m` is sent at 0.
fn ledger(messages: &[&str]) -> Entries {
    let sent = |message: &&str| {
        let sent = Sent { job_id: format!("job of {message}"), kind: Kind::SumInBash, way: Way::Plain, at: s(0) };
        ((*message).to_owned(), sent)
    };
    Entries { sent: messages.iter().map(sent).collect(), fewest_receipts: 3, ..Entries::default() }
}

/// A receipt of a second's length, from then on, at post 0.
fn receipt(entries: &mut Entries, message: &str, attempt: u64, from: u64, end: Option<End>) {
    entries.receipts.push(Receipt {
        message: message.to_owned(),
        attempt,
        post: 0,
        is_dead: false,
        from: s(from),
        until: s(from + 15),
        is_told: true,
        end: end.map(|end| (s(from + 1), end)),
    });
}

fn answer(entries: &mut Entries, message: &str, attempt: u64, execution: &str, verdict: &str) {
    entries.publications.push(Publication {
        message: message.to_owned(),
        execution: execution.to_owned(),
        post: 0,
        at: s(attempt),
        is_told: true,
    });
    entries.answers.push(Answer {
        job_id: format!("job of {message}"),
        message: message.to_owned(),
        execution: execution.to_owned(),
        attempt,
        redelivered: attempt > 1,
        verdict: verdict.to_owned(),
        reason: String::new(),
        detail: String::new(),
        worker: "chaos-0".to_owned(),
        lease: "held".to_owned(),
        at: s(attempt),
    });
}

fn trouble(entries: &mut Entries, what: What, post: usize, from: u64, until: u64) {
    entries.troubles.push(Trouble { what, post: Some(post), from: s(from), until: Some(s(until)) });
}

fn hit(entries: &mut Entries, side: Side, messages: &[&str], at: u64) {
    let messages = messages.iter().map(|message| (*message).to_owned()).collect();
    entries.hits.push(Hit { post: 0, side, operation: "any".to_owned(), fault: "refused", messages, at: s(at) });
}

/// Everything the oracle finds in a ledger.
fn found(entries: &Entries) -> Vec<String> {
    let accounts = Accounts::of(entries);
    [
        accounts.lost(),
        accounts.unanswered_letters(),
        accounts.too_many_in_hand(4),
        accounts.unexplained_failures(),
        accounts.sick_and_greedy(4),
        accounts.unexplained_results(),
        accounts.wrongly_given_up(),
    ]
    .concat()
}

/// Makes sure that exactly one thing is found, in these words.
fn is_found(entries: &Entries, words: &str) {
    let found = found(entries);
    assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:#?}");
}

#[test]
fn a_run_in_which_all_is_well_has_no_violation() {
    let mut entries = ledger(&["m", "n"]);
    for message in ["m", "n"] {
        receipt(&mut entries, message, 1, 10, Some(End::Deleted));
        answer(&mut entries, message, 1, message, "accepted");
    }
    entries.most_in_hand = vec![14, 3];
    assert_eq!(found(&entries), Vec::<String>::new());
}

#[test]
fn a_job_without_a_result_is_found() {
    let mut entries = ledger(&["m", "n"]);
    receipt(&mut entries, "m", 1, 10, Some(End::Deleted));
    answer(&mut entries, "m", 1, "e", "accepted");
    is_found(&entries, "n (job of n, SumInBash) has no result");
}

#[test]
fn a_dead_letter_that_nobody_answered_is_found_whatever_it_says_itself() {
    for answered in [None, Some(INTERNAL_ERROR.to_owned())] {
        let mut entries = ledger(&[]);
        entries.letters.push(Letter { message: "m".to_owned(), answered });
        is_found(&entries, "a dead letter that nobody answered");
    }
}

#[test]
fn more_in_hand_than_slots_and_ten_is_found() {
    let mut entries = ledger(&[]);
    entries.most_in_hand = vec![14, 15];
    is_found(&entries, "post 1 had 15");
}

/// Two executions of one job, of which the first was not deleted.
fn answered_twice() -> Entries {
    let mut entries = ledger(&["m"]);
    receipt(&mut entries, "m", 1, 10, None);
    answer(&mut entries, "m", 1, "first", "accepted");
    receipt(&mut entries, "m", 2, 30, Some(End::Deleted));
    answer(&mut entries, "m", 2, "second", "accepted");
    entries
}

#[test]
fn a_further_execution_needs_a_fault_of_its_own_message_or_of_its_worker_at_that_time() {
    is_found(&answered_twice(), "one more result");

    let with = |change: &dyn Fn(&mut Entries)| {
        let mut entries = answered_twice();
        change(&mut entries);
        found(&entries).is_empty()
    };
    assert!(with(&|entries| hit(entries, Side::Queue, &["m"], 12)), "its deletion was refused");
    assert!(!with(&|entries| hit(entries, Side::Queue, &["n"], 12)), "that of another was");
    assert!(!with(&|entries| hit(entries, Side::Queue, &["m"], 5)), "before it was received");
    assert!(!with(&|entries| hit(entries, Side::Engine, &[], 12)), "the engine deletes no message");
    assert!(with(&|entries| trouble(entries, What::Killed, 0, 12, 12)), "its worker was killed");
    assert!(!with(&|entries| trouble(entries, What::Killed, 1, 12, 12)), "another was");
    assert!(!with(&|entries| trouble(entries, What::Killed, 0, 40, 40)), "it was killed too late");
    assert!(with(&|entries| trouble(entries, What::Suspended, 0, 9, 40)), "its worker was suspended");
    assert!(!with(&|entries| trouble(entries, What::UnreadLog, 0, 9, 40)), "a log that nobody reads is no reason");
}

#[test]
fn a_copy_of_a_result_needs_a_publication_that_the_worker_did_not_hear_of() {
    let mut entries = ledger(&["m"]);
    receipt(&mut entries, "m", 1, 10, Some(End::Deleted));
    answer(&mut entries, "m", 1, "e", "accepted");
    answer(&mut entries, "m", 1, "e", "accepted");
    is_found(&entries, "2 results of execution e, 0 not heard of");
    trouble(&mut entries, What::Suspended, 0, 60, 90);
    is_found(&entries, "2 results of execution e, 0 not heard of");
    trouble(&mut entries, What::Suspended, 0, 0, 20);
    assert_eq!(found(&entries), Vec::<String>::new());
    entries.troubles.clear();
    entries.publications[0].is_told = false;
    assert_eq!(found(&entries), Vec::<String>::new());
}

/// A job that was given up after three receipts, each of which a worker failed.
fn given_up() -> Entries {
    let mut entries = ledger(&["m"]);
    for (attempt, from) in [(1, 100), (2, 200), (3, 300)] {
        receipt(&mut entries, "m", attempt, from, Some(if attempt < 3 { End::Rests } else { End::Deleted }));
    }
    answer(&mut entries, "m", 3, "e", INTERNAL_ERROR);
    entries
}

#[test]
fn a_job_may_be_given_up_only_when_each_of_its_receipts_fell_to_a_worker_in_trouble() {
    let mut entries = given_up();
    for at in [100, 200, 300] {
        hit(&mut entries, Side::Engine, &[], at);
    }
    assert_eq!(found(&entries), Vec::<String>::new());

    entries.hits.pop();
    is_found(&entries, "given up, and a healthy worker had it");

    let mut sick = given_up();
    trouble(&mut sick, What::Sick, 0, 90, 310);
    assert_eq!(found(&sick), Vec::<String>::new());
}

#[test]
fn a_job_may_not_be_given_up_before_its_last_receipt() {
    let mut entries = given_up();
    trouble(&mut entries, What::Sick, 0, 90, 310);
    entries.receipts.remove(0);
    is_found(&entries, "given up after the receipts {2, 3}");
}

#[test]
fn two_failures_need_two_faults() {
    let mut entries = ledger(&["m", "n"]);
    for message in ["m", "n"] {
        receipt(&mut entries, message, 1, 100, Some(End::Rests));
        receipt(&mut entries, message, 2, 200, Some(End::Deleted));
        answer(&mut entries, message, 2, message, "accepted");
    }
    hit(&mut entries, Side::Engine, &[], 100);
    is_found(&entries, "failed, and nothing of its host was broken");
    hit(&mut entries, Side::Engine, &[], 100);
    assert_eq!(found(&entries), Vec::<String>::new());
}

#[test]
fn a_sick_host_that_goes_on_to_take_jobs_is_found() {
    let names: Vec<String> = (0..15).map(|number| format!("m{number}")).collect();
    let mut entries = ledger(&names.iter().map(String::as_str).collect::<Vec<_>>());
    trouble(&mut entries, What::Sick, 0, 90, 310);
    for name in &names {
        receipt(&mut entries, name, 1, 100, Some(End::Rests));
        receipt(&mut entries, name, 2, 400, Some(End::Deleted));
        answer(&mut entries, name, 2, name, "accepted");
    }
    is_found(&entries, "15 jobs failed on a host without images");
    trouble(&mut entries, What::Killed, 0, 200, 200);
    assert_eq!(found(&entries), Vec::<String>::new());
}
