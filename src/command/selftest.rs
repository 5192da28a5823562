//! `caisson selftest`: hostile and ordinary programs with known verdicts, on this very host, before its first job.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio::task::JoinSet;

use super::local::{self, Local};
use super::{FAILED, INTERRUPTED, failed};
use crate::answer::Origin;
use crate::config::Config;
use crate::pipeline::Pipeline;
use crate::printable;
use crate::sandbox::SandboxError;
use crate::selftest::{self, Case};

/// How many steps of a case that came out wrong are shown.
const STEPS_SHOWN: usize = 5;

/// How one case went.
struct Outcome {
    name: String,
    verdict: String,
    milliseconds: u128,
    /// Empty when everything is as expected.
    problems: Vec<String>,
}

pub(super) async fn run(config: &Config, factor: u64) -> ExitCode {
    let mut cases = match selftest::cases() {
        Ok(cases) => cases,
        Err(error) => return failed(&error),
    };
    for case in &mut cases {
        case.give_time(factor, &config.limits.maximum);
    }
    let pipeline = match local::pipeline(config, Local::default()).await {
        Ok(pipeline) => Arc::new(pipeline),
        Err(error) => return failed(&error),
    };
    let missing = match missing_languages(config, &pipeline).await {
        Ok(missing) => missing,
        Err(error) => return failed(&error),
    };
    let (cases, left_out): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| case.job["language"].as_str().is_none_or(|name| !missing.contains(name)));
    let started = Instant::now();
    let outcomes = tokio::select! {
        outcomes = all(&pipeline, cases) => outcomes,
        _ = tokio::signal::ctrl_c() => {
            pipeline.sandboxes.close().await;
            return INTERRUPTED.into();
        }
    };
    pipeline.sandboxes.close().await;

    let wrong = outcomes.iter().filter(|outcome| !outcome.problems.is_empty()).count();
    for name in &missing {
        println!("left out: the cases in {name}, whose image is missing (build it with: just images {name})");
    }
    println!(
        "{} of {} cases as expected in {:.1} s{}",
        outcomes.len() - wrong,
        outcomes.len(),
        started.elapsed().as_secs_f64(),
        if left_out.is_empty() { String::new() } else { format!(", {} left out", left_out.len()) }
    );
    // A host that could try nothing has shown nothing.
    if wrong == 0 && !outcomes.is_empty() { ExitCode::SUCCESS } else { FAILED.into() }
}

async fn missing_languages(config: &Config, pipeline: &Pipeline) -> Result<BTreeSet<String>, SandboxError> {
    let mut missing = BTreeSet::new();
    for language in config.languages.iter() {
        match pipeline.sandboxes.resolve_image(&language.image).await {
            Ok(_) => {}
            Err(SandboxError::ImageMissing { .. }) => drop(missing.insert(language.name.clone())),
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Runs the cases, as many at a time as there are slots, and tells of each as it ends.
async fn all(pipeline: &Arc<Pipeline>, cases: Vec<Case>) -> Vec<Outcome> {
    let mut running = JoinSet::new();
    for case in cases {
        let pipeline = pipeline.clone();
        running.spawn(async move { one(&pipeline, &case).await });
    }
    let mut outcomes = Vec::new();
    while let Some(ended) = running.join_next().await {
        let Ok(outcome) = ended else { continue };
        let mark = if outcome.problems.is_empty() { "ok   " } else { "WRONG" };
        println!("{mark} {:<36} {:<16} {:>6} ms", outcome.name, outcome.verdict, outcome.milliseconds);
        for problem in &outcome.problems {
            println!("      {problem}");
        }
        outcomes.push(outcome);
    }
    outcomes
}

async fn one(pipeline: &Pipeline, case: &Case) -> Outcome {
    let permit = pipeline.sandboxes.permit().await;
    let started = Instant::now();
    let body = case.job.to_string();
    let (verdict, problems) = match pipeline.process(body.as_bytes(), Origin::now(None, 1, None), permit).await {
        Ok(report) => {
            let actual = serde_json::to_value(&report).unwrap_or_default();
            let mut problems = selftest::differences(&case.expected, &actual);
            if !problems.is_empty() {
                problems.extend(measured(&actual));
            }
            (report.verdict.to_string(), problems)
        }
        Err(error) => ("-".to_owned(), vec![error.to_string()]),
    };
    Outcome { name: case.name.clone(), verdict, milliseconds: started.elapsed().as_millis(), problems }
}

/// What a result says of itself beside its verdict: its detail, and a line for each step, the first ones of many.
fn measured(result: &Value) -> Vec<String> {
    let detail = result["detail"].as_str().map(|detail| format!("detail: {detail}"));
    let compile = result.get("compile").filter(|step| step.is_object()).map(|step| ("compile".to_owned(), step));
    let tests = result["tests"].as_array().into_iter().flatten();
    let tests = tests.map(|test| (format!("test {}", test["id"].as_str().unwrap_or_default()), test));
    let steps = compile.into_iter().chain(tests).take(STEPS_SHOWN).map(|(name, step)| {
        let ms = |field: &str| step[field].as_u64().map_or_else(|| "?".to_owned(), |time| format!("{time} ms"));
        format!(
            "{name}: {}, wall time {}, of which the host took {}, CPU time {}",
            step["verdict"].as_str().unwrap_or("?"),
            ms("wall_time_ms"),
            ms("host_wait_ms"),
            ms("cpu_time_ms"),
        )
    });
    detail.into_iter().chain(steps).map(|line| printable::escaped(&line)).collect()
}
