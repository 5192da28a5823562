//! A log that nobody reads, or not in time: a worker never waits for whoever takes what it says.

mod support;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::engine::{Leftovers, holding, let_go, nothing_left_of};
use support::http::get;
use support::jobs::{bash, held, id, test, verdict};
use support::process::{caisson, signal};
use support::prometheus::Page;
use support::queue::{Counts, EMPTY, Queue};
use support::worker::configuration;
use support::{unique, until, within};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr};

/// The shortest that the configuration allows.
const VISIBILITY: Duration = Duration::from_secs(10);

/// A pipe that takes not one byte more for as long as its reading end is kept, and isn't read.
async fn full_pipe() -> (Stdio, pipe::Receiver) {
    let (writer, reader) = pipe::pipe().expect("a pipe can be made");
    writer.writable().await.expect("an empty pipe can be written to");
    while writer.try_write(&[b'\n'; 4_096]).is_ok() {}
    (Stdio::from(writer.into_blocking_fd().expect("it is a pipe")), reader)
}

/// A worker that has everything to say, and its configuration's folder.
async fn start(
    incoming: &Queue,
    outgoing: &Queue,
    stdout: Stdio,
    stderr: Stdio,
) -> (String, Child, Leftovers, tempfile::TempDir) {
    let (folder, file) = configuration(&format!(
        "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nqueue.wait_time_s = 1\nworker.slots = 2\n\
         queue.visibility_timeout_s = {}\nlog.level = \"trace\"\nmetrics.cloudwatch = true\nhttp.listen = \"127.0.0.1:0\"\n",
        incoming.url,
        outgoing.url,
        VISIBILITY.as_secs()
    ));
    let name = unique("worker");
    let leftovers = Leftovers::of(&name);
    let mut command = caisson(&name, &["worker", "--config", file.to_str().expect("the path is UTF-8")]);
    let child = command.stdout(stdout).stderr(stderr).spawn().expect("a worker can be started");
    (name, child, leftovers, folder)
}

async fn ended(child: &mut Child) -> Option<i32> {
    within("the end of a worker", child.wait()).await.expect("a child can be waited for").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_log_and_metrics_nobody_reads_answers_its_jobs_keeps_its_leases_and_stops_when_told() {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let ((stdout, _unread_metrics), (stderr, _unread_log)) = (full_pipe().await, full_pipe().await);
    let (long, quick) = (held(), || bash("echo 1", json!({ "tests": [test("1", "", "1\n")] })));
    incoming.send_job(&long).await;
    let (name, mut child, _leftovers, _folder) = start(&incoming, &outgoing, stdout, stderr).await;
    let container = holding(&name, &long).await;

    let begun = Instant::now();
    let mut answered = 0;
    while begun.elapsed() < 2 * VISIBILITY || answered < 5 {
        incoming.send_job(&quick()).await;
        let answers = outgoing.answers(1).await;
        assert_eq!(verdict(&answers[0].report), "accepted", "{:#}", answers[0].report);
        incoming.becomes(Counts { in_flight: 1, ..EMPTY }).await;
        answered += 1;
    }
    let_go(&container).await;
    let answers = outgoing.answers(1).await;
    let report = &answers[0].report;
    assert_eq!((report["job_id"].as_str(), verdict(report)), (Some(id(&long)), "accepted"), "{report:#}");
    assert_eq!((&report["attempt"], &report["lease"]), (&json!(1), &json!("held")), "{report:#}");
    incoming.becomes(EMPTY).await;

    signal(&child, libc::SIGTERM);
    assert_eq!(ended(&mut child).await, Some(0));
    nothing_left_of(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_start_ends_though_nobody_reads_why() {
    let outgoing = Queue::create("results").await;
    let absent = Queue { client: outgoing.client.clone(), url: format!("{}-absent", outgoing.url) };
    let (stderr, _unread) = full_pipe().await;
    let (_name, mut child, _leftovers, _folder) = start(&absent, &outgoing, Stdio::null(), stderr).await;
    assert_eq!(ended(&mut child).await, Some(1));
}

/// Reads a log up to the line with this message.
async fn read_to(log: &mut Lines<BufReader<ChildStderr>>, message: &str) -> Value {
    let read = async {
        loop {
            let line = log.next_line().await.expect("a log can be read").expect("the log goes on");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if line["message"].as_str().is_some_and(|found| found.starts_with(message)) {
                return line;
            }
        }
    };
    within(message, read).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_nobody_took_in_time_are_counted_and_told_of_when_the_log_is_read_again() {
    let (incoming, outgoing) = (Queue::create("jobs").await, Queue::create("results").await);
    let (name, mut child, _leftovers, _folder) = start(&incoming, &outgoing, Stdio::null(), Stdio::piped()).await;
    let mut log = BufReader::new(child.stderr.take().expect("its stderr is a pipe")).lines();
    let listening = read_to(&mut log, "listening for probes").await;
    let address: SocketAddr = listening["address"].as_str().and_then(|it| it.parse().ok()).expect("it says where");
    let lost = async || {
        let page = Page::read(&get(address, "/metrics").await.body);
        page.value("caisson_log_lines_lost_total", &[]).expect("it is counted from the start")
    };
    assert_eq!(lost().await, 0.0);
    let counted = until("lost lines", async || {
        incoming.send_job(&bash("echo 1", json!({}))).await;
        outgoing.answers(1).await;
        Some(lost().await).filter(|lost| *lost > 0.0)
    })
    .await;

    let told = read_to(&mut log, "lines of this log were lost").await;
    assert!(told["lines"].as_f64() >= Some(counted) && told["level"] == "WARN", "{told}");
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    signal(&child, libc::SIGTERM);
    assert_eq!(ended(&mut child).await, Some(0));
    rest.await.expect("the log can be read to its end");
    nothing_left_of(&name).await;
}
