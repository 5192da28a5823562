//! Strangers' text on a terminal: it must not move the cursor, begin a line, or turn the direction of the text around it.
//!
//! A terminal obeys the control characters of C0 and also of C1 (U+0080 to U+009F). What turns text is told in Unicode's
//! technical report 36, "bidirectional text spoofing".

use std::fmt::Write;
use std::io;

/// Whether a character shows what it is and changes nothing else.
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// The text with escapes such as `\n` and `\u{202e}` for the rest.
pub fn escaped(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for character in text.chars() {
        match is_printable(character) {
            true => printed.push(character),
            false => printed.extend(character.escape_default()),
        }
    }
    printed
}

/// The text as it is where that is safe, lines and tabs too.
pub fn lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t']).fold(String::with_capacity(text.len()), |mut printed, part| {
        let end = part.trim_end_matches(['\n', '\t']).len();
        printed.push_str(&escaped(&part[..end]));
        printed.push_str(&part[end..]);
        printed
    })
}

/// JSON that means the same. What isn't printable can only stand inside its strings, where it becomes `\u202e`.
pub fn json(text: String) -> String {
    if text.chars().all(|character| is_printable(character) || character == '\n') {
        return text;
    }
    let mut printed = String::with_capacity(text.len());
    for character in text.chars() {
        match is_printable(character) || character == '\n' {
            true => printed.push(character),
            // All of them lie in the first plane. Writing to a string doesn't fail.
            false => _ = write!(printed, "\\u{:04x}", u32::from(character)),
        }
    }
    printed
}

/// Passes JSON on as [`json`] has it. What is written at once is one text.
#[derive(Debug)]
pub struct JsonLines<W>(pub W);

impl<W: io::Write> io::Write for JsonLines<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(text) {
            Ok(line) => self.0.write_all(json(line.to_owned()).as_bytes())?,
            Err(_) => self.0.write_all(text)?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{85}\u{7f}\u{202e}\u{2066}\u{200f}\u{61c}\u{feff}b";

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        let shown = "a\\u{1b}[2J\\u{9b}31m\\u{85}\\u{7f}\\u{202e}\\u{2066}\\u{200f}\\u{61c}\\u{feff}b";
        assert_eq!(escaped(HOSTILE), shown);
        assert_eq!(escaped("äöü 日本 🎉"), "äöü 日本 🎉");
        assert_eq!(lines(&format!("one\n\n\t{HOSTILE}\r\n")), format!("one\n\n\t{shown}\\r\n"));
    }

    #[test]
    fn json_means_the_same_with_them_escaped() {
        let value = serde_json::json!({ "text": HOSTILE, "list": ["\n", "é"] });
        for text in [value.to_string(), format!("{value:#}")] {
            let printed = json(text);
            assert!(printed.chars().all(|character| is_printable(character) || character == '\n'), "{printed:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("it is JSON"), value);
        }
    }
}
