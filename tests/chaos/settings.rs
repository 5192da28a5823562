//! How large a run is, and how much goes wrong in it.

use std::time::Duration;

use crate::support::PATIENCE;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) slots: usize,
    /// Containers that may wait for jobs, of each worker.
    pub(crate) waiting: usize,
    /// Whether these are started again for later jobs.
    pub(crate) recycle: bool,
    pub(crate) jobs: usize,
    /// After this a run ends, done or not.
    pub(crate) longest: Duration,
    pub(crate) visibility_s: u64,
    /// Mean time between two kills of a worker.
    pub(crate) kill_every: Duration,
    pub(crate) black_hole: Duration,
    /// Nothing more is done to the run after this.
    pub(crate) faults_for: Duration,
    /// Workers are told to stop within this time from the beginning, each once.
    pub(crate) drains_within: Duration,
    /// Of a request to the engine: to be reset before, or cut off in the middle of its answer.
    pub(crate) engine_reset: f64,
    /// Of a request to SQS: to be refused with a 500.
    pub(crate) sqs_refused: f64,
    /// Of a request to SQS: to be done, and its answer lost.
    pub(crate) sqs_swallowed: f64,
    /// Of a job: to be sent twice.
    pub(crate) sent_twice: f64,
}

/// After how many receipts a message goes to the dead-letter queue: so many that bad luck alone doesn't lead there.
pub(crate) const MAX_RECEIVE_COUNT: u64 = 50;

/// For how long a worker that is told to stop may go on.
pub(crate) const GRACE_S: u64 = 60;

/// No drain takes longer: what is left of a Spot instance's two minutes when the notice has been read.
pub(crate) const LONGEST_DRAIN: Duration = Duration::from_secs(105);

impl Settings {
    /// What a run of this size has by itself.
    fn sized(seed: u64, workers: usize, jobs: usize, longest: Duration) -> Settings {
        Settings {
            seed,
            workers,
            slots: 1,
            waiting: 2,
            recycle: false,
            jobs,
            longest,
            visibility_s: 12,
            kill_every: Duration::from_secs(5),
            black_hole: Duration::from_secs(30),
            faults_for: longest.mul_f64(0.6),
            drains_within: Duration::from_secs(60),
            engine_reset: 0.01,
            sqs_refused: 0.03,
            sqs_swallowed: 0.01,
            sent_twice: 0.05,
        }
    }

    pub(crate) fn small() -> Settings {
        let settings = Settings::sized(fresh_seed(), 2, 40, PATIENCE);
        Settings {
            kill_every: Duration::from_secs(8),
            black_hole: Duration::from_secs(8),
            faults_for: Duration::from_secs(30),
            drains_within: Duration::from_secs(15),
            ..settings
        }
    }

    /// `CHAOS_SEED`, `CHAOS_WORKERS`, `CHAOS_JOBS`, `CHAOS_MINUTES`, `CHAOS_SLOTS`, `CHAOS_WAITING`; `CHAOS_RECYCLE` is 1
    /// or 0.
    pub(crate) fn from_environment() -> Settings {
        let read = |name: &str| {
            let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
            Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
        };
        let small = |name: &str, default: u64| usize::try_from(read(name).unwrap_or(default)).expect("a small number");
        let minutes = read("CHAOS_MINUTES").unwrap_or(10);
        let seed = read("CHAOS_SEED").unwrap_or_else(fresh_seed);
        let longest = Duration::from_secs(60 * minutes);
        let settings = Settings::sized(seed, small("CHAOS_WORKERS", 3), small("CHAOS_JOBS", 300), longest);
        Settings {
            slots: small("CHAOS_SLOTS", 1),
            waiting: small("CHAOS_WAITING", 2),
            recycle: small("CHAOS_RECYCLE", 0) > 0,
            ..settings
        }
    }
}

fn fresh_seed() -> u64 {
    let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
    // Short enough to be typed.
    seed % 1_000_000
}
