//! TOML read strictly and patiently: an unknown key is a mistake, a wrong value is a mistake, and all mistakes of a file
//! are collected with their lines before anybody is told, so that one look at the message is enough to mend them.
//!
//! serde would stop at the first. The configuration and the language files are both read by this module.

mod kind;
mod suggest;

use std::fmt;

use toml::Spanned;
use toml::de::DeTable;

use crate::printable::escaped;

pub use kind::{Field, Kind, LINE, TextRule, Value};
pub(crate) use suggest::did_you_mean;

/// One thing that is wrong in the configuration: where, which key, what, and what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub place: Place,
    /// The full key (`queue.wait_time_s`), or the variable's name; empty when the line as a whole cannot be read.
    pub key: String,
    /// A fragment in lower case that says what is wrong and what is allowed.
    pub problem: String,
}

/// Where a value or a mistake stands. The order is that of a listing: files by line, then the environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file, and the line in it, from 1.
    Line(String, usize),
    /// A file as a whole.
    File(String),
    /// An environment variable.
    Environment,
    /// Neither: a default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(file, line) => write!(formatter, "{file}:{line}"),
            Place::File(file) => formatter.write_str(file),
            Place::Environment => formatter.write_str("environment"),
            Place::Default => formatter.write_str("default"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.key.as_str() {
            "" => format!("{}: {}", self.place, self.problem),
            key => format!("{}: {key}: {}", self.place, self.problem),
        };
        // A quoted key may hold anything, line feeds and a terminal's commands too.
        formatter.write_str(&escaped(&text))
    }
}

/// A TOML text and the name by which messages call it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// Reads the text as far as it can be read, so that what is wrong elsewhere is found in the same go.
    pub(crate) fn parse(&self, mistakes: &mut Vec<Mistake>) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            mistakes.push(match error.message() {
                "duplicate key" => {
                    let key = self.text.get(span.clone()).unwrap_or_default();
                    self.mistake(span.start, key, "is there twice; keep one")
                }
                message => self.mistake(span.start, "", format!("not TOML: {message}")),
            });
        }
        table.into_inner()
    }

    /// The place of the byte at `offset`.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        Place::Line(self.name.to_owned(), 1 + before.filter(|&&byte| byte == b'\n').count())
    }

    pub(crate) fn mistake(&self, offset: usize, key: impl Into<String>, problem: impl Into<String>) -> Mistake {
        Mistake { place: self.place(offset), key: key.into(), problem: problem.into() }
    }

    /// Reads one value; what is wrong with it goes to `mistakes`.
    pub(crate) fn value(
        &self,
        kind: &Kind,
        key: &str,
        value: &Spanned<toml::de::DeValue<'_>>,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Value> {
        match kind.read(value) {
            Ok(value) => Some(value),
            Err(problems) => {
                mistakes.extend(problems.into_iter().map(|(offset, problem)| self.mistake(offset, key, problem)));
                None
            }
        }
    }
}

/// Drops what only follows from another mistake: a line that is no TOML is reported as that and nothing else, although the
/// parser goes on with its best guess. Sorts by place.
pub(crate) fn settle(mistakes: &mut Vec<Mistake>) {
    let broken: Vec<Place> = mistakes.iter().filter(|it| it.key.is_empty()).map(|it| it.place.clone()).collect();
    mistakes.retain(|it| it.key.is_empty() || !broken.contains(&it.place));
    mistakes.sort();
    mistakes.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        let mut mistakes = Vec::new();
        Source { name: "f.toml", text }.parse(&mut mistakes);
        settle(&mut mistakes);
        mistakes.iter().map(|it| format!("{it}\n")).collect()
    }

    #[test]
    fn what_is_not_toml_is_reported_with_its_line_and_the_rest_is_still_read() {
        insta::assert_snapshot!(mistakes("[a]\nb = \"x\nc = yes\nd = 1\nd = 2\n[e\n[a]\n"), @r#"
        f.toml:2: not TOML: invalid basic string, expected `"`
        f.toml:3: not TOML: string values must be quoted, expected literal string
        f.toml:5: d: is there twice; keep one
        f.toml:6: not TOML: unclosed table, expected `]`
        f.toml:7: a: is there twice; keep one
        "#);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "([a-c]|[0-9]|[\\[\\]{}=\"'.,#\n \\-é])*") {
            mistakes(&text);
        }
    }

    #[test]
    fn lines_are_counted_from_one_and_survive_offsets_past_the_end() {
        let source = Source { name: "f", text: "a\nb\n" };
        assert_eq!(source.place(0).to_string(), "f:1");
        assert_eq!(source.place(2).to_string(), "f:2");
        assert_eq!(source.place(99).to_string(), "f:3");
    }
}
