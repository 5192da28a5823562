//! serde's errors in a person's words: which field, what is wrong with it, what was meant.
//!
//! serde_json tells its errors apart by text only, so this reads the text. The table test beside `job` holds every kind of
//! error against its wording, and an unknown kind is passed on as it is.

use std::fmt::Write;

use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::Rejection;
use crate::strict_toml::did_you_mean;

/// The name of the message as a whole, where it isn't one field.
pub(super) const WHOLE: &str = "job";

/// Characters of a key or a value that a message repeats: enough to find it, too few to flood a log.
const SHOWN: usize = 64;

/// Puts an error in words.
pub(super) fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> Rejection {
    let (path, inner) = (error.path(), error.inner());
    let text = without_position(inner);
    if let Some(reason) = match text.as_str() {
        "number out of range" => Some("is a number out of range"),
        "recursion limit exceeded" => Some("is nested too deeply"),
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => Some("has half a surrogate pair"),
        _ => None,
    } {
        return Rejection::new(field(path), reason);
    }
    if inner.classify() != Category::Data {
        return Rejection::new(WHOLE, format!("is not JSON: {}", syntax(inner, &text)));
    }
    if let Some(name) = quoted(&text, "missing field `") {
        return Rejection::new(join(field(path), name), "is missing");
    }
    if let Some(name) = quoted(&text, "duplicate field `") {
        return Rejection::new(join(field(path), &shown(name)), "is given twice");
    }
    if let Some((given, known)) = text.strip_prefix("unknown field `").and_then(|it| it.rsplit_once("`, expected ")) {
        let known = known.split('`').skip(1).step_by(2);
        let near = if given.len() <= SHOWN { did_you_mean(given, known) } else { String::new() };
        return Rejection::new(field(path), format!("is not a known field{near}"));
    }
    match mismatch(&text) {
        Some(reason) => Rejection::new(field(path), reason),
        None => Rejection::new(field(path), text),
    }
}

/// `expected a whole number, is 1.5` from `invalid type: floating point `1.5`, expected u64`.
fn mismatch(text: &str) -> Option<String> {
    let rest = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "))?;
    let (given, expected) = rest.rsplit_once(", expected ")?;
    let expected = match expected {
        "u64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "an object",
        "a sequence" => "an array",
        other => other,
    };
    let given = match given {
        "null" => "null".to_owned(),
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        _ if given.starts_with("string ") => "a string".to_owned(),
        _ => given.split('`').nth(1).map_or_else(|| shown(given), str::to_owned),
    };
    Some(format!("expected {expected}, is {given}"))
}

fn syntax(error: &serde_json::Error, text: &str) -> String {
    let what = match text {
        "expected value" => "a value is missing or misspelt".to_owned(),
        "trailing characters" => "something stands behind its end".to_owned(),
        _ if text.starts_with("EOF") => "it ends too early".to_owned(),
        _ if text.starts_with("control character") => "a string has a control character that is not escaped".to_owned(),
        other => shown(other),
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The error's text without ` at line 1 column 2`.
fn without_position(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    if text.ends_with(&position) {
        text.truncate(text.len() - position.len());
    }
    text
}

/// What stands between `start` and the closing mark at the text's end.
fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix('`')
}

/// The path as a person writes it: `tests[3].limits.cpu_time_ms`.
fn field(path: &Path) -> String {
    let mut text = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => write!(text, "[{index}]").expect("a String takes all text"),
            Segment::Map { key } | Segment::Enum { variant: key } => text = join(text, &shown(key)),
            Segment::Unknown => {}
        }
    }
    if text.is_empty() { WHOLE.to_owned() } else { text }
}

/// `name` inside `outer`.
fn join(outer: String, name: &str) -> String {
    if outer.is_empty() || outer == WHOLE { name.to_owned() } else { format!("{outer}.{name}") }
}

/// The text's beginning, with what would break a line or a terminal escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
