//! `just bench`: ways to run one program, side by side on one machine in one run, and what the parts of Caisson cost.
//!
//! ```text
//! options ─► workloads ─► latency ─► throughput ─► batches ─► agent, parts ─► worker ─► requests ─► times ─► report
//! ```
//!
//! Each measurement adds its own to the [`Figures`]. One that can't be had here is noted as absent with the reason, and the
//! run goes on. Whatever this makes carries the run's id, so that `scripts/bench.sh` finds what a run that was cut off leaves.

mod agent;
mod batches;
mod cpu;
mod latency;
mod machine;
mod options;
mod parts;
mod queues;
mod report;
mod requests;
#[path = "../samples.rs"]
mod samples;
mod throughput;
mod times;
mod ways;
mod worker;
mod workloads;

use std::process::ExitCode;
use std::time::Instant;

use options::Options;
use report::figures::{Absent, Figures};
use report::{markdown, page, plots};
use workloads::Workloads;

/// Whatever goes wrong is for a person to read.
pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Of the form of `result.json`.
const VERSION: u32 = 1;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Two other things that this program can be: see there.
    match arguments.first().map(String::as_str) {
        Some("--bare") => return ways::bare::serve(&arguments[1..]),
        Some("--agent") => return agent::become_agent(&arguments[1..]),
        _ => {}
    }
    let outcome = tokio::select! {
        outcome = whole(arguments) => outcome,
        // Containers end with their connections, and the script that started this clears up the rest.
        () = interrupted() => Err("interrupted".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

async fn whole(arguments: Vec<String>) -> Fallible<()> {
    let options = Options::read(arguments.into_iter())?;
    let figures = if options.render {
        serde_json::from_slice(&std::fs::read(&options.out)?)?
    } else {
        let figures = measure(&options).await?;
        if let Some(folder) = options.out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&options.out, serde_json::to_string(&figures)? + "\n")?;
        figures
    };
    let results = markdown::results(&figures);
    println!("{results}");
    let Some(docs) = &options.docs else { return Ok(()) };
    let file = docs.join("performance.md");
    let whole = page::replaced(&std::fs::read_to_string(&file)?, &results)?;
    std::fs::write(&file, whole)?;
    let pictures = docs.join("performance");
    std::fs::create_dir_all(&pictures)?;
    for (name, picture) in plots::plots(&figures) {
        std::fs::write(pictures.join(name), picture)?;
    }
    Ok(())
}

async fn measure(options: &Options) -> Fallible<Figures> {
    let begin = Instant::now();
    std::fs::create_dir_all(&options.work)?;
    let mut figures = Figures {
        version: VERSION,
        quick: options.quick,
        taken: format!("{:.0}", jiff::Timestamp::now()),
        rounds: options.rounds,
        ..Figures::default()
    };
    say("machine");
    machine::look(&mut figures).await?;
    if options.quick && figures.machine.runtimes.len() > 1 {
        note("other runtimes than the default", "a quick run leaves them out", &mut figures);
    }
    say("workloads");
    let workloads = Workloads::make(options, &mut figures).await?;
    // Each phase is one future; its name is for the note when it fails.
    macro_rules! phase {
        ($name:literal, $future:expr) => {
            if options.only.as_ref().is_none_or(|only| $name.starts_with(only.as_str())) {
                say($name);
                let phase = Instant::now();
                if let Err(error) = $future.await {
                    note($name, &error.to_string(), &mut figures);
                }
                eprintln!("    {}: {:.0} s", $name, phase.elapsed().as_secs_f64());
            }
        };
    }
    phase!("latency", latency::measure(options, &workloads, &mut figures));
    phase!("throughput", throughput::measure(options, &workloads, &mut figures));
    phase!("many tests in a job", batches::measure(options, &workloads, &mut figures));
    phase!("the agent alone", agent::measure(options, &workloads, &mut figures));
    phase!("parts", parts::measure(options, &mut figures));
    phase!("a worker", worker::measure(options, &mut figures));
    phase!("requests to SQS", requests::measure(&mut figures));
    phase!("steadiness of CPU time", times::measure(options, &workloads, &mut figures));
    workloads.remove().await;
    figures.seconds = begin.elapsed().as_secs_f64();
    Ok(figures)
}

fn say(what: &str) {
    eprintln!("==> {what}");
}

pub(crate) fn note(what: &str, why: &str, figures: &mut Figures) {
    eprintln!("    not here: {what}: {why}");
    let absent = Absent { what: what.to_owned(), why: why.lines().next().unwrap_or_default().to_owned() };
    if !figures.absent.contains(&absent) {
        figures.absent.push(absent);
    }
}
