//! Tokens, whatever stands between them.
//!
//! Both sides are walked together. Equal bytes need no look at what they are, so they are skipped at the speed of memory;
//! only where the sides differ does it matter whether that is a token or the white space around one.

use bytes::Bytes;

use super::scan::{all_space, common_prefix, common_prefix_any_case, is_space, leading_space};

#[derive(Debug)]
pub(super) struct Tokens {
    expected: Bytes,
    /// What lies before it is matched.
    position: usize,
    /// Whether the position is behind a token's byte: then both sides have to go on, or end, alike.
    in_token: bool,
    case_sensitive: bool,
}

impl Tokens {
    pub(super) fn new(expected: Bytes, case_sensitive: bool) -> Tokens {
        Tokens { expected, position: 0, in_token: false, case_sensitive }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8]) -> bool {
        loop {
            let rest = &self.expected[self.position..];
            let same = common_prefix(rest, chunk);
            if same > 0 {
                self.in_token = !is_space(chunk[same - 1]);
            }
            self.position += same;
            let rest = &rest[same..];
            chunk = &chunk[same..];
            let Some(&output) = chunk.first() else { return true };
            match (is_space(output), rest.first().map(|byte| is_space(*byte))) {
                (true, Some(true)) => {
                    self.position += leading_space(rest);
                    chunk = &chunk[leading_space(chunk)..];
                    self.in_token = false;
                }
                (true, None) => chunk = &chunk[leading_space(chunk)..],
                (true, Some(false)) if !self.in_token => chunk = &chunk[leading_space(chunk)..],
                (false, Some(true)) if !self.in_token => self.position += leading_space(rest),
                (false, Some(false)) if !self.case_sensitive => {
                    let same = common_prefix_any_case(rest, chunk);
                    if same == 0 {
                        return false;
                    }
                    self.in_token = !is_space(chunk[same - 1]);
                    self.position += same;
                    chunk = &chunk[same..];
                }
                // One side's token is longer, or the tokens differ, or the output has a token too many.
                _ => return false,
            }
        }
    }

    pub(super) fn finish(self) -> bool {
        all_space(&self.expected[self.position..])
    }
}
