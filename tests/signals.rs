//! Signals to a worker: which of them end it, and that the second one does so at once, whatever call is never answered.

mod support;

use std::time::Duration;

use support::bucket::Bucket;
use support::engine::{holding, let_go, nothing_left_of};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::health::{LISTEN, readiness};
use support::jobs::{held, id};
use support::proxy::{Fault, Proxy};
use support::queue::{Counts, EMPTY};
use support::queues::{ADVISED, Queues, attempts, quick};
use support::until;
use support::worker::Worker;

/// The promise is two seconds. A machine on which twenty others compute has this much time for it, and it is still below the
/// shortest that a swallowed call took where a signal didn't end the wait for it.
const AT_ONCE: Duration = Duration::from_secs(20);

const STOPPING: &str = "stopping: finishing the jobs that run";

/// Tells a worker to stop, and when it has begun to, once more. One that has nothing to finish may end before that.
async fn ends_on_the_second_signal(mut worker: Worker) {
    worker.leaves_the_volume();
    worker.signal(libc::SIGTERM);
    worker.says(STOPPING).await;
    if !worker.has_ended() {
        worker.signal(libc::SIGTERM);
    }
    let ended = worker.ended_within(AT_ONCE).await;
    assert_eq!(ended, Some(Some(0)), "after the second signal: {}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_whose_deletion_is_never_answered() {
    let (queues, proxy) = (Queues::create(ADVISED).await, Proxy::start().await);
    proxy.fail("DeleteMessageBatch", Fault::Hangs, usize::MAX);
    queues.send(1).await;
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, "worker.slots = 1").await;
    until("a deletion", async || (proxy.hits("DeleteMessageBatch") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
    assert_eq!(queues.outgoing.counts().await, Counts { visible: 1, ..EMPTY }, "its result was out before");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_whose_result_is_never_taken() {
    let (queues, proxy) = (Queues::create(ADVISED).await, Proxy::start().await);
    proxy.fail("SendMessageBatch", Fault::Hangs, usize::MAX);
    queues.send(1).await;
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, "worker.slots = 1").await;
    until("a result under way", async || (proxy.hits("SendMessageBatch") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
    assert_eq!(queues.outgoing.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_that_cannot_give_its_job_back() {
    let (queues, proxy) = (Queues::create(ADVISED).await, Proxy::start().await);
    let job = held();
    queues.incoming.send_job(&job).await;
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, "worker.slots = 1").await;
    holding(&worker.name, &job).await;
    for operation in ["ChangeMessageVisibility", "ChangeMessageVisibilityBatch"] {
        proxy.fail(operation, Fault::Hangs, usize::MAX);
    }
    ends_on_the_second_signal(worker).await;
    assert_eq!(queues.outgoing.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_whose_poll_is_never_answered() {
    let (queues, proxy) = (Queues::create(ADVISED).await, Proxy::start().await);
    proxy.fail("ReceiveMessage", Fault::Hangs, usize::MAX);
    let variables = [("CAISSON_QUEUE_WAIT_TIME_S", "20"), ("AWS_ENDPOINT_URL", proxy.endpoint.as_str())];
    let worker = Worker::start_with(&queues.incoming, &queues.outgoing, "worker.slots = 1", &variables).await;
    until("a poll", async || (proxy.hits("ReceiveMessage") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_whose_object_never_comes() {
    let (queues, proxy) = (Queues::create(ADVISED).await, Proxy::start().await);
    let bucket = Bucket::create("jobs").await;
    let job = quick();
    bucket.put(id(&job), job.to_string().as_bytes()).await;
    queues.incoming.send(&bucket.pointer(id(&job))).await;
    proxy.fail("GET", Fault::Hangs, usize::MAX);
    let more = format!("worker.slots = 1\nstore.incoming_buckets = [\"{}\"]", bucket.name);
    let variables = [("AWS_ENDPOINT_URL_S3", proxy.endpoint.as_str())];
    let worker = Worker::start_with(&queues.incoming, &queues.outgoing, &more, &variables).await;
    until("a fetch", async || (proxy.hits("GET") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
    assert_eq!(queues.outgoing.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_whose_container_is_never_made() {
    let (queues, engine) = (Queues::create(ADVISED).await, EngineProxy::start());
    let more = format!("worker.slots = 1\npool.enabled = false\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::start(&queues.incoming, &queues.outgoing, &more).await;
    engine.fail("create", EngineFault::Hangs, usize::MAX);
    queues.send(1).await;
    until("a container asked for", async || (engine.hits("create") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
    assert_eq!(queues.outgoing.counts().await, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_whose_container_is_never_removed() {
    let (queues, engine) = (Queues::create(ADVISED).await, EngineProxy::start());
    let more = format!("worker.slots = 1\npool.enabled = false\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::start(&queues.incoming, &queues.outgoing, &more).await;
    let job = held();
    queues.incoming.send_job(&job).await;
    let container = holding(&worker.name, &job).await;
    // It doesn't hear of the container's end, and so asks for its removal.
    for call in ["events", "remove"] {
        engine.fail(call, EngineFault::Hangs, usize::MAX);
    }
    engine.cut("events");
    let_go(&container).await;
    until("a removal", async || (engine.hits("remove") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_that_waits_for_its_queue_at_the_start() {
    let (queues, proxy) = (Queues::create(ADVISED).await, Proxy::start().await);
    proxy.fail("GetQueueAttributes", Fault::Hangs, usize::MAX);
    let variables = [("AWS_ENDPOINT_URL", proxy.endpoint.as_str())];
    let worker = Worker::spawn(&queues.incoming, &queues.outgoing, "worker.slots = 1", &variables);
    until("a question", async || (proxy.hits("GetQueueAttributes") > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_that_waits_for_its_engine_at_the_start() {
    const CALLS: [&str; 4] = ["ping", "list", "create", "other"];
    let (queues, engine) = (Queues::create(ADVISED).await, EngineProxy::start());
    for call in CALLS {
        engine.fail(call, EngineFault::Hangs, usize::MAX);
    }
    let more = format!("worker.slots = 1\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::spawn(&queues.incoming, &queues.outgoing, &more, &[]);
    until("a call", async || CALLS.iter().any(|call| engine.hits(call) > 0).then_some(())).await;
    ends_on_the_second_signal(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_that_reaches_nothing_any_more() {
    let (queues, proxy, engine) = (Queues::create(ADVISED).await, Proxy::start().await, EngineProxy::start());
    let job = held();
    queues.incoming.send_job(&job).await;
    let more = format!("worker.slots = 2\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::behind(&proxy, &queues.incoming, &queues.outgoing, &more).await;
    holding(&worker.name, &job).await;
    proxy.black_hole(true);
    for call in ["create", "attach", "start", "update", "remove", "list", "ping", "other"] {
        engine.fail(call, EngineFault::Hangs, usize::MAX);
    }
    ends_on_the_second_signal(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_goes_and_signals_that_nobody_meant_for_it_change_nothing() {
    let queues = Queues::create(ADVISED).await;
    let job = held();
    queues.incoming.send_job(&job).await;
    let more = format!("worker.slots = 1\n{LISTEN}");
    let mut worker = Worker::start(&queues.incoming, &queues.outgoing, &more).await;
    let container = holding(&worker.name, &job).await;
    for signal in [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGPIPE] {
        worker.signal(signal);
        // Whoever has it from the kernel has it before the next request.
        assert!(readiness(&worker).await.ok, "{signal}: {}", worker.log());
    }
    let_go(&container).await;
    let answers = queues.answer_all(&[job], "accepted").await;
    assert_eq!(attempts(&answers), [1]);
    queues.are_settled().await;
    assert!(!worker.log().contains("stopping"), "{}", worker.log());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigquit_drains_as_sigterm_does() {
    let queues = Queues::create(ADVISED).await;
    let job = held();
    queues.incoming.send_job(&job).await;
    let mut worker = Worker::start(&queues.incoming, &queues.outgoing, "worker.slots = 1").await;
    let container = holding(&worker.name, &job).await;
    let waiting = queues.send(1).await;
    worker.signal(libc::SIGQUIT);
    worker.says(STOPPING).await;
    let_go(&container).await;
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
    let answers = queues.answer_all(&[job], "accepted").await;
    assert_eq!(attempts(&answers), [1]);
    assert_eq!(queues.incoming.counts().await, Counts { visible: waiting.len(), ..EMPTY });
}
