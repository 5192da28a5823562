//! How a worker stops when its machine is taken away: a real process with real queues and containers, on an EC2 instance
//! that the test makes up.

mod support;

use serde_json::{Value, json};
use support::ec2::{Ec2, GROUP, HOOK, Health, INSTANCE};
use support::engine::{holding, let_go, nothing_left_of};
use support::jobs::{bash, held, held_at_most, id, test, verdict};
use support::proxy::Proxy;
use support::queue::{Answer, Counts, EMPTY, Queue};
use support::until;
use support::worker::Worker;

/// On the instance, looking each second; messages stay away for longer than any test lasts.
const ON: &str = "instance.metadata = \"on\"\ninstance.poll_interval_s = 1\nqueue.visibility_timeout_s = 3600";

fn quick() -> Value {
    bash("echo done", json!({ "tests": [test("1", "", "done\n")] }))
}

async fn queues() -> (Queue, Queue) {
    (Queue::create("jobs").await, Queue::create("results").await)
}

async fn worker(ec2: &Ec2, incoming: &Queue, outgoing: &Queue, more: &str) -> Worker {
    Worker::start_with(incoming, outgoing, &format!("{ON}\n{more}"), &ec2.variables()).await
}

/// Waits until the worker's log has these words.
async fn says(worker: &Worker, words: &str) {
    until(words, async || worker.log().contains(words).then_some(())).await;
}

/// The lines of the log with these words.
fn lines(worker: &Worker, words: &str) -> usize {
    worker.log().lines().filter(|line| line.contains(words)).count()
}

async fn ends_well(worker: &mut Worker) {
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
}

fn about(answer: &Answer) -> (&str, &str, u64) {
    let report = &answer.report;
    (
        report["job_id"].as_str().expect("it has an id"),
        verdict(report),
        report["attempt"].as_u64().expect("it has a number"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_spot_notice_what_fits_is_finished_and_the_rest_goes_to_another_worker_within_seconds() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    // 105 of the two minutes are for jobs. The long one might take all of them; the short one is sure to fit.
    let (short, long) = (held_at_most(90), held_at_most(200));
    incoming.send_job(&short).await;
    incoming.send_job(&long).await;
    let mut first = worker(&ec2, &incoming, &outgoing, "worker.slots = 2").await;
    let of_short = holding(&first.name, &short).await;
    holding(&first.name, &long).await;

    ec2.interrupt_in(120);
    incoming.becomes(Counts { visible: 1, in_flight: 1, ..EMPTY }).await;
    assert_eq!(outgoing.counts().await, EMPTY, "neither job has ended");
    assert_eq!(lines(&first, "stopping: finishing the jobs that run"), 1, "{}", first.log());
    let elsewhere = Ec2::start().await;
    let second = worker(&elsewhere, &incoming, &outgoing, "worker.slots = 1").await;
    let_go(&of_short).await;
    let_go(&holding(&second.name, &long).await).await;
    ends_well(&mut first).await;

    let answers = outgoing.answers(2).await;
    incoming.becomes(EMPTY).await;
    second.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (2, EMPTY));
    let mut answered: Vec<_> = answers.iter().map(about).collect();
    answered.sort_by_key(|(_, _, attempt)| *attempt);
    assert_eq!(answered, [(id(&short), "accepted", 1), (id(&long), "accepted", 2)]);
    assert!(first.log().contains("Spot interruption notice: terminate at 2"), "{}", first.log());
    assert_eq!(ec2.unauthorised(), 0, "every request comes with a token");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_ends_at_a_notice_and_takes_nothing_more() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    let mut worker = worker(&ec2, &incoming, &outgoing, "worker.slots = 1").await;
    ec2.interrupt_in(120);
    says(&worker, "stopping: finishing the jobs that run").await;
    ends_well(&mut worker).await;
    incoming.send_job(&quick()).await;
    assert_eq!(incoming.counts().await, Counts { visible: 1, ..EMPTY });
    // Nothing to abort, nothing given back: one line says why it stopped and until when.
    assert_eq!(lines(&worker, "giving back"), 0, "{}", worker.log());
    assert!(worker.log().contains("\"until\":\"2"), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_last_long_poll_brings_after_sigterm_is_given_straight_back() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    let more = "worker.slots = 1\nqueue.visibility_timeout_s = 3600";
    let variables = [("CAISSON_QUEUE_WAIT_TIME_S", "20"), ("AWS_ENDPOINT_URL", proxy.endpoint.as_str())];
    let mut worker = Worker::start_with(&incoming, &outgoing, more, &variables).await;
    until("a long poll", async || (proxy.requests("ReceiveMessage") > 0).then_some(())).await;
    worker.signal(libc::SIGTERM);
    says(&worker, "stopping: finishing the jobs that run").await;
    incoming.send_job(&quick()).await;
    ends_well(&mut worker).await;
    assert_eq!(incoming.counts().await, Counts { visible: 1, ..EMPTY });
    assert_eq!(outgoing.counts().await, EMPTY);
    let messages = incoming.receive(60).await;
    let system = messages[0].attributes.as_ref().expect("they were asked for");
    let count = system.iter().find(|(name, _)| name.as_str() == "ApproximateReceiveCount");
    assert_eq!(count.map(|(_, count)| count.as_str()), Some("2"), "the worker had it in its hands");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifecycle_action_is_kept_waiting_while_jobs_run_and_completed_once_after_the_last() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    // Longer than a Spot notice would allow: here there is time.
    let running = held_at_most(200);
    incoming.send_job(&running).await;
    let mut worker = worker(&ec2, &incoming, &outgoing, "worker.slots = 1").await;
    let container = holding(&worker.name, &running).await;
    // As when the state is announced before the hook waits.
    ec2.refuse("RecordLifecycleActionHeartbeat", 1);
    ec2.refuse("CompleteLifecycleAction", 2);
    ec2.terminate();
    ec2.called("RecordLifecycleActionHeartbeat", 4).await;
    assert_eq!(ec2.calls("CompleteLifecycleAction"), [], "the job is still running");
    assert_eq!(outgoing.counts().await, EMPTY);
    let_go(&container).await;
    ends_well(&mut worker).await;

    let answers = outgoing.answers(1).await;
    assert_eq!(about(&answers[0]), (id(&running), "accepted", 1));
    assert_eq!(incoming.counts().await, EMPTY);
    let log = worker.log();
    let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words} is not in\n{log}"));
    assert!(at("\"answered\"") < at("lifecycle action completed"));
    let completions = ec2.calls("CompleteLifecycleAction");
    assert_eq!(completions.iter().map(|call| call.accepted).collect::<Vec<_>>(), [false, false, true]);
    let expected = [
        ("AutoScalingGroupName", GROUP),
        ("InstanceId", INSTANCE),
        ("LifecycleActionResult", "CONTINUE"),
        ("LifecycleHookName", HOOK),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(completions[2].parameters, expected.into());
    assert_eq!(ec2.done().last().map(String::as_str), Some("CompleteLifecycleAction"), "no heartbeat comes after it");
    assert_eq!(lines(&worker, "put off the end"), 1, "a refused heartbeat is told of once: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_recommendation_drains_where_that_is_wanted() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    let running = held_at_most(200);
    incoming.send_job(&running).await;
    let more = "worker.slots = 1\ninstance.on_rebalance = \"drain\"";
    let mut worker = worker(&ec2, &incoming, &outgoing, more).await;
    let container = holding(&worker.name, &running).await;
    ec2.recommend_rebalance();
    says(&worker, "rebalance recommendation").await;
    incoming.send_job(&quick()).await;
    let_go(&container).await;
    ends_well(&mut worker).await;
    let answers = outgoing.answers(1).await;
    assert_eq!(
        about(&answers[0]),
        (id(&running), "accepted", 1),
        "the grace period lets it try, however long its limit"
    );
    assert_eq!((incoming.counts().await, outgoing.counts().await), (Counts { visible: 1, ..EMPTY }, EMPTY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_recommendation_is_only_told_of_by_default() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    let worker = worker(&ec2, &incoming, &outgoing, "worker.slots = 1").await;
    ec2.recommend_rebalance();
    says(&worker, "a rebalance recommendation came").await;
    let asked = ec2.asked();
    until("further looks", async || (ec2.asked() > asked + 6).then_some(())).await;
    incoming.send_job(&quick()).await;
    assert_eq!(outgoing.answers(1).await.len(), 1);
    assert_eq!(lines(&worker, "rebalance"), 1, "{}", worker.log());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instance_is_protected_from_scale_in_while_there_are_jobs_and_not_after_the_end() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    let more = format!(
        "worker.slots = 1\ninstance.scale_in_protection = true\ninstance.protection_interval_s = 2\n\
         instance.auto_scaling_group = \"{GROUP}\""
    );
    ec2.refuse("SetInstanceProtection", 1);
    let mut worker = worker(&ec2, &incoming, &outgoing, &more).await;
    let set = |count: usize| {
        let calls = ec2.calls("SetInstanceProtection");
        let wanted: Vec<bool> = calls
            .iter()
            .filter(|call| call.accepted)
            .map(|call| {
                let parameter = |name: &str| call.parameters.get(name).map(String::as_str);
                assert_eq!(parameter("AutoScalingGroupName"), Some(GROUP));
                assert_eq!(parameter("InstanceIds.member.1"), Some(INSTANCE));
                parameter("ProtectedFromScaleIn") == Some("true")
            })
            .collect();
        (wanted.len() >= count).then_some(wanted)
    };
    // The first call is for a protection that an earlier worker may have left, and refused; it is made again.
    assert_eq!(until("no protection to begin with", async || set(1)).await, [false]);
    let (first, second) = (held(), held());
    incoming.send_job(&first).await;
    assert_eq!(until("protection while busy", async || set(2)).await, [false, true]);
    let_go(&holding(&worker.name, &first).await).await;
    assert_eq!(until("no protection while idle", async || set(3)).await, [false, true, false]);
    incoming.send_job(&second).await;
    assert_eq!(until("protection while busy again", async || set(4)).await, [false, true, false, true]);
    let container = holding(&worker.name, &second).await;
    worker.signal(libc::SIGTERM);
    says(&worker, "stopping: finishing the jobs that run").await;
    let_go(&container).await;
    ends_well(&mut worker).await;
    assert_eq!(set(5), Some(vec![false, true, false, true, false]));
    assert_eq!(outgoing.answers(2).await.len(), 2);
    assert_eq!(ec2.calls("DescribeAutoScalingInstances"), [], "the group has been named");
    assert_eq!(lines(&worker, "change the protection"), 1, "a failure is told of once: {}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_service_that_hangs_or_fails_stops_nothing_and_is_told_of_once() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    ec2.becomes(Health::Hangs);
    let mut worker = worker(&ec2, &incoming, &outgoing, "worker.slots = 1").await;
    incoming.send_job(&quick()).await;
    assert_eq!(outgoing.answers(1).await.len(), 1);
    says(&worker, "the instance metadata service can't be asked").await;
    let asked = ec2.asked();
    ec2.becomes(Health::Broken);
    until("further looks", async || (ec2.asked() > asked + 3).then_some(())).await;
    incoming.send_job(&quick()).await;
    assert_eq!(outgoing.answers(1).await.len(), 1);
    assert_eq!(lines(&worker, "the instance metadata service can't be asked"), 1, "{}", worker.log());

    ec2.becomes(Health::Well);
    says(&worker, "the instance metadata service answers again").await;
    // A token that is no longer good is replaced, and what comes then is seen.
    ec2.forget_tokens();
    until("a refused token", async || (ec2.unauthorised() > 0).then_some(())).await;
    ec2.interrupt_in(120);
    says(&worker, "Spot interruption notice").await;
    ends_well(&mut worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_metadata_service_is_switched_off_nobody_asks_it() {
    let (ec2, (incoming, outgoing)) = (Ec2::start().await, queues().await);
    let [metadata, auto_scaling] = ec2.variables();
    for (more, disabled) in [("instance.metadata = \"off\"", "false"), ("instance.metadata = \"auto\"", "true")] {
        let variables = [metadata, auto_scaling, ("AWS_EC2_METADATA_DISABLED", disabled)];
        let more = format!("worker.slots = 1\ninstance.poll_interval_s = 1\n{more}");
        let worker = Worker::start_with(&incoming, &outgoing, &more, &variables).await;
        ec2.interrupt_in(120);
        // Twice as long as a look at the metadata would be away.
        incoming.send_job(&bash("sleep 2", json!({ "limits": { "wall_time_ms": 240_000 } }))).await;
        assert_eq!(outgoing.answers(1).await.len(), 1);
        assert_eq!(ec2.asked(), 0);
        worker.stop().await;
    }
}
