//! Reports, cut to what a queue takes.

use super::Input;
use caisson::capture::Capture;
use caisson::report::{Lease, Report, StepReport, Stream, TestReport, Timeline, WorkerReport, to_message};
use caisson::verdict::Verdict;

/// A report of the shortest form is never longer: every field at its longest, each character escaped.
const ALWAYS_FITS: usize = 4_096;

/// Whatever a program printed: the message fits, holds only what SQS takes, reads back, and shows beginnings.
pub fn report_cut(data: &[u8]) {
    let mut input = Input(data);
    let max_bytes = input.number() * (usize::from(input.byte() % 8) + 1);
    let report = report(&mut input);
    let message = to_message(&report, max_bytes);
    assert!(message.len() <= max_bytes.max(ALWAYS_FITS), "{} > {max_bytes}", message.len());
    let taken_by_sqs = |character: char| match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        other => other >= ' ',
    };
    assert!(message.chars().all(taken_by_sqs));
    let after: Report = serde_json::from_str(&message).unwrap_or_else(|error| panic!("{error}: {message}"));
    let figures =
        |report: &Report| (report.job_id.clone(), report.execution_id.clone(), report.verdict, report.attempt);
    assert_eq!(figures(&report), figures(&after));
    assert_eq!(report.score, after.score);
    assert!(after.tests.len() <= report.tests.len());
    for (before, after) in report.tests.iter().zip(&after.tests) {
        assert_eq!((&before.id, before.points), (&after.id, after.points));
        check_step(&before.step, &after.step);
    }
    if let (Some(before), Some(after)) = (&report.compile, &after.compile) {
        check_step(before, after);
    }
    let whole = to_message(&report, usize::MAX);
    if whole.len() <= max_bytes {
        assert_eq!(message, whole, "there was room for all of it");
    }
    let more = to_message(&report, max_bytes + 1_000);
    let more: Report = serde_json::from_str(&more).expect("it reads back");
    assert!(more.tests.len() >= after.tests.len(), "with more room there are fewer tests");
}

fn check_step(before: &StepReport, after: &StepReport) {
    let figures = |step: &StepReport| {
        (step.verdict, step.exit_code, step.cpu_time_ms, step.stdout_total_bytes, step.stderr_total_bytes)
    };
    assert_eq!(figures(before), figures(after));
    let streams = |step: &StepReport| {
        let stdout = (step.stdout.clone(), step.stdout_base64.clone(), step.stdout_total_bytes, step.stdout_truncated);
        [stdout, (step.stderr.clone(), step.stderr_base64.clone(), step.stderr_total_bytes, step.stderr_truncated)]
    };
    for (before, after) in streams(before).into_iter().zip(streams(after)) {
        let (text, base64, total, was_cut) = before;
        let (shown_text, shown_base64, _, is_cut) = after;
        assert!(shown_text.is_none() || shown_base64.is_none());
        let whole = text.as_deref().or(base64.as_deref()).unwrap_or("");
        let shown = shown_text.as_deref().or(shown_base64.as_deref()).unwrap_or("");
        assert!(whole.starts_with(shown));
        assert!(base64.is_none() || shown.len() % 4 == 0, "half a group of base64");
        // A stream that is left out and was empty had nothing to cut.
        assert_eq!(
            is_cut,
            was_cut || shown.len() < whole.len(),
            "{total} bytes, {} of {} shown",
            shown.len(),
            whole.len()
        );
    }
}

fn report(input: &mut Input<'_>) -> Report {
    let verdict = Verdict::ALL[usize::from(input.byte()) % Verdict::ALL.len()];
    let (flags, copies) = (input.byte(), usize::from(input.byte() % 32) + 1);
    let length = usize::from(input.byte());
    let detail = input.text(length * 2);
    let length = usize::from(input.byte() % 64);
    let host = input.text(length);
    let compile = (flags & 1 != 0).then(|| step(input, verdict));
    let mut tests = Vec::new();
    while !input.0.is_empty() && tests.len() < 40 {
        let length = usize::from(input.byte() % 32);
        let group = Some(input.text(length)).filter(|group| !group.is_empty());
        let points = (flags & 2 != 0).then(|| f64::from(input.byte()) / 3.0);
        tests.push(TestReport { id: (tests.len() + 1).to_string(), group, points, step: step(input, verdict) });
    }
    if flags & 4 != 0 && !tests.is_empty() {
        tests = tests.iter().cycle().take(tests.len() * copies).cloned().collect();
    }
    let time = || "2026-01-02T03:04:05.678901Z".to_owned();
    let timeline = Timeline { sent: Some(time()), received: time(), finished: time(), ..Timeline::default() };
    let metadata = (flags & 8 != 0).then(|| serde_json::json!({ "text": detail }).to_string());
    Report {
        version: 1,
        job_id: (flags & 16 == 0).then(|| "j".repeat(128)),
        execution_id: "6f1e0c1e-6a0b-4a55-8c43-6a5a3e1b9a57".to_owned(),
        verdict,
        reason: None,
        score: (flags & 2 != 0).then_some(100.0 / 3.0),
        detail,
        compile,
        tests,
        limits: None,
        attempt: 1,
        redelivered: false,
        lease: Lease::Held,
        message_id: None,
        sender: None,
        trace_id: None,
        trace: Default::default(),
        worker: WorkerReport { id: "w-1".to_owned(), version: "0.1.0".to_owned(), host },
        image: None,
        sandbox: None,
        timing: None,
        timeline,
        metadata: metadata.and_then(|text| serde_json::value::RawValue::from_string(text).ok()),
    }
}

fn step(input: &mut Input<'_>, verdict: Verdict) -> StepReport {
    let mut stream = || {
        let (length, limit, times) = (input.number(), input.number(), usize::from(input.byte() % 16) + 1);
        let mut capture = Capture::new(limit as u64);
        let chunk = input.take(length);
        (0..times).for_each(|_| capture.push(chunk));
        Stream::from(capture.finish())
    };
    let (stdout, stderr) = (stream(), stream());
    StepReport {
        verdict,
        reason: None,
        exit_code: Some(0),
        signal: None,
        cpu_time_ms: 12_345,
        wall_time_ms: 23_456,
        memory_peak_bytes: 123_456_789,
        throttled_ms: None,
        host_wait_ms: None,
        stdout: stdout.text,
        stdout_base64: stdout.base64,
        stdout_total_bytes: stdout.total_bytes,
        stdout_truncated: stdout.truncated,
        stdout_sha256: stdout.sha256.map(|sha256| sha256.to_string()),
        stderr: stderr.text,
        stderr_base64: stderr.base64,
        stderr_total_bytes: stderr.total_bytes,
        stderr_truncated: stderr.truncated,
        stderr_sha256: stderr.sha256.map(|sha256| sha256.to_string()),
        cached: false,
    }
}
