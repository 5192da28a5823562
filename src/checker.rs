//! Whether a program's output is right, decided while the output streams by.
//!
//! The expected output is in memory; the program's is not, and may be as long as it likes: a comparison keeps a position
//! and at most one short token, and once a mismatch is sure it looks at nothing more. How the output is cut into chunks
//! never changes the answer.

mod exact;
mod float;
mod lines;
mod message;
mod scan;
mod tokens;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use message::CheckerMessage;

use exact::Exact;
use float::Float;
use lines::Lines;
use tokens::Tokens;

/// How an output is compared with the expected one.
///
/// White space is what C's `isspace` says: blank, tab, line feed, vertical tab, form feed, carriage return.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(deny_unknown_fields)]
pub enum Checker {
    /// The same tokens, whatever white space stands between them; the default.
    Tokens {
        /// Whether `A` and `a` differ (ASCII letters only). Default true.
        #[serde(default = "yes")]
        case_sensitive: bool,
        /// Whether white space counts too, every byte of it, at the end as well (DOMjudge's `space_change_sensitive`).
        /// Default false.
        #[serde(default)]
        space_sensitive: bool,
    },
    /// The same bytes.
    Exact,
    /// The same lines, except for blanks at the end of a line and empty lines at the end of the output.
    Lines,
    /// Tokens; where the expected one is a number, the output's must be a number within one of the tolerances. At least
    /// one tolerance is needed. Numbers are compared as they are written, by all their digits. `nan` equals `nan`, and an
    /// infinity equals the infinity of the same sign.
    Float {
        /// The difference may be this large.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0))]
        abs: Option<f64>,
        /// The difference may be this large a part of the expected number.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0))]
        rel: Option<f64>,
        /// As with `tokens`, for tokens that are not numbers. Default true.
        #[serde(default = "yes")]
        case_sensitive: bool,
    },
}

fn yes() -> bool {
    true
}

impl Default for Checker {
    fn default() -> Self {
        Checker::Tokens { case_sensitive: true, space_sensitive: false }
    }
}

impl Checker {
    /// Begins to compare an output with `expected`.
    pub fn compare(&self, expected: Bytes) -> Comparison {
        let kind = match *self {
            Checker::Exact => Kind::Exact(Exact::new(expected, true)),
            // With every byte of white space counted, nothing is left that tokens would forgive but the case.
            Checker::Tokens { case_sensitive, space_sensitive: true } => {
                Kind::Exact(Exact::new(expected, case_sensitive))
            }
            Checker::Tokens { case_sensitive, space_sensitive: false } => {
                Kind::Tokens(Tokens::new(expected, case_sensitive))
            }
            Checker::Lines => Kind::Lines(Lines::new(expected)),
            Checker::Float { abs, rel, case_sensitive } => Kind::Float(Float::new(expected, abs, rel, case_sensitive)),
        };
        Comparison { kind, possible: true }
    }
}

/// One output being compared.
#[derive(Debug)]
pub struct Comparison {
    kind: Kind,
    /// False once a mismatch is sure.
    possible: bool,
}

/// Each kind's `push` answers whether a match is still possible, its `finish` whether it is one.
#[derive(Debug)]
enum Kind {
    Exact(Exact),
    Tokens(Tokens),
    Lines(Lines),
    Float(Float),
}

impl Comparison {
    /// Takes the next piece of the output, of any size.
    pub fn push(&mut self, chunk: &[u8]) {
        self.possible = self.possible
            && match &mut self.kind {
                Kind::Exact(exact) => exact.push(chunk),
                Kind::Tokens(tokens) => tokens.push(chunk),
                Kind::Lines(lines) => lines.push(chunk),
                Kind::Float(float) => float.push(chunk),
            };
    }

    /// Whether the output, which ended here, is right.
    pub fn finish(self) -> bool {
        self.possible
            && match self.kind {
                Kind::Exact(exact) => exact.finish(),
                Kind::Tokens(tokens) => tokens.finish(),
                Kind::Lines(lines) => lines.finish(),
                Kind::Float(float) => float.finish(),
            }
    }
}

#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;
