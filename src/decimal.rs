//! Decimal numbers as they are written, compared without rounding.
//!
//! A number may have tens of thousands of digits, or an exponent of a thousand million. So no number is ever written out:
//! sums are compared place by place, from the highest one down, and what lies between two numbers' digits is skipped.

use std::cmp::Ordering;

/// The largest exponent, up or down. Beyond it a text is no number, so that places can be counted in an `i64`.
pub(crate) const MAX_EXPONENT: i64 = 1_000_000_000_000_000;

/// Digits, with a point among them, and an exponent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal<'a> {
    pub(crate) negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads `[+-] digits [. digits] [e [+-] digits]`, with a digit before or behind the point.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Decimal<'a>> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] | rest => (false, rest),
        };
        let (whole, rest) = split_digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            rest => rest.split_at(0),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', exponent @ ..] => std::str::from_utf8(exponent).ok()?.parse().ok()?,
            _ => return None,
        };
        let is_number = !(whole.is_empty() && fraction.is_empty());
        (is_number && (-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent)).then_some(Decimal {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    /// The number without its sign, if it is whole and at most `max`.
    pub(crate) fn whole(&self, max: u64) -> Option<u64> {
        let Some((top, _)) = self.places() else { return Some(0) };
        // A u64 has 20 digits.
        if !self.is_whole() || top >= 20 {
            return None;
        }
        let value = (0..=top).rev().fold(0, |value: u128, place| value * 10 + u128::from(self.digit(place)));
        u64::try_from(value).ok().filter(|value| *value <= max)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.places().is_none_or(|(_, bottom)| bottom >= 0)
    }

    /// The digits of the number times one of at most 18 digits, without a point, and the exponent that they have.
    pub(crate) fn times(&self, factor: &Decimal<'_>) -> (Vec<u8>, i64) {
        let digits = factor.whole.iter().chain(factor.fraction);
        let digits = digits.fold(0, |value: u64, digit| value.saturating_mul(10).saturating_add((digit - b'0').into()));
        let mut product = Vec::with_capacity(self.whole.len() + self.fraction.len() + 20);
        let mut carry = 0;
        for digit in self.fraction.iter().rev().chain(self.whole.iter().rev()) {
            carry += u64::from(digit - b'0') * digits;
            product.push(b'0' + (carry % 10) as u8);
            carry /= 10;
        }
        while carry > 0 {
            product.push(b'0' + (carry % 10) as u8);
            carry /= 10;
        }
        product.reverse();
        (product, self.last_place() + factor.last_place())
    }

    pub(crate) fn of_digits(digits: &'a [u8], exponent: i64) -> Decimal<'a> {
        Decimal { negative: false, whole: digits, fraction: &[], exponent }
    }

    /// The place of the last digit.
    fn last_place(&self) -> i64 {
        self.exponent - self.fraction.len() as i64
    }

    /// The places of the first and of the last digit that isn't zero; `None` for zero.
    fn places(&self) -> Option<(i64, i64)> {
        let digits = self.whole.iter().chain(self.fraction);
        let before = digits.clone().position(|digit| *digit != b'0')? as i64;
        let behind = digits.rev().position(|digit| *digit != b'0')? as i64;
        let highest = self.exponent + self.whole.len() as i64 - 1;
        Some((highest - before, self.last_place() + behind))
    }

    /// The digit that counts ten to the power of `place`.
    fn digit(&self, place: i64) -> u8 {
        let index = self.exponent + self.whole.len() as i64 - 1 - place;
        let digit = usize::try_from(index).ok().and_then(|index| match index.checked_sub(self.whole.len()) {
            None => self.whole.get(index),
            Some(index) => self.fraction.get(index),
        });
        digit.map_or(0, |digit| digit - b'0')
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Whether two numbers differ by no more than `tolerance`, which isn't negative.
pub(crate) fn are_near(left: &Decimal<'_>, right: &Decimal<'_>, tolerance: &Decimal<'_>) -> bool {
    if left.negative == right.negative {
        compare_sum(right, tolerance, left) != Ordering::Less && compare_sum(left, tolerance, right) != Ordering::Less
    } else {
        compare_sum(left, right, tolerance) != Ordering::Greater
    }
}

/// `left + more` against `right`, signs aside.
fn compare_sum(left: &Decimal<'_>, more: &Decimal<'_>, right: &Decimal<'_>) -> Ordering {
    let places = [left, more, right].map(Decimal::places);
    let highest_below = |above: i64| {
        let remaining = places.iter().flatten().filter(|(_, bottom)| *bottom < above);
        remaining.map(|(top, _)| (*top).min(above - 1)).max()
    };
    // By how much `right` is ahead, counted in the current place. Below it, each number has less than one more.
    let mut ahead = 0_i32;
    let mut above = i64::MAX;
    while let Some(place) = highest_below(above) {
        if ahead > 0 && place < above - 1 {
            break;
        }
        ahead =
            10 * ahead + i32::from(right.digit(place)) - i32::from(left.digit(place)) - i32::from(more.digit(place));
        match ahead {
            ..0 => return Ordering::Greater,
            0 | 1 => above = place,
            _ => return Ordering::Less,
        }
    }
    0.cmp(&ahead)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Decimal<'_> {
        Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
    }

    fn near(left: &str, right: &str, tolerance: &str) -> bool {
        are_near(&read(left), &read(right), &read(tolerance))
    }

    #[test]
    fn nothing_is_rounded_and_nothing_is_written_out() {
        assert!(near("5", "5.000001", "1e-6") && near("5.000001", "5", "0.000001"));
        assert!(!near("5", "5.0000010000000000000000000000000000001", "1e-6"));
        assert!(!near("9007199254740993", "9007199254740992", "1e-20"));
        assert!(near("-0.5", "0.5", "1") && !near("-0.5", "0.5", "0.999999999999999999999999"));
        assert!(near("1e999999999", "1e999999999", "0") && !near("1e999999999", "1e999999998", "1e999999998"));
        assert!(near("1e999999999", "0.9e999999999", "1e999999998"));
        assert!(
            near("1e-999999999", "1e999999999", "1e999999999") && !near("-1e-999999999", "1e999999999", "1e999999999")
        );
        assert!(near("1", "1.1e-1000000000", "1") && near("-0", "0e7", "0"));
        let nines = "9".repeat(60_000);
        assert!(near(&nines, "1e60000", "1") && !near(&nines, "1e60000", "0.9"));
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, value) in [
            ("2000", Some(2_000)),
            ("2000.0", Some(2_000)),
            ("2e3", Some(2_000)),
            ("0.002E+6", Some(2_000)),
            ("20000000e-4", Some(2_000)),
            ("-0.0", Some(0)),
            ("0e99", Some(0)),
            ("2000.5", None),
            ("1e-9", None),
            ("9007199254740992", Some(1 << 53)),
            ("9007199254740992.5", None),
            ("9007199254740993", None),
            ("9007199254740993.0", None),
            ("1e400", None),
            ("1e999999999", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(read(text).whole(1 << 53), value, "{text}");
        }
    }

    /// Digits as they would be with this exponent, all of them written out.
    fn written_out(number: &Decimal<'_>, lowest: i64) -> i128 {
        let digits =
            number.whole.iter().chain(number.fraction).fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let value = digits * 10_i128.pow(u32::try_from(number.last_place() - lowest).expect("it is higher"));
        if number.negative { -value } else { value }
    }

    /// Numbers of few digits that lie close together, in all the ways to write them.
    fn numbers() -> impl Strategy<Value = String> {
        ("[+-]?", "(0{0,2}[019]{1,5}(\\.[0159]{0,5})?|\\.[0159]{1,5})", "([eE][+-]?0{0,3}[0-6])?")
            .prop_map(|(sign, digits, exponent)| format!("{sign}{digits}{exponent}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn distances_are_those_of_whole_numbers_written_out(left in numbers(), right in numbers(), tolerance in numbers()) {
            let tolerance = tolerance.trim_start_matches(['-', '+']);
            let [a, b, t] = [&left, &right, tolerance].map(|text| written_out(&read(text), -12));
            prop_assert_eq!(near(&left, &right, tolerance), (a - b).abs() <= t, "{} {} {}", left, right, tolerance);
            let (product, exponent) = read(&left).times(&read("9.7e1"));
            prop_assert_eq!(written_out(&Decimal::of_digits(&product, exponent), -12), 97 * a.abs());
        }

        #[test]
        fn what_is_a_number_is_one_for_the_standard_library_too(text in "[+-]?[0-9.eE+-]{0,6}") {
            prop_assert_eq!(Decimal::parse(text.as_bytes()).is_some(), text.parse::<f64>().is_ok(), "{}", text);
        }
    }
}
