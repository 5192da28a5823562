//! How large a run is, and how much goes wrong in it.

use std::time::Duration;

use crate::support::PATIENCE;

/// What a run may take beside its faults: all that waits, and dead letters that a dying worker hid.
const LEAST: Duration = PATIENCE;

/// How the names of the queues begin.
pub(crate) const INCOMING: &str = "chaos-jobs";
pub(crate) const OUTGOING: &str = "chaos-results";

/// For how long a worker that is told to stop may go on.
pub(crate) const GRACE_S: u64 = 60;

/// No drain takes longer: what is left of a Spot instance's two minutes when the notice has been read.
pub(crate) const LONGEST_DRAIN: Duration = Duration::from_secs(105);

/// No end takes longer once a worker was told a second time. The promise is two seconds; the rest is for a busy machine.
pub(crate) const LONGEST_END: Duration = Duration::from_secs(20);

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
    /// Whether logs and ledger stay where every invariant held, too.
    pub(crate) keep: bool,
    /// After how many receipts a message goes to the dead letters: what the pages advise, or the least that they speak of.
    pub(crate) receipts: u64,
    /// Further jobs that lie among the dead letters from the beginning, and nobody has answered them.
    pub(crate) buried: usize,
    /// After this a run that isn't done counts as one that hangs.
    pub(crate) longest: Duration,
    pub(crate) visibility_s: u64,
    /// Nothing more is done to the run after this.
    pub(crate) faults_for: Duration,
    /// Mean time between two kills of a worker.
    pub(crate) kill_every: Duration,
    /// Of a request to the engine: to be reset before, or cut off in the middle of its answer.
    pub(crate) engine_reset: f64,
    /// Of a request to SQS or S3: to be refused with a 500.
    pub(crate) sqs_refused: f64,
    /// Of a request to SQS or S3: to be done, and its answer lost.
    pub(crate) sqs_swallowed: f64,
    /// Of a job: to be sent twice.
    pub(crate) sent_twice: f64,
    /// Of a job: to be sent as a pointer to S3.
    pub(crate) pointers: f64,
}

impl Settings {
    /// What a run of this size has by itself.
    fn sized(seed: u64, workers: usize, jobs: usize, faults_for: Duration) -> Settings {
        Settings {
            seed,
            workers,
            slots: 4,
            waiting: 2,
            recycle: false,
            jobs,
            keep: false,
            receipts: if seed.is_multiple_of(2) { 5 } else { 3 },
            buried: 5,
            // A machine on which twenty others compute takes ten times as long.
            longest: LEAST + 10 * faults_for,
            visibility_s: 30,
            faults_for,
            kill_every: Duration::from_secs(10),
            engine_reset: 0.01,
            sqs_refused: 0.03,
            sqs_swallowed: 0.01,
            sent_twice: 0.05,
            pointers: 0.2,
        }
    }

    pub(crate) fn small() -> Settings {
        Settings { buried: 2, ..Settings::sized(fresh_seed(), 2, 60, Duration::from_secs(35)) }
    }

    /// One for each run. `CHAOS_SEED`, and those that follow it for the runs after the first; `CHAOS_RUNS`, `CHAOS_WORKERS`,
    /// `CHAOS_JOBS`, `CHAOS_SECONDS` of faults, `CHAOS_MINUTES` at most, `CHAOS_SLOTS`, `CHAOS_WAITING`, `CHAOS_RECEIPTS`; `CHAOS_RECYCLE` and
    /// `CHAOS_KEEP` are 1 or 0.
    pub(crate) fn from_environment() -> Vec<Settings> {
        let read = |name: &str| {
            let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
            Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
        };
        let small = |name: &str, default: u64| usize::try_from(read(name).unwrap_or(default)).expect("a small number");
        let faults_for = Duration::from_secs(read("CHAOS_SECONDS").unwrap_or(75));
        let first = read("CHAOS_SEED").unwrap_or_else(fresh_seed);
        let runs = first..first + read("CHAOS_RUNS").unwrap_or(1);
        runs.map(|seed| {
            let settings = Settings::sized(seed, small("CHAOS_WORKERS", 4), small("CHAOS_JOBS", 400), faults_for);
            Settings {
                slots: small("CHAOS_SLOTS", 4),
                waiting: small("CHAOS_WAITING", 2),
                longest: read("CHAOS_MINUTES").map_or(settings.longest, |minutes| Duration::from_secs(60 * minutes)),
                receipts: read("CHAOS_RECEIPTS").unwrap_or(settings.receipts),
                recycle: small("CHAOS_RECYCLE", 0) > 0,
                keep: small("CHAOS_KEEP", 0) > 0,
                ..settings
            }
        })
        .collect()
    }
}

fn fresh_seed() -> u64 {
    let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
    // Short enough to be typed.
    seed % 1_000_000
}
