//! How steady the CPU time is by which programs are judged: of one that always does the same, alone and with every slot busy,
//! and of one near its limit, beside neighbours that mean harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use caisson::verdict::Verdict;
use serde_json::{Value, json};

use crate::machine::cores;
use crate::options::Options;
use crate::report::figures::{Figures, Flips, Spread};
use crate::report::statistics::median;
use crate::ways::bare::Bare;
use crate::ways::lab::{Lab, Making, Plan};
use crate::workloads::{Workload, Workloads};
use crate::{Fallible, note};

/// Long enough that a percent is more than what is lost by counting whole milliseconds, and many ticks of the scheduler.
const SPIN_MS: f64 = 300.0;
const RUNS: usize = 40;
const LIMIT_MS: u64 = 250;
/// Of the limit.
const SHARE: f64 = 0.8;
const FLIP_RUNS: usize = 200;
/// To find out how much the program does in a millisecond.
const TRIAL_ROUNDS: u64 = 100_000;
const TRIALS: usize = 5;

pub(crate) async fn measure(options: &Options, workloads: &Workloads, figures: &mut Figures) -> Fallible<()> {
    // As an operator has it who says nothing: a slot for each core, and a core for each slot.
    let slots = cores().max(2);
    let plan = Plan { making: Making::Warm, slots, runtime: None, pinned: true };
    let lab = Arc::new(Lab::open(options, &workloads.images(), &plan).await?);
    let measured = all(options, workloads, &lab, slots, figures).await;
    if let Some(lab) = Arc::into_inner(lab) {
        lab.close().await;
    }
    measured
}

async fn all(
    options: &Options,
    workloads: &Workloads,
    lab: &Arc<Lab>,
    slots: usize,
    figures: &mut Figures,
) -> Fallible<()> {
    let mut trials = Vec::new();
    let trial = workloads.program(&["spin", &TRIAL_ROUNDS.to_string()])?;
    for _ in 0..TRIALS {
        trials.push(used_ms(lab, &job(&trial, 60_000)?).await?);
    }
    let rounds_per_ms = TRIAL_ROUNDS as f64 / median(&trials).unwrap_or(1.0).max(1.0);
    let spin = |milliseconds: f64| workloads.program(&["spin", &format!("{:.0}", rounds_per_ms * milliseconds)]);

    let steady = job(&spin(SPIN_MS)?, 60_000)?;
    let (mut bare_ms, mut alone_ms, mut busy_ms) = (Vec::new(), Vec::new(), Vec::new());
    let runs = options.share_of(RUNS, 8);
    // What the machine itself makes of the same program, where that can be had.
    let bare = match Bare::open(&spin(SPIN_MS)?, 1).await {
        Ok(bare) => Some(bare),
        Err(error) => {
            note("how steady CPU time is without a container", &error.to_string(), figures);
            None
        }
    };
    for _ in 0..runs {
        if let Some(bare) = &bare {
            bare_ms.push(bare.measured(&spin(SPIN_MS)?).await?.cpu.as_secs_f64() * 1e3);
        }
        alone_ms.push(used_ms(lab, &steady).await?);
    }
    drop(bare);
    while busy_ms.len() < runs {
        let together = futures_util::future::try_join_all((0..slots).map(|_| used_ms(lab, &steady))).await?;
        busy_ms.extend(together);
    }
    figures.spread = Some(Spread { slots, bare_ms, alone_ms, busy_ms });

    let near = job(&spin(LIMIT_MS as f64 * SHARE)?, LIMIT_MS)?;
    figures.flips = Some(beside_neighbours(options, workloads, lab, slots, &near).await?);
    Ok(())
}

async fn beside_neighbours(
    options: &Options,
    workloads: &Workloads,
    lab: &Arc<Lab>,
    slots: usize,
    near: &Value,
) -> Fallible<Flips> {
    let stop = Arc::new(AtomicBool::new(false));
    let hostile = [job(&workloads.program(&["fork"])?, 1_000)?, job(&workloads.program(&["burn"])?, 1_000)?];
    let neighbours: Vec<_> = (1..slots)
        .map(|number| {
            let (lab, stop, hostile) = (lab.clone(), stop.clone(), hostile.clone());
            tokio::spawn(async move {
                for turn in number.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // Whatever becomes of them, they were there.
                    let _ = lab.report(&hostile[turn % hostile.len()]).await;
                }
            })
        })
        .collect();
    let runs = options.share_of(FLIP_RUNS, 20);
    let judged = async {
        let (mut used_ms, mut wrong) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let (report, _) = lab.report(near).await?;
            used_ms.extend(report.tests.iter().map(|test| test.step.cpu_time_ms as f64));
            if report.verdict != Verdict::Completed {
                wrong.push(format!("{:?}: {}", report.verdict, report.detail));
            }
        }
        Fallible::Ok((used_ms, wrong))
    };
    let judged = judged.await;
    stop.store(true, Ordering::Relaxed);
    for neighbour in neighbours {
        neighbour.await?;
    }
    let (used_ms, wrong) = judged?;
    Ok(Flips { runs, limit_ms: LIMIT_MS, used_ms, wrong, neighbours: slots - 1 })
}

/// A job whose output nobody compares, under a CPU limit and with the wall time that follows from it.
fn job(workload: &Workload, cpu_time_ms: u64) -> Fallible<Value> {
    let mut job = workload.job(0)?;
    job["limits"] = json!({ "cpu_time_ms": cpu_time_ms });
    if let Some(job) = job.as_object_mut() {
        job.remove("tests");
    }
    Ok(job)
}

async fn used_ms(lab: &Lab, job: &Value) -> Fallible<f64> {
    let (report, _) = lab.report(job).await?;
    match (report.verdict, report.tests.first()) {
        (Verdict::Completed, Some(test)) => Ok(test.step.cpu_time_ms as f64),
        (verdict, _) => Err(format!("the steady program: {verdict:?}: {}", report.detail).into()),
    }
}
