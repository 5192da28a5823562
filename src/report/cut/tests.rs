//! Whatever a program printed, its result fits, reads back, and shows the beginning of what was printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::capture::Capture;
use crate::limits::Limits;
use crate::report::{ImageReport, Lease, LimitsReport, Stream, Timeline, WorkerReport};
use crate::sha256::Sha256;
use crate::verdict::Verdict;

const MIB: usize = 1 << 20;

/// Bytes of a stream whose hash isn't looked at again.
const LONG: usize = 20_000;

fn step(stdout: &[u8], stderr: &[u8]) -> StepReport {
    let stream = |bytes: &[u8]| {
        let mut capture = Capture::new(u64::MAX);
        capture.push(bytes);
        Stream::from(capture.finish())
    };
    let (stdout, stderr) = (stream(stdout), stream(stderr));
    StepReport {
        verdict: Verdict::Accepted,
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

fn report(tests: impl IntoIterator<Item = StepReport>) -> Report {
    let time = || "2026-01-02T03:04:05.678901Z".to_owned();
    Report {
        version: 1,
        job_id: Some("course:7-student.12".to_owned()),
        execution_id: "6f1e0c1e-6a0b-4a55-8c43-6a5a3e1b9a57".to_owned(),
        verdict: Verdict::Accepted,
        reason: None,
        detail: "Every test was accepted.".to_owned(),
        score: Some(100.0),
        compile: None,
        tests: tests
            .into_iter()
            .enumerate()
            .map(|(index, step)| TestReport { id: (index + 1).to_string(), group: None, points: Some(1.0), step })
            .collect(),
        limits: Some(LimitsReport { run: Limits::RUN, compile: Some(Limits::COMPILE) }),
        attempt: 1,
        redelivered: false,
        lease: Lease::Held,
        message_id: Some("0a6f6f80-0c5d-44d7-9d2e-5b44a3a7f4a0".to_owned()),
        sender: Some("AIDACKCEVSQ6C2EXAMPLE".to_owned()),
        trace_id: None,
        trace: Default::default(),
        worker: WorkerReport { id: "w-1".to_owned(), version: "0.1.0".to_owned(), host: "ip-10-0-0-1".to_owned() },
        image: Some(ImageReport { reference: "python:3".to_owned(), digest: format!("sha256:{}", "0".repeat(64)) }),
        sandbox: None,
        timing: None,
        timeline: Timeline {
            sent: Some(time()),
            received: time(),
            started: Some(time()),
            finished: time(),
            queue_ms: Some(1),
            prepare_ms: Some(2),
            compile_ms: Some(3),
            run_ms: Some(4),
        },
        metadata: None,
    }
}

fn accepted_by_sqs(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'
    )
}

fn shown(text: &Option<String>, base64: &Option<String>) -> Option<Vec<u8>> {
    match (text, base64) {
        (Some(text), None) => Some(text.clone().into_bytes()),
        (None, Some(base64)) => Some(STANDARD.decode(base64).expect("it is base64")),
        (None, None) => None,
        (Some(_), Some(_)) => panic!("a stream is text or base64"),
    }
}

/// The streams' checks: beginnings of what was printed, marked where cut, totals kept.
fn assert_beginnings(before: &StepReport, after: &StepReport) {
    let (printed, printed_errors) =
        (shown(&before.stdout, &before.stdout_base64), shown(&before.stderr, &before.stderr_base64));
    for (printed, shown, marked, hash) in [
        (printed, shown(&after.stdout, &after.stdout_base64), after.stdout_truncated, &after.stdout_sha256),
        (printed_errors, shown(&after.stderr, &after.stderr_base64), after.stderr_truncated, &after.stderr_sha256),
    ] {
        let is_gone = shown.is_none();
        let (printed, shown) = (printed.expect("it was there"), shown.unwrap_or_default());
        assert!(printed.starts_with(&shown));
        assert_eq!(marked, shown.len() < printed.len());
        // The hash is the last thing to go, and only goes where no stream is shown at all.
        assert!(hash.is_some() == marked || (hash.is_none() && is_gone), "{hash:?}");
        // Without optimisation hashing is slow: long streams are left to the tests with few of them.
        let is_right = |hash: &String| printed.len() > LONG || *hash == Sha256::of(&printed).to_string();
        assert!(hash.as_ref().is_none_or(is_right), "{hash:?}");
    }
    assert_eq!(
        (before.verdict, before.cpu_time_ms, before.stdout_total_bytes, before.stderr_total_bytes),
        (after.verdict, after.cpu_time_ms, after.stdout_total_bytes, after.stderr_total_bytes)
    );
}

/// Writes the report, checks what always holds, and reads it back.
fn written(before: &Report, max_bytes: usize) -> Report {
    let message = to_message(before, max_bytes);
    assert!(message.len() <= max_bytes, "{} > {max_bytes}", message.len());
    assert!(message.chars().all(accepted_by_sqs));
    let after: Report = serde_json::from_str(&message).expect("it reads back");
    assert_eq!((&before.job_id, before.verdict, before.score), (&after.job_id, after.verdict, after.score));
    for (before, after) in before.tests.iter().zip(&after.tests) {
        assert_eq!(before.id, after.id);
        assert_beginnings(&before.step, &after.step);
    }
    if let (Some(before), Some(after)) = (&before.compile, &after.compile) {
        assert_beginnings(before, after);
    }
    after
}

#[test]
fn a_hundred_full_streams_of_the_worst_bytes_fit_and_fill_the_message() {
    let worst: [&[u8]; 5] = [b"\0", b"\"", "\u{ffff}".as_bytes(), b"\xff\xfe", "😀".as_bytes()];
    for unit in worst {
        let stream = unit.repeat(65_536 / unit.len());
        // As captured streams are that are this long: their hashes are known already.
        let sha256 = Some(Sha256::of(&stream).to_string());
        let full = StepReport { stdout_sha256: sha256.clone(), stderr_sha256: sha256, ..step(&stream, &stream) };
        let before = report((0..100).map(|_| full.clone()));
        for max_bytes in [MIB, 256 << 10, 100_000] {
            let after = written(&before, max_bytes);
            assert_eq!(after.tests.len(), 100, "{unit:?}");
            assert!(after.tests[0].step.stdout_truncated && after.tests[99].step.stderr_truncated, "{unit:?}");
            let length = to_message(&before, max_bytes).len();
            // What a common cap leaves unused: less than the longest escape for each stream, and the rounding.
            assert!(length + 200 * 13 > max_bytes, "{unit:?}: {length} of {max_bytes}");
        }
    }
}

#[test]
fn short_streams_stay_whole_while_long_ones_are_cut_alike() {
    let before = report([step(b"short", b""), step(&[b'x'; 300_000], b"e"), step(&[b'y'; 9_000], &[b'z'; 200_000])]);
    let after = written(&before, 100_000);
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    assert_eq!(after.tests[0].step.stdout.as_deref(), Some("short"));
    assert_eq!(length(&after.tests[2].step.stdout), 9_000);
    assert_eq!(length(&after.tests[1].step.stdout), length(&after.tests[2].step.stderr));
    assert!(length(&after.tests[1].step.stdout) > 40_000);
    assert!(!after.tests[0].step.stdout_truncated && !after.tests[2].step.stdout_truncated);
}

#[test]
fn a_report_that_fits_is_not_touched() {
    let before = report([step(b"a", b"\xff")]);
    let message = to_message(&before, MIB);
    assert_eq!(message, serde_json::to_string(&before).expect("it serializes"));
    assert_eq!(to_message(&before, message.len()), message);
    assert!(to_message(&before, message.len() - 1).len() < message.len());
}

#[test]
fn two_thousand_tests_fit_with_all_their_figures() {
    let before = report((0..2_000).map(|_| step(&[b'x'; 1_000], b"warning\n")));
    let after = written(&before, MIB);
    assert_eq!(after.tests.len(), 2_000);
    assert!(after.tests.iter().all(|test| test.step.stdout.as_ref().is_some_and(|text| text.len() > 100)));
    for (bare, range) in
        [(without_hashes(&before, MIB), 400_000..500_000), (without_streams(&before, MIB), 700_000..850_000)]
    {
        let bare = escape::json(&bare).len();
        assert!(range.contains(&bare), "{bare}");
    }
}

#[test]
fn what_has_no_room_is_left_out_in_order_and_said() {
    let mut before = report((0..2_000).map(|_| step(b"x", b"")));
    for test in &mut before.tests {
        test.id = format!("{:0>128}", test.id);
        test.group = Some("\"".repeat(128));
    }
    before.metadata = Some(RawValue::from_string(format!("{{\"a\":\"{}\"}}", "\u{ffff}".repeat(2_000))).expect("JSON"));
    let after = written(&before, MIB);
    assert_eq!((after.tests.len(), after.tests[0].group.is_none()), (2_000, true));
    let after = written(&before, 256 << 10);
    assert!((500..1_000).contains(&after.tests.len()), "{}", after.tests.len());
    let left_out = format!("The message has no room for the last {} tests.", 2_000 - after.tests.len());
    assert!(after.detail.ends_with(&left_out), "{}", after.detail);
    assert!(after.metadata.is_some());
    let after = written(&before, 2 << 10);
    assert!(after.tests.is_empty() && after.metadata.is_none() && after.verdict == Verdict::Accepted);
    assert!(!to_message(&before, 0).is_empty());
}

#[test]
fn every_character_takes_the_bytes_that_are_counted_for_it() {
    for character in (0..=0x10ffff).filter_map(char::from_u32) {
        let written = escape::json(&character);
        assert_eq!(written.len(), escape::length(character) + 2, "{character:?}");
        assert!(written.chars().all(accepted_by_sqs), "{character:?}");
    }
}

#[test]
fn the_common_cap_is_the_largest_that_fits() {
    let cap = |lengths: &[usize], when_cut, room| {
        fit::common_cap(lengths.iter().map(|whole| fit::Length { whole: *whole, when_cut }).collect(), room)
    };
    assert_eq!(cap(&[], 0, 0), usize::MAX);
    assert_eq!(cap(&[5, 5], 0, 10), usize::MAX);
    assert_eq!(cap(&[5, 6], 0, 10), 5);
    assert_eq!(cap(&[100, 1, 100], 0, 21), 10);
    assert_eq!(cap(&[7, 7], 0, 0), 0);
    // A hash takes its room from the stream that is cut, and from no other.
    assert_eq!(cap(&[5, 5], 80, 10), usize::MAX);
    assert_eq!(cap(&[5, 100], 80, 95), 10);
    assert_eq!(cap(&[5, 100, 100], 80, 185), 10);
    assert_eq!(cap(&[100, 100], 80, 100), 0);
}

/// Bytes that are escaped, multi-byte, invalid, or nothing special.
fn printed() -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![
        any::<char>().prop_map(|it| it.to_string().into_bytes()),
        prop::sample::select(vec!["\0", "\"", "\u{ffff}", "\u{fffe}", "\u{7f}", "a", "\n", "\u{1fffe}"])
            .prop_map(|it| it.as_bytes().to_vec()),
    ];
    prop_oneof![
        (prop::collection::vec(unit, 0..8), 1usize..200).prop_map(|(units, count)| units.concat().repeat(count)),
        prop::collection::vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_report_is_whole_from_its_own_length_on_and_cut_below_it(
        steps in prop::collection::vec((printed(), printed()), 1..8),
        below in 1usize..300,
    ) {
        let before = report(steps.iter().map(|(stdout, stderr)| step(stdout, stderr)));
        let length = escape::json(&before).len();
        for max_bytes in [length, length + 1, length + below] {
            let message = whole(&before, max_bytes);
            prop_assert_eq!(message.as_ref().map(String::len), Some(length));
            prop_assert_eq!(message, Some(to_message(&before, max_bytes)));
        }
        for max_bytes in [length - 1, length.saturating_sub(below).max(2_000)] {
            prop_assert!(max_bytes >= length || whole(&before, max_bytes).is_none());
            prop_assert!(to_message(&before, max_bytes).len() <= max_bytes.max(1_999));
            if max_bytes >= 2_000 {
                written(&before, max_bytes);
            }
        }
    }

    #[test]
    fn any_streams_fit_read_back_and_are_beginnings(
        steps in prop::collection::vec((printed(), printed()), 0..8),
        compile in prop::option::of((printed(), printed())),
        max_bytes in 2_000usize..20_000,
    ) {
        let mut before = report(steps.iter().map(|(stdout, stderr)| step(stdout, stderr)));
        before.compile = compile.map(|(stdout, stderr)| step(&stdout, &stderr));
        written(&before, max_bytes);
    }
}
