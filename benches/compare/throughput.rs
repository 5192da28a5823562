//! So many at a time, one after another, for a while: jobs a second and the CPU time of each.
//!
//! A slice of time begins when the pool's head start is used up, and what counts is what ends inside it, so that a pool that was
//! full adds nothing to the rate. CPU time is counted over the same slice: what a job leaves to be done after it is done in
//! it for the jobs before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cpu::{Accounts, Look};
use crate::options::Options;
use crate::report::figures::{BARE, COMPARED_AT, Cpu, Figures, PYTHON, Throughput};
use crate::ways::{Choice, Way, choices};
use crate::workloads::{Workload, Workloads};
use crate::{Fallible, note};

const LEVELS: [usize; 4] = [1, 2, 4, 8];
const ROUNDS: usize = 2;
const WARM_UP: Duration = Duration::from_millis(1_500);
const SLICE: Duration = Duration::from_secs(3);
const QUICK_WARM_UP: Duration = Duration::from_millis(800);
const QUICK_SLICE: Duration = Duration::from_millis(1_500);

/// What one slice gave.
#[derive(Debug)]
struct Slice {
    jobs_per_s: f64,
    latency_ms: Vec<f64>,
    cpu: Cpu,
}

pub(crate) async fn measure(options: &Options, workloads: &Workloads, figures: &mut Figures) -> Fallible<()> {
    let workload = workloads.of(PYTHON)?;
    let rounds = options.share_of(ROUNDS, 1);
    let accounts = Accounts::open();
    let mut slices: Vec<(Choice, usize, Vec<Slice>)> = Vec::new();
    for level in LEVELS {
        // Other runtimes only where everything is compared.
        let here = choices(figures).into_iter().filter(|choice| choice.is_default() || level == COMPARED_AT);
        slices.extend(here.map(|choice| (choice, level, Vec::new())));
    }
    for round in 0..rounds {
        for (choice, level, done) in &mut slices {
            if round > 0 && !choice.is_default() {
                continue;
            }
            match slice(options, workloads, workload, choice, *level, &accounts).await {
                Ok(slice) => {
                    eprintln!("    {}, {level} at a time: {:.1} jobs/s", choice.name, slice.jobs_per_s);
                    done.push(slice);
                }
                Err(error) => note(&format!("{}, {level} at a time", choice.name), &error.to_string(), figures),
            }
        }
    }
    for (choice, at_a_time, done) in slices {
        if done.is_empty() {
            continue;
        }
        let mean = |share: fn(&Cpu) -> f64| done.iter().map(|slice| share(&slice.cpu)).sum::<f64>() / done.len() as f64;
        let mut cpu = Cpu {
            engine_ms: mean(|cpu| cpu.engine_ms),
            container_ms: mean(|cpu| cpu.container_ms),
            driver_ms: mean(|cpu| cpu.driver_ms),
        };
        if choice.name == BARE {
            // There is neither engine nor container: it is all the program's.
            cpu = Cpu { container_ms: cpu.total_ms() - cpu.driver_ms, engine_ms: 0.0, ..cpu };
        }
        figures.throughput.push(Throughput {
            workload: workload.name.to_owned(),
            way: choice.name,
            at_a_time,
            jobs_per_s: done.iter().map(|slice| slice.jobs_per_s).collect(),
            latency_ms: done.iter().flat_map(|slice| slice.latency_ms.iter().copied()).collect(),
            cpu: Some(cpu),
        });
    }
    Ok(())
}

async fn slice(
    options: &Options,
    workloads: &Workloads,
    workload: &Workload,
    choice: &Choice,
    level: usize,
    accounts: &Accounts,
) -> Fallible<Slice> {
    let (warm_up, length) = if options.quick { (QUICK_WARM_UP, QUICK_SLICE) } else { (WARM_UP, SLICE) };
    let way = Arc::new(choice.open(options, workloads, workload, level).await?);
    let load = Load::start(&way, workload, level);
    let counted = async {
        tokio::time::sleep(warm_up).await;
        let (begin, before) = (Instant::now(), accounts.look()?);
        // Longer where jobs are so slow that too few would end.
        let mut after;
        loop {
            tokio::time::sleep(length).await;
            after = (Instant::now(), accounts.look()?);
            if load.ended_within(begin, after.0).len() >= 2 * level || begin.elapsed() > 4 * length {
                break;
            }
        }
        Fallible::Ok((begin, before, after))
    };
    let counted = counted.await;
    let ended = load.stop().await;
    let way = Arc::into_inner(way).ok_or("a job still runs")?;
    let settled = way.settle().await;
    way.close().await;
    settled?;
    let (begin, before, after): (Instant, Look, (Instant, Look)) = counted?;
    let ended: Vec<(Instant, Duration)> = ended?.into_iter().filter(|(at, _)| (begin..after.0).contains(at)).collect();
    if ended.is_empty() {
        return Err("no job ended in the time that was given".into());
    }
    let jobs = ended.len() as f64;
    Ok(Slice {
        jobs_per_s: jobs / (after.0 - begin).as_secs_f64(),
        latency_ms: ended.iter().map(|(_, took)| took.as_secs_f64() * 1e3).collect(),
        cpu: after.1.since(&before, jobs),
    })
}

/// Jobs one after another, so many at a time, until told to stop.
#[derive(Debug)]
struct Load {
    stop: Arc<AtomicBool>,
    ended: Arc<Mutex<Vec<(Instant, Duration)>>>,
    tasks: Vec<tokio::task::JoinHandle<Fallible<()>>>,
}

impl Load {
    fn start(way: &Arc<Way>, workload: &Workload, level: usize) -> Load {
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let one = || {
            let (way, workload, stop, ended) = (way.clone(), workload.clone(), stop.clone(), ended.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let took = way.run(&workload).await?;
                    ended.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), took));
                }
                Ok(())
            })
        };
        let tasks = (0..level).map(|_| one()).collect();
        Load { stop, ended, tasks }
    }

    fn ended_within(&self, begin: Instant, end: Instant) -> Vec<Duration> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.iter().filter(|(at, _)| (begin..end).contains(at)).map(|(_, took)| *took).collect()
    }

    async fn stop(self) -> Fallible<Vec<(Instant, Duration)>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = None;
        for task in self.tasks {
            if let Err(error) = task.await? {
                failed = Some(error);
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))),
        }
    }
}
