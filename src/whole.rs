//! Whole numbers in a message, as JSON Schema means them: `2000`, `2000.0` and `2e3` are one and the same.
//!
//! The number is read from its text. As a double it would be rounded first, and 2000.5 is as little whole as
//! 2000.0000000000000001.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::job::shown;

/// The largest whole number in a message: beyond it JSON's readers disagree on what was written.
pub const MAX: u64 = 1 << 53;

/// Reads a whole number from 0 to [`MAX`], or null.
///
/// # Errors
/// In words that follow the field's name.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    match text.as_bytes()[0] {
        b'n' => return Ok(None),
        b'"' => return Err(expected("a string")),
        b'{' => return Err(expected("an object")),
        b'[' => return Err(expected("an array")),
        _ => {}
    }
    let number = Decimal::parse(text.as_bytes()).ok_or_else(|| expected(&shown(text)))?;
    match number.whole(MAX) {
        Some(value) if value == 0 || !number.negative => Ok(Some(value)),
        None if !number.negative && number.is_whole() => {
            Err(D::Error::custom(format_args!("must be at most {MAX}, is {}", shown(text))))
        }
        _ => Err(expected(&shown(text))),
    }
}

fn expected<E: Error>(given: &str) -> E {
    E::custom(format_args!("expected a whole number, is {given}"))
}
