//! What a worker says of itself while it works: metrics, health, its log, and the traces of its jobs.

mod support;

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use serde_json::{Value, json};
use support::engine::{holding, let_go};
use support::engine_proxy::{EngineFault, EngineProxy};
use support::http::get;
use support::jobs::{bash, c, held, id, test, verdict};
use support::process::{caisson, finish};
use support::prometheus::Page;
use support::proxy::{Fault, Proxy};
use support::queue::{EMPTY, Queue};
use support::worker::{Worker, configuration};
use support::{unique, until, within};

const LISTEN: &str = "http.listen = \"127.0.0.1:0\"";

async fn queues() -> (Queue, Queue) {
    (Queue::create("jobs").await, Queue::create("results").await)
}

/// The page of metrics, read to the letter.
async fn scrape(worker: &Worker) -> Page {
    let answer = get(worker.address(), "/metrics").await;
    assert_eq!(answer.status, 200);
    Page::read(&answer.body)
}

/// The only line with this message.
fn only<'a>(lines: &'a [Value], message: &str, of: impl Fn(&Value) -> bool) -> &'a Value {
    let found: Vec<&Value> = lines.iter().filter(|line| line["message"] == message && of(line)).collect();
    assert_eq!(found.len(), 1, "{message}: {found:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_did_is_in_its_metrics_its_log_and_its_lines_for_cloudwatch() {
    let (incoming, outgoing) = queues().await;
    let good = bash("echo 3", json!({ "tests": [test("1", "", "3\n")] }));
    let compiled = c("int main(void) { return 3; }", json!({}));
    let hostile = bash("echo here", json!({ "id": "a\nb\u{1b}[2J\"}\r{\"level\":\"INFO\"" }));
    let unknown = bash("true", json!({ "language": "no\n{\"such\":1}\u{7}" }));
    for job in [&good, &compiled, &hostile, &unknown] {
        incoming.send_job(job).await;
    }
    incoming.send("nonsense\n{\"message\":\"answered\"}").await;

    let more = format!(
        "worker.slots = 2\nmetrics.cloudwatch = true\nmetrics.cloudwatch_namespace = \"Caisson/test\"\n{LISTEN}"
    );
    let begun = std::time::Instant::now();
    let mut worker = Worker::start(&incoming, &outgoing, &more).await;
    let answers = outgoing.answers(5).await;
    incoming.becomes(EMPTY).await;
    // The counting follows the publishing, and the container's end follows that.
    let page = until("five counted jobs and no busy slot", async || {
        let page = scrape(&worker).await;
        let done = page.sum("caisson_jobs_total") == 5.0 && page.value("caisson_slots_busy", &[]) == Some(0.0);
        done.then_some(page)
    })
    .await;

    let jobs = |verdict| page.value("caisson_jobs_total", &[("verdict", verdict)]);
    assert_eq!([jobs("accepted"), jobs("runtime_error"), jobs("rejected")], [Some(1.0), Some(1.0), Some(3.0)]);
    assert_eq!(page.value("caisson_deliveries_total", &[]), Some(5.0));
    assert_eq!(page.value("caisson_slots", &[]), Some(2.0));
    assert_eq!(page.value("caisson_memory_busy_bytes", &[]), Some(0.0));
    assert_eq!(page.value("caisson_cold_starts_total", &[]), Some(2.0));
    let count = |stage| page.value("caisson_job_stage_seconds_count", &[("stage", stage)]);
    assert_eq!([count("queue"), count("prepare"), count("compile"), count("run")], [5.0, 2.0, 1.0, 2.0].map(Some));
    assert_eq!(page.value("caisson_job_attempts_bucket", &[("le", "1.0")]), Some(5.0));
    let requests = |operation| page.value("caisson_queue_requests_total", &[("operation", operation)]).unwrap_or(0.0);
    assert!(requests("receive") >= 1.0 && (1.0..=5.0).contains(&requests("send")), "{page:#?}");
    assert!((1.0..=5.0).contains(&requests("delete")), "{page:#?}");
    assert!(page.value("caisson_poll_age_seconds", &[]).is_some_and(|age| age <= begun.elapsed().as_secs_f64()));
    assert!(page.value("caisson_memory_budget_bytes", &[]).is_some_and(|bytes| bytes > 1e6));
    for name in ["caisson_leases_lost_total", "caisson_engine_failures_total", "caisson_jobs_given_back_total"] {
        assert_eq!(page.sum(name), 0.0, "{name}");
    }

    worker.signal(libc::SIGTERM);
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
    the_log_tells_of_each_answer_once(&worker, &answers.into_iter().map(|answer| answer.report).collect::<Vec<_>>());

    let output = worker.output();
    let lines: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(!lines.is_empty(), "a worker that ends writes a last line");
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!((sum("jobs_total"), sum("jobs_total.rejected"), sum("deliveries_total")), (5, 3, 5));
    for line in &lines {
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Caisson/test");
        assert_eq!(line["worker"], worker.name.as_str());
    }
    assert!(lines.last().is_some_and(|last| last["drain_seconds"].is_number()));
}

/// Every line is JSON with what every line has, and there is one line of each result with what it says.
fn the_log_tells_of_each_answer_once(worker: &Worker, reports: &[Value]) {
    let lines = worker.log_lines();
    for line in &lines {
        let time = line["timestamp"].as_str().unwrap_or_default();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(["ERROR", "WARN", "INFO"].contains(&line["level"].as_str().unwrap_or_default()), "{line}");
        assert!(line["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
    }
    assert!(!worker.log().contains('\u{1b}') && !worker.log().contains('\u{7}'));
    let answered = lines.iter().filter(|line| line["message"] == "answered").count();
    assert_eq!(answered, reports.len(), "{}", worker.log());
    for report in reports {
        let line = only(&lines, "answered", |line| line["execution.id"] == report["execution_id"]);
        assert_eq!((&line["verdict"], &line["attempt"]), (&report["verdict"], &json!(1)));
        for stage in ["queue_ms", "prepare_ms", "compile_ms", "run_ms"] {
            assert_eq!(line.get(stage), report["timeline"].get(stage), "{stage}");
        }
        let span = &line["span"];
        assert_eq!((&span["worker.id"], &span["message.id"]), (&json!(worker.name), &report["message_id"]));
        assert_eq!(span.get("job.id"), Some(&report["job_id"]).filter(|id| !id.is_null()), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_we_fail_is_named_in_the_line_that_says_so() {
    let (incoming, outgoing) = queues().await;
    let engine = EngineProxy::start();
    // Without a pool, which would have containers from before.
    let more =
        format!("worker.slots = 1\npool.enabled = false\n{LISTEN}\nsandbox.engine_socket = \"{}\"", engine.socket());
    let worker = Worker::start(&incoming, &outgoing, &more).await;
    engine.fail("create", EngineFault::Answers("no space left on device"), usize::MAX);
    let job = bash("true", json!({}));
    incoming.send_job(&job).await;
    let given_back = until("a job given back", async || {
        worker.log_lines().into_iter().find(|line| line["message"] == "given back: we failed, not the job")
    })
    .await;
    assert_eq!((&given_back["level"], &given_back["span"]["job.id"]), (&json!("ERROR"), &job["id"]), "{given_back}");
    assert_eq!(given_back["span"]["job.language"], "bash");
    let page = scrape(&worker).await;
    assert!(page.value("caisson_jobs_given_back_total", &[("reason", "failed")]) >= Some(1.0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_from_the_message_through_the_log_into_the_result() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const AWS: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let text = |value: &str| {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().expect("it is an attribute")
    };
    let (incoming, outgoing) = queues().await;
    let send = async |job: &Value, attributes: &[(&str, &str)], aws: &str| {
        let aws = MessageSystemAttributeValue::builder().data_type("String").string_value(aws).build();
        let mut request = incoming
            .client
            .send_message()
            .queue_url(&incoming.url)
            .message_body(job.to_string())
            .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, aws.expect("an attribute"));
        for (name, value) in attributes {
            request = request.message_attributes(*name, text(value));
        }
        within("send a message", request.send()).await.expect("it can be sent");
    };
    let (both, aws_only, wrong) = (bash("true", json!({})), bash("true", json!({})), bash("true", json!({})));
    send(&both, &[("traceparent", PARENT), ("tracestate", "congo=t61rcWkgMzE"), ("other", "x")], AWS).await;
    send(&aws_only, &[], AWS).await;
    send(&wrong, &[("traceparent", "00-nonsense"), ("tracestate", "a=1")], "Root=nonsense").await;
    // The local SQS forgets AWS's header of a batch, so what was sent is looked at on its way.
    let proxy = Proxy::start().await;
    let worker = Worker::behind(&proxy, &incoming, &outgoing, "worker.slots = 1").await;

    let mut results = BTreeMap::new();
    until("three results", async || {
        for message in outgoing.receive(60).await {
            let report: Value = serde_json::from_str(message.body().unwrap_or_default()).expect("it is JSON");
            results.insert(report["job_id"].as_str().unwrap_or_default().to_owned(), (report, message.clone()));
            outgoing.delete(&message).await;
        }
        (results.len() >= 3).then_some(())
    })
    .await;
    // A result is there a moment before the line about it.
    let lines = until("three lines", async || {
        let lines = worker.log_lines();
        (lines.iter().filter(|line| line["message"] == "answered").count() == 3).then_some(lines)
    })
    .await;
    let sent = proxy.bodies("SendMessageBatch");
    let of = |job: &Value| {
        let (report, message) = &results[id(job)];
        assert_eq!(verdict(report), "completed");
        let attribute = |name: &str| message.message_attributes()?.get(name)?.string_value().map(str::to_owned);
        let aws = sent
            .iter()
            .flat_map(|body| body["Entries"].as_array().cloned().unwrap_or_default())
            .find(|entry| entry["MessageAttributes"]["job_id"]["StringValue"] == job["id"])
            .and_then(|entry| {
                let header = &entry["MessageSystemAttributes"]["AWSTraceHeader"];
                assert!(header.is_null() || header["DataType"] == "String", "{entry:#}");
                header["StringValue"].as_str().map(str::to_owned)
            });
        let line = only(&lines, "answered", |line| line["execution.id"] == report["execution_id"]);
        (report, attribute("traceparent"), attribute("tracestate"), aws, &line["span"])
    };

    let (report, parent, state, aws, span) = of(&both);
    let execution = report["execution_id"].as_str().expect("it has one").replace('-', "");
    let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", &execution[16..]);
    assert_eq!((parent.as_deref(), state.as_deref()), (Some(expected.as_str()), Some("congo=t61rcWkgMzE")));
    assert_eq!((aws.as_deref(), &report["trace_id"]), (Some(AWS), &json!("4bf92f3577b34da6a3ce929d0e0e4736")));
    assert_eq!((&span["trace.id"], &span["span.parent"]), (&report["trace_id"], &json!("00f067aa0ba902b7")));

    let (report, parent, _, aws, span) = of(&aws_only);
    assert_eq!((parent, aws.as_deref()), (None, Some(AWS)));
    assert_eq!(report["trace_id"], "5759e988bd862e3fe1be46a994272793");
    assert_eq!(span["trace.id"], report["trace_id"]);

    let (report, parent, state, aws, span) = of(&wrong);
    assert_eq!((parent, state, aws, report.get("trace_id"), span.get("trace.id")), (None, None, None, None, None));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_never_answers_ends_health_and_its_return_brings_it_back_and_a_drain_is_not_ready() {
    let (incoming, outgoing) = queues().await;
    let proxy = Proxy::start().await;
    let more = format!("worker.slots = 1\n{LISTEN}");
    let mut worker = Worker::behind(&proxy, &incoming, &outgoing, &more).await;
    let address = worker.address();
    let status = async |path: &str| get(address, path).await.status;
    until("a worker that is ready", async || (status("/readyz").await == 200).then_some(())).await;
    assert_eq!(status("/healthz").await, 200);

    proxy.fail("ReceiveMessage", Fault::Hangs, usize::MAX);
    let sick = until("a worker that says it is ill", async || {
        let answer = get(address, "/healthz").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(sick.body.contains("the incoming queue hasn't answered"), "{}", sick.body);
    let unready = until("a worker that isn't ready", async || {
        let answer = get(address, "/readyz").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    let body: Value = serde_json::from_str(&unready.body).expect("it is JSON");
    let queue = &body["conditions"][4];
    assert_eq!((&queue["condition"], &queue["ok"]), (&json!("queue"), &json!(false)), "{body:#}");
    assert!(queue["reason"].as_str().is_some_and(|reason| reason.contains("receive messages")), "{body:#}");

    proxy.heal();
    for path in ["/healthz", "/readyz"] {
        until(path, async || (status(path).await == 200).then_some(())).await;
    }
    let job = held();
    incoming.send_job(&job).await;
    let container = holding(&worker.name, &job).await;
    worker.signal(libc::SIGTERM);
    let draining = until("a drain that isn't ready", async || {
        let answer = get(address, "/readyz").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(draining.body.contains("the worker is stopping"), "{}", draining.body);
    assert_eq!(status("/healthz").await, 200, "who drains is alive");
    let_go(&container).await;
    assert_eq!(worker.ended().await, Some(0), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_at_the_start_by_the_name_of_the_setting() {
    let (incoming, outgoing) = queues().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it has an address");
    let (_folder, file) = configuration(&format!(
        "queue.incoming_url = \"{}\"\nqueue.outgoing_url = \"{}\"\nhttp.listen = \"{address}\"",
        incoming.url, outgoing.url
    ));
    let file = file.to_str().expect("the path is UTF-8");
    let ended = finish(caisson(&unique("worker"), &["worker", "--config", file]), b"").await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let expected = format!("http.listen: cannot listen on {address}: ");
    assert!(ended.stderr.contains(&expected) && ended.stderr.contains("another port"), "{}", ended.stderr);
}
