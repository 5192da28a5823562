//! What is fuzzed: a function for each reader of bytes that somebody else wrote. Each takes any bytes and panics when
//! something that must hold doesn't.

use std::path::{Component, Path};
use std::sync::LazyLock;

use bytes::Bytes;
use caisson::capture::Capture;
use caisson::cgroup::{self, Version};
use caisson::checker::Checker;
use caisson::config::Config;
use caisson::job::{self, Environment, Job};
use caisson::language::{Language, Placeholders, expand, main_stem, unknown_placeholder};
use caisson::limits::{LIMIT_FIELDS, LimitsRequest};
use caisson::network;
use caisson::plan::{Command, Plan, Policy};
use caisson::protocol::{Event, FrameError, HEADER, Header, MAX_PAYLOAD, Request, Stdin, Step, kind};
use caisson::report::{Lease, Report, StepReport, Stream, TestReport, Timeline, WorkerReport, to_message};
use caisson::verdict::Verdict;

pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 10] = [
    ("job_parse", job_parse),
    ("request_frame", request_frame),
    ("event_frame", event_frame),
    ("cgroup_text", cgroup_text),
    ("proc_net_dev", proc_net_dev),
    ("checkers", checkers),
    ("report_cut", report_cut),
    ("config_parse", config_parse),
    ("language_parse", language_parse),
    ("placeholders", placeholders),
];

/// Takes the fuzzer's bytes apart; at their end everything is zero and empty.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn text(&mut self, length: usize) -> String {
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}

// --- Jobs

/// A message is a job that keeps the contract and can be planned without harm, or is refused in words.
pub fn job_parse(data: &[u8]) {
    match job::parse(data) {
        Ok(job) => {
            check_job(&job);
            check_plan(data, job);
        }
        Err(refused) => {
            check_words(data, &refused.to_string());
            assert!(refused.job_id.is_none_or(|id| is_id(&id)));
            let metadata = refused.metadata.as_ref().map(|raw| raw.get());
            assert!(metadata.is_none_or(is_metadata), "{metadata:?}");
        }
    }
}

/// One line for a person, with nothing of serde's own and not so long that it floods a log.
fn check_words(data: &[u8], said: &str) {
    assert!(!said.is_empty() && said.len() < 4_000, "{} bytes: {said}", said.len());
    assert!(!said.chars().any(char::is_control), "{said:?}");
    for foreign in ["invalid type", "invalid value", "struct ", "u64"] {
        // What the message itself says may be repeated.
        let is_theirs = data.windows(foreign.len()).any(|it| it == foreign.as_bytes());
        assert!(is_theirs || !said.contains(foreign), "{said}");
    }
}

fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(allowed)
}

fn is_metadata(text: &str) -> bool {
    text.len() <= 8_192 && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

fn check_job(job: &Job) {
    assert!(is_id(&job.id), "{:?}", job.id);
    assert!((1..=1_000).contains(&job.files.len()) && (1..=2_000).contains(&job.tests.len()));
    let mut paths: Vec<&Path> = job.files.iter().map(|file| Path::new(&file.path)).collect();
    for path in &paths {
        let text = path.to_str().expect("it was a text");
        let components: Vec<Component<'_>> = path.components().collect();
        assert!(components.iter().all(|it| matches!(it, Component::Normal(name) if name.len() <= 255)), "{text:?}");
        assert!(components.len() <= 8 && components.len() == text.split('/').count(), "{text:?}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    paths.sort();
    // Sorted by components, whatever lies in a folder stands right behind it.
    assert!(paths.windows(2).all(|pair| !pair[1].starts_with(pair[0])), "{paths:?}");
    assert!(job.main.as_ref().is_none_or(|main| job.files.iter().any(|file| file.path == *main)));
    for command in [&job.compile, &job.run].into_iter().flatten() {
        assert!((1..=256).contains(&command.len()) && !command[0].is_empty());
        assert!(command.iter().all(|argument| !argument.contains('\0')));
    }
    assert!(job.run.is_some() || matches!(job.environment, Environment::Language(_)));
    let no_nul = |arguments: &[String]| arguments.len() <= 256 && arguments.iter().all(|it| !it.contains('\0'));
    assert!(no_nul(&job.args));
    for (name, value) in &job.env {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        assert!(name.bytes().all(word) && !name.starts_with(|first: char| first.is_ascii_digit()), "{name:?}");
        assert!(!name.is_empty() && !value.contains('\0'));
        assert!(!["LD_", "PYTHON", "NODE_", "JAVA_", "PERL"].iter().any(|start| name.starts_with(start)), "{name}");
        assert!(!["PATH", "BASH_ENV", "ENV", "GCONV_PATH", "TMPDIR"].contains(&name.as_str()), "{name}");
    }
    let mut ids: Vec<&str> = job.tests.iter().map(|test| test.id.as_str()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    for test in &job.tests {
        assert!(is_id(&test.id), "{:?}", test.id);
        assert!(test.args.as_deref().is_none_or(no_nul));
        assert!(test.points.is_none_or(|points| points.is_finite() && points >= 0.0));
        check_limits(&test.limits);
        assert!(test.limits.disk_bytes.is_none());
    }
    check_limits(&job.limits);
    check_limits(&job.compile_limits);
    if let Checker::Float { abs, rel, .. } = job.checker {
        let fine = |tolerance: Option<f64>| tolerance.is_none_or(|it| it.is_finite() && it >= 0.0);
        assert!(fine(abs) && fine(rel) && (abs.is_some() || rel.is_some()));
    }
    assert!(job.capture_bytes <= 16 << 20);
    assert!(job.metadata.as_ref().is_none_or(|raw| is_metadata(raw.get())));
}

fn check_limits(request: &LimitsRequest) {
    for field in &LIMIT_FIELDS {
        let value = (field.requested)(request);
        assert!(value.is_none_or(|value| (1..=1 << 53).contains(&value)), "{}: {value:?}", field.name);
    }
}

/// What the commands of a plan may take in memory, whatever its message.
const PLAN_BYTES: usize = 17 << 20;

fn check_plan(data: &[u8], job: Job) {
    static DEFAULTS: LazyLock<Config> = LazyLock::new(|| Config::parse("", "").expect("the defaults have no mistakes"));
    let config = &*DEFAULTS;
    let images = match &job.environment {
        Environment::Image(reference) => vec![reference.clone()],
        Environment::Language(_) => Vec::new(),
    };
    let policy = Policy { languages: config.languages.clone(), images, limits: config.limits.clone() };
    let plan = match Plan::new(job, &policy) {
        Ok(plan) => plan,
        Err(rejection) => return check_words(data, &rejection.to_string()),
    };
    assert!(!plan.image.is_empty() && !plan.tests.is_empty());
    let commands = || plan.compile.iter().chain(plan.tests.iter().map(|test| &test.command));
    let mut total = 0;
    for command in commands() {
        for field in &LIMIT_FIELDS {
            let value = (field.get)(&command.limits);
            let maximum = (field.get)(&policy.limits.maximum);
            assert!((1..=maximum).contains(&value), "{}: {value}", field.name);
        }
        let (payload, bytes) = step_payload(command);
        assert!(payload <= MAX_PAYLOAD, "a step of {payload} bytes goes into no frame");
        total += bytes;
    }
    assert!(total <= PLAN_BYTES, "the commands of a job of {} bytes take {total} bytes", data.len());
}

/// The size of the frame that tells the agent of a command, and of the command's own texts.
fn step_payload(command: &Command) -> (usize, usize) {
    let argv: Vec<Vec<u8>> = command.argv.iter().map(|argument| argument.clone().into_bytes()).collect();
    assert!(argv.first().is_some_and(|program| !program.is_empty()));
    let env: Vec<Vec<u8>> = command.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect();
    let bytes = argv.iter().chain(&env).map(Vec::len).sum();
    let step = Step {
        argv,
        env,
        stdin: Stdin::Bytes(0),
        restore: false,
        cpu_time_us: 0,
        wall_time_us: 0,
        output_bytes: 0,
        file_size_bytes: 0,
        open_files: 0,
        stack_bytes: 0,
    };
    (Request::Step(step).encode(0).len() - HEADER, bytes)
}

// --- Frames

/// What decodes encodes to as many bytes and decodes to the same.
pub fn request_frame(data: &[u8]) {
    check_header(data);
    let Some((&number, payload)) = data.split_first() else { return };
    match Request::decode(number, payload) {
        Ok(request) => {
            let frame = request.encode(7);
            assert_eq!(Request::decode(number, payload_of(&frame, number, payload.len())).as_ref(), Ok(&request));
            if !matches!(request, Request::Data(_)) {
                let shorter = payload.split_last().map(|(_, shorter)| Request::decode(number, shorter));
                assert!(shorter.is_none_or(|it| it == Err(FrameError::Malformed)), "a cut {request:?} is still one");
            }
        }
        Err(error) => check_frame_error(error, number, kind::HELLO..=kind::LOAD),
    }
}

/// The same for what the agent sends, which may be anything.
pub fn event_frame(data: &[u8]) {
    check_header(data);
    let Some((&number, payload)) = data.split_first() else { return };
    match Event::decode(number, payload) {
        Ok(event) => {
            let frame = event.encode(7);
            let again = payload_of(&frame, number, payload.len());
            // Events have one form only.
            assert_eq!(again, payload);
            assert_eq!(Event::decode(number, again).as_ref(), Ok(&event));
            if !matches!(event, Event::Stdout(_) | Event::Stderr(_) | Event::Data(_)) {
                let shorter = payload.split_last().map(|(_, shorter)| Event::decode(number, shorter));
                assert!(shorter.is_none_or(|it| it == Err(FrameError::Malformed)), "a cut {event:?} is still one");
            }
        }
        Err(error) => check_frame_error(error, number, kind::READY..=kind::FAILED),
    }
}

fn payload_of(frame: &[u8], number: u8, length: usize) -> &[u8] {
    let (header, payload) = frame.split_first_chunk::<HEADER>().expect("a frame has a header");
    assert_eq!(payload.len(), length);
    if length <= MAX_PAYLOAD {
        assert_eq!(Header::decode(header, 7), Ok(Header { length, kind: number, sequence: 7 }));
    } else {
        assert_eq!(Header::decode(header, 7), Err(FrameError::TooLong));
    }
    payload
}

fn check_frame_error(error: FrameError, number: u8, known: std::ops::RangeInclusive<u8>) {
    match error {
        FrameError::UnknownKind(kind) => assert!(kind == number && !known.contains(&number)),
        FrameError::Malformed => assert!(known.contains(&number)),
        FrameError::TooLong | FrameError::OutOfSequence => panic!("{error} is about the header"),
    }
}

fn check_header(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HEADER>() else { return };
    let sequence = u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
    match Header::decode(bytes, sequence) {
        Ok(header) => {
            assert!(header.length <= MAX_PAYLOAD);
            assert_eq!(header.encode(), *bytes);
            assert_eq!(Header::decode(bytes, sequence.wrapping_add(1)), Err(FrameError::OutOfSequence));
        }
        Err(error) => assert_eq!(error, FrameError::TooLong),
    }
}

// --- The kernel's files

/// Numbers are read where they stand and nowhere else; a group without the line has no number.
pub fn cgroup_text(data: &[u8]) {
    // One number, read a digit at a time.
    let plain = |text: &[u8]| {
        let text = text.trim_ascii();
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        digits.iter().try_fold((!digits.is_empty()).then_some(0u64), |sum, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            Some(sum?.checked_mul(10)?.checked_add(digit))
        })?
    };
    assert_eq!(cgroup::number(data), plain(data));
    assert_eq!(Version::V1.cpu_time_us(data), plain(data).map(|nanoseconds| nanoseconds / 1_000));
    let line = |key: &str| {
        let start = format!("{key} ").into_bytes();
        let mut rest = data;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (first, next) = end.map_or((rest, None), |end| (&rest[..end], Some(&rest[end + 1..])));
            if let Some(number) = first.starts_with(&start).then(|| plain(&first[start.len()..])).flatten() {
                return Some(number);
            }
            rest = next?;
        }
    };
    assert_eq!(Version::V2.cpu_time_us(data), line("usage_usec"));
    for version in [Version::V1, Version::V2] {
        assert_eq!(version.oom_kills(data), line("oom_kill"));
    }
}

/// A way out is never overlooked: with the two headings and loopbacks only there is none, whatever comes on top is one.
pub fn proc_net_dev(data: &[u8]) {
    let way_out = network::has_interface(data);
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    if !way_out {
        assert!(lines.len() >= 2 && lines[..2].iter().all(|line| line.contains(&b'|')));
        assert!(lines[2..].iter().all(|line| line.trim_ascii_start().starts_with(b"lo:")));
    }
    for interface in ["  eth0: 1 2 3", "lo0: 1", "\tlo :", "vlo:", "?"] {
        let more = [data, b"\n", interface.as_bytes(), b"\n"].concat();
        assert!(network::has_interface(&more) || lines.len() < 2, "{interface:?} is no way out");
    }
}

// --- Checkers

/// Tolerances worth trying.
const TOLERANCES: [Option<f64>; 8] =
    [None, Some(0.0), Some(1e-9), Some(1e-6), Some(0.5), Some(1.0), Some(1e300), Some(f64::MIN_POSITIVE)];

/// However an output is cut, the answer is that of the plain reading of the rules.
pub fn checkers(data: &[u8]) {
    let mut input = Input(data);
    let (choice, tolerances, sizes) = (input.byte(), input.byte(), input.byte());
    let case_sensitive = choice & 8 == 0;
    let checker = match choice % 4 {
        0 => Checker::Exact,
        1 => Checker::Lines,
        2 => Checker::Tokens { case_sensitive, space_sensitive: choice & 16 != 0 },
        _ => {
            let tolerance = |bits: u8| TOLERANCES[usize::from(bits & 7)];
            let rel = tolerance(tolerances >> 3).or(Some(0.0));
            Checker::Float { abs: tolerance(tolerances), rel, case_sensitive }
        }
    };
    let length = input.number();
    let expected = input.take(length);
    // Often an output begins as the expected one does.
    let shared = if choice & 32 == 0 { 0 } else { usize::from(input.byte()).min(expected.len()) };
    let output = [&expected[..expected.len() - shared], input.0].concat();
    let output = if choice & 32 == 0 { input.0 } else { &output };

    let whole = compare(checker, expected, std::iter::once(output));
    let pieces = compare(checker, expected, output.chunks(usize::from(sizes) % 70 + 1));
    let bytes = compare(checker, expected, output.chunks(1));
    let plain = plainly(checker, expected, output);
    assert_eq!((whole, pieces, bytes), (plain, plain, plain), "{checker:?}: {expected:?}, {output:?}");
    assert!(compare(checker, expected, expected.chunks(7)), "{checker:?}: {expected:?} is not itself");
}

fn compare<'a>(checker: Checker, expected: &[u8], chunks: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut comparison = checker.compare(Bytes::copy_from_slice(expected));
    for chunk in chunks {
        comparison.push(chunk);
        comparison.push(b"");
    }
    comparison.finish()
}

fn plainly(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
    let is_space = |byte: &u8| b" \t\n\x0b\x0c\r".contains(byte);
    let tokens = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(is_space).filter(|token| !token.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let folded = |text: &[u8], keep: bool| if keep { text.to_vec() } else { text.to_ascii_lowercase() };
    match checker {
        Checker::Exact => expected == output,
        Checker::Tokens { case_sensitive: keep, space_sensitive: true } => {
            folded(expected, keep) == folded(output, keep)
        }
        Checker::Tokens { case_sensitive: keep, space_sensitive: false } => {
            tokens(&folded(expected, keep)) == tokens(&folded(output, keep))
        }
        Checker::Lines => {
            let lines = |text: &[u8]| -> Vec<Vec<u8>> {
                let lines = text.split(|byte| *byte == b'\n');
                let visible = |line: &[u8]| line.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
                let mut lines: Vec<Vec<u8>> = lines.map(|line| line[..visible(line)].to_vec()).collect();
                lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
                lines
            };
            lines(expected) == lines(output)
        }
        Checker::Float { abs, rel, case_sensitive: keep } => {
            let number = |token: &[u8]| -> Option<f64> {
                if token.len() > 512 { None } else { std::str::from_utf8(token).ok()?.parse().ok() }
            };
            let near = |expected: f64, output: f64| {
                if expected.is_finite() && output.is_finite() {
                    let difference = (expected - output).abs();
                    // Equal numbers are equal under any tolerance, and an overflowing difference is under none.
                    let within = |tolerance: f64| difference <= tolerance;
                    expected == output || abs.is_some_and(within) || rel.is_some_and(|rel| within(rel * expected.abs()))
                } else {
                    expected == output || (expected.is_nan() && output.is_nan())
                }
            };
            let (expected, output) = (tokens(expected), tokens(output));
            expected.len() == output.len()
                && expected.iter().zip(&output).all(|(expected, output)| match (number(expected), number(output)) {
                    (Some(expected), Some(output)) => near(expected, output),
                    (Some(_), None) => false,
                    (None, _) => folded(expected, keep) == folded(output, keep),
                })
        }
    }
}

// --- Reports

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
        worker: WorkerReport { id: "w-1".to_owned(), version: "0.1.0".to_owned(), host },
        image: None,
        sandbox: None,
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
        stdout: stdout.text,
        stdout_base64: stdout.base64,
        stdout_total_bytes: stdout.total_bytes,
        stdout_truncated: stdout.truncated,
        stderr: stderr.text,
        stderr_base64: stderr.base64,
        stderr_total_bytes: stderr.total_bytes,
        stderr_truncated: stderr.truncated,
    }
}

// --- Configuration

/// A configuration without mistakes shows itself as one that loads back to the same; mistakes are lines with places.
pub fn config_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse("fuzz.toml", text) {
        Ok(config) => config,
        Err(errors) => return check_mistakes(text, errors.mistakes().iter().map(ToString::to_string)),
    };
    let shown = config.show();
    let again = Config::parse("fuzz.toml", &shown).unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
    assert_eq!(config.queue, again.queue, "{shown}");
    assert_eq!(config.worker, again.worker, "{shown}");
    assert_eq!(config.sandbox, again.sandbox, "{shown}");
    assert_eq!(config.limits, again.limits, "{shown}");
    assert_eq!(config.images, again.images, "{shown}");
    assert_eq!(config.languages, again.languages, "{shown}");
    assert_eq!(config.log, again.log, "{shown}");
    let (run, compile) = (config.limits.run, config.limits.compile);
    for field in &LIMIT_FIELDS {
        let maximum = (field.get)(&config.limits.maximum);
        assert!((field.get)(&run) <= maximum && (field.get)(&compile) <= maximum, "{}\n{shown}", field.name);
        assert!((field.get)(&run) > 0 && (field.get)(&compile) > 0, "{}\n{shown}", field.name);
    }
}

/// One `language.toml`: no mistake goes unplaced, and what has none can be run.
pub fn language_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Language::parse("fuzz.toml", text) {
        Ok(language) => {
            assert!(!language.name.is_empty() && !language.image.is_empty() && !language.main.is_empty());
            assert!(!language.run.is_empty() && language.compile.as_ref().is_none_or(|it| !it.is_empty()));
            let arguments = language.run.iter().chain(language.compile.iter().flatten());
            assert!(arguments.clone().all(|argument| !argument.contains('\0')));
            assert!(arguments.clone().all(|argument| unknown_placeholder(argument).is_none()));
            assert!(language.env.iter().all(|(name, value)| !name.contains(['\0', '=']) && !value.contains('\0')));
        }
        Err(mistakes) => check_mistakes(text, mistakes.iter().map(ToString::to_string)),
    }
}

/// Lines such as `fuzz.toml:3: queue.wait_time_s: 30 is out of range; …`.
fn check_mistakes(text: &str, mistakes: impl Iterator<Item = String>) {
    let mut any = false;
    for mistake in mistakes {
        any = true;
        assert!(!mistake.chars().any(char::is_control), "{mistake:?}");
        let place = mistake.strip_prefix("fuzz.toml:").and_then(|rest| rest.split([':', ' ']).next());
        if let Some(line) = place.and_then(|line| line.parse::<usize>().ok()) {
            assert!((1..=text.split('\n').count()).contains(&line), "{mistake}");
        }
    }
    assert!(any, "it is refused, but nothing is wrong with it");
}

/// Placeholders are replaced once and wherever they stand, and nothing else changes.
pub fn placeholders(data: &[u8]) {
    let mut input = Input(data);
    let length = usize::from(input.byte());
    let main = input.text(length);
    let memory_mb = input.number() as u64;
    let argument = String::from_utf8_lossy(input.0).into_owned();
    let expanded = expand(&argument, &Placeholders { main: &main, memory_mb });

    let stem = main_stem(&main);
    assert!(main.starts_with(stem) && (stem == main || main[stem.len()..].starts_with('.')), "{main:?}: {stem:?}");
    assert!(
        !main[stem.len()..].contains('/') && stem.rsplit('/').next() != Some("") || stem == main,
        "{main:?}: {stem:?}"
    );

    let memory = memory_mb.to_string();
    let meanings = [("{main}", main.as_str()), ("{main_stem}", stem), ("{memory_mb}", memory.as_str())];
    let mut plain = String::new();
    let mut rest = argument.as_str();
    while let Some(first) = rest.chars().next() {
        match meanings.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, meaning)) => {
                plain.push_str(meaning);
                rest = &rest[name.len()..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    assert_eq!(expanded, plain, "{argument:?} with {main:?}");
    if let Some(name) = unknown_placeholder(&argument) {
        assert!(argument.contains(&format!("{{{name}}}")) && !["main", "main_stem", "memory_mb"].contains(&name));
    }
}
