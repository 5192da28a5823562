//! What can be fetched from a worker, without a worker: the pages by the letter, and a listener that nobody can harm.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use caisson::health::{Condition, Health, server};
use caisson::metrics::{self, GivenBack, Kind, Metrics, QueueRequest, TABLE};
use serde_json::Value;
use support::http::{get, say};
use support::prometheus::Page;
use support::{PATIENCE, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn the_page_of_a_worker_that_has_done_nothing_is_by_the_letter() {
    let page = Page::read(&Metrics::default().prometheus());
    for row in &TABLE {
        let family = page.families.get(row.name);
        match row.kind {
            // What nobody has measured yet is not there, rather than zero.
            Kind::Gauge => {}
            _ if row.label.is_some_and(|label| (label.values)().is_empty()) => assert!(family.is_none()),
            _ => assert_eq!(family.map(|family| family.kind.as_str()), Some(row.kind.as_str()), "{}", row.name),
        }
    }
    assert_eq!(page.value("caisson_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert!(page.value("caisson_process_resident_memory_bytes", &[]).is_some_and(|bytes| bytes > 1e6));
}

#[test]
fn whatever_is_counted_is_on_the_page() {
    let before = Page::read(&metrics::all().prometheus());
    metrics::given_back(GivenBack::Failed);
    metrics::received(3);
    metrics::polled();
    metrics::capacity(4, 1 << 30);
    metrics::held_up(Some(false));
    let occupied = metrics::occupied(1 << 20);
    metrics::warm(2);
    metrics::cold_start();
    metrics::warm_start();
    metrics::recycled_start();
    metrics::compile_cache_asked(true);
    metrics::compile_cache_asked(false);
    metrics::compile_cache_holds(1 << 20, 1);
    metrics::lease_lost();
    metrics::heartbeat_failed();
    metrics::publish_failed();
    metrics::delete_failed(2);
    metrics::engine_failed("start a \"container\"\\");
    metrics::removal_retried();
    metrics::orphan_removed();
    metrics::breaker(true);
    metrics::queue_request(QueueRequest::Extend);
    metrics::disk_free(1 << 40, 1 << 20);
    metrics::log_line_lost();
    metrics::drained(Duration::from_millis(1_500));
    let page = Page::read(&metrics::all().prometheus());
    for row in TABLE.iter().filter(|row| !matches!(row.kind, Kind::Histogram(_)) && row.name != "caisson_jobs_total") {
        assert!(page.families.contains_key(row.name), "{} is missing", row.name);
        if row.kind == Kind::Counter {
            assert!(page.sum(row.name) > before.sum(row.name), "{} didn't grow", row.name);
        }
    }
    assert_eq!(page.value("caisson_drain_seconds", &[]), Some(1.5));
    assert_eq!(page.value("caisson_engine_failures_total", &[("operation", "start a \"container\"\\")]), Some(1.0));
    drop(occupied);
}

fn start(health: &Health) -> SocketAddr {
    let page = |openmetrics| if openmetrics { metrics::all().openmetrics() } else { metrics::all().prometheus() };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    server::start(any, health.clone(), page).expect("there is a free port")
}

fn health() -> Health {
    let health = Health::new(Duration::from_secs(60));
    health.intake_open(true, "");
    health
}

#[tokio::test]
async fn the_three_paths_answer_and_nothing_else_does() {
    let health = health();
    let address = start(&health);
    let answer = get(address, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    Page::read(&answer.body);

    let asked =
        "GET /metrics?x=1 HTTP/1.1\r\nhost: w\r\naccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n";
    let answer = say(address, asked.as_bytes()).await.expect("an answer");
    assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", answer.head);
    assert!(answer.body.ends_with("# EOF\n"));

    let answer = get(address, "/healthz").await;
    assert_eq!((answer.status, answer.body.trim()), (200, "{\n  \"ok\": true\n}"));

    assert_eq!(get(address, "/readyz").await.status, 200);
    health.set(Condition::Disk, false, "12 bytes are free");
    let answer = get(address, "/readyz").await;
    let body: Value = serde_json::from_str(&answer.body).expect("it is JSON");
    assert_eq!((answer.status, &body["ok"]), (503, &Value::Bool(false)));
    let conditions = body["conditions"].as_array().expect("all of them");
    let names: Vec<&str> = conditions.iter().filter_map(|it| it["condition"].as_str()).collect();
    assert_eq!(names, ["intake", "engine", "images", "disk", "queue", "outgoing", "deletions", "store"]);
    assert_eq!((&conditions[3]["ok"], &conditions[3]["reason"]), (&Value::Bool(false), &"12 bytes are free".into()));
    assert!(conditions.iter().all(|it| it["since"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok())));

    for path in ["/", "/healthz/", "/metrics/../healthz", "/favicon.ico"] {
        assert_eq!(get(address, path).await.status, 404, "{path}");
    }
    let head = say(address, b"HEAD /healthz HTTP/1.1\r\nhost: w\r\n\r\n").await.expect("an answer");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = format!("{method} /healthz HTTP/1.1\r\nhost: w\r\ncontent-length: 0\r\n\r\n");
        let answer = say(address, request.as_bytes()).await.expect("an answer");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: get, head"));
    }
}

#[tokio::test]
async fn what_is_no_request_or_too_large_a_one_is_refused_and_the_next_one_answered() {
    let address = start(&health());
    let large_head = format!("GET /healthz HTTP/1.1\r\nhost: w\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let many: String = (0..1_000).map(|number| format!("x{number}: 1\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nhost: w\r\n{many}\r\n");
    let long = format!("GET /{} HTTP/1.1\r\nhost: w\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [large_head.as_bytes(), many.as_bytes(), long.as_bytes(), b"\0\0\0\0\r\n\r\n", b"nonsense\r\n\r\n"] {
        if let Some(answer) = say(address, bytes).await {
            assert!((400..500).contains(&answer.status), "{}", answer.head);
        }
        assert_eq!(get(address, "/healthz").await.status, 200);
    }
    // A body that nobody asked for isn't waited for.
    let body = b"GET /healthz HTTP/1.1\r\nhost: w\r\ncontent-length: 1000000000\r\n\r\n";
    assert_eq!(say(address, body).await.map(|answer| answer.status), Some(200));
}

#[tokio::test]
async fn those_who_say_nothing_are_cut_off_and_too_many_of_them_are_not_let_in() {
    let address = start(&health());
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).await.expect("the listener takes connections");
        let _ = stream.write_all(b"GET /healthz HT").await;
        silent.push(stream);
    }
    // Those beyond the bound are closed at once, the others when their time is over.
    let mut closed_early = 0;
    for mut stream in silent {
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = within("the end of a silent connection", read).await;
        closed_early += usize::from(begun.elapsed() < Duration::from_secs(3));
    }
    assert!(begun.elapsed() > Duration::from_secs(3), "the bound lets some in");
    assert!(closed_early <= 40 - 16, "{closed_early} were closed early");
    until("an answer after that", async || (get(address, "/healthz").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn it_answers_when_the_runtime_of_the_worker_is_stuck() {
    let health = health();
    let address = start(&health);
    // This runtime has one thread, which now does nothing else than to wait for an answer of the other.
    let blocking = move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).expect("the listener takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").expect("it can be asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(blocking().starts_with("HTTP/1.0 200"));
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it has an address");
    let error = server::start(address, health(), |_| String::new()).expect_err("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
