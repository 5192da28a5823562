//! The command line: one definition for parsing, help and completions.

pub mod dlq;
pub mod simulate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::doctor;
use crate::limits::{LIMIT_FIELDS, LimitsRequest};

/// Runs untrusted programs in hardened containers: jobs come in from a queue, verdicts go out to another.
#[derive(Debug, Parser)]
#[command(name = "caisson", version, max_term_width = 120, after_help = EXIT_CODES)]
pub struct Cli {
    /// The configuration file. Without one everything has its default.
    #[arg(long, global = true, env = "CAISSON_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 Caisson or its surroundings failed · 2 the command line is wrong · 64 the configuration is wrong · \
130 interrupted. `caisson run FILE` adds the program's own; see `caisson run --help`.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take jobs from the incoming queue, run them, publish their results to the outgoing queue.
    #[command(after_help = WORKER_HELP)]
    Worker,
    /// Run a program, a job, or a file of jobs right here, without any queue.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Look at everything that jobs rest on: the engine, the kernel, the images, the queues, and what a sandbox really is.
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Run hostile and ordinary programs with known verdicts on this host; for the moment before its first job.
    #[command(after_help = SELFTEST_HELP)]
    Selftest {
        /// How many times their own limits of time the programs get, up to the configuration's maxima, for a slow or busy host.
        /// Those that are to meet such a limit keep it.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
        factor: u64,
    },
    /// Look at the dead-letter queue of the incoming queue, and send its messages back or delete them.
    #[command(subcommand, after_help = dlq::HELP)]
    Dlq(dlq::DlqCommand),
    /// Say how a fleet would do under a load: waits, instances, cost. Nothing is run and nothing is asked.
    #[command(after_help = simulate::HELP)]
    Simulate(simulate::SimulateArgs),
    /// Print the JSON Schema of the job, the result, or the configuration.
    Schema { of: SchemaOf },
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a reference page made from the code.
    #[command(hide = true)]
    Docs { page: Page },
    /// Print a completion script for a shell.
    #[command(after_help = "Example: caisson completions bash > /etc/bash_completion.d/caisson")]
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaOf {
    Job,
    Result,
    Config,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Page {
    Configuration,
    Verdicts,
    Languages,
    Metrics,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Report every mistake in the configuration; silence and exit code 0 mean that there is none.
    Check,
    /// Print the configuration in force, each value with where it comes from.
    Show,
}

const WORKER_HELP: &str = "\
Region, credentials and endpoint come from where AWS's own tools take them: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, the \
instance's role.

SIGTERM or SIGINT: no new jobs; those that run have worker.grace_period_s to finish, what doesn't is given back. A second \
signal gives everything back at once. On EC2 a Spot interruption notice and Auto Scaling's termination stop it in the same way; \
docs/drain.md has the times.

Example: caisson worker --config /etc/caisson/caisson.toml";

const SELFTEST_HELP: &str = "\
Exit code 0: every case that could be run came out as expected; cases in a language whose image is missing are left out and \
named. 1: one did not, or none could be run. Of one that did not, what differs is told, and what was measured.

Example, in a unit file: ExecStartPre=/usr/local/bin/caisson selftest";

const RUN_HELP: &str = "\
Examples:
  caisson run hello.py                                   the program's stdin, stdout and stderr are yours
  caisson run prog.cpp -- 3 4                            with arguments
  caisson run --limit cpu_time_ms=10000 slow.py
  caisson run --job job.json                             one result on stdout
  caisson run --jobs jobs.jsonl --out results.jsonl --concurrency 4
  producer | caisson run --jobs - --out - | consumer

Exit codes of `caisson run FILE`: the program's own; 128 + N when signal N ended it; 124 when a limit did; 65 when it \
doesn't compile; 125 when Caisson failed. Of `--job` and `--jobs`: 0 when every job was answered, whatever the verdict; \
1 when Caisson could not run one.";

const DOCTOR_HELP: &str = "\
Each finding is good, a note, a warning or broken, and says what to do; docs/doctor.md says why. Nothing is taken from a queue \
and nothing sent to one.

Exit codes: 0 nothing is broken; 1 something is, or, with --strict, there is a warning.

Example: caisson doctor --config /etc/caisson/caisson.toml";

/// How to say what was found.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// The findings as a JSON array on stdout, for programs.
    #[arg(long)]
    pub json: bool,
    /// Warnings count as failures, too.
    #[arg(long)]
    pub strict: bool,
    /// Show and count this check alone, as `engine.escapes`; may be given several times.
    #[arg(long, value_name = "CHECK", value_parser = check)]
    pub only: Vec<String>,
}

/// What to run.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["file", "job", "jobs"]))]
pub struct RunArgs {
    /// A source file; its extension says the language.
    pub file: Option<PathBuf>,
    /// Arguments for the program.
    #[arg(last = true, requires = "file", value_name = "ARGS")]
    pub args: Vec<String>,
    /// The language, where the extension doesn't say it.
    #[arg(long, requires = "file")]
    pub language: Option<String>,
    /// A limit for the program, as NAME=NUMBER; may be given several times.
    #[arg(long, requires = "file", value_name = "NAME=NUMBER", value_parser = limit)]
    pub limit: Vec<(String, u64)>,
    /// A job in a file ("-": stdin); its result goes to stdout.
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
    /// One job a line in a file ("-": stdin).
    #[arg(long, value_name = "FILE", requires = "out")]
    pub jobs: Option<PathBuf>,
    /// Where the results go, one a line, as they come ("-": stdout).
    #[arg(long, value_name = "FILE", requires = "jobs")]
    pub out: Option<PathBuf>,
    /// How many jobs run at a time [default: worker.slots, else one for each CPU]
    #[arg(long, value_name = "N", requires = "jobs", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub concurrency: Option<u16>,
    /// Leave the sandbox alive afterwards, and say how to look into it.
    #[arg(long, conflicts_with = "jobs")]
    pub keep: bool,
    /// Keep the answers that are in the output file and leave out their jobs. What says internal_error is no answer: it is taken out
    /// and its job is run again.
    #[arg(long, requires = "jobs")]
    pub resume: bool,
}

fn check(text: &str) -> Result<String, String> {
    match doctor::checks().any(|check| check.id == text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no check; `caisson doctor --json` has their names")),
    }
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let names: Vec<&str> = LIMIT_FIELDS.iter().map(|field| field.name).collect();
    let (name, value) = text.split_once('=').ok_or("NAME=NUMBER is needed")?;
    if !names.contains(&name) {
        return Err(format!("{name:?} isn't one of {}", names.join(", ")));
    }
    let value = value.parse().map_err(|_| format!("{value:?} isn't a whole number"))?;
    Ok((name.to_owned(), value))
}

impl RunArgs {
    /// The limits that were given.
    pub fn limits(&self) -> LimitsRequest {
        let mut request = LimitsRequest::default();
        for (name, value) in &self.limit {
            if let Some(field) = LIMIT_FIELDS.iter().find(|field| field.name == name) {
                (field.request)(&mut request, *value);
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn limits_are_given_by_name() {
        let cli = Cli::parse_from(["caisson", "run", "a.py", "--limit", "cpu_time_ms=9", "--limit", "processes=3"]);
        let Command::Run(args) = cli.command else { panic!("it is a run") };
        let expected = LimitsRequest { cpu_time_ms: Some(9), processes: Some(3), ..LimitsRequest::default() };
        assert_eq!(args.limits(), expected);
        assert!(Cli::try_parse_from(["caisson", "run", "a.py", "--limit", "cpu=9"]).is_err());
        assert!(Cli::try_parse_from(["caisson", "run", "--job", "a", "--jobs", "b", "--out", "c"]).is_err());
    }
}
