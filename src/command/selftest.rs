//! `caisson selftest`: hostile and ordinary programs with known verdicts, on this very host, before its first job.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::local::{self, Local};
use super::{FAILED, INTERRUPTED, failed};
use crate::answer::Origin;
use crate::config::Config;
use crate::pipeline::Pipeline;
use crate::sandbox::SandboxError;
use crate::selftest::{self, Case};

/// How one case went.
struct Outcome {
    name: String,
    verdict: String,
    milliseconds: u128,
    /// Empty when everything is as expected.
    problems: Vec<String>,
}

pub(super) async fn run(config: &Config) -> ExitCode {
    let cases = match selftest::cases() {
        Ok(cases) => cases,
        Err(error) => return failed(&error),
    };
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
            (report.verdict.to_string(), selftest::differences(&case.expected, &actual))
        }
        Err(error) => ("-".to_owned(), vec![error.to_string()]),
    };
    Outcome { name: case.name.clone(), verdict, milliseconds: started.elapsed().as_millis(), problems }
}
