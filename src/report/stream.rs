//! A captured stream as a result shows it: text where it is text, base64 where it isn't.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::capture::Captured;
use crate::sha256::Sha256;

/// The fields by which a result shows one stream; exactly one of `text` and `base64` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    pub text: Option<String>,
    pub base64: Option<String>,
    /// Bytes that the program wrote, as far as they were read.
    pub total_bytes: u64,
    /// Whether less is shown than was written.
    pub truncated: bool,
    /// Of all that was written, where less is shown.
    pub sha256: Option<Sha256>,
}

impl From<Captured> for Stream {
    fn from(captured: Captured) -> Stream {
        let Captured { mut bytes, total, truncated, sha256 } = captured;
        // Where our cut fell into a character, the rest of that character is what makes the text invalid: leave its
        // beginning out, so that text stays text.
        if truncated
            && let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            bytes.truncate(error.valid_up_to());
        }
        let (text, base64) = match String::from_utf8(bytes) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        Stream { text, base64, total_bytes: total, truncated, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;

    fn stream(limit: u64, bytes: &[u8]) -> (Option<String>, Option<String>, bool) {
        let mut capture = Capture::new(limit);
        capture.push(bytes);
        let stream = Stream::from(capture.finish());
        assert_eq!(stream.total_bytes, bytes.len() as u64);
        assert_eq!(stream.sha256, stream.truncated.then(|| Sha256::of(bytes)));
        (stream.text, stream.base64, stream.truncated)
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn text_is_shown_as_text_and_bytes_as_base64() {
        assert_eq!(stream(9, b""), (text(""), None, false));
        assert_eq!(stream(9, "aé\0".as_bytes()), (text("aé\0"), None, false));
        assert_eq!(stream(9, b"\xff\x00"), (None, text("/wA="), false));
    }

    #[test]
    fn a_cut_through_a_character_keeps_text_text() {
        for limit in 1..4 {
            assert_eq!(stream(limit + 1, "a😀b".as_bytes()), (text("a"), None, true), "limit {limit}");
        }
        assert_eq!(stream(1, "é".as_bytes()), (text(""), None, true));
    }

    #[test]
    fn half_a_character_that_the_program_wrote_is_bytes() {
        assert_eq!(stream(9, b"a\xc3"), (None, text("YcM="), false));
        assert_eq!(stream(3, b"a\xffbc"), (None, text("Yf9i"), true));
    }
}
