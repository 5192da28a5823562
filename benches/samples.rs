//! What the pure parts are given to do: jobs, results and outputs of known sizes, the same for `just bench` and
//! `just bench-parts`.
#![allow(dead_code, reason = "each of the two uses the part it needs")]

use bytes::Bytes;
use caisson::checker::Checker;
use caisson::report::Report;
use serde_json::{Value, json};

/// Outputs come in pieces of a pipe's size.
pub(crate) const CHUNK: usize = 64 << 10;

/// What a checker expects, and an output that it accepts.
#[derive(Debug, Clone)]
pub(crate) struct Comparing {
    pub(crate) name: &'static str,
    pub(crate) checker: Checker,
    pub(crate) expected: Bytes,
    pub(crate) output: Bytes,
}

impl Comparing {
    /// Whether the output is accepted, which it is.
    pub(crate) fn run(&self) -> bool {
        let mut comparison = self.checker.compare(self.expected.clone());
        self.output.chunks(CHUNK).for_each(|chunk| comparison.push(chunk));
        comparison.finish()
    }
}

/// Bytes of a line of numbers, about.
const LINE: usize = 64;

/// Lines of numbers: always the same ones, however they are written.
fn numbers(bytes: usize, between: &str, decimals: &str) -> Bytes {
    let mut text = String::with_capacity(bytes + bytes / 4);
    let mut state = 1_u32;
    for _ in 0..bytes / LINE {
        for column in 0..8 {
            // Numerical Recipes' generator.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(&(state >> 8).to_string());
            text.push_str(decimals);
            text.push_str(if column == 7 { "\n" } else { between });
        }
    }
    Bytes::from(text)
}

/// Every checker, with outputs of about so many bytes.
pub(crate) fn comparisons(bytes: usize) -> Vec<Comparing> {
    let plain = numbers(bytes, " ", "");
    let wide = numbers(bytes, " \t ", "");
    let tokens = Checker::Tokens { case_sensitive: true, space_sensitive: false };
    let any_case = Checker::Tokens { case_sensitive: false, space_sensitive: false };
    let float = Checker::Float { abs: Some(1e-6), rel: None, case_sensitive: true };
    let case = |name, checker, expected: &Bytes, output: &Bytes| Comparing {
        name,
        checker,
        expected: expected.clone(),
        output: output.clone(),
    };
    let words = Bytes::from(
        plain.iter().map(|byte| if byte.is_ascii_digit() { byte - b'0' + b'a' } else { *byte }).collect::<Vec<u8>>(),
    );
    let capitals = Bytes::from(words.to_ascii_uppercase());
    vec![
        case("exact", Checker::Exact, &plain, &plain),
        case("tokens", tokens, &plain, &plain),
        case("tokens, other white space", tokens, &plain, &wide),
        case("tokens, other case", any_case, &words, &capitals),
        case("lines", Checker::Lines, &plain, &plain),
        case("float, the same digits", float, &plain, &plain),
        case("float, other digits", float, &numbers(bytes, " ", ".5"), &numbers(bytes, " ", ".50000001")),
    ]
}

/// A job message with so many tests, each with an input and an expected output of so many bytes.
pub(crate) fn job(tests: usize, bytes: usize) -> Vec<u8> {
    let text = "0123456 89abcde\n".repeat(bytes / 16 + 1);
    let text = &text[..bytes];
    let tests: Vec<Value> =
        (0..tests).map(|id| json!({ "id": id.to_string(), "stdin": text, "expected_stdout": text })).collect();
    let file = json!({ "path": "main.py", "content": "print(input())\n" });
    json!({ "id": "bench", "language": "python3", "files": [file], "tests": tests }).to_string().into_bytes()
}

/// A result of so many tests, each with so many bytes of output.
///
/// # Errors
/// When results have another form by now.
pub(crate) fn report(tests: usize, bytes: usize) -> Result<Report, serde_json::Error> {
    let stdout = "a line of what a program printed, \"quotes\" and all\n".repeat(bytes / 51 + 1);
    let test = |id: usize| {
        json!({
            "id": id.to_string(), "verdict": "accepted", "exit_code": 0, "cpu_time_ms": 13, "wall_time_ms": 17,
            "memory_peak_bytes": 9_000_000, "stdout": stdout[..bytes], "stdout_total_bytes": bytes, "stdout_truncated": false,
            "stderr": "", "stderr_total_bytes": 0, "stderr_truncated": false,
        })
    };
    serde_json::from_value(json!({
        "version": 1, "job_id": "bench", "execution_id": "6f1c9f0e-6f2b-4b59-9d6d-3f1f3c1c2b6a", "verdict": "accepted",
        "detail": "All tests passed.", "attempt": 1, "redelivered": false, "lease": "held",
        "tests": (0..tests).map(test).collect::<Vec<_>>(),
        "worker": { "id": "bench", "version": "0", "host": "bench" },
        "timeline": { "received": "2026-01-01T00:00:00.000Z", "finished": "2026-01-01T00:00:00.100Z" },
    }))
}
