//! What is measured on the way: waits in a histogram, everything else as integrals over time.

use serde::Serialize;

use super::fleet::{Fleet, Time, seconds};

/// Each bucket is one percent wider than the one before it, so a percentile is right within half of that.
const GROWTH: f64 = 1.01;
const SMALLEST_S: f64 = 1e-3;
/// At twice this number of points of the plot every other one is dropped.
const POINTS: usize = 600;

/// Durations, in constant memory.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    pub(super) count: u64,
    sum: f64,
    pub(super) longest: f64,
}

impl Histogram {
    pub(super) fn add(&mut self, value: f64) {
        let bucket = match value > SMALLEST_S {
            true => 1 + ((value / SMALLEST_S).ln() / GROWTH.ln()) as usize,
            false => 0,
        };
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += value;
        self.longest = self.longest.max(value);
    }

    pub(super) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// `share` from 0 to 1. What is below a millisecond is 0.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return match bucket {
                    0 => 0.0,
                    _ => (SMALLEST_S * GROWTH.powf(bucket as f64 - 0.5)).min(self.longest),
                };
            }
        }
        0.0
    }
}

/// The state at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    pub at_s: f64,
    pub visible: u64,
    pub in_flight: u64,
    pub desired: usize,
    /// In service.
    pub running: usize,
    pub booting: usize,
}

#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) points: Vec<Point>,
    pub(super) interval: Time,
}

impl Timeline {
    pub(super) fn new(duration: Time) -> Timeline {
        Timeline { points: Vec::new(), interval: (duration / POINTS as Time).max(1_000_000) }
    }

    pub(super) fn add(&mut self, point: Point) {
        self.points.push(point);
        if self.points.len() >= 2 * POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.interval *= 2;
        }
    }
}

/// Integrals over time, in units times seconds.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Areas {
    until: Time,
    pub(super) running: f64,
    pub(super) slots: f64,
    pub(super) on_demand: f64,
    pub(super) spot: f64,
    pub(super) polling: f64,
    /// Messages that wait, and messages that are in flight.
    pub(super) waiting: f64,
    pub(super) in_flight: f64,
    pub(super) in_service: f64,
    /// What workers say of themselves: slots in use, and workers that are held up.
    pub(super) used: f64,
    pub(super) held_up: f64,
}

impl Areas {
    /// Adds the time since the last call, during which nothing has changed.
    pub(super) fn advance(&mut self, now: Time, fleet: &Fleet, visible: usize, in_flight: u64, running: u64) {
        let passed = seconds(now - self.until);
        if passed == 0.0 {
            return;
        }
        self.until = now;
        self.running += passed * running as f64;
        self.slots += passed * fleet.working as f64 * f64::from(fleet.slots);
        self.on_demand += passed * fleet.on_demand as f64;
        self.spot += passed * fleet.spot as f64;
        self.waiting += passed * visible as f64;
        self.in_flight += passed * in_flight as f64;
        self.in_service += passed * fleet.in_service as f64;
        self.used += passed * fleet.used as f64;
        self.held_up += passed * fleet.held_up as f64;
        if visible == 0 {
            self.polling += passed * fleet.with_free_slots() as f64;
        }
    }
}
