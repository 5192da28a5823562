//! How long jobs take, from received to answered.

use super::chance::Chance;
use super::scenario::{Scenario, Shape};

/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_626_951;

/// Measured service times in seconds, none of them zero or below; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples(Vec<f64>);

/// The distribution that a scenario draws from.
#[derive(Debug)]
pub(super) struct Service<'a> {
    shape: Shape,
    p50_s: f64,
    /// Of the logarithm, for the lognormal one.
    deviation: f64,
    samples: Option<&'a Samples>,
    limit_s: f64,
}

impl<'a> Service<'a> {
    pub(super) fn of(scenario: &Scenario, samples: Option<&'a Samples>) -> Service<'a> {
        let ratio = scenario.service_p95_s / scenario.service_p50_s;
        Service {
            shape: scenario.shape,
            p50_s: scenario.service_p50_s,
            deviation: ratio.ln() / Z95,
            samples,
            limit_s: scenario.service_limit_s,
        }
    }

    /// Seconds of one job; its limit ends it at the latest.
    pub(super) fn draw(&self, chance: &mut Chance) -> f64 {
        let seconds = match (self.samples, self.shape) {
            (Some(Samples(all)), _) => all[chance.below(all.len())],
            (None, Shape::Constant) => self.p50_s,
            // The median of an exponential distribution is ln 2 of its mean.
            (None, Shape::Exponential) => chance.exponential(self.p50_s / std::f64::consts::LN_2),
            (None, Shape::Lognormal) => self.p50_s * (self.deviation * chance.normal()).exp(),
        };
        seconds.min(self.limit_s)
    }
}

impl Samples {
    /// # Errors
    /// When there is none, or one is no positive number.
    pub fn new(seconds: Vec<f64>) -> Result<Samples, String> {
        if seconds.is_empty() {
            return Err("there is no service time in it".to_owned());
        }
        match seconds.iter().position(|it| !it.is_finite() || *it <= 0.0) {
            Some(at) => Err(format!("service time {} is {}; allowed are seconds above 0", at + 1, seconds[at])),
            None => Ok(Samples(seconds)),
        }
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The longest of them, in seconds.
    pub fn longest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

/// Reads service times: a JSON array of seconds, results one a line as `caisson run --jobs` writes them (from received to
/// finished), or a CSV whose first column is seconds, with or without a heading.
///
/// # Errors
/// Which line is none of these.
pub fn samples(text: &str) -> Result<Samples, String> {
    let trimmed = text.trim_start();
    if trimmed.starts_with('[') {
        let seconds = serde_json::from_str(text).map_err(|error| format!("not an array of seconds: {error}"))?;
        return Samples::new(seconds);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut seconds = Vec::new();
    for (at, line) in lines {
        let first = line.split(',').next().unwrap_or_default().trim();
        match (line.trim_start().starts_with('{'), first.parse::<f64>()) {
            (true, _) => seconds.push(of_result(line).map_err(|problem| format!("line {}: {problem}", at + 1))?),
            (false, Ok(value)) => seconds.push(value),
            (false, Err(_)) if at == 0 => {}
            (false, Err(_)) => return Err(format!("line {}: {first:?} is no number of seconds", at + 1)),
        }
    }
    Samples::new(seconds)
}

fn of_result(line: &str) -> Result<f64, String> {
    let result: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("not a result: {error}"))?;
    let time = |name: &str| {
        let text = result["timeline"][name].as_str().ok_or(format!("timeline.{name} is missing"))?;
        text.parse::<jiff::Timestamp>().map_err(|error| format!("timeline.{name}: {error}"))
    };
    (time("finished")? - time("received")?).total(jiff::Unit::Second).map_err(|error| error.to_string())
}
