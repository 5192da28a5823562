//! Lines, without the blanks at their ends and the empty lines at the end of the output.
//!
//! White space is only judged when something visible follows it: a *gap* is what lies between two visible bytes, and two
//! gaps are the same when they have as many line feeds and the same blanks behind the last of them. The expected gap is
//! in memory, so the output's needs no buffer.

use std::ops::Range;

use bytes::Bytes;

use super::scan::{all_space, common_prefix, is_space, leading_space};

#[derive(Debug)]
pub(super) struct Lines {
    expected: Bytes,
    /// Behind the last visible byte that both sides have.
    position: usize,
    /// The white space that the output has had since then, if any.
    gap: Option<Gap>,
}

#[derive(Debug)]
struct Gap {
    /// What is expected: line feeds, the blanks behind the last of them, and the visible byte at their end (if any).
    expected_line_feeds: usize,
    expected_blanks: Range<usize>,
    /// What the output has: line feeds, blanks since the last of them, and whether those are the expected ones so far.
    line_feeds: usize,
    blanks: usize,
    blanks_match: bool,
}

impl Lines {
    pub(super) fn new(expected: Bytes) -> Lines {
        Lines { expected, position: 0, gap: None }
    }

    pub(super) fn push(&mut self, mut chunk: &[u8]) -> bool {
        while !chunk.is_empty() {
            if self.gap.is_none() {
                let same = common_prefix(&self.expected[self.position..], chunk);
                let visible = chunk[..same].iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
                self.position += visible;
                chunk = &chunk[visible..];
                if chunk.is_empty() {
                    return true;
                }
            }
            let gap = self.gap.get_or_insert_with(|| Gap::open(&self.expected, self.position));
            let space = leading_space(chunk);
            gap.push(&self.expected, &chunk[..space]);
            chunk = &chunk[space..];
            let Some(visible) = chunk.first() else { return true };
            if !gap.matches() || self.expected.get(gap.expected_blanks.end) != Some(visible) {
                return false;
            }
            self.position = gap.expected_blanks.end + 1;
            self.gap = None;
            chunk = &chunk[1..];
        }
        true
    }

    pub(super) fn finish(self) -> bool {
        all_space(&self.expected[self.position..])
    }
}

impl Gap {
    fn open(expected: &[u8], start: usize) -> Gap {
        let end = start + leading_space(&expected[start..]);
        let gap = &expected[start..end];
        let last = gap.iter().rposition(|byte| *byte == b'\n');
        Gap {
            expected_line_feeds: gap.iter().filter(|byte| **byte == b'\n').count(),
            expected_blanks: last.map_or(start, |last| start + last + 1)..end,
            line_feeds: 0,
            blanks: 0,
            blanks_match: true,
        }
    }

    fn push(&mut self, expected: &[u8], space: &[u8]) {
        let blanks = match space.iter().rposition(|byte| *byte == b'\n') {
            None => space,
            Some(last) => {
                self.line_feeds += space[..=last].iter().filter(|byte| **byte == b'\n').count();
                self.blanks = 0;
                self.blanks_match = true;
                &space[last + 1..]
            }
        };
        let rest = expected[self.expected_blanks.clone()].get(self.blanks..).unwrap_or_default();
        self.blanks_match = self.blanks_match && rest.starts_with(blanks);
        self.blanks += blanks.len();
    }

    fn matches(&self) -> bool {
        self.line_feeds == self.expected_line_feeds && self.blanks_match && self.blanks == self.expected_blanks.len()
    }
}
