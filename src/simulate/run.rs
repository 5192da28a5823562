//! The run itself: events in the order of their time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::arrivals::Arrivals;
use super::chance::Chance;
use super::fleet::{Fleet, Message, Running, State, Time, seconds, time};
use super::measure::{Areas, Histogram, Point, Timeline};
use super::outcome::Outcome;
use super::policy::{Datapoint, Group, Policy};
use super::scenario::Scenario;
use super::service::{Samples, Service};

/// A backlog that isn't gone so long after the last arrival never will be.
const GIVE_UP_S: f64 = 7.0 * 86_400.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Done { at: usize, id: u64 },
    SlotFree { at: usize, life: u32 },
    Ready { at: usize },
    /// The worker has seen the notice that its machine ends then.
    Notice { at: usize, end: Time },
    MachineEnds { at: usize },
    Crash { at: usize },
    Back { at: usize, life: u32 },
    Reappears(Message),
    OutageBegins,
    OutageEnds,
    PeriodEnds,
    DatapointIsThere,
    Launch,
    Sample,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) answered: u64,
    pub(super) dead: u64,
    pub(super) repeated: u64,
    pub(super) wasted_s: f64,
    pub(super) launched: u64,
    pub(super) interrupted: u64,
    pub(super) crashed: u64,
    pub(super) peak: usize,
    pub(super) peak_in_flight: u64,
    pub(super) peak_visible: usize,
    pub(super) limited_s: f64,
    pub(super) receives: f64,
    pub(super) renewals: f64,
    pub(super) first_arrival: Option<Time>,
    pub(super) last_arrival: Time,
    pub(super) last_answer: Time,
}

pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) now: Time,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    sequence: u64,
    pub(super) arrivals: Arrivals<'a>,
    service: Service<'a>,
    chance: Chance,
    pub(super) visible: VecDeque<Message>,
    /// Received and neither deleted nor given back, those of crashed workers included.
    pub(super) in_flight: u64,
    running: u64,
    pub(super) fleet: Fleet,
    policy: Policy,
    desired: usize,
    tokens: f64,
    tokens_at: Time,
    is_launch_due: bool,
    period: Areas,
    datapoints: VecDeque<Datapoint>,
    pub(super) areas: Areas,
    pub(super) waits: Histogram,
    pub(super) timeline: Timeline,
    pub(super) counts: Counts,
    limited_since: Option<Time>,
    /// The outgoing queue is away.
    is_out: bool,
}

/// Plays a scenario to its end: all jobs answered and its time over.
///
/// The scenario's numbers have to be within their bounds ([`Scenario::check`]).
pub fn simulate(scenario: &Scenario, samples: Option<&Samples>) -> Outcome {
    let mut world = World::new(scenario, samples);
    world.run();
    Outcome::of(world)
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, samples: Option<&'a Samples>) -> World<'a> {
        World {
            scenario,
            now: 0,
            events: BinaryHeap::new(),
            sequence: 0,
            arrivals: Arrivals::of(scenario),
            service: Service::of(scenario, samples),
            chance: Chance::new(scenario.seed as u64),
            visible: VecDeque::new(),
            in_flight: 0,
            running: 0,
            fleet: Fleet::new(scenario.slots as u32),
            policy: Policy::new(),
            desired: scenario.start_instances as usize,
            tokens: scenario.launch_burst,
            tokens_at: 0,
            is_launch_due: false,
            period: Areas::default(),
            datapoints: VecDeque::new(),
            areas: Areas::default(),
            waits: Histogram::default(),
            timeline: Timeline::new(time(scenario.duration_s)),
            counts: Counts::default(),
            limited_since: None,
            is_out: false,
        }
    }

    fn run(&mut self) {
        for _ in 0..self.desired {
            let at = self.launch();
            self.ready(at);
        }
        self.after(time(self.scenario.period_s), Event::PeriodEnds);
        self.after(0, Event::Sample);
        if self.scenario.outage_s > 0.0 {
            self.after(time(self.scenario.outage_at_s), Event::OutageBegins);
            self.after(time(self.scenario.outage_at_s + self.scenario.outage_s), Event::OutageEnds);
        }
        let duration = time(self.scenario.duration_s);
        loop {
            let arrival = self.arrivals.peek().map(time);
            let Some(event) = self.events.peek().map(|Reverse((at, ..))| *at) else { break };
            let next = arrival.map_or(event, |arrival| arrival.min(event));
            let is_quiet = arrival.is_none() && self.visible.is_empty() && self.in_flight == 0;
            let last = duration.max(self.counts.last_arrival);
            if (is_quiet && next > last) || next > last.saturating_add(time(GIVE_UP_S)) {
                let end = if is_quiet { last.max(self.now) } else { self.now };
                self.advance(end);
                break;
            }
            self.advance(next);
            if arrival == Some(next) {
                self.arrive();
            } else if let Some(Reverse((_, _, event))) = self.events.pop() {
                self.handle(event);
            }
        }
        self.sample();
    }

    fn advance(&mut self, now: Time) {
        self.areas.advance(now, &self.fleet, self.visible.len(), self.in_flight, self.running);
        self.now = now;
    }

    fn after(&mut self, delay: Time, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((self.now + delay, self.sequence, event)));
    }

    fn arrive(&mut self) {
        self.arrivals.advance();
        self.counts.first_arrival.get_or_insert(self.now);
        self.counts.last_arrival = self.now;
        self.visible.push_back(Message { sent: self.now, receives: 0 });
        self.dispatch();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Done { at, id } => self.done(at, id),
            Event::SlotFree { at, life } => self.slot_free(at, life),
            Event::Ready { at } if self.fleet.instances[at].state == State::Booting => {
                self.ready(at);
                self.dispatch();
            }
            Event::Ready { .. } => {}
            Event::Notice { at, end } => self.notice(at, end),
            Event::MachineEnds { at } => self.machine_ends(at),
            Event::Crash { at } => self.crash(at),
            Event::Back { at, life } => {
                if self.fleet.instances[at].life == life && self.fleet.instances[at].state == State::Down {
                    self.fleet.becomes(at, State::Working);
                    self.crash_is_due(at);
                    self.dispatch();
                }
            }
            Event::Reappears(message) => {
                self.in_flight -= 1;
                self.again(message);
                self.dispatch();
            }
            Event::OutageBegins => self.is_out = true,
            Event::OutageEnds => self.outage_ends(),
            Event::PeriodEnds => self.period_ends(),
            Event::DatapointIsThere => self.decide(),
            Event::Launch => {
                self.is_launch_due = false;
                self.reconcile();
            }
            Event::Sample => {
                self.sample();
                self.after(self.timeline.interval, Event::Sample);
            }
        }
    }

    /// Hands messages to free slots as far as there are both, and SQS gives out more.
    fn dispatch(&mut self) {
        let limit = self.scenario.in_flight_limit as u64;
        while !self.visible.is_empty() {
            let Some(at) = self.fleet.any_free(&mut self.chance) else { break };
            if self.in_flight >= limit {
                self.limited_since.get_or_insert(self.now);
                return;
            }
            let free = u64::from(self.fleet.slots - self.fleet.instances[at].occupied);
            let room = (limit - self.in_flight).min(self.scenario.batch as u64).min(free);
            self.counts.receives += 1.0;
            for _ in 0..room {
                let Some(message) = self.visible.pop_front() else { break };
                self.start(at, Message { receives: message.receives + 1, ..message });
            }
        }
        if let Some(since) = self.limited_since.take() {
            self.counts.limited_s += seconds(self.now - since);
        }
    }

    fn start(&mut self, at: usize, message: Message) {
        self.sequence += 1;
        let id = self.sequence;
        self.fleet.instances[at].running.push(Running { id, message, since: self.now });
        self.fleet.instances[at].occupied += 1;
        self.fleet.list(at);
        self.in_flight += 1;
        self.running += 1;
        self.counts.peak_in_flight = self.counts.peak_in_flight.max(self.in_flight);
        let lasts = time(self.service.draw(&mut self.chance)).max(1);
        self.after(lasts, Event::Done { at, id });
    }

    fn done(&mut self, at: usize, id: u64) {
        let instance = &mut self.fleet.instances[at];
        // What was given back or lost in the meantime isn't there any more.
        let Some(index) = instance.running.iter().position(|running| running.id == id) else { return };
        let ended = instance.running.swap_remove(index);
        let life = instance.life;
        self.running -= 1;
        if self.is_out {
            self.fleet.instances[at].unpublished.push(ended);
        } else {
            self.answer(ended);
        }
        self.fleet.list(at);
        match time(self.scenario.turnaround_s) {
            0 => self.slot_free(at, life),
            turnaround => self.after(turnaround, Event::SlotFree { at, life }),
        }
        if self.limited_since.is_some() {
            self.dispatch();
        }
    }

    fn answer(&mut self, ended: Running) {
        self.in_flight -= 1;
        self.counts.answered += 1;
        self.counts.last_answer = self.now;
        self.counts.renewals += self.renewals(ended);
        self.waits.add(seconds(ended.since - ended.message.sent));
    }

    /// Everybody publishes what they kept, and takes jobs again.
    fn outage_ends(&mut self) {
        self.is_out = false;
        for at in 0..self.fleet.instances.len() {
            for ended in std::mem::take(&mut self.fleet.instances[at].unpublished) {
                self.answer(ended);
            }
            self.fleet.list(at);
            self.may_go(at);
        }
        self.dispatch();
    }

    /// One that drains is gone when it has nothing any more.
    fn may_go(&mut self, at: usize) -> bool {
        let it = &self.fleet.instances[at];
        let may_go = it.state == State::Draining && it.occupied == 0 && it.unpublished.is_empty();
        if may_go {
            self.fleet.becomes(at, State::Gone);
        }
        may_go
    }

    fn slot_free(&mut self, at: usize, life: u32) {
        let instance = &mut self.fleet.instances[at];
        if instance.life != life || instance.state == State::Gone {
            return;
        }
        instance.occupied -= 1;
        if self.may_go(at) {
            return;
        }
        self.fleet.list(at);
        self.dispatch();
    }

    /// How often a message was renewed while it was held: at each third of the visibility timeout, taken as one request each.
    fn renewals(&self, running: Running) -> f64 {
        (seconds(self.now - running.since) * 3.0 / self.scenario.visibility_s).floor()
    }

    /// A run that came to nothing.
    fn lose(&mut self, running: Running) {
        self.running -= 1;
        self.counts.wasted_s += seconds(self.now - running.since);
        self.counts.renewals += self.renewals(running);
    }

    /// A message is visible again, or a dead letter.
    fn again(&mut self, message: Message) {
        if f64::from(message.receives) >= self.scenario.max_receives {
            self.counts.dead += 1;
        } else {
            self.counts.repeated += 1;
            self.visible.push_back(message);
        }
    }

    fn launch(&mut self) -> usize {
        let is_spot = self.fleet.on_demand >= self.scenario.on_demand_base as usize;
        self.counts.launched += 1;
        self.fleet.launch(is_spot)
    }

    fn ready(&mut self, at: usize) {
        self.fleet.instances[at].in_service_since = self.now;
        self.fleet.becomes(at, State::Working);
        self.counts.peak = self.counts.peak.max(self.fleet.in_service);
        let rate = self.scenario.interruptions_per_hour;
        if self.fleet.instances[at].is_spot && rate > 0.0 {
            let notice = time(self.chance.exponential(3_600.0 / rate));
            let end = self.now + notice + time(self.scenario.notice_s);
            let seen = notice + time(self.scenario.poll_s.min(self.scenario.notice_s));
            self.after(seen, Event::Notice { at, end });
        }
        self.crash_is_due(at);
    }

    fn crash_is_due(&mut self, at: usize) {
        if self.scenario.crashes_per_hour > 0.0 {
            let after = time(self.chance.exponential(3_600.0 / self.scenario.crashes_per_hour));
            self.after(after, Event::Crash { at });
        }
    }

    /// What is sure to end in time goes on; the rest is given back at once.
    fn notice(&mut self, at: usize, end: Time) {
        if self.fleet.instances[at].state == State::Gone {
            return;
        }
        self.counts.interrupted += 1;
        self.fleet.becomes(at, State::Leaving);
        let deadline = end.saturating_sub(time(self.scenario.margin_s));
        let limit = time(self.scenario.service_limit_s);
        let running = std::mem::take(&mut self.fleet.instances[at].running);
        let (fits, rest): (Vec<_>, Vec<_>) = running.into_iter().partition(|it| it.since + limit <= deadline);
        self.fleet.instances[at].running = fits;
        for running in rest {
            self.lose(running);
            self.in_flight -= 1;
            self.again(running.message);
        }
        self.after(end - self.now, Event::MachineEnds { at });
        self.reconcile();
        self.dispatch();
    }

    fn machine_ends(&mut self, at: usize) {
        self.fleet.instances[at].life += 1;
        let running = std::mem::take(&mut self.fleet.instances[at].running);
        debug_assert!(running.is_empty(), "what doesn't fit was given back at the notice");
        for unpublished in std::mem::take(&mut self.fleet.instances[at].unpublished) {
            self.counts.wasted_s += seconds(self.now - unpublished.since);
            self.in_flight -= 1;
            self.again(unpublished.message);
        }
        self.fleet.becomes(at, State::Gone);
        self.dispatch();
    }

    /// Nobody gives anything back: messages reappear a visibility timeout after their last renewal.
    fn crash(&mut self, at: usize) {
        if self.fleet.instances[at].state != State::Working {
            return;
        }
        self.counts.crashed += 1;
        let instance = &mut self.fleet.instances[at];
        instance.life += 1;
        instance.occupied = 0;
        let life = instance.life;
        let unpublished = std::mem::take(&mut instance.unpublished);
        self.running += unpublished.len() as u64;
        for running in std::mem::take(&mut self.fleet.instances[at].running).into_iter().chain(unpublished) {
            self.lose(running);
            let third = time(self.scenario.visibility_s / 3.0);
            let since_renewal = (self.now - running.since) % third;
            self.after(3 * third - since_renewal, Event::Reappears(running.message));
        }
        self.fleet.becomes(at, State::Down);
        self.after(time(self.scenario.restart_s), Event::Back { at, life });
    }

    fn period_ends(&mut self) {
        let period = self.scenario.period_s;
        // Over those that work, which are those that say something.
        let slots = self.areas.slots - self.period.slots;
        let share = |part: f64| (slots > 0.0).then(|| part / slots);
        self.datapoints.push_back(Datapoint {
            waiting: (self.areas.waiting - self.period.waiting) / period,
            in_flight: (self.areas.in_flight - self.period.in_flight) / period,
            in_service: (self.areas.in_service - self.period.in_service) / period,
            utilisation: share(self.areas.used - self.period.used),
            held_up: share((self.areas.held_up - self.period.held_up) * self.scenario.slots),
        });
        self.period = self.areas;
        self.after(time(self.scenario.delay_s), Event::DatapointIsThere);
        self.after(time(period), Event::PeriodEnds);
    }

    fn decide(&mut self) {
        let Some(datapoint) = self.datapoints.pop_front() else { return };
        let group = Group {
            desired: self.desired,
            warm: self.fleet.warm(self.now, time(self.scenario.warmup_s)),
            now_s: seconds(self.now),
        };
        self.desired = self.policy.decide(self.scenario, datapoint, group);
        self.reconcile();
    }

    /// Launches what is missing, as far as EC2's bucket goes, and drains what is too much.
    fn reconcile(&mut self) {
        let alive = self.fleet.booting + self.fleet.in_service;
        for at in self.fleet.to_take(alive.saturating_sub(self.desired)) {
            let it = &self.fleet.instances[at];
            let is_idle = it.occupied == 0 && it.unpublished.is_empty();
            self.fleet.becomes(at, if is_idle { State::Gone } else { State::Draining });
        }
        let refill = seconds(self.now - self.tokens_at) * self.scenario.launch_per_s;
        self.tokens = (self.tokens + refill).min(self.scenario.launch_burst);
        self.tokens_at = self.now;
        for _ in alive..self.desired {
            if self.tokens < 1.0 {
                if !self.is_launch_due {
                    self.is_launch_due = true;
                    let missing = time((1.0 - self.tokens) / self.scenario.launch_per_s) + 1;
                    self.after(missing, Event::Launch);
                }
                break;
            }
            self.tokens -= 1.0;
            let at = self.launch();
            self.after(time(self.scenario.boot_s), Event::Ready { at });
        }
    }

    fn sample(&mut self) {
        self.counts.peak_visible = self.counts.peak_visible.max(self.visible.len());
        self.timeline.add(Point {
            at_s: seconds(self.now),
            visible: self.visible.len() as u64,
            in_flight: self.in_flight,
            desired: self.desired,
            running: self.fleet.in_service,
            booting: self.fleet.booting,
        });
    }
}
