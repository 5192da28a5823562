//! Jobs of several tests: how many tests a second, and what each further one costs.

use std::time::Instant;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::Fallible;
use crate::options::Options;
use crate::report::figures::{Batch, COMPARED_AT, DOCKER_RUN, Figures, JobsOfTests, PROGRAM, PYTHON, WARM};
use crate::ways::lab::{Lab, Making, Plan};
use crate::ways::{Way, choices};
use crate::workloads::{Workload, Workloads};

/// Tests of a job, and how many such jobs make a round: about as long each, and some more than run at a time.
const SIZES: [(usize, usize); 4] = [(1, 32), (5, 16), (20, 12), (100, 8)];
const DOCKER_RUNS: usize = 24;
const ROUNDS: usize = 2;
const SLOPE_SIZES: [usize; 2] = [20, 100];
const SLOPE_ROUNDS: usize = 10;

pub(crate) async fn measure(options: &Options, workloads: &Workloads, figures: &mut Figures) -> Fallible<()> {
    for name in [PROGRAM, PYTHON] {
        let workload = workloads.of(name)?;
        rates(options, workloads, workload, figures).await?;
        slopes(options, workloads, workload, figures).await?;
    }
    Ok(())
}

/// The pool is empty when a round begins, as it is when a worker starts: what was made ahead before the clock would be given
/// to Caisson for nothing.
async fn rates(options: &Options, workloads: &Workloads, workload: &Workload, figures: &mut Figures) -> Fallible<()> {
    let all = choices(figures);
    let docker_run = all.iter().find(|choice| choice.name == DOCKER_RUN).ok_or("there is no docker run")?;
    let mut runs: Vec<f64> = Vec::new();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); SIZES.len()];
    let smaller = if options.quick { 2 } else { 1 };
    for _ in 0..options.share_of(ROUNDS, 1) {
        let way = docker_run.open(options, workloads, workload, COMPARED_AT).await?;
        let begin = Instant::now();
        many(DOCKER_RUNS / smaller, || run_one(&way, workload)).await?;
        runs.push((DOCKER_RUNS / smaller) as f64 / begin.elapsed().as_secs_f64());
        way.close().await;
        for ((tests, jobs), rates) in SIZES.iter().zip(&mut rates) {
            let jobs = (jobs / smaller).max(COMPARED_AT);
            let plan = Plan { making: Making::Warm, slots: COMPARED_AT, runtime: None, pinned: false };
            let lab = Lab::open(options, &workloads.images(), &plan).await?;
            let begin = Instant::now();
            let outcome = many(jobs, || lab.run(workload, *tests)).await;
            rates.push((tests * jobs) as f64 / begin.elapsed().as_secs_f64());
            lab.close().await;
            outcome?;
        }
    }
    let mut add = |way: &str, tests: usize, tests_per_s: Vec<f64>| {
        figures.batches.push(Batch { workload: workload.name.to_owned(), way: way.to_owned(), tests, tests_per_s });
    };
    add(DOCKER_RUN, 1, runs);
    for ((tests, _), rates) in SIZES.into_iter().zip(rates) {
        add(WARM, tests, rates);
    }
    Ok(())
}

async fn run_one(way: &Way, workload: &Workload) -> Fallible<std::time::Duration> {
    way.run(workload).await
}

/// So many of them, as many at a time as everything is compared with.
async fn many<F: Future<Output = Fallible<std::time::Duration>>>(count: usize, one: impl Fn() -> F) -> Fallible<()> {
    stream::iter(0..count).map(|_| one()).buffer_unordered(COMPARED_AT).try_for_each(|_| async { Ok(()) }).await
}

async fn slopes(options: &Options, workloads: &Workloads, workload: &Workload, figures: &mut Figures) -> Fallible<()> {
    let plan = Plan { making: Making::Warm, slots: 1, runtime: None, pinned: false };
    let lab = Lab::open(options, &workloads.images(), &plan).await?;
    let measured = async {
        let mut took: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        lab.run(workload, 1).await?;
        for _ in 0..options.share_of(SLOPE_ROUNDS, 3) {
            for (tests, took) in SLOPE_SIZES.into_iter().zip(&mut took) {
                lab.settle().await?;
                took.push(lab.run(workload, tests).await?.as_secs_f64() * 1e3);
            }
        }
        Fallible::Ok(took)
    };
    let measured = measured.await;
    lab.close().await;
    for (tests, job_ms) in SLOPE_SIZES.into_iter().zip(measured?) {
        figures.jobs_of_tests.push(JobsOfTests { workload: workload.name.to_owned(), tests, job_ms });
    }
    Ok(())
}
