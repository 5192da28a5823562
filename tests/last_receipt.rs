//! The last receipt of a message, after which SQS takes it to the dead letters: whatever happens to it, whoever sent the job
//! gets an answer, and the dead letter says that there was one.

mod support;

use aws_sdk_sqs::types::{Message, QueueAttributeName};
use serde_json::{Value, json};
use support::engine::{gone, holding, nothing_left_of};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::jobs::held;
use support::proxy::{Fault, Proxy};
use support::queue::{Counts, EMPTY, Queue};
use support::queues::{Queues, attempts, quick};
use support::until;
use support::worker::Worker;

/// The attribute of a dead letter whose sender knows.
const ANSWERED: &str = "caisson_answered";

/// The shortest visibility timeout there is: for so long a message stays hidden that a worker didn't settle.
const SHORT: &str = "worker.slots = 1\nqueue.visibility_timeout_s = 10";

/// Takes the dead letters, and makes sure that there is one for each of these jobs.
async fn letters(queues: &Queues, jobs: &[Value]) -> Vec<Message> {
    let mut letters = Vec::new();
    until("the dead letters", async || {
        letters.extend(queues.dead.receive(600).await);
        (letters.len() >= jobs.len()).then_some(())
    })
    .await;
    let mut bodies: Vec<&str> = letters.iter().filter_map(Message::body).collect();
    let mut sent: Vec<String> = jobs.iter().map(Value::to_string).collect();
    bodies.sort_unstable();
    sent.sort_unstable();
    assert_eq!(bodies, sent, "the letters are the messages as they were");
    letters
}

fn is_answered(letter: &Message) -> bool {
    letter.message_attributes().is_some_and(|attributes| attributes.contains_key(ANSWERED))
}

/// Makes sure that each of these jobs was given up in order: answered once, by `internal_error`, its message now a dead letter
/// that says so. The workers have ended.
async fn are_given_up(queues: &Queues, jobs: &[Value]) {
    queues.answer_all(jobs, "internal_error").await;
    assert!(letters(queues, jobs).await.iter().all(is_answered), "the letters say that they were answered");
    assert_eq!((queues.incoming.counts().await, queues.outgoing.counts().await), (EMPTY, EMPTY));
}

/// Starts a worker and waits until the dead letter has been answered, then ends it.
async fn another_worker_answers(queues: &Queues, jobs: &[Value]) {
    let other = Worker::start(&queues.incoming, &queues.outgoing, SHORT).await;
    let expected = Counts { visible: jobs.len(), ..EMPTY };
    until("an answer by another worker", async || (queues.outgoing.counts().await == expected).then_some(())).await;
    queues.incoming.becomes(EMPTY).await;
    other.stop().await;
    are_given_up(queues, jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_receipt_is_run_by_a_worker_that_is_stopping_too() {
    let queues = Queues::create(3).await;
    let jobs = queues.send(1).await;
    queues.incoming.spend(2).await;
    let proxy = Proxy::start().await;
    proxy.fail("ReceiveMessage@jobs", Fault::Held, usize::MAX);
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 3600";
    let variables = [("CAISSON_QUEUE_WAIT_TIME_S", "20"), ("AWS_ENDPOINT_URL", proxy.endpoint.as_str())];
    let mut worker = Worker::start_with(&queues.incoming, &queues.outgoing, more, &variables).await;
    until("a long poll under way", async || (proxy.hits("ReceiveMessage@jobs") > 0).then_some(())).await;
    // Before it has once looked for dead letters that nobody answered, it keeps a last receipt for the answer.
    until("a look", async || (proxy.answers("GetQueueAttributes@dead") > 0).then_some(())).await;
    worker.signal(libc::SIGTERM);
    worker.says("stopping: finishing the jobs that run").await;
    proxy.let_pass();
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
    let expected = Counts { visible: 1, ..EMPTY };
    assert_eq!((queues.incoming.counts().await, queues.outgoing.counts().await), (EMPTY, expected), "{}", worker.log());
    let answers = queues.answer_all(&jobs, "accepted").await;
    assert_eq!(attempts(&answers), [3]);
    queues.are_settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_receipt_waits_for_the_first_look_of_a_worker_that_has_just_started_and_is_run() {
    let queues = Queues::create(2).await;
    let jobs = queues.send(1).await;
    queues.incoming.spend(1).await;
    let proxy = Proxy::start().await;
    proxy.fail("GetQueueAttributes@dead", Fault::Held, usize::MAX);
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, "worker.slots = 1").await;
    queues.incoming.becomes(Counts { in_flight: 1, ..EMPTY }).await;
    until("a look", async || (proxy.hits("GetQueueAttributes@dead") > 0).then_some(())).await;
    proxy.let_pass();
    let answers = queues.answer_all(&jobs, "accepted").await;
    assert_eq!(attempts(&answers), [2]);
    queues.are_settled().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_receipt_is_run_also_when_a_later_look_has_failed() {
    let queues = Queues::create(2).await;
    let proxy = Proxy::start().await;
    let mut worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, SHORT).await;
    until("a look", async || (proxy.answers("GetQueueAttributes@dead") > 0).then_some(())).await;
    proxy.fail("GetQueueAttributes@dead", Fault::Refused, usize::MAX);
    worker.says("dead letters can't be looked through").await;
    proxy.fail("ReceiveMessage@jobs", Fault::Refused, usize::MAX);
    until("a poll that is refused", async || (proxy.hits("ReceiveMessage@jobs") > 0).then_some(())).await;
    let jobs = queues.send(1).await;
    queues.incoming.spend(1).await;
    proxy.mend("ReceiveMessage@jobs");
    let answers = queues.answer_all(&jobs, "accepted").await;
    assert_eq!(attempts(&answers), [2]);
    queues.are_settled().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_receipt_that_a_stop_leaves_no_time_for_is_answered_as_given_up() {
    let queues = Queues::create(1).await;
    let job = held();
    queues.incoming.send_job(&job).await;
    let more = "worker.slots = 1\nworker.grace_period_s = 0\nqueue.visibility_timeout_s = 3600";
    let mut worker = Worker::start(&queues.incoming, &queues.outgoing, more).await;
    holding(&worker.name, &job).await;
    worker.signal(libc::SIGTERM);
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
    // Before its end: nobody else has to come along for it.
    assert_eq!(queues.outgoing.counts().await, Counts { visible: 1, ..EMPTY }, "{}", worker.log());
    are_given_up(&queues, &[job]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_receipt_whose_result_could_not_be_published_before_the_end_is_answered_by_another_worker() {
    let queues = Queues::create(1).await;
    let proxy = Proxy::start().await;
    proxy.fail("SendMessageBatch@results", Fault::Hangs, usize::MAX);
    let jobs = queues.send(1).await;
    let mut worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, SHORT).await;
    until("a result under way", async || (proxy.hits("SendMessageBatch@results") > 0).then_some(())).await;
    worker.signal(libc::SIGTERM);
    worker.says("stopping: finishing the jobs that run").await;
    worker.signal(libc::SIGTERM);
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    assert_eq!(queues.outgoing.counts().await, EMPTY, "it wasn't published");
    another_worker_answers(&queues, &jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_receipt_whose_worker_dies_is_answered_by_another_worker() {
    let queues = Queues::create(1).await;
    let jobs = queues.send(1).await;
    let more = format!("{SHORT}\npool.enabled = false");
    let variables = [("CAISSON_CRASH_AT", "first_frame")];
    let mut dying = Worker::spawn(&queues.incoming, &queues.outgoing, &more, &variables);
    dying.leaves_the_volume();
    assert_eq!(dying.ended().await, None, "{}", dying.log());
    gone(&dying.name).await;
    another_worker_answers(&queues, &jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_on_our_side_is_answered_also_when_nobody_says_how_often_it_was_received() {
    let queues = Queues::create(2).await;
    let proxy = Proxy::start().await;
    proxy.fail("ReceiveMessage@jobs", Fault::Without("ApproximateReceiveCount"), usize::MAX);
    let engine = EngineProxy::start();
    engine.fail("start", EngineFault::Answers("no space left on device"), usize::MAX);
    let jobs = queues.send(1).await;
    queues.incoming.spend(1).await;
    let more = format!("{SHORT}\npool.enabled = false\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    let expected = Counts { visible: 1, ..EMPTY };
    until("an answer", async || (queues.outgoing.counts().await == expected).then_some(())).await;
    queues.incoming.becomes(EMPTY).await;
    worker.stop().await;
    are_given_up(&queues, &jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_allows_fewer_receipts_than_before_is_taken_at_its_word_by_a_worker_that_runs() {
    let queues = Queues::create(5).await;
    let (proxy, engine) = (Proxy::start().await, EngineProxy::start());
    let more = format!("{SHORT}\npool.enabled = false\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    let policy = json!({ "deadLetterTargetArn": queues.dead.arn().await, "maxReceiveCount": 1 }).to_string();
    let Queue { client, url } = &queues.incoming;
    let lowering = client.set_queue_attributes().queue_url(url).attributes(QueueAttributeName::RedrivePolicy, policy);
    lowering.send().await.expect("it can be lowered");
    let looks = || proxy.answers("GetQueueAttributes@jobs");
    let before = looks();
    until("a look at the queue", async || (looks() > before).then_some(())).await;
    engine.fail("start", EngineFault::Answers("no space left on device"), usize::MAX);
    let jobs = queues.send(1).await;
    until("a dead letter", async || (queues.dead.counts().await.visible == 1).then_some(())).await;
    queues.incoming.becomes(EMPTY).await;
    let log = worker.log();
    worker.stop().await;
    are_given_up(&queues, &jobs).await;
    assert!(!log.contains("a dead letter that nobody had answered"), "it was answered with its last receipt: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_nobody_answered_are_answered_once_and_others_left_alone() {
    const RECEIPTS: u64 = 3;
    let queues = Queues::create(RECEIPTS).await;
    let jobs = [quick(), quick(), quick()];
    for job in &jobs {
        queues.bury(job, RECEIPTS).await;
    }
    // Not moved there by the queue: somebody put it there, who knows why.
    let by_hand = quick();
    queues.dead.send_job(&by_hand).await;
    let proxy = Proxy::start().await;
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, "worker.slots = 1").await;
    queues.answer_all(&jobs, "internal_error").await;
    until("four letters again", async || (queues.dead.counts().await.visible == 4).then_some(())).await;
    // Another one looks through them, too, and there is nothing to be done.
    let looks = || proxy.requests("ReceiveMessage@dead");
    let (before, other) =
        (looks(), Worker::behind(&proxy, &queues.incoming, &queues.outgoing, "worker.slots = 1").await);
    until("a look through the dead letters", async || (looks() >= before + 2).then_some(())).await;
    worker.stop().await;
    other.stop().await;
    assert_eq!(queues.outgoing.counts().await, EMPTY, "none is answered twice");
    let all = [&jobs[..], std::slice::from_ref(&by_hand)].concat();
    let (answered, others): (Vec<_>, Vec<_>) = letters(&queues, &all).await.into_iter().partition(is_answered);
    assert_eq!((answered.len(), others.len()), (3, 1));
    assert_eq!(others[0].body(), Some(by_hand.to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_dead_letters_in_another_way_can_say_so() {
    let queues = Queues::create(1).await;
    let letter = quick();
    queues.bury(&letter, 1).await;
    let more = "worker.slots = 1\nqueue.answer_dead_letters = false";
    let worker = Worker::start(&queues.incoming, &queues.outgoing, more).await;
    let jobs = queues.send(3).await;
    queues.answer_all(&jobs, "accepted").await;
    worker.stop().await;
    assert!(!letters(&queues, &[letter]).await.iter().any(is_answered));
    assert_eq!(queues.outgoing.counts().await, EMPTY);
}
