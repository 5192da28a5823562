//! One program, one at a time, each way in turn: round after round, so that what changes on the machine meanwhile changes all.

use crate::options::Options;
use crate::report::figures::{Figures, JAVA, Latency, PYTHON};
use crate::ways::{self, Choice, Way, choices};
use crate::workloads::{Workload, Workloads};
use crate::{Fallible, note};

/// Java starts ten times as slowly as the others.
const JAVA_ROUNDS: usize = 15;
/// Other runtimes' turn comes in every so many rounds.
const OTHER_RUNTIMES_EVERY: usize = 3;
/// Before anything counts: images in the cache, the agent's volume made, pools filled.
const WARM_UP: usize = 2;

pub(crate) async fn measure(options: &Options, workloads: &Workloads, figures: &mut Figures) -> Fallible<()> {
    figures.flags = ways::flags(options)?;
    for workload in &workloads.all {
        let rounds = if workload.name == JAVA { options.share_of(JAVA_ROUNDS, 3) } else { options.rounds };
        // Other runtimes are compared with one program; the others would only take longer.
        let choices = choices(figures).into_iter().filter(|choice| choice.is_default() || workload.name == PYTHON);
        let mut open: Vec<(Choice, Way, Vec<f64>)> = Vec::new();
        for choice in choices {
            match ready(&choice, options, workloads, workload).await {
                Ok(way) => open.push((choice, way, Vec::new())),
                Err(error) => note(&format!("{}, {}", workload.name, choice.name), &error.to_string(), figures),
            }
        }
        for round in 0..rounds {
            let count = open.len();
            for turn in 0..count {
                // Nobody always comes behind the same other one.
                let (choice, way, samples) = &mut open[(turn + round) % count];
                if !choice.is_default() && round % OTHER_RUNTIMES_EVERY != 0 {
                    continue;
                }
                match way.run(workload).await {
                    Ok(took) => samples.push(took.as_secs_f64() * 1e3),
                    Err(error) => note(&format!("{}, {}", workload.name, choice.name), &error.to_string(), figures),
                }
                way.settle().await?;
            }
        }
        for (choice, way, samples_ms) in open {
            way.close().await;
            if !samples_ms.is_empty() {
                let workload = workload.name.to_owned();
                figures.latency.push(Latency { workload, way: choice.name, samples_ms });
            }
        }
    }
    Ok(())
}

async fn ready(choice: &Choice, options: &Options, workloads: &Workloads, workload: &Workload) -> Fallible<Way> {
    let way = choice.open(options, workloads, workload, 1).await?;
    for _ in 0..WARM_UP {
        way.run(workload).await?;
        way.settle().await?;
    }
    Ok(way)
}
