//! What can be told of a dead letter without trusting it: it may be any bytes.

use serde_json::Value;

use crate::job;
use crate::printable::escaped;
use crate::queue::dead_letters::{ANSWERED, COPY, ORIGINAL, REASON, SOURCE};
use crate::queue::letter::Letter;

/// The first word of a body that only says where in S3 the real one is (SQS Extended Client Library).
const POINTER: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";

/// The attributes of ours that a message doesn't have when it is sent again.
pub(super) const OURS: [&str; 5] = [COPY, ANSWERED, REASON, ORIGINAL, SOURCE];

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) job_id: Option<String>,
    /// The language, or the image where there is none.
    pub(super) language: Option<String>,
    /// Where the body is, as `s3://bucket/key`. It is moved as it stands and never fetched here.
    pub(super) pointer: Option<String>,
}

impl Contents {
    pub(super) fn of(letter: &Letter) -> Contents {
        let Ok(body) = serde_json::from_str::<Value>(&letter.body) else { return Contents::default() };
        if body[0] == POINTER {
            let part = |name: &str| body[1][name].as_str().unwrap_or("?").to_owned();
            let pointer = Some(format!("s3://{}/{}", part("s3BucketName"), part("s3Key")));
            return Contents { pointer, ..Contents::default() };
        }
        if job::is_envelope(&letter.body) {
            return Contents::default();
        }
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Contents { job_id: text("id"), language: text("language").or_else(|| text("image")), pointer: None }
    }
}

/// Whether it is a copy that a worker made of what was no job.
pub(super) fn is_copy(letter: &Letter) -> bool {
    letter.text(COPY) == Some("1")
}

pub(super) fn reason(letter: &Letter) -> Option<&str> {
    letter.text(REASON)
}

pub(super) fn original(letter: &Letter) -> Option<&str> {
    letter.text(ORIGINAL)
}

/// For a terminal, cut to so many letters.
pub(super) fn printable(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => escaped(&text[..end]) + "…",
        None => escaped(text),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(in crate::command::dlq) fn letter(body: &str) -> Letter {
        Letter {
            id: "m".to_owned(),
            receipt_handle: "r".to_owned(),
            body: body.to_owned(),
            attributes: BTreeMap::new(),
            group: None,
            trace: None,
            receive_count: 1,
            sent: None,
            sender: None,
            source_arn: None,
        }
    }

    #[test]
    fn jobs_pointers_and_rubbish_are_told_apart() {
        let of = |body: &str| Contents::of(&letter(body));
        let job = of(r#"{"id":"a","language":"c","files":[]}"#);
        assert_eq!((job.job_id.as_deref(), job.language.as_deref()), (Some("a"), Some("c")));
        assert_eq!(of(r#"{"id":"a","image":"grader:1"}"#).language.as_deref(), Some("grader:1"));
        let pointer = format!(r#"["{POINTER}",{{"s3BucketName":"b","s3Key":"k/1"}}]"#);
        assert_eq!(of(&pointer).pointer.as_deref(), Some("s3://b/k/1"));
        for rubbish in
            ["", "{", "7", "[]", "[[1]]", r#"{"id":7}"#, r#"{"id":"e","source":"s","detail-type":"t","detail":{}}"#]
        {
            assert_eq!(of(rubbish), Contents::default(), "{rubbish}");
        }
    }

    #[test]
    fn hostile_text_is_printed_harmless_and_short() {
        assert_eq!(printable("a\u{1b}[2Jb\n", 20), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("\u{202e}x", 20), "\\u{202e}x");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("äöü", 3), "äöü");
    }
}
