//! Metrics for CloudWatch by its embedded metric format: a line of JSON on stdout, from which CloudWatch Logs takes the
//! values by itself, so that no agent and no further permission is needed.
//!
//! There are no dimensions, because CloudWatch takes money for each combination: a sum over a namespace is the fleet's.
//! Whose line it is stands in `worker`, for queries over the log.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::time::MissedTickBehavior;

use super::Metrics;
use super::set::Value;
use super::table::{Kind, Metric, Row, TABLE};

/// CloudWatch keeps ordinary metrics by the minute.
const PERIOD: Duration = Duration::from_secs(60);

/// What a line says of whom.
#[derive(Debug)]
pub struct Exporter {
    namespace: String,
    worker: String,
    /// What each counter was at the last line.
    before: BTreeMap<(Metric, &'static str), u64>,
}

impl Exporter {
    pub fn new(namespace: &str, worker: &str) -> Exporter {
        Exporter { namespace: namespace.to_owned(), worker: worker.to_owned(), before: BTreeMap::new() }
    }

    /// What has happened since the last document, and what holds now.
    pub fn document(&mut self, metrics: &Metrics, now: jiff::Timestamp) -> Json {
        let mut definitions = Vec::new();
        let mut members = Map::new();
        let mut put = |name: String, row: &Row, value: Json| {
            definitions.push(json!({ "Name": name, "Unit": row.unit.as_str() }));
            members.insert(name, value);
        };
        let mut sums: BTreeMap<Metric, u64> = BTreeMap::new();
        for (row, label, value) in metrics.fetch().into_iter().filter(|(row, ..)| row.metric != Metric::Build) {
            let name = series(row, label);
            match value {
                Value::Counter(count) => {
                    let before = self.before.insert((row.metric, label.unwrap_or_default()), count).unwrap_or(0);
                    let more = count.saturating_sub(before);
                    *sums.entry(row.metric).or_default() += more;
                    // Labels that the code makes up as it goes are too many; their sum is enough here.
                    if label.is_none() || is_listed(row) {
                        put(name, row, more.into());
                    }
                }
                Value::Gauge(gauge) => put(name, row, gauge.into()),
                // Nothing measured is no value, not zero.
                Value::Histogram(histogram) if histogram.recent().is_empty() => {}
                Value::Histogram(histogram) => put(name, row, histogram.recent().into()),
            }
        }
        for row in TABLE.iter().filter(|row| row.kind == Kind::Counter && row.label.is_some()) {
            put(row.short_name().to_owned(), row, sums.get(&row.metric).copied().unwrap_or(0).into());
        }
        members.insert("worker".to_owned(), self.worker.clone().into());
        members.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{ "Namespace": self.namespace, "Dimensions": [[]], "Metrics": definitions }],
            }),
        );
        Json::Object(members)
    }

    /// Writes a line each minute, and a last one when `stop` completes.
    pub async fn run(mut self, metrics: &'static Metrics, stop: impl Future<Output = ()>) {
        let mut minutes = tokio::time::interval_at(tokio::time::Instant::now() + PERIOD, PERIOD);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        let mut last = false;
        while !last {
            tokio::select! {
                _ = minutes.tick() => {}
                () = &mut stop => last = true,
            }
            let line = format!("{}\n", self.document(metrics, jiff::Timestamp::now()));
            // A reader that doesn't read must not hold up a thread that jobs need.
            let written = tokio::task::spawn_blocking(move || {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush())
            });
            if let Ok(Err(error)) = written.await {
                tracing::warn!(%error, "the metrics could not be written to stdout");
            }
        }
    }
}

/// The name in CloudWatch: `jobs_total`, or `jobs_total.accepted` for one value of a label.
fn series(row: &Row, label: Option<&'static str>) -> String {
    match label {
        None => row.short_name().to_owned(),
        Some(label) => format!("{}.{label}", row.short_name()),
    }
}

fn is_listed(row: &Row) -> bool {
    row.label.is_some_and(|label| !(label.values)().is_empty())
}
