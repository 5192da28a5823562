//! Numbers near each other, by the plainest arithmetic there is: all digits written out, one by one. What the tests hold the
//! checker against.

use std::cmp::Ordering;

/// Digits with the last one first.
type Digits = Vec<u8>;

/// What a text is as a number: its sign, its digits, and the exponent of the last one. `None` when it is none, or `nan`, or
/// an infinity.
fn read(text: &str) -> Option<(bool, Digits, i64)> {
    text.parse::<f64>().ok()?;
    let negative = text.starts_with('-');
    let text = text.trim_start_matches(['+', '-']);
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits: Digits = format!("{whole}{fraction}").bytes().rev().map(|digit| digit.wrapping_sub(b'0')).collect();
    let exponent: i64 = exponent.parse().ok()?;
    digits.iter().all(|digit| *digit < 10).then_some((negative, digits, exponent - fraction.len() as i64))
}

/// `|expected - output| <= tolerance`, or `<= tolerance * |expected|`. `None` when one of them is no finite number.
pub(super) fn is_near(expected: &str, output: &str, tolerance: f64, is_part: bool) -> Option<bool> {
    let (expected, output, (_, digits, exponent)) = (read(expected)?, read(output)?, read(&tolerance.to_string())?);
    let (digits, exponent) = match is_part {
        true => (product(&digits, &expected.1), exponent + expected.2),
        false => (digits, exponent),
    };
    let lowest = exponent.min(expected.2).min(output.2);
    let at = |digits: &[u8], exponent: i64| [&vec![0; (exponent - lowest) as usize], digits].concat();
    let (left, right) = (at(&expected.1, expected.2), at(&output.1, output.2));
    let distance = if expected.0 == output.0 { difference(&left, &right) } else { sum(&left, &right) };
    Some(compare(&distance, &at(&digits, exponent)) != Ordering::Greater)
}

fn sum(left: &[u8], right: &[u8]) -> Digits {
    let mut carry = 0;
    let places = 0..left.len().max(right.len()) + 1;
    let digits = places.map(|place| {
        carry += left.get(place).unwrap_or(&0) + right.get(place).unwrap_or(&0);
        let digit = carry % 10;
        carry /= 10;
        digit
    });
    digits.collect()
}

fn difference(left: &[u8], right: &[u8]) -> Digits {
    let (large, small) = if compare(left, right) == Ordering::Less { (right, left) } else { (left, right) };
    let mut borrowed = 0;
    let digits = large.iter().enumerate().map(|(place, digit)| {
        let taken = small.get(place).unwrap_or(&0) + borrowed;
        borrowed = u8::from(*digit < taken);
        digit + 10 * borrowed - taken
    });
    digits.collect()
}

fn product(left: &[u8], right: &[u8]) -> Digits {
    let rows = left.iter().enumerate().map(|(place, digit)| {
        let mut row = vec![0; place];
        (0..*digit).for_each(|_| row = sum(&row, &[&vec![0; place], right].concat()));
        row
    });
    rows.fold(Digits::new(), |total, row| sum(&total, &row))
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let digit = |digits: &[u8], place: usize| digits.get(place).copied().unwrap_or(0);
    let places = (0..left.len().max(right.len())).rev();
    places.map(|place| digit(left, place).cmp(&digit(right, place))).find(|it| it.is_ne()).unwrap_or(Ordering::Equal)
}
