//! `caisson simulate` on the command line.

use std::path::PathBuf;

use clap::Args;

pub(super) const HELP: &str = "\
A scenario is a TOML file; docs/scaling.md lists what can be set, examples/scale/ has some.

Exit codes: 0 done; 1 a file can't be read or written, or the scenario is wrong.

Examples:
  caisson simulate examples/scale/exam.toml
  caisson simulate examples/scale/exam.toml --set fleet.max_instances=400 --plot exam.svg
  caisson run --jobs jobs.jsonl --out results.jsonl && caisson simulate day.toml --samples results.jsonl --json";

/// What to simulate, and how to say what came out.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The scenario.
    pub scenario: PathBuf,
    /// Measured service times: a JSON array of seconds, results one a line, or a CSV with seconds in its first column.
    #[arg(long, value_name = "FILE")]
    pub samples: Option<PathBuf>,
    /// Another value for one number of the scenario; may be given several times.
    #[arg(long, value_name = "KEY=NUMBER")]
    pub set: Vec<String>,
    /// The outcome as a JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Write queue and fleet over time as CSV.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw them as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}
