//! JSON in the characters that SQS accepts: tab, line feed, carriage return, U+0020 to U+D7FF, U+E000 to U+FFFD, and the
//! other planes.
//!
//! serde_json escapes the control characters of C0, and text has no surrogates; so U+FFFE and U+FFFF are all that is left. What
//! a terminal would obey is escaped with them: somebody looks at every result at some time.

use serde::Serialize;

use crate::printable::{self, is_printable};

pub(super) fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("reports have no maps, and so no keys that JSON hasn't");
    // Both can only stand inside of strings, where an escape means the same.
    for (character, escape) in [('\u{fffe}', "\\ufffe"), ('\u{ffff}', "\\uffff")] {
        if text.contains(character) {
            text = text.replace(character, escape);
        }
    }
    printable::json(text)
}

/// Bytes that a character takes in [`json`].
pub(super) fn length(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{fffe}' | '\u{ffff}' => 6,
        other if !is_printable(other) => 6,
        other => other.len_utf8(),
    }
}
