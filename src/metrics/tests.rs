use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::cloudwatch::Exporter;
use super::set::Value;
use super::*;

fn count(metrics: &Metrics, metric: Metric, label: &'static str) -> u64 {
    match metrics.value(metric, label) {
        Some(Value::Counter(count)) => count,
        other => panic!("{metric:?} is {other:?}"),
    }
}

fn report(verdict: &str, timeline: Json) -> Report {
    let mut times = json!({ "received": "2026-01-01T00:00:00.000Z", "finished": "2026-01-01T00:00:01.000Z" });
    times.as_object_mut().expect("an object").extend(timeline.as_object().expect("an object").clone());
    let report = json!({
        "version": 1, "job_id": "j", "execution_id": "e", "verdict": verdict, "detail": "d", "attempt": 2,
        "redelivered": true, "lease": "held", "worker": { "id": "w", "version": "0", "host": "h" }, "timeline": times,
    });
    serde_json::from_value(report).expect("it is a report")
}

#[test]
fn the_table_has_every_metric_at_its_number_under_a_name_by_the_rules() {
    let mut names = BTreeSet::new();
    for (number, row) in TABLE.iter().enumerate() {
        assert_eq!(row.metric as usize, number, "{} stands at the wrong place", row.name);
        assert!(names.insert(row.name), "{} is there twice", row.name);
        let rest = row.name.strip_prefix(PREFIX).unwrap_or_else(|| panic!("{} has no prefix", row.name));
        assert!(rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", row.name);
        assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{}: only counters end in _total", row.name);
        let unit = if row.kind == Kind::Counter { rest.trim_end_matches("_total") } else { rest };
        match row.unit {
            Unit::Seconds => assert!(unit.ends_with("_seconds"), "{}", row.name),
            Unit::Bytes => assert!(unit.ends_with("_bytes"), "{}", row.name),
            Unit::Count => assert!(!unit.ends_with("_seconds") && !unit.ends_with("_bytes"), "{}", row.name),
        }
        for text in [row.meaning, row.action] {
            assert!(text.ends_with('.') && !text.contains(['\n', '\\', '"']) && !text.contains("  "), "{text:?}");
        }
        if let Kind::Histogram(ends) = row.kind {
            assert!(ends.is_sorted() && ends.iter().all(|end| *end > 0.0), "{}", row.name);
        }
        for value in row.label.iter().flat_map(|label| (label.values)()) {
            assert!(value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'), "{value}");
        }
    }
}

#[test]
fn an_answer_counts_its_verdict_its_attempt_and_the_stages_it_had() {
    let metrics = Metrics::default();
    metrics.answered(&report("accepted", json!({ "queue_ms": 70, "prepare_ms": 1_500, "run_ms": 2 })));
    metrics.answered(&report("rejected", json!({})));
    assert_eq!(count(&metrics, Metric::Jobs, "accepted"), 1);
    assert_eq!(count(&metrics, Metric::Jobs, "rejected"), 1);
    assert_eq!(count(&metrics, Metric::Jobs, "time_limit"), 0, "what never happened is there as zero");
    let recent = |metric, label| match metrics.value(metric, label) {
        Some(Value::Histogram(histogram)) => histogram.recent().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(recent(Metric::Attempts, ""), [2.0, 2.0]);
    assert_eq!(recent(Metric::StageSeconds, "queue"), [0.07]);
    assert_eq!(recent(Metric::StageSeconds, "prepare"), [1.5]);
    assert!(recent(Metric::StageSeconds, "compile").is_empty());
    let page = metrics.prometheus();
    for line in [
        "caisson_jobs_total{verdict=\"accepted\"} 1",
        "caisson_job_stage_seconds_bucket{le=\"1.0\",stage=\"prepare\"} 0",
        "caisson_job_stage_seconds_bucket{le=\"2.5\",stage=\"prepare\"} 1",
        "caisson_job_stage_seconds_bucket{le=\"+Inf\",stage=\"prepare\"} 1",
        "caisson_job_attempts_sum 4.0",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
}

#[test]
fn a_breaker_that_says_open_twice_has_opened_once() {
    let metrics = Metrics::default();
    for open in [false, true, true, false, true] {
        metrics.breaker(open);
    }
    assert_eq!(count(&metrics, Metric::BreakerOpenings, ""), 2);
    assert!(metrics.prometheus().contains("caisson_breaker_open 1.0\n"));
}

#[test]
fn the_two_text_formats_name_counters_each_in_its_way() {
    let metrics = Metrics::default();
    let (open, old) = (metrics.openmetrics(), metrics.prometheus());
    assert!(open.contains("# TYPE caisson_jobs counter\n") && open.ends_with("# EOF\n"));
    assert!(old.contains("# TYPE caisson_jobs_total counter\n") && !old.contains("EOF"));
    assert!(old.contains("# HELP caisson_jobs_total Jobs answered"));
    assert!(old.contains("# TYPE caisson_job_attempts histogram\n"));
}

#[test]
fn what_is_occupied_is_free_again_when_it_is_dropped() {
    let busy = |metric| match all().value(metric, "") {
        Some(Value::Gauge(gauge)) => gauge,
        _ => 0.0,
    };
    let before = (busy(Metric::SlotsBusy), busy(Metric::MemoryBusy));
    let held = occupied(1 << 20);
    // Other tests of this process may hold slots of their own; but ours is among them.
    assert!(busy(Metric::SlotsBusy) >= 1.0 && busy(Metric::MemoryBusy) >= f64::from(1 << 20), "{before:?}");
    drop(held);
}

/// CloudWatch's document of its format: the rules of the schema there, and those that stand beside it.
fn check(document: &Json) {
    let text = document.to_string();
    assert!(text.len() < 1 << 20 && !text.contains('\n'), "{} bytes", text.len());
    let root = document.as_object().expect("the root is an object");
    let aws = document["_aws"].as_object().expect("_aws is an object");
    assert_eq!(aws.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
    assert!(document["_aws"]["Timestamp"].is_u64(), "milliseconds since 1970");
    let directives = document["_aws"]["CloudWatchMetrics"].as_array().expect("directives are an array");
    assert!(!directives.is_empty());
    let units = ["Seconds", "Bytes", "Count", "None", "Percent", "Milliseconds"];
    for directive in directives {
        let keys: BTreeSet<&str> = directive.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(["Namespace", "Dimensions", "Metrics"]));
        let namespace = directive["Namespace"].as_str().expect("a text");
        assert!((1..=1_024).contains(&namespace.len()));
        let sets = directive["Dimensions"].as_array().expect("an array");
        assert!(!sets.is_empty());
        for set in sets {
            let set = set.as_array().expect("an array of arrays");
            assert!(set.len() <= 30);
            for name in set {
                let name = name.as_str().expect("a text");
                assert!((1..=250).contains(&name.len()));
                assert!(root[name].as_str().is_some_and(|value| value.len() <= 1_024), "{name} has no text");
            }
        }
        let metrics = directive["Metrics"].as_array().expect("an array");
        assert!(!metrics.is_empty() && metrics.len() <= 100, "{} metrics", metrics.len());
        let mut names = BTreeSet::new();
        for metric in metrics {
            let keys: BTreeSet<&str> = metric.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(keys, BTreeSet::from(["Name", "Unit"]));
            let name = metric["Name"].as_str().expect("a text");
            assert!((1..=255).contains(&name.len()) && name.is_ascii(), "{name}");
            assert!(names.insert(name), "{name} is there twice");
            assert!(units.contains(&metric["Unit"].as_str().expect("a text")), "{metric}");
            match root.get(name) {
                Some(Json::Number(_)) => {}
                Some(Json::Array(values)) => {
                    assert!((1..=100).contains(&values.len()) && values.iter().all(Json::is_number), "{name}");
                }
                other => panic!("{name} is {other:?}"),
            }
        }
    }
}

#[test]
fn a_line_for_cloudwatch_is_what_its_documentation_asks_for_and_tells_what_has_changed() {
    let metrics = Metrics::default();
    let now = jiff::Timestamp::from_millisecond(1_767_225_600_000).expect("a time");
    let mut exporter = Exporter::new("Caisson/test", "w-1");
    let first = exporter.document(&metrics, now);
    check(&first);
    assert_eq!((&first["jobs_total"], &first["jobs_total.accepted"]), (&json!(0), &json!(0)));
    assert_eq!(first.get("job_attempts"), None, "nothing measured is no value");
    assert_eq!(first.get("poll_age_seconds"), None);
    assert_eq!((&first["_aws"]["Timestamp"], &first["worker"]), (&json!(1_767_225_600_000_u64), &json!("w-1")));

    // Everything at once, so that the most that a line can hold is checked too.
    for row in &TABLE {
        for label in row.label.map_or_else(|| vec![""], |label| (label.values)()) {
            match row.kind {
                Kind::Counter => metrics.count_by(row.metric, label, 3),
                Kind::Gauge => metrics.set_by(row.metric, label, 0.5),
                Kind::Histogram(_) => (0..250).for_each(|number| metrics.observe(row.metric, label, f64::from(number))),
            }
        }
    }
    metrics.count_by(Metric::EngineFailures, "start a container", 2);
    metrics.count_by(Metric::EngineFailures, "list containers", 5);
    metrics.polled(Instant::now());
    let second = exporter.document(&metrics, now);
    check(&second);
    assert_eq!((&second["jobs_total"], &second["jobs_total.accepted"]), (&json!(36), &json!(3)));
    assert_eq!(second["engine_failures_total"], 7);
    assert_eq!(second["job_attempts"].as_array().map(Vec::len), Some(100));
    assert!(second["poll_age_seconds"].is_number());

    let third = exporter.document(&metrics, now);
    check(&third);
    assert_eq!((&third["jobs_total"], &third["deliveries_total"]), (&json!(0), &json!(0)), "only what has changed");
    assert_eq!((third.get("job_attempts"), &third["slots"]), (None, &json!(0.5)));
}
