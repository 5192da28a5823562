//! Whether a number is near enough to another.
//!
//! Doubles answer at once wherever they can, with a bound on what they may be wrong by. Where they can't, the numbers
//! are compared as they are written: beyond what a double holds, beyond its digits, and where a difference is the tolerance
//! itself (5 and 5.000001 with 0.000001 is within it, which the nearest doubles are not).

use crate::decimal::{self, Decimal};

/// What a token is as a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Nan,
    Infinite {
        negative: bool,
    },
    /// With the nearest double, which may be an infinity all the same.
    Finite(f64),
}

impl Number {
    /// Decimal, or `nan`, `inf`, `infinity` in any case, with a sign before it. Hexadecimal ones are text.
    pub(super) fn parse(token: &[u8]) -> Option<Number> {
        let value: f64 = std::str::from_utf8(token).ok()?.parse().ok()?;
        // What is this short has no exponent that is too long.
        if value.is_normal() || (value.is_finite() && token.len() <= 16) {
            return Some(Number::Finite(value));
        }
        if value.is_nan() {
            return Some(Number::Nan);
        }
        // The standard library takes exponents of any length. What isn't read here is one of those, or a word.
        match Decimal::parse(token) {
            Some(_) => Some(Number::Finite(value)),
            None if token.iter().any(u8::is_ascii_digit) => None,
            None => Some(Number::Infinite { negative: value < 0.0 }),
        }
    }
}

/// How far a number may be away, of which one is enough.
#[derive(Debug)]
pub(super) struct Tolerances {
    abs: Option<Tolerance>,
    rel: Option<Tolerance>,
}

/// A double and the shortest text that is read as it: what a person wrote, unless that has more than 15 digits.
#[derive(Debug)]
struct Tolerance {
    value: f64,
    text: String,
}

impl Tolerances {
    pub(super) fn new(abs: Option<f64>, rel: Option<f64>) -> Tolerances {
        let written = |value: f64| Tolerance { value, text: format!("{value:e}") };
        Tolerances { abs: abs.map(written), rel: rel.map(written) }
    }

    /// Whether the output's number is near enough to the expected one; each comes with its token.
    pub(super) fn allow(&self, expected: (Number, &[u8]), output: (Number, &[u8])) -> bool {
        match (expected.0, output.0) {
            (Number::Nan, Number::Nan) => true,
            (Number::Infinite { negative }, Number::Infinite { negative: other }) => negative == other,
            (Number::Finite(left), Number::Finite(right)) => {
                let abs = self.abs.as_ref().is_some_and(|abs| {
                    let sure = is_surely_within(left, right, abs.value);
                    sure.unwrap_or_else(|| is_within(expected.1, output.1, &abs.text, false))
                });
                abs || self.rel.as_ref().is_some_and(|rel| {
                    let sure = is_surely_within(left, right, rel.value * left.abs());
                    sure.unwrap_or_else(|| is_within(expected.1, output.1, &rel.text, true))
                })
            }
            _ => false,
        }
    }
}

/// Whether the numbers that these doubles are nearest to are within what this one is nearest to; `None` where doubles
/// can't tell.
///
/// A double is off by half a unit of its last place, or half of the smallest double, and so is the result of an operation.
/// What is counted here is several times what these come to.
fn is_surely_within(expected: f64, output: f64, tolerance: f64) -> Option<bool> {
    let difference = (expected - output).abs();
    let of_numbers = 4.0 * (f64::EPSILON * (expected.abs() + output.abs()) + f64::MIN_POSITIVE);
    let of_tolerance = 8.0 * f64::EPSILON * tolerance + f64::MIN_POSITIVE;
    if difference + of_numbers <= tolerance - of_tolerance {
        Some(true)
    } else if difference - of_numbers > tolerance + of_tolerance {
        Some(false)
    } else {
        None
    }
}

/// The same by all digits. The tolerance may be meant as a part of the expected number.
fn is_within(expected: &[u8], output: &[u8], tolerance: &str, is_part: bool) -> bool {
    let read = (Decimal::parse(expected), Decimal::parse(output), Decimal::parse(tolerance.as_bytes()));
    let (Some(expected), Some(output), Some(tolerance)) = read else { return false };
    if !is_part {
        return decimal::are_near(&expected, &output, &tolerance);
    }
    let (digits, exponent) = expected.times(&tolerance);
    decimal::are_near(&expected, &output, &Decimal::of_digits(&digits, exponent))
}
