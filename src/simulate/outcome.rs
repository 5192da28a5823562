//! What came out, as numbers, as a table and as a timeline.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::Point;
use super::run::World;
use super::fleet::seconds;

/// Requests to SQS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Requests {
    pub receives: f64,
    /// Publishing results and deleting messages.
    pub settling: f64,
    pub renewals: f64,
    /// The producer's and the consumer's.
    pub others: f64,
}

/// All that a simulation says. Times in seconds; costs in the currency of the scenario's prices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub title: String,
    pub jobs: u64,
    pub answered: u64,
    pub dead_letters: u64,
    /// Neither answered nor dead when the simulation gave up, a week after the last arrival.
    pub left: u64,
    pub simulated_s: f64,
    /// From sent until the run began that gave the answer, interrupted tries included.
    pub wait_mean_s: f64,
    pub wait_p50_s: f64,
    pub wait_p95_s: f64,
    pub wait_p99_s: f64,
    pub wait_longest_s: f64,
    /// From the first arrival to the last answer.
    pub drain_s: f64,
    /// From the last arrival to the last answer.
    pub drain_after_last_arrival_s: f64,
    pub peak_instances: usize,
    pub peak_in_flight: u64,
    pub peak_visible: usize,
    /// How long free slots stayed empty because SQS gives out no more messages.
    pub in_flight_limited_s: f64,
    pub instances_launched: u64,
    pub spot_interruptions: u64,
    pub worker_crashes: u64,
    /// Slots with a job, of all slots in service, from 0 to 1.
    pub utilisation: f64,
    /// Runs that came to nothing and were begun again.
    pub repeated_runs: u64,
    /// Slot seconds of runs that came to nothing.
    pub wasted_s: f64,
    /// The same as a share of all slot seconds with a job.
    pub wasted_share: f64,
    pub on_demand_hours: f64,
    pub spot_hours: f64,
    pub requests: Requests,
    pub requests_per_job: f64,
    pub cost_instances: f64,
    pub cost_requests: f64,
    pub cost_per_million_jobs: f64,
    #[serde(skip)]
    pub timeline: Vec<Point>,
}

impl Outcome {
    pub(super) fn of(world: World<'_>) -> Outcome {
        let World { scenario, counts, areas, waits, .. } = &world;
        let answered = counts.answered as f64;
        let per_job = |value: f64| if counts.answered == 0 { 0.0 } else { value / answered };
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let requests = Requests {
            receives: counts.receives + (areas.polling / scenario.wait_s).floor(),
            settling: (2.0 * answered / scenario.results_per_request).ceil(),
            renewals: counts.renewals,
            others: (scenario.other_requests * world.arrivals.count as f64).ceil(),
        };
        let all = requests.receives + requests.settling + requests.renewals + requests.others;
        let (on_demand_hours, spot_hours) = (areas.on_demand / 3_600.0, areas.spot / 3_600.0);
        let cost_instances = on_demand_hours * scenario.on_demand_price + spot_hours * scenario.spot_price;
        let cost_requests = all * scenario.request_price / 1e6;
        let drain = |from| if counts.answered == 0 { 0.0 } else { seconds(counts.last_answer.saturating_sub(from)) };
        Outcome {
            title: scenario.title.clone(),
            jobs: world.arrivals.count,
            answered: counts.answered,
            dead_letters: counts.dead,
            left: world.visible.len() as u64 + world.in_flight,
            simulated_s: seconds(world.now),
            wait_mean_s: waits.mean(),
            wait_p50_s: waits.quantile(0.5),
            wait_p95_s: waits.quantile(0.95),
            wait_p99_s: waits.quantile(0.99),
            wait_longest_s: waits.longest,
            drain_s: drain(counts.first_arrival.unwrap_or(0)),
            drain_after_last_arrival_s: drain(counts.last_arrival),
            peak_instances: counts.peak,
            peak_in_flight: counts.peak_in_flight,
            peak_visible: counts.peak_visible,
            in_flight_limited_s: counts.limited_s,
            instances_launched: counts.launched,
            spot_interruptions: counts.interrupted,
            worker_crashes: counts.crashed,
            utilisation: share(areas.running, areas.slots),
            repeated_runs: counts.repeated,
            wasted_s: counts.wasted_s,
            wasted_share: share(counts.wasted_s, areas.running),
            on_demand_hours,
            spot_hours,
            requests,
            requests_per_job: per_job(all),
            cost_instances,
            cost_requests,
            cost_per_million_jobs: per_job(1e6 * (cost_instances + cost_requests)),
            timeline: world.timeline.points,
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let rows = [
            ("jobs", format!("{} ({} answered, {} dead letters, {} left)", self.jobs, self.answered, self.dead_letters, self.left)),
            ("simulated", span(self.simulated_s)),
            (
                "queue wait",
                format!(
                    "p50 {} · p95 {} · p99 {} · longest {}",
                    span(self.wait_p50_s), span(self.wait_p95_s), span(self.wait_p99_s), span(self.wait_longest_s)
                ),
            ),
            ("time to drain", format!("{}, {} after the last arrival", span(self.drain_s), span(self.drain_after_last_arrival_s))),
            ("instances", format!("{} at most, {} launched", self.peak_instances, self.instances_launched)),
            ("in flight", format!("{} at most, {} at the limit", self.peak_in_flight, span(self.in_flight_limited_s))),
            ("utilisation", format!("{:.1} % of the slots in service", 100.0 * self.utilisation)),
            (
                "lost",
                format!(
                    "{} runs repeated, {} of slots wasted ({:.2} %); {} Spot interruptions, {} crashes",
                    self.repeated_runs, span(self.wasted_s), 100.0 * self.wasted_share, self.spot_interruptions, self.worker_crashes
                ),
            ),
            ("instance hours", format!("{:.1} On-Demand, {:.1} Spot", self.on_demand_hours, self.spot_hours)),
            ("requests", format!("{:.2} a job", self.requests_per_job)),
            (
                "cost",
                format!(
                    "{:.2} a million jobs ({:.2} for instances and {:.2} for requests in all)",
                    self.cost_per_million_jobs, self.cost_instances, self.cost_requests
                ),
            ),
        ];
        let mut text = String::new();
        if !self.title.is_empty() {
            let _ = writeln!(text, "{}\n", self.title);
        }
        for (name, value) in rows {
            let _ = writeln!(text, "{name:<16}{value}");
        }
        text
    }

    /// The timeline as CSV, with a heading.
    pub fn csv(&self) -> String {
        let mut text = "seconds,visible,in_flight,desired,running,booting\n".to_owned();
        for it in &self.timeline {
            let _ = writeln!(
                text,
                "{:.3},{},{},{},{},{}",
                it.at_s, it.visible, it.in_flight, it.desired, it.running, it.booting
            );
        }
        text
    }
}

/// A time as people say it.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        it if it < 120.0 => format!("{it:.1} s"),
        it if it < 7_200.0 => format!("{:.1} min", it / 60.0),
        it if it < 172_800.0 => format!("{:.1} h", it / 3_600.0),
        it => format!("{:.1} d", it / 86_400.0),
    }
}
