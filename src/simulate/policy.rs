//! How many instances are wanted, as deploy/caisson.yaml tells Auto Scaling: tracking, two steps for bursts, and waking up.
//!
//! What AWS doesn't write down is modelled so: tracking asks for the capacity at which the same load would be on target,
//! at once, and a step adds to the capacity that has warmed up, so that a repeated alarm doesn't add the same again.

use super::scenario::Scenario;

/// What CloudWatch says about one period, all of it averages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datapoint {
    pub(super) waiting: f64,
    pub(super) working: f64,
    pub(super) in_service: f64,
}

/// The group at the moment of a decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) desired: usize,
    pub(super) warm: usize,
    pub(super) now_s: f64,
}

#[derive(Debug)]
pub(super) struct Policy {
    above: f64,
    below: f64,
    reduced_s: f64,
}

impl Policy {
    pub(super) fn new() -> Policy {
        Policy { above: 0.0, below: 0.0, reduced_s: f64::NEG_INFINITY }
    }

    /// The number of instances that are wanted from now on.
    pub(super) fn decide(&mut self, scenario: &Scenario, datapoint: Datapoint, group: Group) -> usize {
        // As the template: no instance counts as one, against a division by zero.
        let capacity = datapoint.in_service.max(1.0);
        let called_for = datapoint.working + datapoint.waiting / scenario.backlog_per_slot;
        let times = called_for / (capacity * scenario.slots * scenario.target_load);
        let fitting = (capacity * times).ceil() as usize;
        let mut wanted = group.desired;
        self.above = if times > 1.0 { self.above + 1.0 } else { 0.0 };
        self.below = if times < 0.9 { self.below + 1.0 } else { 0.0 };
        if group.desired == 0 {
            // Tracking has nothing to multiply and a percentage of nothing is nothing: one instance is woken.
            wanted = usize::from(datapoint.waiting > 0.0);
        } else if self.above >= scenario.datapoints_out {
            wanted = wanted.max(fitting);
        } else if self.below >= scenario.datapoints_in
            && group.warm >= group.desired
            && group.now_s - self.reduced_s >= scenario.cooldown_in_s
            && fitting < wanted
        {
            wanted = fitting;
            self.reduced_s = group.now_s;
        }
        if scenario.step_low > 0.0 && times >= scenario.step_low {
            let percent =
                if times >= scenario.step_high { scenario.step_high_percent } else { scenario.step_low_percent };
            let more = (group.warm as f64 * percent / 100.0).ceil() as usize;
            wanted = wanted.max(group.warm + more.max(1));
        }
        wanted.clamp(scenario.min_instances as usize, scenario.max_instances as usize)
    }
}
