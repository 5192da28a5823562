//! How many instances are wanted, as deploy/caisson.yaml tells Auto Scaling: tracking, two steps for bursts, and waking up.
//!
//! What AWS doesn't write down is modelled so: tracking asks for the capacity at which the same load would be on target,
//! at once, and a step adds to the capacity that has warmed up, so that a repeated alarm doesn't add the same again.

use super::scenario::Scenario;

/// What CloudWatch says about one period, all of it averages.
#[derive(Debug, Clone, Copy)]
pub struct Datapoint {
    /// Messages that wait.
    pub waiting: f64,
    /// Messages that are in flight, whoever holds them and for what.
    pub in_flight: f64,
    /// Instances in service.
    pub in_service: f64,
    /// What workers say of themselves (`caisson_utilisation`, `caisson_held_up`), shares from 0 to 1; `None` where none says anything.
    pub utilisation: Option<f64>,
    pub held_up: Option<f64>,
}

/// The share of a fleet from which on it counts as held up.
const HELD_UP: f64 = 0.5;

/// The load of a fleet, by the same rule as the template's expression; `tests/deploy/load.json` has cases that both are held against.
///
/// Jobs that run count by the slots they use, jobs that wait by the slots they call for. While half of the fleet or more is held up, the
/// load is on target, so that nothing is added or taken away: a further instance would be held up as well. (Were it counted by the
/// share that isn't, each new instance would raise the load until it is held up in its turn, and bring the next one.)
/// While no worker says anything, messages in flight stand for slots in use, at most as many as there are slots.
pub fn load(datapoint: &Datapoint, slots: f64, backlog_per_slot: f64, target: f64) -> f64 {
    // No instance counts as one, against a division by zero.
    let slots = datapoint.in_service.max(1.0) * slots;
    if datapoint.held_up.is_some_and(|held_up| held_up >= HELD_UP) {
        return target;
    }
    let used = datapoint.utilisation.unwrap_or((datapoint.in_flight / slots).min(1.0));
    used + datapoint.waiting / backlog_per_slot / slots
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
        let capacity = datapoint.in_service.max(1.0);
        let load = load(&datapoint, scenario.slots, scenario.backlog_per_slot, scenario.target_load);
        let times = load / scenario.target_load;
        let fitting = (capacity * times).ceil() as usize;
        let mut wanted = group.desired;
        // What is on target to the last digit but one is on target.
        self.above = if times > 1.0 + 1e-9 { self.above + 1.0 } else { 0.0 };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_that_of_the_cases_which_the_template_is_held_against_too() {
        let cases: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/deploy/load.json")).expect("they are JSON");
        let cases = cases.as_array().expect("they are a list");
        assert!(cases.len() > 5);
        for case in cases {
            let number = |name: &str| case[name].as_f64();
            let known = |name: &str| number(name).expect("it is a number");
            let datapoint = Datapoint {
                waiting: known("waiting"),
                in_flight: known("in_flight"),
                in_service: known("instances"),
                utilisation: number("utilisation"),
                held_up: number("held_up"),
            };
            let load = load(&datapoint, known("slots"), 10.0, 0.8);
            assert!((load - known("load")).abs() < 1e-9, "{load}: {case}");
        }
    }
}
