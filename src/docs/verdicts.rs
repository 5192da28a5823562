//! docs/verdicts.md: what each verdict and reason means, from the doc comments of the enums themselves, and what other
//! judges call it. The matches are exhaustive, so a new verdict doesn't compile until it has been explained here.

use schemars::JsonSchema;

use super::{GENERATED, code, table};
use crate::verdict::{Blame, Reason, Verdict};

const HEAD: &str = r#"
A verdict says what became of a job, or of one test of it. `reason` says which of its causes it was, where it has
several. `detail` is a sentence for a person and no interface: its words may change.

"#;

const BLAME: &str = r#"## Whose doing it was

Verdicts about the program, answers about the job and failures of ours never mix, so that nobody is marked down for a
broken host.

| whose | what to do with it |
| --- | --- |
| nobody | There is nothing to mend. |
| the program | Show it to its author. Running the job again gives the same, within the noise of its times. |
| the job | Show it to whoever wrote the job: it was not run, and won't be until it is changed. |
| Caisson | Tell the operator, and send the job again. It says nothing about the program. |

"#;

const OVERALL: &str = r#"## One verdict for a job with many tests

The verdict on the job is that of its first test, in the job's order, that is neither `accepted` nor `completed`. With
none such it is `accepted` if anything was compared, else `completed`. So it is `skipped` where all tests were good until the
time of the whole job was used up. `score` is the sum of the `points` of the accepted tests, whatever the verdict.

When the compile step fails, the job's verdict is `compile_error` and no test was run; `compile` in the result has what
was measured, its output, and its own `reason`.

"#;

const PRECEDENCE: &str = r#"## When several things happened

A step can break more than one limit: a program out of memory is killed by a signal, and may have been slow as well. The
verdict is decided after the step has ended, from what was measured, and the first of these that holds is it:

"#;

const FIGURES: &str = r#"A figure equal to its limit is within it. Who noticed first, the kernel, the agent or the worker, plays no part.

- `memory_limit` needs the kernel's figures, or a runtime's word. The kernel's: its count of kills for want of memory
  rose during the step, or the step's memory was full for 0.4 s while the kernel took back all its remaining pages of
  files twenty times over and more, to be read again each time. Such a program does nothing else any more, and the
  kernel may take minutes to kill it. A runtime with a heap of its own, such as those of Java and JavaScript, is given
  one that fits into the limit beside what it needs itself; when that runs out, nobody is killed, and the runtime says
  so on stderr and ends in its own way. Both are taken together: a program that writes the same words and ends with
  another exit code is a `runtime_error`, and one that ends with 0 and the right output, or nothing to compare it
  with, has not failed. Any other program that fails to allocate and ends by itself is a `runtime_error`, however full
  its memory was. A job whose own files leave no room for a program gets `memory_limit` before that has run.
- The CPU time is that of every process the step started, so that forking doesn't hide it. Elapsed time has a limit of
  its own, to end what waits; `reason` tells the two apart. Time in which the host kept the program waiting, for a CPU
  or for its image's files, is [taken off](jobs.md#what-the-host-takes) the elapsed time.
- A program that breaks its own sandbox, by killing or silencing its supervisor, gets `runtime_error` with the reason
  `sandbox`. It is not run again: what it did is its result.

"#;

const OTHERS: &str = r#"## What other judges call it

The nearest word of each. Where a judge has none, the cell says how it shows.

"#;

/// The reference of verdicts and reasons.
pub fn verdicts() -> String {
    let meanings = meanings::<Verdict>();
    let meaning = |word: &str| meanings.iter().find(|(name, _)| name == word).map_or("", |(_, text)| text).to_owned();
    let mut page = format!("# Verdicts\n\n{GENERATED}\n{HEAD}");
    page.push_str(&table(
        &["verdict", "when", "whose doing"],
        Verdict::ALL
            .iter()
            .map(|verdict| vec![code(verdict.as_str()), meaning(verdict.as_str()), blame(verdict.blame()).to_owned()]),
    ));
    page.push_str("| reason | when |\n| --- | --- |\n");
    for (word, text) in self::meanings::<Reason>() {
        page.push_str(&format!("| {} | {text} |\n", code(&word)));
    }
    page.push('\n');
    page.push_str(BLAME);
    page.push_str(OVERALL);
    page.push_str(PRECEDENCE);
    for (number, verdict) in precedence().iter().enumerate() {
        page.push_str(&format!("{}. {}\n", number + 1, code(verdict.as_str())));
    }
    page.push('\n');
    page.push_str(FIGURES);
    page.push_str(OTHERS);
    let head = ["verdict", "Judge0", "go-judge", "DMOJ", "DOMjudge", "isolate", "Kattis and ICPC"];
    page.push_str(&table(&head, Verdict::ALL.iter().flat_map(|verdict| others(*verdict))));
    format!("{}\n", page.trim_end())
}

/// The words of an enum with the doc comments of its variants, as its JSON Schema has them.
fn meanings<T: JsonSchema>() -> Vec<(String, String)> {
    let schema = schemars::schema_for!(T);
    let variants = schema.get("oneOf").and_then(|it| it.as_array()).cloned().unwrap_or_default();
    let text = |variant: &serde_json::Value, key: &str| Some(variant.get(key)?.as_str()?.replace('\n', " "));
    variants.iter().filter_map(|it| Some((text(it, "const")?, text(it, "description")?))).collect()
}

fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Program => "the program",
        Blame::Job => "the job",
        Blame::Caisson => "Caisson",
        Blame::Nobody => "nobody",
    }
}

/// The order in which [`judge`](crate::verdict::judge) looks; a test holds it against that function.
fn precedence() -> [Verdict; 5] {
    [Verdict::MemoryLimit, Verdict::TimeLimit, Verdict::OutputLimit, Verdict::RuntimeError, Verdict::WrongAnswer]
}

/// The rows of the last table: one, or one for each reason, in the columns' order.
fn others(verdict: Verdict) -> Vec<Vec<String>> {
    let row = |reason: Option<Reason>, words: [&str; 6]| {
        let name = match reason {
            Some(reason) => format!("{}, {}", code(verdict.as_str()), code(reason.as_str())),
            None => code(verdict.as_str()),
        };
        let words = words.iter().map(|word| if word.is_empty() { "–".to_owned() } else { (*word).to_owned() });
        std::iter::once(name).chain(words).collect()
    };
    match verdict {
        Verdict::Accepted => vec![row(None, ["3 Accepted", "Accepted", "AC", "correct", "no `status`", "Accepted"])],
        Verdict::Completed => {
            vec![row(None, ["3 Accepted, without `expected_output`", "Accepted", "", "", "no `status`", ""])]
        }
        Verdict::WrongAnswer => vec![row(
            None,
            [
                "4 Wrong Answer",
                "Wrong Answer, set by the caller",
                "WA",
                "wrong-answer, or no-output",
                "",
                "Wrong Answer",
            ],
        )],
        Verdict::RuntimeError => vec![
            row(
                Some(Reason::ExitCode),
                ["11 Runtime Error (NZEC)", "Nonzero Exit Status", "IR", "run-error", "RE", "Run Time Error"],
            ),
            row(
                Some(Reason::Signal),
                ["7, 9, 10 or 12 Runtime Error", "Signalled", "RTE", "run-error", "SG", "Run Time Error"],
            ),
            row(
                Some(Reason::Sandbox),
                [
                    "12 Runtime Error (Other)",
                    "Dangerous Syscall, or Signalled",
                    "RTE",
                    "run-error",
                    "SG",
                    "Run Time Error",
                ],
            ),
        ],
        Verdict::TimeLimit => [Reason::Cpu, Reason::Wall]
            .map(|reason| {
                let words =
                    ["5 Time Limit Exceeded", "Time Limit Exceeded", "TLE", "timelimit", "TO", "Time Limit Exceeded"];
                row(Some(reason), words)
            })
            .to_vec(),
        Verdict::MemoryLimit => vec![row(
            None,
            [
                "none; shows as 7, 11 or 12",
                "Memory Limit Exceeded",
                "MLE",
                "run-error, shown as memory-limit",
                "the key `cg-oom-killed`",
                "Memory Limit Exceeded; ICPC: Run Time Error",
            ],
        )],
        Verdict::OutputLimit => vec![row(
            None,
            [
                "8 Runtime Error (SIGXFSZ)",
                "Output Limit Exceeded",
                "OLE",
                "output-limit",
                "SG with signal 25",
                "Output Limit Exceeded",
            ],
        )],
        Verdict::CompileError => vec![row(
            None,
            [
                "6 Compilation Error",
                "none; a command that failed",
                "CE",
                "compiler-error",
                "none; a run that failed",
                "Compile Error",
            ],
        )],
        Verdict::Skipped => vec![row(None, ["", "", "SC", "none; the test is not run", "", ""])],
        Verdict::Rejected => vec![row(None, ["HTTP 422", "HTTP 400", "", "", "", ""])],
        Verdict::Expired => vec![row(None, [""; 6])],
        Verdict::InternalError => vec![row(
            None,
            [
                "13 Internal Error, 14 Exec Format Error",
                "Internal Error",
                "IE",
                "internal-error, not a verdict",
                "XX",
                "Judge Error",
            ],
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Ending, RunEvidence};
    use crate::limits::Limits;
    use crate::verdict::judge;

    #[test]
    fn the_precedence_of_the_page_is_that_of_the_judge() {
        let limits = Limits::RUN;
        // Everything is wrong; each verdict's cause is then mended, and the next in the list has to come up.
        let mut evidence = RunEvidence {
            ending: Ending::Exited(1),
            cpu_time_us: u64::MAX,
            wall_time_us: u64::MAX,
            oom_kills: 1,
            stdout_total_bytes: u64::MAX,
            output_matches: Some(false),
            ..RunEvidence::default()
        };
        for expected in precedence() {
            assert_eq!(judge(&evidence, &limits).0, expected);
            match expected {
                Verdict::MemoryLimit => evidence.oom_kills = 0,
                Verdict::TimeLimit => (evidence.cpu_time_us, evidence.wall_time_us) = (0, 0),
                Verdict::OutputLimit => evidence.stdout_total_bytes = 0,
                Verdict::RuntimeError => evidence.ending = Ending::Exited(0),
                _ => evidence.output_matches = Some(true),
            }
        }
        assert_eq!(judge(&evidence, &limits).0, Verdict::Accepted);
    }

    #[test]
    fn every_verdict_and_reason_has_a_meaning_of_its_own() {
        assert_eq!(meanings::<Verdict>().len(), Verdict::ALL.len());
        let reasons = [Reason::Cpu, Reason::Wall, Reason::ExitCode, Reason::Signal, Reason::Sandbox, Reason::JobWall];
        let words: Vec<String> = meanings::<Reason>().into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, reasons.map(Reason::as_str));
    }
}
