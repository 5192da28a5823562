//! Data in S3, from outside: jobs and results that travel as pointers, and test data that jobs name, with a real worker, a
//! local S3, and what can be wrong with each.

mod support;

use std::path::{Path, PathBuf};

use caisson::sha256::Sha256;
use serde_json::{Value, json};
use support::bucket::Bucket;
use support::jobs::{bash, id, test, verdict, with};
use support::process::{caisson, finish};
use support::proxy::{Fault, Proxy};
use support::queue::{EMPTY, Queue};
use support::until;
use support::worker::{Worker, configuration};

const MIB: usize = 1 << 20;

async fn queues() -> (Queue, Queue) {
    (Queue::create("jobs").await, Queue::create("results").await)
}

/// A job that answers with the length of its input.
fn counting(more: Value) -> Value {
    bash("wc -c", more)
}

/// Two objects' fields together.
fn both(one: Value, other: Value) -> Value {
    with(one, other)
}

fn list(buckets: &[&Bucket]) -> String {
    let names: Vec<String> = buckets.iter().map(|bucket| format!("\"{}\"", bucket.name)).collect();
    format!("[{}]", names.join(", "))
}

/// The settings by which jobs may take data from a bucket, with a cache of the test's own.
fn data_from(bucket: &Bucket, cache: &Path) -> String {
    format!(
        "worker.slots = 2\nstore.data_buckets = {}\nstore.cache_dir = \"{}\"",
        list(&[bucket]),
        cache.join("cache").display()
    )
}

fn cached(cache: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(cache.join("cache")) else { return Vec::new() };
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

async fn behind(proxy: &Proxy, incoming: &Queue, outgoing: &Queue, more: &str) -> Worker {
    Worker::start_with(incoming, outgoing, more, &[("AWS_ENDPOINT_URL_S3", &proxy.endpoint)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_too_large_for_a_message_comes_as_a_pointer_and_its_object_goes_only_if_that_is_wanted() {
    let bucket = Bucket::create("incoming").await;
    for is_deleted in [false, true] {
        let (incoming, outgoing) = queues().await;
        let job = counting(json!({ "stdin": "x".repeat(3 * MIB) }));
        bucket.put("job", job.to_string().as_bytes()).await;
        incoming.send(&bucket.pointer("job")).await;
        let more =
            format!("store.incoming_buckets = {}\nstore.delete_incoming_payloads = {is_deleted}", list(&[&bucket]));
        let worker = Worker::start(&incoming, &outgoing, &more).await;
        let answers = outgoing.answers(1).await;
        incoming.becomes(EMPTY).await;
        worker.stop().await;
        let report = &answers[0].report;
        assert_eq!((report["job_id"].as_str(), verdict(report)), (Some(id(&job)), "completed"), "{report:#}");
        assert_eq!(report["tests"][0]["stdout"].as_str().map(str::trim), Some("3145728"));
        assert_eq!(bucket.keys().await.is_empty(), is_deleted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_too_large_for_the_queue_leaves_as_a_pointer_and_a_small_one_as_itself() {
    let bucket = Bucket::create("results").await;
    let (incoming, outgoing) = queues().await;
    let print = |bytes: usize| {
        let source = format!("head -c {bytes} /dev/zero | tr '\\0' x");
        bash(&source, json!({ "capture_bytes": 4 * MIB }))
    };
    let (large, small) = (print(3 * MIB), print(1_000));
    for job in [&large, &small] {
        incoming.send_job(job).await;
    }
    let more = format!("store.results_bucket = \"{}\"\nstore.results_prefix = \"some/place/\"", bucket.name);
    let worker = Worker::start(&incoming, &outgoing, &more).await;
    let answers = outgoing.answers(2).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;

    let (pointers, whole): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.report.is_array());
    assert_eq!((pointers.len(), whole.len()), (1, 1));
    assert_eq!(whole[0].report["job_id"], id(&small));
    assert_eq!(whole[0].attributes.get("ExtendedPayloadSize"), None);

    let pointer = &pointers[0];
    assert_eq!(pointer.report[0], "software.amazon.payloadoffloading.PayloadS3Pointer");
    assert_eq!(pointer.report[1]["s3BucketName"], bucket.name.as_str());
    let key = pointer.report[1]["s3Key"].as_str().expect("it has a key");
    let payload = bucket.get(key).await;
    assert_eq!(pointer.attributes["ExtendedPayloadSize"], payload.len().to_string());
    assert_eq!((&pointer.attributes["job_id"][..], &pointer.attributes["verdict"][..]), (id(&large), "completed"));
    let report: Value = serde_json::from_slice(&payload).expect("the object is the result");
    let execution = report["execution_id"].as_str().expect("a result has an execution");
    assert_eq!(key, format!("some/place/{}/{execution}", id(&large)));
    let test = &report["tests"][0];
    assert_eq!(test["stdout"].as_str().map(str::len), Some(3 * MIB));
    assert_eq!((&test["stdout_truncated"], test.get("stdout_sha256")), (&json!(false), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_s3_does_not_take_is_cut_and_published_all_the_same() {
    let bucket = Bucket::create("results").await;
    let (incoming, outgoing) = queues().await;
    let source = format!("head -c {} /dev/zero | tr '\\0' x", 3 * MIB);
    let proxy = Proxy::start().await;
    let more = format!("store.results_bucket = \"{}\"", bucket.name);
    let worker = behind(&proxy, &incoming, &outgoing, &more).await;
    for fault in [Fault::Refused, Fault::Hangs] {
        proxy.heal();
        proxy.fail("PUT", fault, usize::MAX);
        let before = proxy.hits("PUT");
        incoming.send_job(&bash(&source, json!({ "capture_bytes": 4 * MIB }))).await;
        let answers = outgoing.answers(1).await;
        incoming.becomes(EMPTY).await;
        assert!(proxy.hits("PUT") > before, "{fault:?}");
        let test = &answers[0].report["tests"][0];
        assert_eq!((verdict(&answers[0].report), &test["stdout_truncated"]), ("completed", &json!(true)));
        assert_eq!(test["stdout_total_bytes"], 3 * MIB);
        assert_eq!(test["stdout_sha256"], Sha256::of(&vec![b'x'; 3 * MIB]).to_string());
        assert!(answers[0].body.len() > MIB / 2, "{} bytes", answers[0].body.len());
    }
    assert_eq!(worker.log().matches("it is cut instead").count(), 2, "{}", worker.log());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_many_jobs_share_is_fetched_once_and_by_the_next_worker_not_at_all() {
    let (bucket, cache) = (Bucket::create("data").await, tempfile::tempdir().expect("a folder can be made"));
    let (incoming, outgoing) = queues().await;
    let input = vec![b'7'; 2 * MIB];
    let stdin = bucket.data("stdin", "problem/1.in", &input).await;
    let expected = bucket.data("expected_stdout", "problem/1.out", b"2097152\n").await;
    let content = bucket.data("content", "program", b"wc -c").await;
    let job = || {
        let tests = json!([both(both(json!({ "id": "1" }), stdin.clone()), expected.clone()), test("2", "x", "1")]);
        with(
            counting(json!({ "tests": tests })),
            json!({ "files": [both(json!({ "path": "main.sh" }), content.clone())] }),
        )
    };
    let proxy = Proxy::start().await;
    let settings = data_from(&bucket, cache.path());
    let total_gets = || proxy.requests("GET");
    for (jobs, gets) in [(6, 3), (2, 3)] {
        for _ in 0..jobs {
            incoming.send_job(&job()).await;
        }
        let worker = behind(&proxy, &incoming, &outgoing, &settings).await;
        let answers = outgoing.answers(jobs).await;
        incoming.becomes(EMPTY).await;
        worker.stop().await;
        for answer in &answers {
            assert_eq!(verdict(&answer.report), "accepted", "{:#}", answer.report);
        }
        assert_eq!(total_gets(), gets, "after {jobs} jobs");
    }
    assert_eq!(cached(cache.path()).len(), 3);

    // What happened to a file since is found out before it is used.
    let damaged = cache.path().join("cache").join(Sha256::of(&input).to_string());
    std::fs::write(&damaged, vec![b'8'; 2 * MIB]).expect("it is ours");
    incoming.send_job(&job()).await;
    let worker = behind(&proxy, &incoming, &outgoing, &settings).await;
    let answers = outgoing.answers(1).await;
    worker.stop().await;
    assert_eq!((verdict(&answers[0].report), total_gets()), ("accepted", 4), "{:#}", answers[0].report);
    assert_eq!(std::fs::read(&damaged).expect("it is there again"), input);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_data_or_a_pointer_is_answered_once_and_names_the_field() {
    let (bucket, foreign) = (Bucket::create("data").await, Bucket::create("foreign").await);
    let payloads = Bucket::create("payloads").await;
    let cache = tempfile::tempdir().expect("a folder can be made");
    let (incoming, outgoing) = queues().await;
    let small = bucket.data("stdin", "small", b"abc").await;
    let in_test = |data: Value| json!({ "tests": [both(json!({ "id": "1" }), data)] });
    bucket.put("large", &vec![b'x'; 200_000]).await;
    for part in 0..4 {
        bucket.put(&format!("part-{part}"), &vec![part; 60_000]).await;
    }
    let parts: Vec<Value> = (0..4)
        .map(|part| {
            both(json!({ "id": part.to_string() }), bucket.named("stdin", &format!("part-{part}"), &vec![part; 60_000]))
        })
        .collect();
    let mut other_hash = small.clone();
    other_hash["stdin_sha256"] = json!(Sha256::of(b"other").to_string());
    let foreign_data = foreign.data("stdin", "k", b"abc").await;
    let large = vec![b'x'; 200_000];
    let mut expected = vec![
        (in_test(other_hash), "tests[0].stdin_sha256: is not the hash of s3://"),
        (in_test(bucket.named("stdin", "absent", b"1")), "tests[0].stdin_s3_uri: names s3://"),
        (foreign_data, "stdin_s3_uri: names s3://foreign-"),
        (bucket.named("stdin", "large", &large), "which is larger than 100000 bytes"),
        (json!({ "tests": parts }), "job: names more than 150000 bytes"),
        (both(json!({ "language": "brainfuck" }), bucket.named("stdin", "never-asked-for", b"2")), "language: "),
    ]
    .into_iter()
    .map(|(more, words)| (counting(more).to_string(), words))
    .collect::<Vec<_>>();
    payloads.put("job", "x".repeat(60_000).as_bytes()).await;
    payloads.put("small", b"abc").await;
    expected.push((payloads.pointer("no-job"), "which does not exist"));
    expected.push((foreign.pointer("k"), "job: is a pointer to s3://foreign-"));
    expected.push((bucket.pointer("small"), "which this operator doesn't allow for jobs"));
    expected.push((payloads.pointer("job"), "which is larger than 50000 bytes"));
    expected.push((payloads.pointer("small"), "job: is not JSON"));
    expected.push((payloads.pointer("../k"), "job: is a pointer to S3 that has a key with a component"));

    let told = Sha256::of(b"abc").to_string();
    let proxy = Proxy::start().await;
    let settings = format!(
        "{}\nstore.incoming_buckets = {}\nstore.maximum_job_bytes = 50000\nstore.maximum_object_bytes = 100000\n\
         store.maximum_data_bytes = 150000\nstore.memory_bytes = 1048576",
        data_from(&bucket, cache.path()),
        list(&[&payloads])
    );
    let mut messages = std::collections::BTreeMap::new();
    for (body, words) in &expected {
        messages.insert(incoming.send(body).await, *words);
    }
    let worker = behind(&proxy, &incoming, &outgoing, &settings).await;
    let answers = outgoing.answers(expected.len()).await;
    incoming.becomes(EMPTY).await;
    // Good credentials that may not read this one object.
    proxy.fail("GET", Fault::Denied, 1);
    incoming.send(&counting(small).to_string()).await;
    let denied = outgoing.answers(1).await;
    worker.stop().await;
    assert_eq!((answers.len(), outgoing.counts().await), (expected.len(), EMPTY));
    for answer in &answers {
        let message = answer.report["message_id"].as_str().expect("a rejection names its message");
        let words = messages.remove(message).unwrap_or_else(|| panic!("{message} was answered twice"));
        let detail = answer.report["detail"].as_str().expect("a rejection has a reason");
        assert_eq!(verdict(&answer.report), "rejected", "{:#}", answer.report);
        assert!(detail.contains(words), "{words}\nis not in\n{detail}");
        assert!(!detail.contains(&told), "whoever knows its hash may read it: {detail}");
    }
    let detail = denied[0].report["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("stdin_s3_uri: ") && detail.ends_with("may not be read by this worker"), "{detail}");
    let allowed = proxy.requests("GET /data-") + proxy.requests("GET /payloads-");
    assert_eq!(proxy.requests("GET /"), allowed, "only the allowed buckets were asked");
    let is_unfinished = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let unfinished: Vec<_> = cached(cache.path()).into_iter().filter(is_unfinished).collect();
    assert!(unfinished.is_empty(), "unfinished downloads stayed: {unfinished:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bucket_may_serve_all_purposes_and_none_reaches_what_is_of_another() {
    let (bucket, cache) = (Bucket::create("payloads").await, tempfile::tempdir().expect("a folder can be made"));
    let (incoming, outgoing) = queues().await;
    let job = counting(bucket.data("stdin", "data/input", b"abcd").await);
    let result =
        json!({ "job_id": "of-others", "execution_id": "e", "verdict": "accepted", "metadata": { "of": "others" } });
    let objects = [("jobs/job", &job), ("jobs/result", &result), ("results/result", &result), ("data/job", &job)];
    for (key, object) in objects {
        bucket.put(key, object.to_string().as_bytes()).await;
    }
    let secret = bucket.named("stdin", "results/result", result.to_string().as_bytes());
    let refused = [
        (bucket.pointer("jobs/result"), "job: looks like a result of Caisson's"),
        (bucket.pointer("results/result"), "which this operator doesn't allow for jobs"),
        (bucket.pointer("data/job"), "which this operator doesn't allow for jobs"),
        (bucket.pointer("jobs-of-others/job"), "which this operator doesn't allow for jobs"),
        (counting(secret).to_string(), "which this operator doesn't allow for data"),
    ];
    let mut messages = std::collections::BTreeMap::new();
    for (body, words) in &refused {
        messages.insert(incoming.send(body).await, *words);
    }
    incoming.send(&bucket.pointer("jobs/job")).await;
    let settings = format!(
        "store.incoming_buckets = [\"{0}/jobs/\"]\nstore.data_buckets = [\"{0}/data/\"]\nstore.results_bucket = \"{0}\"\n\
         store.delete_incoming_payloads = true\nstore.cache_dir = \"{1}\"",
        bucket.name,
        cache.path().join("cache").display()
    );
    let worker = Worker::start(&incoming, &outgoing, &settings).await;
    let answers = outgoing.answers(refused.len() + 1).await;
    incoming.becomes(EMPTY).await;
    worker.stop().await;
    for answer in &answers {
        let report = &answer.report;
        let Some(words) = report["message_id"].as_str().and_then(|id| messages.remove(id)) else {
            assert_eq!((report["job_id"].as_str(), verdict(report)), (Some(id(&job)), "completed"), "{report:#}");
            continue;
        };
        assert_eq!(verdict(report), "rejected", "{report:#}");
        assert!(report["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{words}: {report:#}");
        assert!(!report.to_string().contains("others\"}"), "what is another's isn't told: {report:#}");
    }
    assert!(messages.is_empty(), "{messages:?}");
    let mut left = bucket.keys().await;
    left.sort_unstable();
    assert_eq!(
        left,
        ["data/input", "data/job", "jobs/result", "results/result"],
        "the answered job's object alone is deleted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_store_refuses_pointers_and_references_and_says_what_is_missing() {
    let bucket = Bucket::create("data").await;
    let (incoming, outgoing) = queues().await;
    incoming.send(&bucket.pointer("job")).await;
    incoming.send_job(&counting(bucket.data("stdin", "k", b"abc").await)).await;
    let worker = Worker::start(&incoming, &outgoing, "").await;
    let answers = outgoing.answers(2).await;
    worker.stop().await;
    for words in ["set store.incoming_buckets", "stdin_s3_uri: names data in S3"] {
        let is_said = |report: &Value| report["detail"].as_str().is_some_and(|detail| detail.contains(words));
        assert!(answers.iter().any(|answer| is_said(&answer.report)), "{words}: {answers:#?}");
    }
    assert!(answers.iter().all(|answer| verdict(&answer.report) == "rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_fails_is_kept_unjudged_and_is_answered_on_the_same_receipt_when_s3_is_well_again() {
    let (bucket, cache) = (Bucket::create("data").await, tempfile::tempdir().expect("a folder can be made"));
    let payloads = Bucket::create("payloads").await;
    let (incoming, outgoing) = queues().await;
    let job = counting(bucket.data("stdin", "k", b"abc").await);
    payloads.put("job", job.to_string().as_bytes()).await;
    let settings = format!("{}\nstore.incoming_buckets = {}", data_from(&bucket, cache.path()), list(&[&payloads]));
    let proxy = Proxy::start().await;
    let worker = behind(&proxy, &incoming, &outgoing, &settings).await;
    // Once for the body, once for the data that it names.
    for (body, failing) in [(payloads.pointer("job"), "GET"), (job.to_string(), "GET")] {
        proxy.fail(failing, Fault::Refused, usize::MAX);
        let before = worker.log().matches("kept and tried again: we failed").count();
        incoming.send(&body).await;
        until("a failed try", async || {
            (worker.log().matches("kept and tried again: we failed").count() > before).then_some(())
        })
        .await;
        assert_eq!(outgoing.counts().await, EMPTY, "nobody is told that the job is bad");
        proxy.heal();
        let answers = outgoing.answers(1).await;
        let report = &answers[0].report;
        assert_eq!((verdict(report), &report["redelivered"]), ("completed", &json!(false)), "{report:#}");
        assert_eq!(report["tests"][0]["stdout"].as_str().map(str::trim), Some("3"));
        // So that the second job has to fetch the data again.
        for file in cached(cache.path()) {
            std::fs::remove_file(file).expect("it is ours");
        }
    }
    incoming.becomes(EMPTY).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_run_fetches_what_its_job_names() {
    let (bucket, cache) = (Bucket::create("data").await, tempfile::tempdir().expect("a folder can be made"));
    let job = counting(bucket.data("stdin", "k", b"abcd").await);
    let (_folder, file) = configuration(&data_from(&bucket, cache.path()));
    let arguments = ["run", "--job", "-", "--config", file.to_str().expect("the path is UTF-8")];
    let ended = finish(caisson("x", &arguments), job.to_string().as_bytes()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(ended.text()).expect("it prints the result");
    assert_eq!(report["tests"][0]["stdout"].as_str().map(str::trim), Some("4"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn awss_own_extended_client_writes_jobs_that_are_taken_and_reads_results_that_are_large() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".tools/venv/bin/python");
    assert!(python.is_file(), "scripts/tools.sh sqs installs it");
    let run = async |arguments: &[&str], stdin: &[u8]| {
        let mut command = tokio::process::Command::new(&python);
        command.arg(root.join("tests/support/extended_client.py")).args(arguments).kill_on_drop(true);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let ended = finish(command, stdin).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout
    };
    let (bucket, results) = (Bucket::create("payloads").await, Bucket::create("results").await);
    let (incoming, outgoing) = queues().await;
    let job = bash("cat; cat >&2 main.sh", json!({ "stdin": "é".repeat(MIB), "capture_bytes": 4 * MIB }));
    run(&["send", &incoming.url, &bucket.name], job.to_string().as_bytes()).await;
    let more = format!("store.incoming_buckets = {}\nstore.results_bucket = \"{}\"", list(&[&bucket]), results.name);
    let worker = Worker::start(&incoming, &outgoing, &more).await;
    until("a result", async || (outgoing.counts().await.visible == 1).then_some(())).await;
    worker.stop().await;
    let result = run(&["receive", &outgoing.url], b"").await;
    let report: Value = serde_json::from_slice(&result).expect("it gives the whole result");
    assert_eq!((report["job_id"].as_str(), verdict(&report)), (Some(id(&job)), "completed"));
    assert_eq!(report["tests"][0]["stdout"], job["stdin"]);
}
