//! How far streams are cut, counted in the bytes they take once escaped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::{Report, StepReport};
use super::escape;
use crate::sha256::Sha256;

/// What the hash of a stream adds to a message: `"stdout_sha256":"…",` with 64 digits.
const HASH_BYTES: usize = 83;

/// Bytes that a stream takes in a message, and those that come on top when it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Length {
    pub(super) whole: usize,
    pub(super) when_cut: usize,
}

/// Bytes of all streams as they are in memory.
pub(super) fn raw_bytes(report: &Report) -> usize {
    steps(report)
        .flat_map(|step| [&step.stdout, &step.stdout_base64, &step.stderr, &step.stderr_base64])
        .map(|stream| stream.as_ref().map_or(0, String::len))
        .sum()
}

/// The length of each stream that is there.
pub(super) fn lengths(report: &Report) -> Vec<Length> {
    let streams = steps(report).flat_map(|step| {
        [
            (&step.stdout, &step.stdout_sha256),
            (&step.stdout_base64, &step.stdout_sha256),
            (&step.stderr, &step.stderr_sha256),
            (&step.stderr_base64, &step.stderr_sha256),
        ]
    });
    let length = |(stream, hash): (&Option<String>, &Option<String>)| {
        Some(Length {
            whole: stream.as_ref()?.chars().map(escape::length).sum(),
            when_cut: if hash.is_some() { 0 } else { HASH_BYTES },
        })
    };
    streams.filter_map(length).collect()
}

fn steps(report: &Report) -> impl Iterator<Item = &StepReport> {
    report.compile.iter().chain(report.tests.iter().map(|test| &test.step))
}

/// The largest cap under which the streams together are within `room`: as water finds its level. A stream that is just
/// above the cap takes more than one that is just within it, so the level is looked for from above.
pub(super) fn common_cap(mut lengths: Vec<Length>, room: usize) -> usize {
    lengths.sort_unstable();
    // With all but the longest `cut` streams whole.
    let mut whole: usize = lengths.iter().map(|length| length.whole).sum();
    let mut hashes = 0;
    if whole <= room {
        return usize::MAX;
    }
    for (index, length) in lengths.iter().enumerate().rev() {
        whole -= length.whole;
        hashes += length.when_cut;
        let longest_whole = index.checked_sub(1).map_or(0, |before| lengths[before].whole);
        let cut = lengths.len() - index;
        match room.checked_sub(whole + hashes).map(|left| left / cut) {
            Some(cap) if cap >= longest_whole => return cap,
            _ => {}
        }
    }
    0
}

/// The step with streams that take at most `cap` bytes each, and the hash of each that was longer.
pub(super) fn with_streams_cut_to(step: &StepReport, cap: usize) -> StepReport {
    let (stdout, stdout_cut) = text_cut_to(step.stdout.as_deref(), cap);
    let (stdout_base64, stdout_base64_cut) = base64_cut_to(step.stdout_base64.as_deref(), cap);
    let (stderr, stderr_cut) = text_cut_to(step.stderr.as_deref(), cap);
    let (stderr_base64, stderr_base64_cut) = base64_cut_to(step.stderr_base64.as_deref(), cap);
    let (stdout_cut, stderr_cut) = (stdout_cut || stdout_base64_cut, stderr_cut || stderr_base64_cut);
    StepReport {
        stdout,
        stdout_base64,
        stdout_truncated: step.stdout_truncated || stdout_cut,
        stdout_sha256: if stdout_cut { stdout_hash(step) } else { step.stdout_sha256.clone() },
        stderr,
        stderr_base64,
        stderr_truncated: step.stderr_truncated || stderr_cut,
        stderr_sha256: if stderr_cut { stderr_hash(step) } else { step.stderr_sha256.clone() },
        ..figures(step)
    }
}

/// The step with nothing in its streams, and no hash that it hasn't already.
pub(super) fn with_empty_streams(step: &StepReport) -> StepReport {
    let empty = |stream: &Option<String>| stream.is_some().then(String::new);
    StepReport {
        stdout: empty(&step.stdout),
        stdout_base64: empty(&step.stdout_base64),
        stdout_sha256: step.stdout_sha256.clone(),
        stderr: empty(&step.stderr),
        stderr_base64: empty(&step.stderr_base64),
        stderr_sha256: step.stderr_sha256.clone(),
        ..figures(step)
    }
}

/// The step with no stream's field but the hashes of those that had anything.
pub(super) fn without_streams(step: &StepReport) -> StepReport {
    StepReport { stdout_sha256: stdout_hash(step), stderr_sha256: stderr_hash(step), ..figures(step) }
}

/// The step's figures. A stream that had anything is marked as cut.
pub(super) fn figures(step: &StepReport) -> StepReport {
    StepReport {
        verdict: step.verdict,
        reason: step.reason,
        exit_code: step.exit_code,
        signal: step.signal,
        cpu_time_ms: step.cpu_time_ms,
        wall_time_ms: step.wall_time_ms,
        memory_peak_bytes: step.memory_peak_bytes,
        throttled_ms: step.throttled_ms,
        host_wait_ms: step.host_wait_ms,
        stdout: None,
        stdout_base64: None,
        stdout_total_bytes: step.stdout_total_bytes,
        stdout_truncated: step.stdout_truncated || step.stdout_total_bytes > 0,
        stdout_sha256: None,
        stderr: None,
        stderr_base64: None,
        stderr_total_bytes: step.stderr_total_bytes,
        stderr_truncated: step.stderr_truncated || step.stderr_total_bytes > 0,
        stderr_sha256: None,
        cached: step.cached,
    }
}

fn stdout_hash(step: &StepReport) -> Option<String> {
    step.stdout_sha256.clone().or_else(|| hash(step.stdout.as_deref(), step.stdout_base64.as_deref()))
}

fn stderr_hash(step: &StepReport) -> Option<String> {
    step.stderr_sha256.clone().or_else(|| hash(step.stderr.as_deref(), step.stderr_base64.as_deref()))
}

/// The hash of a stream that is shown whole; none of one that had nothing.
fn hash(text: Option<&str>, base64: Option<&str>) -> Option<String> {
    let sha256 = match (text, base64) {
        (Some(text), _) if !text.is_empty() => Sha256::of(text.as_bytes()),
        (None, Some(base64)) => Sha256::of(&STANDARD.decode(base64).ok()?),
        _ => return None,
    };
    Some(sha256.to_string())
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
