//! Byte for byte.

use bytes::Bytes;

use super::scan::same_text;

#[derive(Debug)]
pub(super) struct Exact {
    expected: Bytes,
    position: usize,
    case_sensitive: bool,
}

impl Exact {
    pub(super) fn new(expected: Bytes, case_sensitive: bool) -> Exact {
        Exact { expected, position: 0, case_sensitive }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> bool {
        let rest = &self.expected[self.position..];
        let Some(expected) = rest.get(..chunk.len()) else { return false };
        self.position += chunk.len();
        same_text(expected, chunk, self.case_sensitive)
    }

    pub(super) fn finish(self) -> bool {
        self.position == self.expected.len()
    }
}
