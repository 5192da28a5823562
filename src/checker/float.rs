//! Tokens, of which the numbers need only be near.
//!
//! As with plain tokens equal bytes are skipped unseen. Where the sides differ inside a token, the output's token is
//! gathered (what it has so far is in the expected side's memory) and compared when it is complete. A token longer than
//! [`LONGEST_NUMBER`] is no number, so that what is gathered stays small.

use bytes::Bytes;

use super::scan::{all_space, common_prefix, is_space, leading_space, leading_token, same_text};

/// Bytes of the longest token that is read as a number.
pub(super) const LONGEST_NUMBER: usize = 512;

#[derive(Debug)]
pub(super) struct Float {
    expected: Bytes,
    /// What lies before it is matched; while a token is gathered, the expected token's start.
    position: usize,
    /// Whether the position is behind a token's byte that both sides share.
    in_token: bool,
    /// The output's token so far, where it differs from the expected one; else empty.
    token: Vec<u8>,
    rule: Rule,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    abs: Option<f64>,
    rel: Option<f64>,
    case_sensitive: bool,
}

impl Float {
    pub(super) fn new(expected: Bytes, abs: Option<f64>, rel: Option<f64>, case_sensitive: bool) -> Float {
        Float { expected, position: 0, in_token: false, token: Vec::new(), rule: Rule { abs, rel, case_sensitive } }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8]) -> bool {
        loop {
            if !self.token.is_empty() {
                let length = leading_token(chunk).min(LONGEST_NUMBER + 1 - self.token.len());
                self.token.extend_from_slice(&chunk[..length]);
                chunk = &chunk[length..];
                let complete = chunk.first().is_some_and(|byte| is_space(*byte));
                let too_long = self.token.len() > LONGEST_NUMBER;
                if (too_long && !self.go_on_as_text()) || (!too_long && complete && !self.settle()) {
                    return false;
                }
            }
            if chunk.is_empty() {
                return true;
            }
            if self.token.is_empty() {
                let Some(consumed) = self.walk(chunk) else { return false };
                chunk = &chunk[consumed..];
            }
        }
    }

    /// Skips what is equal, then looks at the difference. Answers how much of the chunk is done with, `None` at a mismatch.
    fn walk(&mut self, chunk: &[u8]) -> Option<usize> {
        let rest = &self.expected[self.position..];
        let same = common_prefix(rest, chunk);
        if same > 0 {
            self.in_token = !is_space(chunk[same - 1]);
        }
        self.position += same;
        let (rest, chunk) = (&rest[same..], &chunk[same..]);
        let Some(&output) = chunk.first() else { return Some(same) };
        match (is_space(output), rest.first().map(|byte| is_space(*byte))) {
            (true, Some(true)) => {
                self.position += leading_space(rest);
                self.in_token = false;
                Some(same + leading_space(chunk))
            }
            (true, Some(false)) if self.in_token => {
                self.gather();
                self.settle().then_some(same)
            }
            (true, _) => {
                self.in_token = false;
                Some(same + leading_space(chunk))
            }
            (false, Some(true)) if !self.in_token => {
                self.position += leading_space(rest);
                Some(same)
            }
            (false, None) if !self.in_token => None,
            (false, _) => {
                self.gather();
                // A long token is text already, and gathering takes it no further than this byte.
                if self.token.len() > LONGEST_NUMBER {
                    self.token.push(output);
                    return self.go_on_as_text().then_some(same + 1);
                }
                self.token.push(output);
                Some(same + 1)
            }
        }
    }

    /// Turns back to the start of the token at the position, and takes what both sides share of it as the output's.
    /// Of a token that is too long for a number only the end is taken: it is compared as text, piece by piece.
    fn gather(&mut self) {
        let earliest = self.position.saturating_sub(LONGEST_NUMBER + 1);
        let before = &self.expected[earliest..self.position];
        let length = if self.in_token { before.iter().rev().take_while(|byte| !is_space(**byte)).count() } else { 0 };
        self.position -= length;
        self.token.extend_from_slice(&self.expected[self.position..self.position + length]);
        self.in_token = false;
    }

    /// The gathered token is too long for a number: it has to be the expected one's text, and the walk goes on behind it.
    fn go_on_as_text(&mut self) -> bool {
        let end = self.position + self.token.len();
        let same = self
            .expected
            .get(self.position..end)
            .is_some_and(|it| same_text(it, &self.token, self.rule.case_sensitive));
        self.position = end;
        self.in_token = true;
        self.token.clear();
        same
    }

    /// The gathered token is complete: compares it with the expected one, and stands behind both if they match.
    fn settle(&mut self) -> bool {
        let rest = &self.expected[self.position..];
        let expected = &rest[..leading_token(rest)];
        let matches = self.rule.matches(expected, &self.token);
        self.position += expected.len();
        self.in_token = false;
        self.token.clear();
        matches
    }

    pub(super) fn finish(mut self) -> bool {
        let expected_goes_on = self.expected.get(self.position).is_some_and(|byte| !is_space(*byte));
        if self.token.is_empty() && self.in_token && expected_goes_on {
            self.gather();
        }
        (self.token.is_empty() || self.settle()) && all_space(&self.expected[self.position..])
    }
}

impl Rule {
    fn matches(&self, expected: &[u8], output: &[u8]) -> bool {
        if expected == output {
            return true;
        }
        match (number(expected), number(output)) {
            (Some(expected), Some(output)) => self.near(expected, output),
            (Some(_), None) => false,
            (None, _) => same_text(expected, output, self.case_sensitive),
        }
    }

    fn near(&self, expected: f64, output: f64) -> bool {
        if !expected.is_finite() || !output.is_finite() {
            return expected == output || (expected.is_nan() && output.is_nan());
        }
        let difference = (expected - output).abs();
        self.abs.is_some_and(|abs| difference <= abs) || self.rel.is_some_and(|rel| difference <= rel * expected.abs())
    }
}

/// The number that a token is: decimal, or `nan`, `inf`, `infinity` in any case. Hexadecimal ones are text.
fn number(token: &[u8]) -> Option<f64> {
    if token.len() > LONGEST_NUMBER {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}
