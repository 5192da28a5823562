//! `caisson doctor`: from a configuration to findings, printed, and an exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use super::{FAILED, INTERRUPTED, failed, local, print};
use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::doctor::timing::Placement;
use crate::doctor::{Finding, Subject, Verdict, examine, table};
use crate::sandbox::slots;

pub(super) async fn run(config: &Config, args: DoctorArgs) -> ExitCode {
    let stop = async {
        // Without a handler there is nothing to wait for, and the signal does what it does by default.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let Some(mut findings) = examine(&subject(config), stop).await else { return INTERRUPTED.into() };
    if !args.only.is_empty() {
        findings.retain(|finding| args.only.iter().any(|check| check == finding.check));
        if findings.is_empty() {
            return failed(&"nothing of what --only names could be looked at; see the whole of `caisson doctor`");
        }
    }
    let text = if args.json {
        match serde_json::to_string_pretty(&findings) {
            Ok(text) => format!("{text}\n"),
            Err(error) => return failed(&error),
        }
    } else {
        table::render(&findings, has_colour())
    };
    print(&text);
    exit_code(&findings, args.strict)
}

fn subject(config: &Config) -> Subject {
    let slots = config.worker.slots.unwrap_or_else(slots::default_count);
    // Never the configured id: opening the engine under a worker's name removes that worker's containers.
    let worker_id = format!("doctor-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    // What the worker offers, as the worker finds it.
    let offered = config.languages.only(&config.worker.languages);
    let languages = offered.iter().map(|language| (language.name.clone(), language.image.clone()));
    let allowed = config.images.allow.iter().map(|reference| ("images.allow".to_owned(), reference.clone()));
    Subject {
        settings: local::settings(config, Some(1), &worker_id),
        placement: Placement {
            slots,
            cores: slots::cores(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            pin: config.sandbox.pin_cpus,
        },
        images: languages.chain(allowed).collect(),
        incoming_urls: config.queue.incoming().into_iter().map(|incoming| incoming.url).collect(),
        outgoing_url: config.queue.outgoing_url.clone(),
        visibility_timeout_s: config.queue.visibility_timeout_s,
        wait_time_s: config.queue.wait_time_s,
    }
}

/// On a terminal, unless its user wants none (no-color.org).
fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn exit_code(findings: &[Finding], strict: bool) -> ExitCode {
    let bad = if strict { Verdict::Warning } else { Verdict::Broken };
    if findings.iter().any(|finding| finding.verdict >= bad) { FAILED.into() } else { ExitCode::SUCCESS }
}
