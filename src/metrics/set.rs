//! A set of all metrics with their values, and the text that Prometheus scrapes. The only place that names
//! `prometheus_client`, which writes that text; the values are ours, because CloudWatch wants them too.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::load::Load;
use super::table::{Kind, Label, Metric, Row, TABLE};

/// Of a histogram's measurements since they were last fetched, how many are kept one by one: as many as one metric of
/// CloudWatch's format may hold.
const RECENT: usize = 100;

/// What counts when a metric has no label.
const NO_LABEL: &str = "";

/// All metrics of one process. A test has its own; everything else uses the one behind the functions of
/// [`crate::metrics`].
#[derive(Debug)]
pub struct Metrics {
    values: Arc<Values>,
    registry: Registry,
    last_poll: Mutex<Option<Instant>>,
    pub(super) load: Load,
}

/// By metric, then by the label's value.
#[derive(Debug)]
struct Values(Vec<Mutex<BTreeMap<&'static str, Value>>>);

#[derive(Debug, Clone)]
pub(super) enum Value {
    Counter(u64),
    Gauge(f64),
    Histogram(Histogram),
}

#[derive(Debug, Clone)]
pub(super) struct Histogram {
    sum: f64,
    count: u64,
    /// Upper end, and how many measurements are in this bucket and in none before it.
    buckets: Vec<(f64, u64)>,
    /// The last measurements since they were fetched.
    recent: Vec<f64>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let values = Arc::new(Values(TABLE.iter().map(|row| Mutex::new(at_start(row))).collect()));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(values.clone()));
        Metrics { values, registry, last_poll: Mutex::default(), load: Load::default() }
    }
}

/// Counters and histograms are there from the start, so that the first event is a change that can be seen. A gauge
/// that nobody has set says nothing yet.
fn at_start(row: &Row) -> BTreeMap<&'static str, Value> {
    if row.kind == Kind::Gauge {
        return BTreeMap::new();
    }
    labels(row).into_iter().map(|label| (label, Value::zero(row.kind))).collect()
}

fn labels(row: &Row) -> Vec<&'static str> {
    row.label.map_or_else(|| vec![NO_LABEL], |label| (label.values)())
}

impl Metrics {
    /// One more.
    pub(super) fn count(&self, metric: Metric) {
        self.count_by(metric, NO_LABEL, 1);
    }

    pub(super) fn count_by(&self, metric: Metric, label: &'static str, more: u64) {
        self.change(metric, label, |value| {
            if let Value::Counter(count) = value {
                *count += more;
            }
        });
    }

    pub(super) fn set(&self, metric: Metric, to: f64) {
        self.set_by(metric, NO_LABEL, to);
    }

    pub(super) fn set_by(&self, metric: Metric, label: &'static str, to: f64) {
        self.change(metric, label, |value| {
            if let Value::Gauge(gauge) = value {
                *gauge = to;
            }
        });
    }

    /// Moves a gauge, from 0 on where nobody has set it.
    pub(super) fn move_by(&self, metric: Metric, by: f64) {
        self.change(metric, NO_LABEL, |value| {
            if let Value::Gauge(gauge) = value {
                *gauge += by;
            }
        });
    }

    /// Sets a gauge; what it was, `None` where nobody had set it.
    pub(super) fn exchange(&self, metric: Metric, to: f64) -> Option<f64> {
        match self.values.lock(metric).insert(NO_LABEL, Value::Gauge(to)) {
            Some(Value::Gauge(before)) => Some(before),
            _ => None,
        }
    }

    pub(super) fn observe(&self, metric: Metric, label: &'static str, measured: f64) {
        self.change(metric, label, |value| {
            if let Value::Histogram(histogram) = value {
                histogram.observe(measured);
            }
        });
    }

    pub(super) fn polled(&self, at: Instant) {
        *self.last_poll.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    fn change(&self, metric: Metric, label: &'static str, change: impl FnOnce(&mut Value)) {
        let row = &TABLE[metric as usize];
        let mut values = self.values.lock(metric);
        change(values.entry(label).or_insert_with(|| Value::zero(row.kind)));
    }

    /// Brings up to date what is only looked at when somebody asks.
    pub(super) fn refresh(&self) {
        let last_poll = *self.last_poll.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last_poll) = last_poll {
            self.set(Metric::PollAge, last_poll.elapsed().as_secs_f64());
        }
        match self.load.shares(Instant::now()) {
            Some(shares) => {
                self.set(Metric::Utilisation, shares.used);
                self.set(Metric::HeldUp, shares.held_up);
            }
            None => [Metric::Utilisation, Metric::HeldUp].iter().for_each(|metric| self.values.lock(*metric).clear()),
        }
        self.set_by(Metric::Build, env!("CARGO_PKG_VERSION"), 1.0);
        let process = super::process::look();
        if let Some(bytes) = process.resident_bytes {
            self.set(Metric::ProcessMemory, bytes as f64);
        }
        if let Some(descriptors) = process.descriptors {
            self.set(Metric::ProcessDescriptors, descriptors as f64);
        }
    }

    /// All values by the OpenMetrics text format 1.0.
    pub fn openmetrics(&self) -> String {
        self.refresh();
        let mut page = String::new();
        // Writing to a String doesn't fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    /// All values by the Prometheus text format 0.0.4, for scrapers that know no other. It names a counter in full where
    /// OpenMetrics leaves the suffix away, and has no mark for the end.
    pub fn prometheus(&self) -> String {
        let mut page = String::new();
        for line in self.openmetrics().lines().filter(|line| *line != "# EOF") {
            let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            match described.and_then(|rest| rest.split_once(' ')) {
                Some((name, rest)) if is_counter(name) => {
                    page.push_str(&format!("{} {name}_total {rest}\n", &line[.."# HELP".len()]));
                }
                _ => {
                    page.push_str(line);
                    page.push('\n');
                }
            }
        }
        page
    }

    /// Every value there is, in the table's order, with the label's value where there is one. Fetching takes the recent
    /// measurements of histograms away.
    pub(super) fn fetch(&self) -> Vec<(&'static Row, Option<&'static str>, Value)> {
        self.refresh();
        let mut found = Vec::new();
        for row in &TABLE {
            for (label, value) in self.values.lock(row.metric).iter_mut() {
                found.push((row, Some(*label).filter(|label| *label != NO_LABEL), value.clone()));
                if let Value::Histogram(histogram) = value {
                    histogram.recent.clear();
                }
            }
        }
        found
    }

    #[cfg(test)]
    pub(super) fn value(&self, metric: Metric, label: &'static str) -> Option<Value> {
        self.values.lock(metric).get(label).cloned()
    }
}

fn is_counter(name: &str) -> bool {
    TABLE.iter().any(|row| row.kind == Kind::Counter && row.name.strip_suffix("_total") == Some(name))
}

impl Values {
    /// Every change is one step, so a value stays whole when somebody panics beside it.
    fn lock(&self, metric: Metric) -> MutexGuard<'_, BTreeMap<&'static str, Value>> {
        self.0[metric as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Value {
    fn zero(kind: Kind) -> Value {
        match kind {
            Kind::Counter => Value::Counter(0),
            Kind::Gauge => Value::Gauge(0.0),
            Kind::Histogram(ends) => Value::Histogram(Histogram {
                sum: 0.0,
                count: 0,
                buckets: ends.iter().copied().chain([f64::INFINITY]).map(|end| (end, 0)).collect(),
                recent: Vec::new(),
            }),
        }
    }

    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Value::Counter(count) => encoder.encode_counter::<[(&str, &str); 0], u64, u64>(count, None),
            Value::Gauge(gauge) => encoder.encode_gauge(gauge),
            Value::Histogram(it) => encoder.encode_histogram::<[(&str, &str); 0]>(it.sum, it.count, &it.buckets, None),
        }
    }
}

impl Histogram {
    fn observe(&mut self, measured: f64) {
        if self.recent.len() < RECENT {
            self.recent.push(measured);
        } else {
            self.recent[(self.count % RECENT as u64) as usize] = measured;
        }
        self.sum += measured;
        self.count += 1;
        if let Some((_, count)) = self.buckets.iter_mut().find(|(end, _)| measured <= *end) {
            *count += 1;
        }
    }

    pub(super) fn recent(&self) -> &[f64] {
        &self.recent
    }
}

impl Collector for Values {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for row in &TABLE {
            let values = self.lock(row.metric).clone();
            if values.is_empty() {
                continue;
            }
            let kind = match row.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram(_) => MetricType::Histogram,
            };
            let name = if row.kind == Kind::Counter { row.name.trim_end_matches("_total") } else { row.name };
            let mut family = encoder.encode_descriptor(name, row.meaning, None, kind)?;
            for (value_of_label, value) in &values {
                match row.label {
                    Some(Label { name, .. }) => value.encode(&mut family.encode_family(&[(name, *value_of_label)])?)?,
                    None => value.encode(&mut family)?,
                }
            }
        }
        Ok(())
    }
}
