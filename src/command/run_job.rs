//! `caisson run --job FILE`: one job, one result on stdout.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use super::local::{self, Local};
use super::{INTERRUPTED, failed, print};
use crate::answer::Origin;
use crate::config::Config;
use crate::job::Bounds;
use crate::printable;

/// Bytes of a job that doesn't come in a message: test data and sources may be larger than a queue would carry.
pub(super) const LOCAL_BODY_BYTES: usize = 64 << 20;

pub(super) async fn run(config: &Config, path: &Path, keep: bool) -> ExitCode {
    let bounds = Bounds { body_bytes: LOCAL_BODY_BYTES };
    let body = match read(path) {
        Ok(body) => body,
        Err(error) => return failed(&format!("{}: {error}", path.display())),
    };
    let pipeline = match local::pipeline(config, Local { slots: Some(1), bounds, keep, ..Local::default() }).await {
        Ok(pipeline) => pipeline,
        Err(error) => return failed(&error),
    };
    let permit = pipeline.sandboxes.permit().await;
    let outcome = tokio::select! {
        outcome = pipeline.process(&body, Origin::now(None, 1, None), permit) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    pipeline.sandboxes.close().await;
    match outcome {
        Some(Ok(report)) => match serde_json::to_string_pretty(&report) {
            Ok(text) => print(&printable::json(format!("{text}\n"))),
            Err(error) => failed(&error),
        },
        Some(Err(error)) => failed(&error),
        None => INTERRUPTED.into(),
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut body)?;
    } else {
        std::fs::File::open(path)?.read_to_end(&mut body)?;
    }
    Ok(body)
}
