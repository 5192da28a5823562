//! The parts of a job's way that are only computing: comparing outputs, reading jobs, writing results.
//!
//! `just bench-parts` looks at them more closely, and at more of them.

use std::hint::black_box;
use std::time::Instant;

use caisson::job;
use caisson::report::to_message;

use crate::options::Options;
use crate::report::figures::{Checker, Figures, Part};
use crate::report::statistics::median;
use crate::samples::{self, Comparing};
use crate::{Fallible, note};

const OUTPUT_BYTES: usize = 32 << 20;
const QUICK_OUTPUT_BYTES: usize = 8 << 20;
const COMPARISONS: usize = 5;
const REPETITIONS: usize = 50;
/// What SQS takes.
const MESSAGE_BYTES: usize = 1 << 20;
/// What smaller queues are set to.
const SMALL_MESSAGE_BYTES: usize = 256 << 10;

pub(crate) async fn measure(options: &Options, figures: &mut Figures) -> Fallible<()> {
    let bytes = if options.quick { QUICK_OUTPUT_BYTES } else { OUTPUT_BYTES };
    // Off the runtime's threads, which have nothing else to do, but must not be kept from it.
    let (checkers, parts) = tokio::task::spawn_blocking(move || {
        let checkers: Fallible<Vec<Checker>> = samples::comparisons(bytes).iter().map(compare).collect();
        Fallible::Ok((checkers?, others()?))
    })
    .await??;
    figures.checkers = checkers;
    figures.parts = parts;
    if figures.checkers.iter().all(|checker| checker.grown_bytes == 0) && peak_bytes().is_none() {
        note("memory that checkers take", "this kernel doesn't let a process forget its peak", figures);
    }
    Ok(())
}

fn compare(comparing: &Comparing) -> Fallible<Checker> {
    // Everything is in memory and touched once before anything counts.
    if !comparing.run() {
        return Err(format!("the checker {} refuses what is right", comparing.name).into());
    }
    let before = peak_bytes().unwrap_or_default();
    let took: Vec<f64> = (0..COMPARISONS).map(|_| seconds(|| comparing.run())).collect();
    let after = status_bytes("VmHWM:").unwrap_or_default();
    let compared = comparing.output.len() as u64;
    Ok(Checker {
        name: comparing.name.to_owned(),
        megabytes_per_s: compared as f64 / 1e6 / median(&took).unwrap_or(f64::INFINITY),
        grown_bytes: if before == 0 { 0 } else { after.saturating_sub(before) },
        compared_bytes: compared,
    })
}

fn others() -> Fallible<Vec<Part>> {
    let mut parts = Vec::new();
    for (name, body) in [
        ("read a job of one test", samples::job(1, 16)),
        ("read a job of 100 tests", samples::job(100, 256)),
        ("read a job of nearly 1 MiB", samples::job(100, 4_900)),
    ] {
        job::parse(&body).map_err(|invalid| invalid.to_string())?;
        let took: Vec<f64> = (0..REPETITIONS).map(|_| seconds(|| job::parse(&body).is_ok())).collect();
        parts.push(part(name, &took, body.len()));
    }
    for (name, tests, bytes, limit) in [
        ("write a result of one test", 1, 16, MESSAGE_BYTES),
        ("write a result of 100 tests", 100, 256, MESSAGE_BYTES),
        ("cut a result of 2 MiB to 256 KiB", 100, 21_000, SMALL_MESSAGE_BYTES),
    ] {
        let report = samples::report(tests, bytes)?;
        let length = to_message(&report, limit).len();
        let took: Vec<f64> = (0..REPETITIONS).map(|_| seconds(|| to_message(&report, limit).len())).collect();
        parts.push(part(name, &took, length.max(tests * bytes)));
    }
    Ok(parts)
}

fn part(name: &str, took: &[f64], bytes: usize) -> Part {
    let microseconds = median(took).unwrap_or_default() * 1e6;
    Part { name: name.to_owned(), microseconds, bytes: bytes as u64 }
}

fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed().as_secs_f64()
}

/// Lets the kernel forget this process's peak, and says what it is from there (proc(5), `clear_refs`).
fn peak_bytes() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    status_bytes("VmHWM:")
}

fn status_bytes(name: &str) -> Option<u64> {
    crate::worker::status_bytes("self", name)
}
