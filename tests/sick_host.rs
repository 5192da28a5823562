//! A host on which no job can run, beside one where all is well: it takes itself out, and nobody's answer suffers.

mod support;

use support::engine::{Image, docker};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::health::{LISTEN, becomes_ready, loses, metrics, readiness};
use support::queues::{ADVISED, Queues, attempts};
use support::unique;
use support::worker::Worker;

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
