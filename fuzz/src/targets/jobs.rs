//! Jobs as messages, and the plans made of them.

use std::path::{Component, Path};
use std::sync::LazyLock;

use caisson::checker::Checker;
use caisson::config::Config;
use caisson::job;
use caisson::job::{Environment, Job};
use caisson::limits::{LIMIT_FIELDS, LimitsRequest};
use caisson::plan::{Command, Plan, Policy};
use caisson::protocol::{HEADER, MAX_PAYLOAD, Request, Restore, Stdin, Step};

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
pub(super) fn check_words(data: &[u8], said: &str) {
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

/// Whether a character moves others: to another line, or to the other direction.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || "\u{61c}\u{200e}\u{200f}".contains(letter)
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert!((1..=128).contains(&test.id.len()) && !test.id.chars().any(is_hidden), "{:?}", test.id);
        assert!(test.args.as_deref().is_none_or(no_nul));
        assert!(test.points.is_none_or(|points| points.is_finite() && points >= 0.0));
        check_limits(&test.limits);
        assert!(test.limits.disk_bytes.is_none());
    }
    assert!(
        job.tests.iter().filter_map(|test| test.points).map(|points| points / 2_048.0).sum::<f64>()
            < f64::MAX / 2_000.0
    );
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
    let policy = Policy {
        languages: config.languages.clone(),
        images,
        limits: config.limits.clone(),
        job_wall_ms: config.worker.max_job_wall_s * 1_000,
    };
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
        restore: Restore::No,
        cpu_time_us: 0,
        wall_time_us: 0,
        cpu_wait_us: 0,
        file_wait_us: 0,
        output_bytes: 0,
        file_size_bytes: 0,
        open_files: 0,
        stack_bytes: 0,
    };
    (Request::Step(step).encode(0).len() - HEADER, bytes)
}
