//! From a job to what will be run: the language's commands, the operator's limits and allow-list, checked and filled in.
//!
//! Pure: the policy comes in, a [`Plan`] or a [`Rejection`] goes out. Behind it nothing of a job is optional any more.

mod room;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::checker::Checker;
use crate::job::{Data, Environment, Isolation, Job, JobFile, Rejection, Test};
use crate::language::{
    Exhaustion, Language, Languages, Placeholders, expand, free_path, has_extension, heap_mb, is_hidden, main_stem,
    stack_bytes, stack_kb,
};
use crate::limits::{Limits, LimitsPolicy, LimitsRequest};
use crate::protocol::{MAX_PAYLOAD, PROGRAM_PATH};

/// The operator's word on jobs.
#[derive(Debug, Clone)]
pub struct Policy {
    pub languages: Languages,
    /// References that a job's `image` may name.
    pub images: Vec<String>,
    pub limits: LimitsPolicy,
    /// The longest that all steps of a job may take together, in milliseconds.
    pub job_wall_ms: u64,
}

impl Policy {
    /// The references of all images that jobs may run in.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|language| language.image.as_str()).chain(self.images.iter().map(String::as_str))
    }
}

/// One program to run, ready for a sandbox.
#[derive(Debug, Clone)]
pub struct Command {
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
    /// The stack limit of its processes: `limits.stack_bytes`, and what the language's runtime needs beside it.
    pub stack_bytes: u64,
    /// How the language's runtime says that its heap ran out, if it has one.
    pub exhaustion: Option<Arc<Exhaustion>>,
}

/// One file to put into the sandbox.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    pub path: String,
    pub content: Bytes,
    /// Whether it may be run by its name.
    pub executable: bool,
}

/// One test of a job.
#[derive(Debug, Clone)]
pub struct PlannedTest {
    pub id: String,
    pub group: Option<String>,
    pub points: Option<f64>,
    pub command: Command,
    pub stdin: Bytes,
    pub expected_stdout: Option<Bytes>,
}

/// Everything that will happen for a job, with nothing left to decide.
#[derive(Debug, Clone)]
pub struct Plan {
    pub job_id: String,
    /// The image's reference; which content it names is the engine's to say.
    pub image: String,
    pub files: Vec<PlannedFile>,
    pub compile: Option<Command>,
    /// At least one.
    pub tests: Vec<PlannedTest>,
    pub checker: Checker,
    pub stop_on_failure: bool,
    pub isolation: Isolation,
    pub capture_bytes: u64,
    /// The limits of a test that has none of its own.
    pub run_limits: Limits,
    /// The longest that all steps may take together, in milliseconds, whatever their own limits add up to.
    pub wall_ms: u64,
}

/// What the commands of all tests may take together. Placeholders, and arguments and variables that every test repeats,
/// would make gigabytes of a message of a few kilobytes.
const MAX_COMMANDS_BYTES: usize = 16 << 20;

/// The longest that any operator may let a job take: a message can be held for 12 hours from its receive (SQS's
/// `ChangeMessageVisibility`), and an hour of them is for waiting for memory, starting sandboxes and publishing.
pub(crate) const LONGEST_MS: u64 = 11 * 3_600_000;

/// The environment that every program sees, before the language's and the job's own variables.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", PROGRAM_PATH),
    // Not the workspace: what a job brings along would be the settings of interpreters and tools.
    ("HOME", "/tmp"),
    ("TMPDIR", "/tmp"),
    ("LANG", "C.UTF-8"),
];

impl Plan {
    /// Decides everything about a job that its message leaves open.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field: an unknown language, an image off the allow-list, a limit above the
    /// operator's maximum, files that don't fit into the limits they come with.
    pub fn new(job: Job, policy: &Policy) -> Result<Plan, Rejection> {
        Plan::with_data(job, policy, &Data::default())
    }

    /// Finds what is wrong with a job before anything that it refers to is fetched.
    ///
    /// # Errors
    /// As [`new`](Plan::new), as far as the references' contents don't matter.
    pub fn check(job: &Job, policy: &Policy) -> Result<(), Rejection> {
        Plan::with_data(job.clone(), policy, &Data::blank()).map(drop)
    }

    /// The same with what the job refers to.
    ///
    /// # Errors
    /// As [`new`](Plan::new), and when a reference isn't among `data`.
    pub fn with_data(job: Job, policy: &Policy, data: &Data) -> Result<Plan, Rejection> {
        let setting = Setting::of(&job, policy)?;

        let compile_request = job.compile_limits.or(&setting.compile_limits);
        let run_request = job.limits.or(&setting.limits);
        let compile_argv = job.compile.as_ref().or(setting.language.and_then(|language| language.compile.as_ref()));
        let run_argv = job.run.as_ref().or(setting.language.map(|language| &language.run));
        let run_argv =
            run_argv.ok_or_else(|| Rejection::new("run", "is needed: an image has no program of its own to run"))?;
        let run_limits = run_request.resolve(&policy.limits.run, &policy.limits, "limits")?;

        let maker = Maker::new(&job, setting.language, compile_argv);
        let compile = match compile_argv {
            None => None,
            Some(argv) => {
                let limits = compile_request.resolve(&policy.limits.compile, &policy.limits, "compile_limits")?;
                let command = maker.command(argv, &[], limits);
                command.check_length("compile")?;
                Some(command)
            }
        };
        let planned = |file: &JobFile| {
            let content = maker.as_source(&file.path, file.content.bytes(data)?);
            let executable = file.executable.unwrap_or(content.starts_with(b"#!"));
            Ok(PlannedFile { path: file.path.clone(), content, executable })
        };
        let files = job.files.iter().map(planned).collect::<Result<_, Rejection>>()?;
        let mut tests = Vec::with_capacity(job.tests.len());
        let mut bytes = 0;
        for (index, test) in job.tests.iter().enumerate() {
            let test = planned_test(index, test, &job, policy, data, &run_request, run_argv, &maker)?;
            bytes += test.command.check_length("run")?;
            if bytes > MAX_COMMANDS_BYTES {
                return Err(Rejection::new(
                    "tests",
                    format!("have commands, args and env of more than {MAX_COMMANDS_BYTES} bytes, all tests together"),
                ));
            }
            tests.push(test);
        }

        let plan = Plan {
            image: setting.image,
            job_id: job.id,
            files,
            compile,
            tests,
            checker: job.checker,
            stop_on_failure: job.stop_on_failure,
            isolation: job.isolation,
            capture_bytes: job.capture_bytes,
            run_limits,
            wall_ms: policy.job_wall_ms,
        };
        room::check(&plan)?;
        Ok(plan)
    }

    /// The limits of whatever runs first in a fresh sandbox.
    pub fn first_limits(&self) -> &Limits {
        match &self.compile {
            Some(command) => &command.limits,
            None => &self.tests[0].command.limits,
        }
    }

    /// The most memory that a sandbox gets which begins with these limits, in bytes: of the tests that share it, later ones may
    /// have more.
    pub fn most_memory_bytes(&self, first: &Limits) -> u64 {
        let sharing = self.tests.iter().filter(|_| self.isolation == Isolation::Job);
        sharing.map(|test| test.command.limits.memory_bytes).fold(first.memory_bytes, u64::max)
    }

    /// The longest that the job's programs may take together, in milliseconds.
    pub fn longest_ms(&self) -> u64 {
        let compile = self.compile.as_ref().map_or(0, |command| command.limits.wall_time_ms);
        compile.saturating_add(longest_ms(&self.tests)).min(self.wall_ms)
    }
}

/// The longest that tests may take one after the other, in milliseconds.
pub fn longest_ms(tests: &[PlannedTest]) -> u64 {
    tests.iter().fold(0, |sum, test| sum.saturating_add(test.command.limits.wall_time_ms))
}

impl Command {
    /// The bytes it takes, if it goes into the one frame that tells the agent of it.
    fn check_length(&self, field: &str) -> Result<usize, Rejection> {
        // Each text has its length before it; the limits and whatever else a step has are fewer than 100 bytes.
        let argv: usize = self.argv.iter().map(|argument| argument.len() + 4).sum();
        let env: usize = self.env.iter().map(|(name, value)| name.len() + value.len() + 5).sum();
        match argv + env + 100 {
            bytes if bytes <= MAX_PAYLOAD => Ok(bytes),
            bytes => Err(Rejection::new(
                field,
                format!("is too long: {bytes} bytes with its placeholders filled in, args and env; {MAX_PAYLOAD} are allowed"),
            )),
        }
    }
}

/// Where a job runs, and what that place brings along.
struct Setting<'a> {
    image: String,
    language: Option<&'a Language>,
    limits: LimitsRequest,
    compile_limits: LimitsRequest,
}

impl<'a> Setting<'a> {
    fn of(job: &Job, policy: &'a Policy) -> Result<Setting<'a>, Rejection> {
        match &job.environment {
            Environment::Language(name) => {
                let language = policy.languages.get(name).ok_or_else(|| {
                    let known: Vec<&str> = policy.languages.names().collect();
                    Rejection::new("language", format!("{name:?} isn't one of {}", known.join(", ")))
                })?;
                Ok(Setting {
                    image: language.image.clone(),
                    language: Some(language),
                    limits: language.limits,
                    compile_limits: language.compile_limits,
                })
            }
            Environment::Image(reference) if policy.images.contains(reference) => Ok(Setting {
                image: reference.clone(),
                language: None,
                limits: LimitsRequest::default(),
                compile_limits: LimitsRequest::default(),
            }),
            Environment::Image(reference) => {
                Err(Rejection::new("image", format!("{reference:?} isn't on this operator's list of allowed images")))
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site; the arguments are the parts of a plan so far")]
fn planned_test(
    index: usize,
    test: &Test,
    job: &Job,
    policy: &Policy,
    data: &Data,
    run_request: &LimitsRequest,
    run_argv: &[String],
    maker: &Maker<'_>,
) -> Result<PlannedTest, Rejection> {
    // A test that moves the CPU time or the memory moves what follows from it, unless the job fixed that itself.
    let at = if test.limits == LimitsRequest::default() { "limits".to_owned() } else { format!("tests[{index}].limits") };
    let mut request = test.limits.or(run_request);
    if test.limits.cpu_time_ms.is_some() && test.limits.wall_time_ms.is_none() && job.limits.wall_time_ms.is_none() {
        request.wall_time_ms = None;
    }
    if test.limits.memory_bytes.is_some() && test.limits.stack_bytes.is_none() && job.limits.stack_bytes.is_none() {
        request.stack_bytes = None;
    }
    let limits = request.resolve(&policy.limits.run, &policy.limits, &at)?;
    Ok(PlannedTest {
        id: test.id.clone(),
        group: test.group.clone(),
        points: test.points,
        command: maker.command(run_argv, test.args.as_ref().unwrap_or(&job.args), limits),
        stdin: test.stdin.bytes(data)?,
        expected_stdout: test.expected_stdout.as_ref().map(|expected| expected.bytes(data)).transpose()?,
    })
}

/// What all commands of a job have in common.
struct Maker<'a> {
    language: Option<&'a Language>,
    main: &'a str,
    program: String,
    env: BTreeMap<String, String>,
    exhaustion: Option<Arc<Exhaustion>>,
}

impl<'a> Maker<'a> {
    fn new(job: &'a Job, language: Option<&'a Language>, compile: Option<&Vec<String>>) -> Maker<'a> {
        let main = entry(job, language);
        let wanted = language.and_then(|language| language.program.as_deref()).unwrap_or(main_stem(main));
        // Only a compile step that writes there needs the name to be free; another one may have made or brought the file.
        let is_made = compile.is_some_and(|argv| argv.iter().any(|argument| argument.contains("{program}")));
        let program = match is_made {
            true => free_path(wanted, job.files.iter().map(|file| file.path.as_str())),
            false => wanted.to_owned(),
        };
        Maker {
            language,
            main,
            program: format!("./{program}"),
            env: environment(language, &job.env),
            exhaustion: language.and_then(Exhaustion::of),
        }
    }

    fn command(&self, argv: &[String], args: &[String], limits: Limits) -> Command {
        let none = Language::default();
        let language = self.language.unwrap_or(&none);
        let placeholders = Placeholders {
            main: self.main,
            program: &self.program,
            memory_mb: limits.memory_bytes >> 20,
            heap_mb: heap_mb(language, &limits),
            stack_kb: stack_kb(language, &limits),
        };
        let filled = argv.iter().map(|argument| expand(argument, &placeholders));
        Command {
            argv: filled.chain(args.iter().cloned()).collect(),
            env: self.env.clone(),
            limits,
            stack_bytes: stack_bytes(language, &limits),
            exhaustion: self.exhaustion.clone(),
        }
    }

    /// A source without the byte order mark that editors of Windows put before it: no language has a meaning for it, and
    /// bash and javac stumble over it.
    fn as_source(&self, path: &str, content: Bytes) -> Bytes {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let is_source = |language: &Language| path == self.main || has_extension(path, &language.extensions);
        match self.language.is_some_and(is_source) && content.starts_with(BYTE_ORDER_MARK) {
            true => content.slice(BYTE_ORDER_MARK.len()..),
            false => content,
        }
    }
}

/// The path of the entry file: the one that the job names, the language's usual one, the first that looks like a source of the
/// language, or simply the first.
fn entry<'a>(job: &'a Job, language: Option<&Language>) -> &'a str {
    let paths = || job.files.iter().map(|file| file.path.as_str());
    let visible = || paths().filter(|path| !is_hidden(path));
    let usual = |path: &&str| language.is_some_and(|language| language.main == *path);
    let source = |path: &&str| language.is_some_and(|language| has_extension(path, &language.extensions));
    let named = job.main.as_deref();
    let guessed = || paths().find(usual).or_else(|| visible().find(source)).or_else(|| visible().next());
    named.or_else(guessed).unwrap_or(&job.files[0].path)
}

fn environment(language: Option<&Language>, job: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> =
        ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if let Some(language) = language {
        env.extend(language.env.clone());
    }
    env.extend(job.clone());
    env
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
