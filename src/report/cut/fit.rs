//! How far streams are cut, counted in the bytes they take once escaped.

use super::super::{Report, StepReport};
use super::escape;

/// Bytes of all streams as they are in memory.
pub(super) fn raw_bytes(report: &Report) -> usize {
    streams(report).map(|stream| stream.map_or(0, str::len)).sum()
}

/// Bytes that each stream takes in a message.
pub(super) fn escaped_lengths(report: &Report) -> Vec<usize> {
    streams(report).flatten().map(|stream| stream.chars().map(escape::length).sum()).collect()
}

fn streams(report: &Report) -> impl Iterator<Item = Option<&str>> {
    let steps = report.compile.iter().chain(report.tests.iter().map(|test| &test.step));
    steps.flat_map(|step| [&step.stdout, &step.stdout_base64, &step.stderr, &step.stderr_base64]).map(Option::as_deref)
}

/// The largest cap under which the lengths together are within `room`: as water finds its level.
pub(super) fn common_cap(mut lengths: Vec<usize>, mut room: usize) -> usize {
    lengths.sort_unstable();
    let mut left = lengths.len();
    for length in lengths {
        // Every stream not yet counted is at least this long.
        if length.saturating_mul(left) > room {
            return room / left;
        }
        room -= length;
        left -= 1;
    }
    usize::MAX
}

/// The step with streams that take at most `cap` bytes each.
pub(super) fn with_streams_cut_to(step: &StepReport, cap: usize) -> StepReport {
    let (stdout, stdout_cut) = text_cut_to(step.stdout.as_deref(), cap);
    let (stdout_base64, stdout_base64_cut) = base64_cut_to(step.stdout_base64.as_deref(), cap);
    let (stderr, stderr_cut) = text_cut_to(step.stderr.as_deref(), cap);
    let (stderr_base64, stderr_base64_cut) = base64_cut_to(step.stderr_base64.as_deref(), cap);
    StepReport {
        stdout,
        stdout_base64,
        stdout_truncated: step.stdout_truncated || stdout_cut || stdout_base64_cut,
        stderr,
        stderr_base64,
        stderr_truncated: step.stderr_truncated || stderr_cut || stderr_base64_cut,
        ..figures(step)
    }
}

/// The step with no stream's field at all.
pub(super) fn without_streams(step: &StepReport) -> StepReport {
    figures(step)
}

/// The step's figures. A stream that had anything is marked as cut.
fn figures(step: &StepReport) -> StepReport {
    StepReport {
        verdict: step.verdict,
        reason: step.reason,
        exit_code: step.exit_code,
        signal: step.signal,
        cpu_time_ms: step.cpu_time_ms,
        wall_time_ms: step.wall_time_ms,
        memory_peak_bytes: step.memory_peak_bytes,
        stdout: None,
        stdout_base64: None,
        stdout_total_bytes: step.stdout_total_bytes,
        stdout_truncated: step.stdout_truncated || step.stdout_total_bytes > 0,
        stderr: None,
        stderr_base64: None,
        stderr_total_bytes: step.stderr_total_bytes,
        stderr_truncated: step.stderr_truncated || step.stderr_total_bytes > 0,
    }
}

/// The text's beginning, in whole characters, and whether that is less than all.
fn text_cut_to(text: Option<&str>, cap: usize) -> (Option<String>, bool) {
    let Some(text) = text else { return (None, false) };
    let mut length = 0;
    let end = text.char_indices().find_map(|(index, character)| {
        length += escape::length(character);
        (length > cap).then_some(index)
    });
    (Some(text[..end.unwrap_or(text.len())].to_owned()), end.is_some())
}

/// The same for base64, whose letters stand for whole bytes in groups of four.
fn base64_cut_to(text: Option<&str>, cap: usize) -> (Option<String>, bool) {
    let Some(text) = text else { return (None, false) };
    match text.len() > cap {
        true => (Some(text[..cap / 4 * 4].to_owned()), true),
        false => (Some(text.to_owned()), false),
    }
}
