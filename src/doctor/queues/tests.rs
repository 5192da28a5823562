use super::*;
use crate::doctor::finding::Verdict;

fn attributes(name: &str) -> Attributes {
    Attributes {
        maximum_message_bytes: LARGEST_BYTES,
        max_receive_count: Some(5),
        dead_letter_arn: Some("arn:aws:sqs:eu-central-1:123456789012:dead".to_owned()),
        arn: Some(format!("arn:aws:sqs:eu-central-1:123456789012:{name}")),
        retention_s: Some(345_600),
    }
}

fn answer(name: &str) -> Answer {
    Answer {
        url: format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"),
        attributes: Ok(attributes(name)),
    }
}

fn facts() -> QueuesFacts {
    QueuesFacts { incoming: vec![answer("jobs")], outgoing: answer("results"), visibility_timeout_s: 60, wait_time_s: 20 }
}

/// What isn't good, but for that which can't be tried.
fn told(facts: &QueuesFacts) -> Vec<(&'static str, Verdict)> {
    let findings = judge(facts);
    let told = findings.iter().filter(|it| it.verdict > Verdict::Good && it.check != UNTRIED.id);
    told.map(|it| (it.check, it.verdict)).collect()
}

#[test]
fn ordinary_queues_are_good_and_what_wasnt_tried_is_said() {
    assert_eq!(told(&facts()), []);
    assert!(judge(&facts()).iter().any(|finding| finding.check == UNTRIED.id));
}

#[test]
fn a_queue_that_doesnt_answer_is_broken_and_nothing_else_is_guessed_of_it() {
    let mut facts = facts();
    facts.incoming[0].attributes = Err("failed to read the queue's attributes: Access Denied".to_owned());
    assert_eq!(told(&facts), [(REACHABLE.id, Verdict::Broken)]);
}

#[test]
fn one_queue_under_two_urls_is_broken() {
    let mut facts = facts();
    facts.outgoing.attributes = Ok(attributes("jobs"));
    assert_eq!(told(&facts), [(APART.id, Verdict::Broken)]);
}

#[test]
fn dead_letters_among_results_are_a_warning() {
    let mut facts = facts();
    facts.outgoing.attributes = Ok(attributes("dead"));
    assert_eq!(told(&facts), [(APART.id, Verdict::Warning)]);
}

#[test]
fn what_loses_or_repeats_jobs_is_told() {
    let with = |change: fn(&mut QueuesFacts)| {
        let mut facts = facts();
        change(&mut facts);
        told(&facts)
    };
    let of_incoming = |facts: &mut QueuesFacts, change: fn(&mut Attributes)| {
        change(facts.incoming[0].attributes.as_mut().expect("it answered"));
    };
    let mut one = facts();
    of_incoming(&mut one, |attributes| attributes.max_receive_count = Some(1));
    assert_eq!(told(&one), [(REDRIVE.id, Verdict::Warning)]);
    let mut none = facts();
    of_incoming(&mut none, |attributes| attributes.max_receive_count = None);
    assert_eq!(told(&none), [(REDRIVE.id, Verdict::Warning)]);
    let mut hour = facts();
    of_incoming(&mut hour, |attributes| attributes.retention_s = Some(3600));
    assert_eq!(told(&hour), [(RETENTION.id, Verdict::Note)]);
    assert_eq!(with(|facts| facts.visibility_timeout_s = 12), [(HEARTBEAT.id, Verdict::Warning)]);
    assert_eq!(with(|facts| facts.wait_time_s = 0), [(LONG_POLL.id, Verdict::Warning)]);
    let mut small = facts();
    small.outgoing.attributes.as_mut().expect("it answered").maximum_message_bytes = 256 << 10;
    assert_eq!(told(&small), [(SIZE.id, Verdict::Note)]);
}
