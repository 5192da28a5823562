//! A host on which no job can run, beside one where all is well: it takes itself out, and nobody's answer suffers.

mod support;

use support::ec2::{Ec2, INSTANCE};
use support::engine::{Image, docker, holding};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::health::{LISTEN, becomes_ready, loses, metrics, readiness};
use support::jobs::held;
use support::proxy::{Fault, Proxy};
use support::queues::{ADVISED, Queues, attempts};
use support::worker::Worker;
use support::{unique, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lacks_an_image_of_its_languages_takes_nothing_until_the_image_is_there() {
    let queues = Queues::create(ADVISED).await;
    let image = Image(format!("caisson-test/{}:1", unique("late")));
    let jobs = queues.send(20).await;
    let lacking = format!(
        "worker.slots = 2\n{LISTEN}\n[languages.bash]\nimage = \"{}\"\nextensions = [\"sh\"]\nmain = \"main.sh\"\n\
         run = [\"bash\", \"{{main}}\"]",
        image.0
    );
    // First and alone: it may take what it likes, and must take nothing.
    let sick = Worker::spawn(&queues.incoming, &queues.outgoing, &lacking, &[]);
    loses(&sick, "images").await;
    let healthy = Worker::start(&queues.incoming, &queues.outgoing, "worker.slots = 2").await;
    let answers = queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    assert!(attempts(&answers).iter().all(|attempt| *attempt == 1), "no receipt is spent: {:?}", attempts(&answers));
    assert_eq!(metrics(&sick).await.sum("caisson_deliveries_total"), 0.0);
    assert_eq!(readiness(&sick).await.holds("images"), Some(false));
    healthy.stop().await;

    docker(&["tag", "caisson/bash", &image.0]).await;
    becomes_ready(&sick).await;
    let jobs = queues.send(1).await;
    queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    sick.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_engine_refuses_everything_takes_itself_out_and_another_answers_all() {
    let queues = Queues::create(ADVISED).await;
    let engine = EngineProxy::start();
    // Without a pool, which would have containers that were made before.
    let behind =
        format!("worker.slots = 2\npool.enabled = false\n{LISTEN}\nsandbox.engine_socket = \"{}\"", engine.socket());
    let sick = Worker::start(&queues.incoming, &queues.outgoing, &behind).await;
    becomes_ready(&sick).await;
    engine.fail("create", EngineFault::Answers("no space left on device"), usize::MAX);
    let jobs = queues.send(40).await;
    // It is alone until it has taken itself out.
    loses(&sick, "engine").await;
    let healthy = Worker::start(&queues.incoming, &queues.outgoing, "worker.slots = 2").await;
    queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    // It goes on to try, with one message at a time; few of them are spent on it.
    let spent = metrics(&sick).await.value("caisson_jobs_given_back_total", &[("reason", "failed")]);
    assert!(spent.is_some_and(|spent| spent <= 20.0), "{spent:?} of 40 jobs were given back");
    healthy.stop().await;

    // With nobody else there, it finds out by itself that all is well again.
    engine.heal();
    let jobs = queues.send(4).await;
    queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    becomes_ready(&sick).await;
    sick.stop().await;
}

/// On an EC2 instance of a group, and unhealthy after a second.
const ON_EC2: &str = "instance.metadata = \"on\"\ninstance.poll_interval_s = 1\ninstance.unhealthy_after_s = 1";

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_engine_stays_away_is_said_to_be_unhealthy_once_and_drains_when_it_is_ended() {
    let (queues, engine, ec2) = (Queues::create(ADVISED).await, EngineProxy::start(), Ec2::start().await);
    let behind = format!(
        "worker.slots = 2\npool.enabled = false\n{LISTEN}\n{ON_EC2}\nsandbox.engine_socket = \"{}\"",
        engine.socket()
    );
    let mut sick = Worker::start_with(&queues.incoming, &queues.outgoing, &behind, &ec2.variables()).await;
    becomes_ready(&sick).await;
    // As when Auto Scaling throttles.
    ec2.refuse("SetInstanceHealth", 1);
    engine.fail("create", EngineFault::Answers("no space left on device"), usize::MAX);
    let jobs = queues.send(40).await;
    loses(&sick, "engine").await;
    ec2.called("SetInstanceHealth", 2).await;
    sick.says("told Auto Scaling that this instance is unhealthy").await;
    let asked = ec2.asked();
    until("further looks", async || (ec2.asked() > asked + 12).then_some(())).await;
    let calls = ec2.calls("SetInstanceHealth");
    assert_eq!(calls.iter().map(|call| call.accepted).collect::<Vec<_>>(), [false, true]);
    let expected = [("HealthStatus", "Unhealthy"), ("InstanceId", INSTANCE), ("ShouldRespectGracePeriod", "true")];
    assert_eq!(calls[1].parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    ec2.terminate();
    engine.heal();
    assert_eq!(sick.ended().await, Some(0), "{}", sick.log());
    assert_eq!(ec2.done().last().map(String::as_str), Some("CompleteLifecycleAction"));
    let healthy = Worker::start(&queues.incoming, &queues.outgoing, "worker.slots = 2").await;
    queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    healthy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_for_everybody_or_was_never_there_makes_no_instance_unhealthy() {
    let (queues, proxy, ec2) = (Queues::create(ADVISED).await, Proxy::start().await, Ec2::start().await);
    let bash = |image: &str| {
        format!(
            "[languages.bash]\nimage = \"{image}\"\nextensions = [\"sh\"]\nmain = \"main.sh\"\nrun = [\"bash\", \"{{main}}\"]"
        )
    };
    let here = format!("worker.slots = 1\n{LISTEN}\n{ON_EC2}");
    let mut variables = ec2.variables().to_vec();
    variables.push(("AWS_ENDPOINT_URL", &proxy.endpoint));
    let worker = Worker::start_with(&queues.incoming, &queues.outgoing, &here, &variables).await;
    let image = Image(format!("caisson-test/{}:1", unique("never")));
    let lacking = format!("{here}\n{}", bash(&image.0));
    let other = Ec2::start().await;
    let misled = Worker::spawn(&queues.incoming, &queues.outgoing, &lacking, &other.variables());
    loses(&misled, "images").await;
    proxy.fail("ReceiveMessage", Fault::Refused, usize::MAX);
    loses(&worker, "queue").await;
    let asked = (ec2.asked(), other.asked());
    until("further looks", async || (ec2.asked() > asked.0 + 12 && other.asked() > asked.1 + 12).then_some(())).await;
    assert_eq!((ec2.calls("SetInstanceHealth"), other.calls("SetInstanceHealth")), (vec![], vec![]));
    proxy.heal();
    worker.stop().await;
    misled.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_engine_is_restarted_goes_on_and_gives_back_what_ran() {
    // Each try while the engine is away takes a receipt.
    let (queues, engine) = (Queues::create(100).await, EngineProxy::start());
    let behind = format!("worker.slots = 2\n{LISTEN}\nsandbox.engine_socket = \"{}\"", engine.socket());
    let mut worker = Worker::start(&queues.incoming, &queues.outgoing, &behind).await;
    let cut_off = held();
    queues.incoming.send_job(&cut_off).await;
    holding(&worker.name, &cut_off).await;
    let pid = worker.pid();
    // Its containers end with their connections, as with `systemctl restart docker`.
    engine.vanish();
    let jobs = queues.send(6).await;
    loses(&worker, "engine").await;
    engine.heal();
    support::engine::let_go(&holding(&worker.name, &cut_off).await).await;
    let all: Vec<_> = jobs.into_iter().chain([cut_off]).collect();
    queues.answer_all(&all, "accepted").await;
    queues.are_settled().await;
    becomes_ready(&worker).await;
    assert!(!worker.has_ended() && worker.pid() == pid);
    worker.stop().await;
}
