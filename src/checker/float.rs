//! Tokens, of which the numbers need only be near.
//!
//! As with plain tokens equal bytes are skipped unseen. Where the sides differ inside a token, the expected token decides
//! how it goes on: if it is a number, the output's token is gathered (what it has so far is in the expected side's memory)
//! and compared when it is complete; otherwise the rest of it is compared as text. So each token is looked at once, however
//! the sides differ. A token longer than [`LONGEST_NUMBER`] is no number, so that what is gathered stays small.

mod near;

use bytes::Bytes;

use self::near::{Number, Tolerances};
use super::scan::{all_space, common_prefix, is_space, leading_space, leading_token, same_text};

/// Bytes of the longest token that is read as a number.
pub(super) const LONGEST_NUMBER: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Float {
    expected: Bytes,
    /// What lies before it is matched; while a number is gathered, the expected token's start.
    position: usize,
    /// Whether the position is behind a token's byte that both sides share.
    in_token: bool,
    inside: Inside,
    /// The output's number so far.
    token: Vec<u8>,
    tolerances: Tolerances,
    case_sensitive: bool,
    /// How many bytes it has turned back for.
    #[cfg(test)]
    pub(super) looked_at: usize,
}

/// What the output is in the middle of.
#[derive(Debug, Clone, Copy)]
enum Inside {
    /// Anything, and both sides are alike so far.
    Alike,
    /// A token that differs, where a number of so many bytes is expected.
    Number { expected: Number, length: usize },
    /// A token that differs, where no number is expected.
    Text,
}

impl Float {
    pub(super) fn new(expected: Bytes, abs: Option<f64>, rel: Option<f64>, case_sensitive: bool) -> Float {
        Float {
            expected,
            position: 0,
            in_token: false,
            inside: Inside::Alike,
            token: Vec::new(),
            tolerances: Tolerances::new(abs, rel),
            case_sensitive,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8]) -> bool {
        while !chunk.is_empty() {
            let taken = match self.inside {
                Inside::Alike => self.walk(chunk),
                Inside::Number { expected, length } => self.gather(chunk, expected, length),
                Inside::Text => self.go_on_as_text(chunk),
            };
            let Some(taken) = taken else { return false };
            chunk = &chunk[taken..];
        }
        true
    }

    /// Skips what is equal, then looks at the difference. Like the others it answers how much of the chunk is done with,
    /// `None` at a mismatch.
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
                self.turn_back();
                Some(same)
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
                self.turn_back();
                Some(same)
            }
        }
    }

    /// Looks at the whole of the expected token that the position is in, at the first difference from it.
    fn turn_back(&mut self) {
        let earliest = self.position.saturating_sub(LONGEST_NUMBER + 1);
        let before = &self.expected[earliest..self.position];
        let shared = if self.in_token { before.iter().rev().take_while(|byte| !is_space(**byte)).count() } else { 0 };
        let start = self.position - shared;
        let latest = (start + LONGEST_NUMBER + 1).min(self.expected.len());
        let length = leading_token(&self.expected[start..latest]);
        self.in_token = false;
        #[cfg(test)]
        {
            self.looked_at += shared + length;
        }
        self.inside = match number(&self.expected[start..start + length]) {
            Some(expected) => {
                self.token.clear();
                self.token.extend_from_slice(&self.expected[start..self.position]);
                self.position = start;
                Inside::Number { expected, length }
            }
            None => Inside::Text,
        };
    }

    fn gather(&mut self, chunk: &[u8], expected: Number, length: usize) -> Option<usize> {
        let room = LONGEST_NUMBER + 1 - self.token.len();
        let taken = leading_token(&chunk[..room.min(chunk.len())]);
        self.token.extend_from_slice(&chunk[..taken]);
        let goes_on = self.token.len() <= LONGEST_NUMBER && (taken == chunk.len() || self.settle(expected, length));
        goes_on.then_some(taken)
    }

    /// The output's token is complete: compares it with the number, and stands behind both if they match.
    fn settle(&mut self, expected: Number, length: usize) -> bool {
        let written = &self.expected[self.position..self.position + length];
        let output = number(&self.token);
        self.position += length;
        self.inside = Inside::Alike;
        output.is_some_and(|output| self.tolerances.allow((expected, written), (output, &self.token)))
    }

    fn go_on_as_text(&mut self, chunk: &[u8]) -> Option<usize> {
        let taken = leading_token(chunk);
        let end = self.position + taken;
        let expected = self.expected.get(self.position..end)?;
        let mut same = same_text(expected, &chunk[..taken], self.case_sensitive);
        self.position = end;
        if taken < chunk.len() {
            same &= !self.expected_goes_on();
            self.inside = Inside::Alike;
        }
        same.then_some(taken)
    }

    fn expected_goes_on(&self) -> bool {
        self.expected.get(self.position).is_some_and(|byte| !is_space(*byte))
    }

    pub(super) fn finish(mut self) -> bool {
        if matches!(self.inside, Inside::Alike) && self.in_token && self.expected_goes_on() {
            self.turn_back();
        }
        let matches = match self.inside {
            Inside::Alike => true,
            Inside::Number { expected, length } => self.settle(expected, length),
            Inside::Text => !self.expected_goes_on(),
        };
        matches && all_space(&self.expected[self.position..])
    }
}

fn number(token: &[u8]) -> Option<Number> {
    if token.len() > LONGEST_NUMBER { None } else { Number::parse(token) }
}
