//! `caisson run --jobs FILE --out FILE`: a file of jobs, a file of results, as many at a time as there are slots.
//!
//! Results are written as they come, one whole line at a time, so an interrupted run can be resumed from its own output.

mod answered;
mod progress;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use self::answered::{Answered, Line};
use self::progress::Progress;
use super::run_job::LOCAL_BODY_BYTES;
use super::local::{self, Local};
use super::{FAILED, INTERRUPTED, failed};
use crate::answer::Origin;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::job::Bounds;
use crate::pipeline::{Cause, Pipeline};
use crate::report::Report;
use crate::retry::Retry;
use crate::sandbox::SandboxError;
use crate::sandbox::slots::Permit;
use crate::verdict::Verdict;

/// Tries of one job whose sandbox we could not give it.
const TRIES: u64 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &Config, jobs: &Path, args: &RunArgs) -> ExitCode {
    let out = args.out.as_deref().unwrap_or(Path::new("-"));
    match all(config, jobs, out, args).await {
        Ok(code) => code,
        Err(reason) => failed(&reason),
    }
}

async fn all(config: &Config, jobs: &Path, out: &Path, args: &RunArgs) -> Result<ExitCode, String> {
    let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let answered =
        if args.resume { read_answered(out).await.map_err(|error| named(out, error))? } else { Answered::default() };
    let total = count_lines(jobs).await.map_err(|error| named(jobs, error))?;
    let input = open_input(jobs).await.map_err(|error| named(jobs, error))?;
    let output = open_output(out, args.resume).await.map_err(|error| named(out, error))?;

    let bounds = Bounds { body_bytes: LOCAL_BODY_BYTES };
    let slots = args.concurrency.map(usize::from);
    let pipeline = local::pipeline(config, Local { slots, bounds, many: true, ..Local::default() }).await.map_err(|error| error.to_string())?;
    let pipeline = Arc::new(pipeline);
    let (sender, receiver) = mpsc::channel(64);
    let progress = Progress::new(total, answered.count);
    let writer = tokio::spawn(write(output, receiver, progress));
    let tasks = TaskTracker::new();
    let interrupted = tokio::select! {
        outcome = feed(input, &pipeline, answered, &tasks, &sender) => {
            outcome.map_err(|error| named(jobs, error))?;
            tasks.close();
            tokio::select! {
                () = tasks.wait() => false,
                _ = tokio::signal::ctrl_c() => true,
            }
        }
        _ = tokio::signal::ctrl_c() => true,
    };
    drop(sender);
    if interrupted {
        // Tasks that still run are dropped with the process; their containers end when our connections do.
        pipeline.sandboxes.close().await;
        return Ok(INTERRUPTED.into());
    }
    let failures = writer.await.map_err(|error| error.to_string())?.map_err(|error| named(out, error))?;
    pipeline.sandboxes.close().await;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { FAILED.into() })
}

/// Reads a line for each free slot and starts it.
async fn feed(
    mut input: Box<dyn AsyncBufRead + Send + Unpin>,
    pipeline: &Arc<Pipeline>,
    mut answered: Answered,
    tasks: &TaskTracker,
    sender: &mpsc::Sender<Report>,
) -> std::io::Result<()> {
    let mut number = 0u64;
    loop {
        let mut line = Vec::new();
        // One byte over the bound is enough for the reader behind to refuse it.
        let read = (&mut input).take(LOCAL_BODY_BYTES as u64 + 1).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(());
        }
        if read > LOCAL_BODY_BYTES {
            skip_line(&mut input).await?;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let named = Line::new(number, &line);
        if answered.takes(&named) {
            continue;
        }
        let permit = pipeline.sandboxes.permit().await;
        let (pipeline, sender) = (pipeline.clone(), sender.clone());
        tasks.spawn(async move {
            let report = answer(&pipeline, &line, &named.name, permit).await;
            // The writer is gone only when the output is; that is told once, by it.
            let _ = sender.send(report).await;
        });
    }
}

/// One job to its answer, which in the end says so if we fail.
async fn answer(pipeline: &Pipeline, body: &[u8], line: &str, permit: Permit) -> Report {
    let mut retry = Retry::new(FIRST_WAIT, LONGEST_WAIT);
    let mut permit = Some(permit);
    for attempt in 1.. {
        let origin = Origin::now(Some(line.to_owned()), attempt, None);
        let held = match permit.take() {
            Some(permit) => permit,
            None => pipeline.sandboxes.permit().await,
        };
        match pipeline.process(body, origin, held).await {
            Ok(report) => return report,
            // Trying again builds no image.
            Err(failure)
                if attempt >= TRIES || matches!(failure.cause, Cause::Sandbox(SandboxError::ImageMissing { .. })) =>
            {
                let reason = failure.to_string();
                return failure.request.internal_error(&reason, &pipeline.worker);
            }
            Err(error) => tracing::warn!(line, attempt, %error, "we failed, not the job; trying again"),
        }
        retry.pause().await;
    }
    unreachable!("the loop ends with an answer")
}

/// Writes results as they come. Returns how many say that we failed.
async fn write(
    mut output: Box<dyn AsyncWrite + Send + Unpin>,
    mut results: mpsc::Receiver<Report>,
    mut progress: Progress,
) -> std::io::Result<usize> {
    let mut failures = 0;
    while let Some(report) = results.recv().await {
        let mut line = serde_json::to_vec(&report)?;
        line.push(b'\n');
        output.write_all(&line).await?;
        if results.is_empty() {
            output.flush().await?;
        }
        failures += usize::from(report.verdict == Verdict::InternalError);
        progress.answered(&report);
    }
    output.flush().await?;
    progress.finish();
    Ok(failures)
}

async fn read_answered(out: &Path) -> std::io::Result<Answered> {
    let out = out.to_owned();
    tokio::task::spawn_blocking(move || Answered::read(&out)).await.map_err(std::io::Error::other)?
}

async fn count_lines(path: &Path) -> std::io::Result<Option<usize>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let mut reader = BufReader::with_capacity(1 << 20, tokio::fs::File::open(path).await?);
    // A pipe can be read only once.
    if !reader.get_ref().metadata().await?.is_file() {
        return Ok(None);
    }
    let mut lines = 0;
    let mut blank = true;
    loop {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(Some(lines + usize::from(!blank)));
        }
        for byte in buffer {
            match byte {
                b'\n' => {
                    lines += usize::from(!blank);
                    blank = true;
                }
                other => blank &= other.is_ascii_whitespace(),
            }
        }
        let read = buffer.len();
        reader.consume(read);
    }
}

async fn skip_line(input: &mut (dyn AsyncBufRead + Send + Unpin)) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf().await?;
        let (read, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(read);
        if done {
            return Ok(());
        }
    }
}

async fn open_input(path: &Path) -> std::io::Result<Box<dyn AsyncBufRead + Send + Unpin>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(tokio::io::stdin())));
    }
    Ok(Box::new(BufReader::new(tokio::fs::File::open(path).await?)))
}

async fn open_output(path: &Path, resume: bool) -> std::io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    if path == Path::new("-") {
        return Ok(Box::new(tokio::io::stdout()));
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.create(true).write(true).append(resume).truncate(!resume);
    Ok(Box::new(options.open(path).await?))
}
