//! What a real worker tells the service manager that started it, by a real socket.

mod support;

use std::sync::{Arc, Mutex};

use support::engine::{holding, let_go, nothing_left_of};
use support::health::{LISTEN, readiness};
use support::jobs::{held, id};
use support::proxy::{Fault, Proxy};
use support::queues::{ADVISED, Queues};
use support::until;
use support::worker::Worker;
use tokio::net::UnixDatagram;
use tokio_util::task::AbortOnDropHandle;

/// systemd, as far as a worker knows it.
struct Manager {
    socket: String,
    heard: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    _task: AbortOnDropHandle<()>,
}

impl Manager {
    fn start() -> Manager {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("a socket can be made there");
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let task = tokio::spawn({
            let heard = heard.clone();
            async move {
                let mut buffer = [0; 4096];
                while let Ok(length) = listener.recv(&mut buffer).await {
                    let message = String::from_utf8_lossy(&buffer[..length]);
                    let mut heard = heard.lock().expect("nobody panics with it");
                    heard.extend(message.lines().map(str::to_owned));
                }
            }
        });
        let socket = path.to_str().expect("the path is UTF-8").to_owned();
        Manager { socket, heard, _folder: folder, _task: AbortOnDropHandle::new(task) }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics with it").clone()
    }

    /// How many lines begin so.
    fn count(&self, beginning: &str) -> usize {
        self.heard().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// Waits until one more line begins so than there are now.
    async fn hears(&self, beginning: &str) {
        let before = self.count(beginning);
        until(beginning, async || (self.count(beginning) > before).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_tells_its_manager_what_it_waits_for_that_it_works_that_it_gets_on_and_that_it_stops() {
    let (queues, manager, proxy) = (Queues::create(ADVISED).await, Manager::start(), Proxy::start().await);
    proxy.fail("GetQueueAttributes", Fault::Refused, usize::MAX);
    let more = format!("worker.slots = 1\n{LISTEN}");
    let variables = [
        ("AWS_ENDPOINT_URL", proxy.endpoint.as_str()),
        ("NOTIFY_SOCKET", manager.socket.as_str()),
        ("WATCHDOG_USEC", "4000000"),
    ];
    let mut worker = Worker::spawn(&queues.incoming, &queues.outgoing, &more, &variables);
    // An outage at the start: it is there and waits, however often it is refused.
    manager.hears("STATUS=the worker is starting; failed to read the queue's attributes").await;
    worker.says("the worker waits for a queue before it starts").await;
    let ready = readiness(&worker).await;
    assert_eq!((ready.ok, ready.holds("outgoing"), ready.holds("intake")), (false, Some(false), Some(false)));
    manager.hears("EXTEND_TIMEOUT_USEC=").await;
    manager.hears("WATCHDOG=1").await;
    assert!(!worker.has_ended() && manager.count("READY=1") == 0, "{:?}", manager.heard());

    proxy.mend("GetQueueAttributes");
    manager.hears("READY=1").await;
    until("a worker that takes in jobs", async || (manager.heard().last()? != "READY=1").then_some(())).await;
    assert!(manager.count("STATUS=taking in jobs") > 0, "{:?}", manager.heard());
    assert_eq!(worker.log_lines().iter().filter(|line| line["message"] == "working").count(), 1);
    // An outage while it works holds it up, and it gets on all the same.
    proxy.fail("ReceiveMessage", Fault::Refused, usize::MAX);
    manager.hears("STATUS=taking in no jobs: failed to receive messages").await;
    manager.hears("WATCHDOG=1").await;
    manager.hears("WATCHDOG=1").await;
    proxy.heal();
    manager.hears("STATUS=taking in jobs").await;

    let job = held();
    queues.incoming.send_job(&job).await;
    let container = holding(&worker.name, &job).await;
    assert_eq!(manager.count("STOPPING=1"), 0);
    worker.signal(libc::SIGTERM);
    // More than once: a drain may be longer than the unit's timeout.
    manager.hears("STOPPING=1").await;
    manager.hears("EXTEND_TIMEOUT_USEC=").await;
    manager.hears("WATCHDOG=1").await;
    let_go(&container).await;
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    nothing_left_of(&worker.name).await;
    let answers = queues.outgoing.answers(1).await;
    assert_eq!(answers[0].report["job_id"], id(&job));
    assert_eq!((manager.count("READY=1"), manager.count("STOPPING=1")), (1, 1), "each is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_manager_hears_nothing_works_all_the_same() {
    let queues = Queues::create(ADVISED).await;
    let variables = [("NOTIFY_SOCKET", "/nowhere/notify"), ("WATCHDOG_USEC", "4000000")];
    let worker = Worker::start_with(&queues.incoming, &queues.outgoing, "worker.slots = 1", &variables).await;
    let jobs = queues.send(1).await;
    queues.answer_all(&jobs, "accepted").await;
    queues.are_settled().await;
    worker.stop().await;
}
