//! When jobs come: a steady stream, a daily wave and a burst, any of them together.

use super::chance::Chance;
use super::scenario::Scenario;

/// Gives the times of arrival, in seconds, in order. None of them is kept.
#[derive(Debug)]
pub(super) struct Arrivals<'a> {
    scenario: &'a Scenario,
    chance: Chance,
    /// The next of the stream (steady and wave) and of the burst.
    stream: Option<f64>,
    burst: Option<f64>,
    burst_sent: f64,
    /// How many have been handed out.
    pub(super) count: u64,
}

impl<'a> Arrivals<'a> {
    pub(super) fn of(scenario: &'a Scenario) -> Arrivals<'a> {
        let chance = Chance::new(scenario.seed as u64 ^ 0xa11a);
        let mut arrivals = Arrivals { scenario, chance, stream: None, burst: None, burst_sent: 0.0, count: 0 };
        arrivals.stream = arrivals.next_of_stream(0.0);
        arrivals.burst = arrivals.next_of_burst();
        arrivals
    }

    pub(super) fn peek(&self) -> Option<f64> {
        match (self.stream, self.burst) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    pub(super) fn advance(&mut self) {
        self.count += 1;
        match (self.stream, self.burst) {
            (Some(stream), burst) if burst.is_none_or(|burst| stream <= burst) => {
                self.stream = self.next_of_stream(stream);
            }
            _ => self.burst = self.next_of_burst(),
        }
    }

    /// Jobs a second of the stream. The wave begins in its trough, as a day does at night.
    fn rate(&self, at: f64) -> f64 {
        let phase = std::f64::consts::TAU * at / self.scenario.wave_period_s;
        self.scenario.steady_per_s + self.scenario.wave_per_s * (1.0 - phase.cos()) / 2.0
    }

    /// A Poisson process of a changing rate by thinning (Lewis and Shedler): drawn at the highest rate, kept by the actual one.
    fn next_of_stream(&mut self, after: f64) -> Option<f64> {
        let highest = self.scenario.steady_per_s + self.scenario.wave_per_s;
        if highest <= 0.0 {
            return None;
        }
        let mut at = after;
        loop {
            at += self.chance.exponential(1.0 / highest);
            if at > self.scenario.duration_s {
                return None;
            }
            if self.chance.unit() * highest <= self.rate(at) {
                return Some(at);
            }
        }
    }

    /// A burst's jobs come evenly: what makes it a burst is its rate, not its noise.
    fn next_of_burst(&mut self) -> Option<f64> {
        if self.burst_sent >= self.scenario.burst_jobs {
            return None;
        }
        let at = self.scenario.burst_at_s + self.scenario.burst_s * self.burst_sent / self.scenario.burst_jobs;
        self.burst_sent += 1.0;
        Some(at)
    }
}
