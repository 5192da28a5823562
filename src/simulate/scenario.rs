//! What is simulated: one struct of numbers, and the one table from which reading, checking and the docs follow.

use toml::de::{DeTable, DeValue};

use crate::strict_toml::{Mistake, Source, did_you_mean, settle};

/// The form of the distribution of service times, where no samples are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    #[default]
    Lognormal,
    Exponential,
    Constant,
}

/// One number of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// As it is written, `fleet.slots`.
    pub key: &'static str,
    pub least: f64,
    pub most: f64,
    pub is_whole: bool,
    pub meaning: &'static str,
    get: fn(&Scenario) -> f64,
    set: fn(&mut Scenario, f64),
}

macro_rules! settings {
    ($(($field:ident, $key:literal, $kind:ident $least:literal..$most:literal, $default:literal, $meaning:literal))*) => {
        /// A fleet, its load and its prices. Times are seconds, prices are in whatever currency they are given in.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Scenario {
            pub title: String,
            pub shape: Shape,
            $(#[doc = $meaning] pub $field: f64,)*
        }

        impl Default for Scenario {
            fn default() -> Scenario {
                Scenario { title: String::new(), shape: Shape::default(), $($field: $default,)* }
            }
        }

        /// Every number that a scenario can set.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            key: $key,
            least: $least,
            most: $most,
            is_whole: settings!(@ $kind),
            meaning: $meaning,
            get: |scenario| scenario.$field,
            set: |scenario, value| scenario.$field = value,
        },)*];
    };
    (@ whole) => { true };
    (@ number) => { false };
}

settings! {
    (seed, "seed", whole 0.0..9e15, 1.0, "The same seed gives the same numbers.")
    (duration_s, "duration_s", number 1.0..31_536_000.0, 3_600.0, "How long jobs come, and the least time that is paid for.")
    (steady_per_s, "arrivals.steady_per_s", number 0.0..1e6, 0.0, "Jobs a second, all the time.")
    (wave_per_s, "arrivals.wave_per_s", number 0.0..1e6, 0.0, "Jobs a second at the wave's crest, on top of the steady ones; none in its trough.")
    (wave_period_s, "arrivals.wave_period_s", number 60.0..31_536_000.0, 86_400.0, "From trough to trough.")
    (burst_jobs, "arrivals.burst_jobs", whole 0.0..1e9, 0.0, "Jobs of one burst.")
    (burst_s, "arrivals.burst_s", number 0.0..31_536_000.0, 600.0, "The time in which they come, evenly.")
    (burst_at_s, "arrivals.burst_at_s", number 0.0..31_536_000.0, 0.0, "When the burst begins.")
    (service_p50_s, "service.p50_s", number 0.001..43_200.0, 2.0, "The median of the time from received to answered.")
    (service_p95_s, "service.p95_s", number 0.001..43_200.0, 6.0, "Its 95th percentile, for the lognormal shape.")
    (service_limit_s, "service.limit_s", number 0.001..43_200.0, 36.0, "The longest that a job may take. A Spot notice goes by this: what may take longer than is left goes back.")
    (turnaround_s, "service.turnaround_s", number 0.0..600.0, 0.2, "From a job's answer until its slot has the next one: clearing away, asking the queue.")
    (slots, "fleet.slots", whole 1.0..512.0, 4.0, "Jobs that an instance runs at a time.")
    (boot_s, "fleet.boot_s", number 0.0..7_200.0, 120.0, "From launch to in service: the machine's start, doctor and selftest.")
    (min_instances, "fleet.min_instances", whole 0.0..100_000.0, 1.0, "The floor.")
    (max_instances, "fleet.max_instances", whole 1.0..100_000.0, 10.0, "The ceiling.")
    (start_instances, "fleet.start_instances", whole 0.0..100_000.0, 1.0, "In service at the beginning.")
    (on_demand_base, "fleet.on_demand_base", whole 0.0..100_000.0, 1.0, "The first so many instances are On-Demand, the others Spot.")
    (launch_burst, "fleet.launch_burst", whole 1.0..1e6, 1_000.0, "Instances that can be launched at once; EC2's bucket for an account and region.")
    (launch_per_s, "fleet.launch_per_s", number 0.001..1e6, 2.0, "How fast that bucket fills again.")
    (interruptions_per_hour, "spot.interruptions_per_hour", number 0.0..60.0, 0.0, "Spot interruptions for each hour of a Spot instance.")
    (notice_s, "spot.notice_s", number 0.0..600.0, 120.0, "From the notice to the end of the machine.")
    (margin_s, "spot.margin_s", number 0.0..600.0, 15.0, "How long before its end jobs are over (instance.interruption_margin_s).")
    (poll_s, "spot.poll_s", number 0.0..60.0, 5.0, "How long until the worker sees the notice (instance.poll_interval_s), taken as the worst case.")
    (crashes_per_hour, "crash.per_hour", number 0.0..60.0, 0.0, "Crashes of the worker for each hour of an instance in service.")
    (restart_s, "crash.restart_s", number 0.0..3_600.0, 10.0, "Until the worker is back.")
    (outage_at_s, "outage.at_s", number 0.0..31_536_000.0, 0.0, "When the outgoing queue goes away. A worker whose first result can't be published keeps what it has and takes nothing more.")
    (outage_s, "outage.duration_s", number 0.0..604_800.0, 0.0, "How long it stays away; 0: it never does.")
    (target_load, "scaling.target_load", number 0.01..100_000.0, 0.8, "The load that tracking aims at: the share of slots in use, and the slots that waiting jobs call for, for each slot in service.")
    (backlog_per_slot, "scaling.target_backlog_per_slot", number 0.1..100_000.0, 10.0, "How many waiting jobs call for one more slot.")
    (period_s, "scaling.metric_period_s", number 10.0..3_600.0, 60.0, "CloudWatch's period: a datapoint is an average over it.")
    (delay_s, "scaling.metric_delay_s", number 0.0..3_600.0, 60.0, "From the end of a period until its datapoint is there.")
    (datapoints_out, "scaling.datapoints_out", whole 1.0..100.0, 3.0, "Datapoints above the target in a row until tracking adds.")
    (datapoints_in, "scaling.datapoints_in", whole 1.0..1_000.0, 15.0, "Datapoints below nine tenths of the target in a row until it takes away.")
    (warmup_s, "scaling.warmup_s", number 0.0..7_200.0, 120.0, "How long a new instance in service isn't yet counted as capacity, and nothing is taken away.")
    (cooldown_in_s, "scaling.cooldown_in_s", number 0.0..86_400.0, 60.0, "The least time between two reductions.")
    (step_low, "scaling.step_low_times", number 0.0..1e6, 4.0, "The burst policy begins at so many times the target; 0 switches it off.")
    (step_low_percent, "scaling.step_low_percent", number 0.0..10_000.0, 100.0, "What it adds then, in percent of the capacity.")
    (step_high, "scaling.step_high_times", number 0.0..1e6, 16.0, "Its second step begins at so many times the target.")
    (step_high_percent, "scaling.step_high_percent", number 0.0..10_000.0, 300.0, "What it adds then.")
    (in_flight_limit, "queue.in_flight_limit", whole 1.0..1e7, 120_000.0, "Messages that SQS gives out at a time: 120000 for a standard queue, 20000 for a FIFO.")
    (visibility_s, "queue.visibility_timeout_s", number 10.0..43_200.0, 60.0, "After it the message of a crashed worker reappears; renewed at a third of it.")
    (wait_s, "queue.wait_time_s", number 1.0..20.0, 20.0, "The length of a long poll.")
    (max_receives, "queue.max_receive_count", whole 1.0..1_000.0, 5.0, "After so many receipts a message is a dead letter.")
    (batch, "queue.batch", whole 1.0..10.0, 10.0, "Messages that one request takes or settles at most.")
    (results_per_request, "queue.results_per_request", number 1.0..10.0, 1.0, "Results that share one send and one delete on average.")
    (other_requests, "queue.other_requests_per_job", number 0.0..100.0, 0.3, "The producer's and the consumer's requests for each job: one send, receive and delete for ten jobs each.")
    (on_demand_price, "price.on_demand_hour", number 0.0..1e6, 0.17, "An On-Demand instance for an hour.")
    (spot_price, "price.spot_hour", number 0.0..1e6, 0.07, "A Spot instance for an hour.")
    (request_price, "price.million_requests", number 0.0..1e6, 0.4, "A million requests to SQS.")
}

const SHAPES: [(&str, Shape); 3] =
    [("lognormal", Shape::Lognormal), ("exponential", Shape::Exponential), ("constant", Shape::Constant)];

impl Setting {
    pub fn default_value(&self) -> f64 {
        (self.get)(&Scenario::default())
    }

    /// Completes "allowed is …".
    fn allowed(&self) -> String {
        let kind = if self.is_whole { "a whole number" } else { "a number" };
        format!("{kind} from {} to {}", self.least, self.most)
    }

    fn assign(&self, scenario: &mut Scenario, value: f64) -> Result<(), String> {
        if !(self.least..=self.most).contains(&value) || (self.is_whole && value.fract() != 0.0) {
            return Err(format!("{value} does not fit; allowed is {}", self.allowed()));
        }
        (self.set)(scenario, value);
        Ok(())
    }
}

impl Scenario {
    /// Reads a scenario strictly.
    ///
    /// # Errors
    /// All that is wrong with it, each with its line and key.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let source = Source { name: file, text };
        let table = source.parse(&mut mistakes);
        let mut scenario = Scenario::default();
        read(&source, &table, "", &mut scenario, &mut mistakes);
        settle(&mut mistakes);
        if mistakes.is_empty() { Ok(scenario) } else { Err(mistakes) }
    }

    /// Sets one number from a text `KEY=NUMBER`.
    ///
    /// # Errors
    /// Which key or number isn't one, and what is.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (key, value) = assignment.split_once('=').ok_or("KEY=NUMBER is needed")?;
        if key == "service.shape" {
            self.shape = shape(value)?;
            return Ok(());
        }
        let setting = setting(key).ok_or_else(|| unknown(key))?;
        let value = value.parse().map_err(|_| format!("{key}: {value:?} is no number; allowed is {}", setting.allowed()))?;
        setting.assign(self, value).map_err(|problem| format!("{key}: {problem}"))
    }

    /// What only shows when all numbers are known.
    ///
    /// # Errors
    /// Each mistake names the keys that don't go together.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let rules = [
            (
                self.steady_per_s + self.wave_per_s + self.burst_jobs > 0.0,
                "arrivals: there are no jobs; set steady_per_s, wave_per_s or burst_jobs",
            ),
            (
                self.min_instances <= self.max_instances,
                "fleet.min_instances: is above fleet.max_instances; raise that one or lower this one",
            ),
            (
                (self.min_instances..=self.max_instances).contains(&self.start_instances),
                "fleet.start_instances: has to be between fleet.min_instances and fleet.max_instances",
            ),
            (
                self.service_p95_s >= self.service_p50_s,
                "service.p95_s: is below service.p50_s; the 95th percentile can't be below the median",
            ),
            (
                self.service_limit_s >= self.service_p50_s,
                "service.limit_s: is below service.p50_s, so most jobs would be cut short; raise it",
            ),
            (
                self.step_low == 0.0 || self.step_high >= self.step_low,
                "scaling.step_high_times: is below scaling.step_low_times; the second step begins above the first",
            ),
            (self.margin_s <= self.notice_s, "spot.margin_s: is above spot.notice_s, so that no time would be left"),
        ];
        let wrong: Vec<String> = rules.iter().filter(|(holds, _)| !holds).map(|(_, text)| (*text).to_owned()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

fn shape(text: &str) -> Result<Shape, String> {
    let known = SHAPES.iter().find(|(name, _)| *name == text);
    known.map(|(_, shape)| *shape).ok_or_else(|| {
        format!("service.shape: {text:?} is unknown; allowed is one of lognormal, exponential, constant")
    })
}

fn unknown(key: &str) -> String {
    let near = did_you_mean(key, SETTINGS.iter().map(|setting| setting.key));
    format!("{key}: is no setting of a scenario (docs/scaling.md lists them){near}")
}

fn read(source: &Source<'_>, table: &DeTable<'_>, prefix: &str, scenario: &mut Scenario, mistakes: &mut Vec<Mistake>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let place = source.place(value.span().start);
        let mut wrong = |problem: String| mistakes.push(Mistake { place: place.clone(), key: key.clone(), problem });
        match (key.as_str(), value.get_ref()) {
            ("title", DeValue::String(text)) => text.as_ref().clone_into(&mut scenario.title),
            ("service.shape", DeValue::String(text)) => match shape(text) {
                Ok(shape) => scenario.shape = shape,
                Err(problem) => wrong(problem.trim_start_matches("service.shape: ").to_owned()),
            },
            ("title" | "service.shape", _) => wrong("has to be a text".to_owned()),
            (_, DeValue::Table(inner)) if prefix.is_empty() && is_section(&key) => {
                read(source, inner, &format!("{key}."), scenario, mistakes);
            }
            (_, found) => match setting(&key) {
                None => wrong(unknown(&key).trim_start_matches(&format!("{key}: ")).to_owned()),
                Some(setting) => match number(found) {
                    None => wrong(format!("is no number; allowed is {}", setting.allowed())),
                    Some(number) => {
                        if let Err(problem) = setting.assign(scenario, number) {
                            wrong(problem);
                        }
                    }
                },
            },
        }
    }
}

fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix()).ok().map(|whole| whole as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}
