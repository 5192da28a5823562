//! The commands, one file each, and what they share: from a configuration to an open engine.

mod dlq;
mod doctor;
mod instance;
mod local;
mod run_file;
mod run_job;
mod run_jobs;
mod selftest;
mod simulate;
mod worker;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command, ConfigCommand, Page, SchemaOf};
use crate::config::Config;
use crate::{config, docs, schema, telemetry};

/// Caisson, or something it needs, failed.
pub const FAILED: u8 = 1;
/// EX_USAGE of sysexits.h: the configuration is wrong.
pub const BAD_CONFIGURATION: u8 = 64;
/// As a shell has it for a program that SIGINT ended.
pub const INTERRUPTED: u8 = 130;

/// Runs a command to its exit code.
pub async fn run(cli: Cli) -> ExitCode {
    // These need no configuration and must work beside a broken one.
    match &cli.command {
        Command::Schema { of } => return print_json(&schema_of(*of)),
        Command::Docs { page } => return print(&page_of(*page)),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "caisson", &mut std::io::stdout());
            return ExitCode::SUCCESS;
        }
        Command::Simulate(args) => return simulate::run(args),
        Command::Worker
        | Command::Selftest { .. }
        | Command::Run(_)
        | Command::Doctor(_)
        | Command::Dlq(_)
        | Command::Config(_) => {}
    }
    if matches!(cli.command, Command::Worker)
        && let Err(error) = telemetry::in_background()
    {
        return failed(&format!("the thread that writes the log could not be started: {error}"));
    }
    let config = match Config::load(cli.config.as_deref(), config::environment()) {
        Ok(config) => config,
        Err(errors) => {
            telemetry::say(&errors.to_string());
            return BAD_CONFIGURATION.into();
        }
    };
    match cli.command {
        Command::Worker => {
            telemetry::start(&config.log, None);
            worker::run(&config).await
        }
        Command::Selftest { factor } => {
            telemetry::start(&config.log, Some("warn"));
            selftest::run(&config, factor).await
        }
        Command::Run(args) => {
            telemetry::start(&config.log, Some("warn"));
            match (&args.file, &args.job, &args.jobs) {
                (Some(file), _, _) => run_file::run(&config, file, &args).await,
                (_, Some(job), _) => run_job::run(&config, job, args.keep).await,
                (_, _, Some(jobs)) => run_jobs::run(&config, jobs, &args).await,
                (None, None, None) => BAD_CONFIGURATION.into(),
            }
        }
        Command::Doctor(args) => {
            telemetry::start(&config.log, Some("error"));
            doctor::run(&config, args).await
        }
        Command::Dlq(command) => {
            telemetry::start(&config.log, Some("warn"));
            dlq::run(&config, command).await
        }
        Command::Config(ConfigCommand::Check) => ExitCode::SUCCESS,
        Command::Config(ConfigCommand::Show) => print(&config.show()),
        Command::Schema { .. } | Command::Docs { .. } | Command::Completions { .. } | Command::Simulate(_) => {
            ExitCode::SUCCESS
        }
    }
}

/// Tells what failed and gives the exit code for it.
fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    telemetry::say(&format!("caisson: {error}"));
    FAILED.into()
}

fn schema_of(of: SchemaOf) -> serde_json::Value {
    match of {
        SchemaOf::Job => schema::job(),
        SchemaOf::Result => schema::result(),
        SchemaOf::Config => config::schema(),
    }
}

fn page_of(page: Page) -> String {
    match page {
        Page::Configuration => docs::configuration(),
        Page::Verdicts => docs::verdicts(),
        Page::Languages => docs::languages(),
        Page::Metrics => docs::metrics(),
    }
}

fn print_json(value: &serde_json::Value) -> ExitCode {
    print(&format!("{value:#}\n"))
}

/// A reader that goes away early, as `head` does, isn't a failure.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
