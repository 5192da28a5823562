//! `caisson simulate`: files in, a simulation, files and a table out.

use std::path::Path;
use std::process::ExitCode;

use super::{FAILED, failed, print};
use crate::cli::simulate::SimulateArgs;
use crate::simulate::{Samples, Scenario, plot, samples, simulate};

pub(super) fn run(args: &SimulateArgs) -> ExitCode {
    let (scenario, samples) = match read(args) {
        Ok(read) => read,
        Err(problems) => {
            for problem in problems {
                eprintln!("caisson: {problem}");
            }
            return FAILED.into();
        }
    };
    let outcome = simulate(&scenario, samples.as_ref());
    if let Some(file) = &args.csv
        && let Err(problem) = write(file, &outcome.csv())
    {
        return failed(&problem);
    }
    if let Some(file) = &args.plot
        && let Err(problem) = write(file, &plot(&outcome))
    {
        return failed(&problem);
    }
    if !args.json {
        return print(&outcome.table());
    }
    match serde_json::to_string_pretty(&outcome) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => failed(&error),
    }
}

/// The scenario with everything on the command line, and the samples.
fn read(args: &SimulateArgs) -> Result<(Scenario, Option<Samples>), Vec<String>> {
    let name = args.scenario.display().to_string();
    let text = text(&args.scenario).map_err(|problem| vec![problem])?;
    let mut scenario = Scenario::parse(&name, &text)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut problems: Vec<String> =
        args.set.iter().filter_map(|it| scenario.set(it).err()).map(|problem| format!("--set {problem}")).collect();
    if problems.is_empty() {
        problems.extend(scenario.check().err().into_iter().flatten().map(|problem| format!("{name}: {problem}")));
    }
    let samples = args.samples.as_deref().map(measured).transpose();
    problems.extend(samples.as_ref().err().cloned());
    match samples {
        Ok(samples) if problems.is_empty() => Ok((scenario, samples)),
        _ => Err(problems),
    }
}

fn measured(file: &Path) -> Result<Samples, String> {
    samples(&text(file)?).map_err(|problem| format!("{}: {problem}", file.display()))
}

fn text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{} can't be read: {error}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{} can't be written: {error}", file.display()))
}
