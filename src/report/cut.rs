//! A report as a message that the queue takes: only characters it allows, and no more bytes than it allows.
//!
//! Streams are cut first, to a common cap, so that the longest are cut and the short ones stay whole. Verdicts and figures
//! are never cut while anything else is left to leave out; what is left out, in this order, is in [`to_message`].

mod escape;
mod fit;

use super::{Report, StepReport, TestReport};

/// Writes the report as JSON of at most `max_bytes` bytes, all of them characters that SQS accepts.
///
/// When it is too long, this goes, each only when all before it was not enough:
///
/// 1. the ends of streams, the longest first, marked by `stdout_truncated` and `stderr_truncated` and told by the SHA-256
///    of the whole;
/// 2. all streams, and the groups of tests;
/// 3. the hashes of streams;
/// 4. tests, from the last one on; `detail` says how many;
/// 5. `metadata`, `limits`, `timing`, and the times in `timeline`; `detail` past its first 200 characters.
///
/// A thousand tests with short ids come to about 410 KB at step 2 and 240 KB at step 3, so a queue of 1 MiB only sees step
/// 4 with thousands of tests and long names. With all five steps about 1 KB remains; if `max_bytes` is less than that, the
/// message is longer than asked.
pub fn to_message(report: &Report, max_bytes: usize) -> String {
    if let Some(whole) = whole(report, max_bytes) {
        return whole;
    }
    let steps = [with_cut_streams, without_streams, without_hashes, with_fewer_tests, with_the_least];
    let mut message = String::new();
    for step in steps {
        message = escape::json(&step(report, max_bytes));
        if message.len() <= max_bytes {
            break;
        }
    }
    message
}

/// The whole report in the same characters, if it is at most `max_bytes` long.
pub fn whole(report: &Report, max_bytes: usize) -> Option<String> {
    // What is escaped is never shorter, so that a report with more bytes of streams need not be written to see that.
    let may_fit = fit::raw_bytes(report) <= max_bytes;
    may_fit.then(|| escape::json(report)).filter(|whole| whole.len() <= max_bytes)
}

fn with_cut_streams(report: &Report, max_bytes: usize) -> Report {
    let empty = escape::json(&copy(report, &mut fit::with_empty_streams));
    let lengths = fit::lengths(report);
    // A stream that stays whole is marked `false`, which is a byte longer than the `true` of the empty one.
    let room = max_bytes.saturating_sub(empty.len() + lengths.len());
    let cap = fit::common_cap(lengths, room);
    copy(report, &mut |step| fit::with_streams_cut_to(step, cap))
}

fn without_streams(report: &Report, _: usize) -> Report {
    let mut bare = copy(report, &mut fit::without_streams);
    for test in &mut bare.tests {
        test.group = None;
    }
    bare
}

fn without_hashes(report: &Report, _: usize) -> Report {
    let mut bare = copy(report, &mut fit::figures);
    for test in &mut bare.tests {
        test.group = None;
    }
    bare
}

fn with_fewer_tests(report: &Report, max_bytes: usize) -> Report {
    let mut bare = without_hashes(report, max_bytes);
    let tests = std::mem::take(&mut bare.tests);
    let said = bare.detail.clone();
    let note = |left_out: usize| {
        let plural = if left_out == 1 { "test" } else { "tests" };
        format!("{said} The message has no room for the last {left_out} {plural}.")
    };
    bare.detail = note(tests.len());
    // `"tests":[],` comes on top as soon as one test is kept; each test brings a comma at most.
    let mut room = max_bytes.saturating_sub(escape::json(&bare).len() + 11);
    let mut kept = 0;
    for test in &tests {
        let length = escape::json(test).len() + 1;
        if length > room {
            break;
        }
        room -= length;
        kept += 1;
    }
    if kept < tests.len() {
        bare.detail = note(tests.len() - kept);
    } else {
        bare.detail = said.clone();
    }
    bare.tests = tests.into_iter().take(kept).collect();
    bare
}

fn with_the_least(report: &Report, max_bytes: usize) -> Report {
    let mut bare = without_hashes(report, max_bytes);
    bare.tests.clear();
    bare.compile = None;
    bare.metadata = None;
    bare.limits = None;
    bare.timing = None;
    bare.timeline = super::Timeline {
        received: report.timeline.received.clone(),
        finished: report.timeline.finished.clone(),
        ..super::Timeline::default()
    };
    bare.detail = bare.detail.chars().take(200).collect();
    bare
}

/// A copy with every step replaced. The streams are most of a report, so they are never copied just to be cut.
fn copy(report: &Report, step: &mut dyn FnMut(&StepReport) -> StepReport) -> Report {
    let test = |test: &TestReport, step: StepReport| TestReport {
        id: test.id.clone(),
        group: test.group.clone(),
        points: test.points,
        step,
    };
    Report {
        version: report.version,
        job_id: report.job_id.clone(),
        execution_id: report.execution_id.clone(),
        verdict: report.verdict,
        reason: report.reason,
        detail: report.detail.clone(),
        score: report.score,
        compile: report.compile.as_ref().map(&mut *step),
        tests: report.tests.iter().map(|it| test(it, step(&it.step))).collect(),
        limits: report.limits,
        attempt: report.attempt,
        redelivered: report.redelivered,
        lease: report.lease,
        message_id: report.message_id.clone(),
        sender: report.sender.clone(),
        trace_id: report.trace_id.clone(),
        trace: report.trace.clone(),
        worker: report.worker.clone(),
        image: report.image.clone(),
        sandbox: report.sandbox.clone(),
        timing: report.timing.clone(),
        timeline: report.timeline.clone(),
        metadata: report.metadata.clone(),
    }
}

#[cfg(test)]
mod tests;
