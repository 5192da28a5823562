//! `caisson run FILE [-- ARGS]`: a program in a sandbox as if it ran right here. Its stdin, stdout, stderr and exit code
//! are the caller's.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::local::{self, Local};
use super::{BAD_CONFIGURATION, INTERRUPTED};
use crate::answer::sentence;
use crate::capture::Captured;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::execute::{Interactive, StepResult};
use crate::job::{Environment, Isolation, Job, JobFile, Test};
use crate::language::Language;
use crate::limits::LimitsRequest;
use crate::plan::Plan;
use crate::protocol::CHUNK;
use crate::verdict::{Reason, Verdict};

/// As `docker run` and `env` have it: the tool itself failed.
const CAISSON_FAILED: u8 = 125;
/// As `timeout` has it.
const LIMIT: u8 = 124;
/// EX_DATAERR of sysexits.h.
const DOES_NOT_COMPILE: u8 = 65;
const SIGNAL_BASE: i32 = 128;

pub(super) async fn run(config: &Config, file: &Path, args: &RunArgs) -> ExitCode {
    let fail = |reason: &dyn std::fmt::Display, code: u8| {
        eprintln!("caisson: {reason}");
        ExitCode::from(code)
    };
    let job = match job(config, file, args) {
        Ok(job) => job,
        Err(reason) => return fail(&reason, BAD_CONFIGURATION),
    };
    let plan = match Plan::new(job, &local::policy(config)) {
        Ok(plan) => plan,
        Err(rejection) => return fail(&rejection, BAD_CONFIGURATION),
    };
    let pipeline = match local::pipeline(config, Local { slots: Some(1), keep: args.keep, ..Local::default() }).await {
        Ok(pipeline) => pipeline,
        Err(error) => return fail(&error, CAISSON_FAILED),
    };
    let mut interactive = Interactive { stdin: stdin(), output: &mut pass_on };
    let labels = pipeline.labels(&plan, &uuid::Uuid::new_v4().to_string());
    let permit = pipeline.sandboxes.permit().await;
    let outcome = tokio::select! {
        outcome = interactive.run(&pipeline.sandboxes, permit, &plan, &labels) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    pipeline.sandboxes.close().await;
    match outcome {
        Some(Ok(result)) => finish(&result, &plan),
        Some(Err(error)) => fail(&error, CAISSON_FAILED),
        None => INTERRUPTED.into(),
    }
}

fn job(config: &Config, file: &Path, args: &RunArgs) -> Result<Job, String> {
    let language = language(config, file, args)?;
    let content = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or(&language.main).to_owned();
    // A person may be typing: the default is the operator's longest, not a judge's.
    let unhurried =
        LimitsRequest { wall_time_ms: Some(config.limits.maximum.wall_time_ms), ..LimitsRequest::default() };
    Ok(Job {
        id: "local".to_owned(),
        environment: Environment::Language(language.name.clone()),
        main: Some(name.clone()),
        files: vec![JobFile { path: name, content: Bytes::from(content).into(), executable: None }],
        compile: None,
        run: None,
        args: args.args.clone(),
        env: std::collections::BTreeMap::new(),
        tests: vec![Test {
            id: "1".to_owned(),
            stdin: Bytes::new().into(),
            expected_stdout: None,
            args: None,
            limits: LimitsRequest::default(),
            points: None,
            group: None,
        }],
        checker: crate::checker::Checker::default(),
        stop_on_failure: false,
        isolation: Isolation::Job,
        limits: args.limits().or(&unhurried),
        compile_limits: LimitsRequest::default(),
        capture_bytes: crate::job::DEFAULT_CAPTURE_BYTES,
        expires_at: None,
        metadata: None,
    })
}

fn language<'a>(config: &'a Config, file: &Path, args: &RunArgs) -> Result<&'a Language, String> {
    let known = || config.languages.names().collect::<Vec<_>>().join(", ");
    if let Some(name) = &args.language {
        return config.languages.get(name).ok_or_else(|| format!("{name:?} isn't one of the languages {}", known()));
    }
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    config.languages.by_extension(extension).ok_or_else(|| {
        format!(
            "{}: no language has the extension {extension:?}; say --language with one of {}",
            file.display(),
            known()
        )
    })
}

/// Our stdin, read on a thread of its own because a terminal can't be read otherwise.
fn stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
            if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The program's output as it comes. A reader that goes away is no reason to stop the program: it has its own limits.
fn pass_on(is_stdout: bool, data: &[u8]) {
    let _ = if is_stdout {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(data).and_then(|()| stdout.flush())
    } else {
        std::io::stderr().write_all(data)
    };
}

fn finish(result: &StepResult, plan: &Plan) -> ExitCode {
    let limits = &plan.tests[0].command.limits;
    match (result.verdict, result.evidence.ending) {
        (Verdict::CompileError, _) => {
            let Captured { bytes, .. } = &result.stdout;
            let _ = std::io::stderr().write_all(bytes);
            let _ = std::io::stderr().write_all(&result.stderr.bytes);
            let limits = plan.compile.as_ref().map_or(limits, |command| &command.limits);
            eprintln!("caisson: the compile step {}", sentence(result, limits));
            DOES_NOT_COMPILE.into()
        }
        (Verdict::TimeLimit | Verdict::MemoryLimit | Verdict::OutputLimit, _) => {
            eprintln!("caisson: the program {}", sentence(result, limits));
            LIMIT.into()
        }
        (_, crate::evidence::Ending::Signalled(signal)) => {
            eprintln!("caisson: the program {}", sentence(result, limits));
            ExitCode::from(u8::try_from(SIGNAL_BASE + signal).unwrap_or(u8::MAX))
        }
        (_, crate::evidence::Ending::Exited(code)) => {
            if let Some(detail) = &result.detail {
                eprintln!("caisson: {detail}");
            }
            // The kernel keeps eight bits of an exit code.
            ExitCode::from(code.to_le_bytes()[0])
        }
        (_, crate::evidence::Ending::SandboxBroken) => {
            debug_assert_eq!(result.reason, Some(Reason::Sandbox));
            eprintln!("caisson: the program {}", sentence(result, limits));
            ExitCode::from(SIGNAL_BASE as u8 + libc::SIGKILL as u8)
        }
    }
}
