//! The instances: who has a free slot, who is paid for, who may be taken away.

use super::chance::Chance;

/// Microseconds of simulated time. Whole numbers, so that events have one order.
pub(super) type Time = u64;

pub(super) fn time(seconds: f64) -> Time {
    (seconds * 1e6).round() as Time
}

pub(super) fn seconds(time: Time) -> f64 {
    time as f64 / 1e6
}

/// A message: when it was sent, and how often it has been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) sent: Time,
    pub(super) receives: u32,
}

/// A job in a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) message: Message,
    pub(super) since: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Booting,
    Working,
    /// Its worker has crashed and isn't back.
    Down,
    /// Takes nothing new and ends when its last job has.
    Draining,
    /// As that, but by Spot: it ends at a fixed time.
    Leaving,
    Gone,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) state: State,
    pub(super) is_spot: bool,
    pub(super) in_service_since: Time,
    /// Slots that have a job or are being cleared.
    pub(super) occupied: u32,
    pub(super) running: Vec<Running>,
    /// Jobs that are done and whose results can't be published. While there are any it takes nothing in.
    pub(super) unpublished: Vec<Running>,
    /// How many of its jobs are counted as running, and whether it is counted as held up.
    counted: (usize, bool),
    /// What was set off before the last crash has another number and is void.
    pub(super) life: u32,
    /// Where it is in the list of those with free slots.
    place: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) slots: u32,
    pub(super) instances: Vec<Instance>,
    /// Those that work and have a free slot, in no order.
    free: Vec<usize>,
    pub(super) booting: usize,
    /// In service: working, or with a worker that comes back.
    pub(super) in_service: usize,
    pub(super) working: usize,
    pub(super) on_demand: usize,
    pub(super) spot: usize,
    /// Jobs that run where workers work and aren't held up, and how many are: what workers say of themselves.
    pub(super) used: usize,
    pub(super) held_up: usize,
}

impl Fleet {
    pub(super) fn new(slots: u32) -> Fleet {
        let (instances, free) = (Vec::new(), Vec::new());
        Fleet { slots, instances, free, booting: 0, in_service: 0, working: 0, on_demand: 0, spot: 0, used: 0, held_up: 0 }
    }

    pub(super) fn launch(&mut self, is_spot: bool) -> usize {
        self.instances.push(Instance {
            state: State::Booting,
            is_spot,
            in_service_since: 0,
            occupied: 0,
            running: Vec::new(),
            unpublished: Vec::new(),
            counted: (0, false),
            life: 0,
            place: None,
        });
        self.booting += 1;
        if is_spot { self.spot += 1 } else { self.on_demand += 1 }
        self.instances.len() - 1
    }

    /// Changes an instance's state, and everything that counts states.
    pub(super) fn becomes(&mut self, at: usize, state: State) {
        let before = self.instances[at].state;
        for (which, is_more) in [(before, false), (state, true)] {
            let change = |count: &mut usize| if is_more { *count += 1 } else { *count -= 1 };
            match which {
                State::Booting => change(&mut self.booting),
                State::Working => {
                    change(&mut self.in_service);
                    change(&mut self.working);
                }
                State::Down => change(&mut self.in_service),
                State::Draining | State::Leaving | State::Gone => {}
            }
        }
        if state == State::Gone && before != State::Gone {
            if self.instances[at].is_spot { self.spot -= 1 } else { self.on_demand -= 1 }
        }
        self.instances[at].state = state;
        self.list(at);
    }

    /// Brings the list of those with free slots up to date, and what is counted of them. O(1).
    pub(super) fn list(&mut self, at: usize) {
        let instance = &mut self.instances[at];
        let is_held_up = instance.state == State::Working && !instance.unpublished.is_empty();
        let is_able = instance.state == State::Working && !is_held_up;
        let counted = (if is_able { instance.running.len() } else { 0 }, is_held_up);
        let (used, was_held_up) = std::mem::replace(&mut instance.counted, counted);
        self.used = self.used + counted.0 - used;
        self.held_up = self.held_up + usize::from(is_held_up) - usize::from(was_held_up);
        let is_free = is_able && instance.occupied < self.slots;
        match (is_free, instance.place) {
            (true, None) => {
                self.instances[at].place = Some(self.free.len());
                self.free.push(at);
            }
            (false, Some(place)) => {
                self.free.swap_remove(place);
                if let Some(&moved) = self.free.get(place) {
                    self.instances[moved].place = Some(place);
                }
                self.instances[at].place = None;
            }
            _ => {}
        }
    }

    /// Any of those with a free slot: SQS answers whoever asks, in no order.
    pub(super) fn any_free(&self, chance: &mut Chance) -> Option<usize> {
        if self.free.is_empty() { None } else { Some(self.free[chance.below(self.free.len())]) }
    }

    pub(super) fn with_free_slots(&self) -> usize {
        self.free.len()
    }

    /// In service for longer than the warm-up: what policies take for the capacity.
    pub(super) fn warm(&self, now: Time, warmup: Time) -> usize {
        let is_warm = |it: &&Instance| {
            matches!(it.state, State::Working | State::Down) && it.in_service_since.saturating_add(warmup) <= now
        };
        self.instances.iter().filter(is_warm).count()
    }

    /// Whom scaling in takes: instances that still boot first, then Spot before On-Demand, then the oldest.
    pub(super) fn to_take(&self, count: usize) -> Vec<usize> {
        let mut candidates: Vec<usize> = (0..self.instances.len())
            .filter(|&at| matches!(self.instances[at].state, State::Booting | State::Working | State::Down))
            .collect();
        candidates.sort_by_key(|&at| {
            let it = &self.instances[at];
            (it.state != State::Booting, !it.is_spot, it.in_service_since, at)
        });
        candidates.truncate(count);
        candidates
    }
}
