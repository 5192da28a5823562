//! A `JobMessage` to a `Job`: every rule that takes more than a type.

use std::collections::HashSet;

use super::command::{arguments, bound_text, command, variables};
use super::explain::shown;
use super::message::{FileMessage, JobMessage, TestMessage};
use super::shape::{Capped, Object};
use super::text::Text;
use super::{
    Checked, Content, DEFAULT_CAPTURE_BYTES, Environment, Isolation, Job, JobFile, MAX_CAPTURE_BYTES, Test, image,
    metadata, path, refuse, time,
};
use crate::limits::{LIMIT_FIELDS, LimitsRequest};
use crate::points;
use crate::report::CONTRACT_VERSION;

pub(super) fn job(message: JobMessage) -> Checked<Job> {
    if let Some(version) = message.version.filter(|version| *version != CONTRACT_VERSION) {
        return refuse("version", format!("must be {CONTRACT_VERSION}, is {version}"));
    }
    id("id", &message.id)?;
    let environment = environment(message.language, message.image)?;
    let files = files(message.files.0)?;
    if let Some(main) = message.main.as_ref().filter(|main| files.iter().all(|file| file.path != **main)) {
        return refuse("main", format!("is not the path of a file: {}", shown(main)));
    }
    let compile = command("compile", message.compile)?;
    let run = command("run", message.run)?;
    if run.is_none() && matches!(environment, Environment::Image(_)) {
        return refuse("run", "is missing; a job with an image says how to run it");
    }
    let args = arguments("args", message.args)?.unwrap_or_default();
    let env = variables(message.env.unwrap_or_default().0)?;
    let stdin = Text {
        at: "",
        name: "stdin",
        plain: message.stdin,
        base64: message.stdin_base64,
        s3_uri: message.stdin_s3_uri,
        sha256: message.stdin_sha256,
    };
    let tests = tests(stdin, message.tests)?;
    bound_text(&compile, &run, &args, &env, &tests)?;
    let limits = limits("limits", message.limits)?;
    let compile_limits = limits_without("compile_limits", message.compile_limits, None)?;
    let capture_bytes = message.capture_bytes.unwrap_or(DEFAULT_CAPTURE_BYTES);
    if capture_bytes > MAX_CAPTURE_BYTES {
        return refuse("capture_bytes", format!("must be at most {MAX_CAPTURE_BYTES}, is {capture_bytes}"));
    }
    if let Some(raw) = &message.metadata {
        metadata::check(raw)?;
    }
    Ok(Job {
        id: message.id,
        environment,
        files,
        main: message.main,
        compile,
        run,
        args,
        env,
        tests,
        checker: match message.checker {
            Some(checker) => checker.into_checker().map_err(|rejection| rejection.inside("checker"))?,
            None => crate::checker::Checker::default(),
        },
        stop_on_failure: message.stop_on_failure.unwrap_or(false),
        isolation: match message.isolation.as_deref() {
            None | Some("job") => Isolation::Job,
            Some("test") => Isolation::Test,
            Some(other) => return refuse("isolation", format!("must be job or test, is {}", shown(other))),
        },
        limits,
        compile_limits,
        capture_bytes,
        expires_at: message.expires_at.as_deref().map(time::read).transpose()?,
        metadata: message.metadata,
    })
}

/// A job's id.
pub(super) fn id(field: &str, id: &str) -> Checked<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    match (1..=128).contains(&id.len()) && id.bytes().all(allowed) {
        true => Ok(()),
        false => refuse(field, "must be 1 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'"),
    }
}

/// A test's id: whatever people call their tests, as long as it stays on its line and shows what it is.
fn test_id(field: &str, id: &str) -> Checked<()> {
    // What makes a line of its own, and what turns the direction of the text around it.
    let turns = |letter: char| {
        "\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}".contains(letter)
            || ('\u{202a}'..='\u{202e}').contains(&letter)
            || ('\u{2066}'..='\u{2069}').contains(&letter)
    };
    match (1..=128).contains(&id.len()) && !id.chars().any(|letter| letter.is_control() || turns(letter)) {
        true => Ok(()),
        false => refuse(
            field,
            "must be 1 to 128 bytes without control characters, also those for lines and for the direction of text",
        ),
    }
}

fn environment(language: Option<String>, reference: Option<String>) -> Checked<Environment> {
    match (language, reference) {
        (Some(_), Some(_)) => refuse("image", "cannot stand beside language; give one of the two"),
        (None, None) => refuse("language", "is missing; give language or image"),
        (Some(name), None) => {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-".contains(&byte);
            match (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
                true => Ok(Environment::Language(name)),
                false => refuse("language", "must be 1 to 64 of a-z, 0-9, '_', '+' and '-'"),
            }
        }
        (None, Some(reference)) => match image::is_reference(&reference) {
            true => Ok(Environment::Image(reference)),
            false => refuse("image", format!("is not an image reference: {}", shown(&reference))),
        },
    }
}

fn files(messages: Vec<Object<FileMessage>>) -> Checked<Vec<JobFile>> {
    if messages.is_empty() {
        return refuse("files", "must not be empty");
    }
    let mut files = Vec::with_capacity(messages.len());
    for (index, Object(message)) in messages.into_iter().enumerate() {
        let at = format!("files[{index}].");
        path::check(&message.path).or_else(|reason| refuse(format!("{at}path"), reason))?;
        let content = Text {
            at: &at,
            name: "content",
            plain: message.content,
            base64: message.content_base64,
            s3_uri: message.content_s3_uri,
            sha256: message.content_sha256,
        };
        match content.content()? {
            Some(content) => files.push(JobFile { path: message.path, content, executable: message.executable }),
            None => return refuse(format!("{at}content"), "is missing; an empty file has an empty content"),
        }
    }
    path::check_together(files.iter().map(|file| file.path.as_str()))?;
    Ok(files)
}

fn nothing() -> Content {
    Content::Here(bytes::Bytes::new())
}

fn tests(stdin: Text<'_>, messages: Option<Capped<Object<TestMessage>, { super::MAX_TESTS }>>) -> Checked<Vec<Test>> {
    let Some(Capped(messages)) = messages else {
        return Ok(vec![Test {
            id: "1".to_owned(),
            stdin: stdin.content()?.unwrap_or_else(nothing),
            expected_stdout: None,
            args: None,
            limits: LimitsRequest::default(),
            points: None,
            group: None,
        }]);
    };
    if let Some(field) = stdin.given() {
        return refuse(field, "cannot stand beside tests; each test has its own");
    }
    if messages.is_empty() {
        return refuse("tests", "must not be empty; a job without tests leaves it out");
    }
    let mut ids = HashSet::new();
    let mut tests = Vec::with_capacity(messages.len());
    for (index, Object(message)) in messages.into_iter().enumerate() {
        let test = test(&format!("tests[{index}]."), message)?;
        if !ids.insert(test.id.clone()) {
            return refuse(format!("tests[{index}].id"), format!("is given twice: {}", shown(&test.id)));
        }
        tests.push(test);
    }
    if points::sum(tests.iter().filter_map(|test| test.points)).is_infinite() {
        return refuse("tests", "have points that add up to more than a number can hold (1.8e308)");
    }
    Ok(tests)
}

fn test(at: &str, message: TestMessage) -> Checked<Test> {
    test_id(&format!("{at}id"), &message.id)?;
    let stdin = Text {
        at,
        name: "stdin",
        plain: message.stdin,
        base64: message.stdin_base64,
        s3_uri: message.stdin_s3_uri,
        sha256: message.stdin_sha256,
    };
    let expected_stdout = Text {
        at,
        name: "expected_stdout",
        plain: message.expected_stdout,
        base64: message.expected_stdout_base64,
        s3_uri: message.expected_stdout_s3_uri,
        sha256: message.expected_stdout_sha256,
    };
    if message.points.is_some_and(|points| !points.is_finite() || points < 0.0) {
        return refuse(format!("{at}points"), "must not be negative");
    }
    let plain = |text: &str| (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
    if message.group.as_deref().is_some_and(|group| !plain(group)) {
        return refuse(format!("{at}group"), "must be 1 to 128 bytes without control characters");
    }
    Ok(Test {
        id: message.id,
        stdin: stdin.content()?.unwrap_or_else(nothing),
        expected_stdout: expected_stdout.content()?,
        args: arguments(&format!("{at}args"), message.args)?,
        limits: limits_without(
            &format!("{at}limits"),
            message.limits,
            Some("can only be set for the job, in limits.disk_bytes: the disk is made with the container"),
        )?,
        points: message.points,
        group: message.group,
    })
}

fn limits(field: &str, message: Option<Object<LimitsRequest>>) -> Checked<LimitsRequest> {
    limits_without(field, message, None)
}

/// The requested limits, as far as they can be judged without the operator's policy; `no_disk` says why `disk_bytes`
/// cannot be among them, where it cannot.
fn limits_without(
    field: &str,
    message: Option<Object<LimitsRequest>>,
    no_disk: Option<&str>,
) -> Checked<LimitsRequest> {
    let Some(Object(request)) = message else { return Ok(LimitsRequest::default()) };
    for limit in &LIMIT_FIELDS {
        if (limit.requested)(&request) == Some(0) {
            return refuse(format!("{field}.{}", limit.name), "must be at least 1, is 0");
        }
    }
    match (request.disk_bytes, no_disk) {
        (Some(_), Some(reason)) => refuse(format!("{field}.disk_bytes"), reason),
        _ => Ok(request),
    }
}
