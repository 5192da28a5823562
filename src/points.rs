//! Points, added up as they are written: ten times 0.1 is 1, which the sum of the binary numbers is not.

/// The last place that a finite number's shortest writing has; `5e-324` is the smallest.
const LOWEST_PLACE: i32 = -324;
/// Places up to the highest, 10^308, and some more for what is carried.
const PLACES: usize = 324 + 309 + 20;

/// The sum of finite numbers that aren't negative: exact, and then rounded once. Infinite when it is too large for that.
pub(crate) fn sum(points: impl Iterator<Item = f64>) -> f64 {
    let mut places = [0_u64; PLACES];
    for number in points {
        let written = format!("{:e}", number.abs());
        let Some((digits, exponent)) = written.split_once('e') else { continue };
        let highest = exponent.parse().unwrap_or(LOWEST_PLACE);
        for (place, digit) in (LOWEST_PLACE..=highest).rev().zip(digits.bytes().filter(u8::is_ascii_digit)) {
            places[(place - LOWEST_PLACE) as usize] += u64::from(digit - b'0');
        }
    }
    let mut carry = 0;
    let mut digits: Vec<u8> = Vec::with_capacity(PLACES);
    for place in places {
        carry += place;
        digits.push(b'0' + (carry % 10) as u8);
        carry /= 10;
    }
    digits.reverse();
    let text = format!("{}e{LOWEST_PLACE}", String::from_utf8_lossy(&digits));
    text.parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sum_comes_out_as_written() {
        let of = |points: &[f64]| sum(points.iter().copied());
        assert_eq!(of(&[0.1; 10]), 1.0);
        assert_eq!(of(&[0.1, 0.2]), 0.3);
        assert_eq!(of(&[0.7, 0.1, 0.3]), 1.1);
        assert_eq!(of(&[33.3, 33.3, 33.4]), 100.0);
        assert_eq!(of(&[1.1; 30]), 33.0);
        assert_eq!(of(&[]).to_bits(), 0.0_f64.to_bits());
        assert_eq!(of(&[-0.0]).to_bits(), 0.0_f64.to_bits());
        assert_eq!(of(&[1e308, 1e-308, 5e-324]), 1e308);
        assert_eq!(of(&[1e16, 1.0, 1.0]), 1e16 + 2.0);
        assert_eq!(of(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(of(&[0.01; 2_000]), 20.0);
        assert_eq!(of(&[f64::MAX; 2_000]), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn one_number_is_itself(number in 0.0..f64::MAX, bits in 0..f64::INFINITY.to_bits()) {
            prop_assert_eq!(sum([number].into_iter()), number);
            prop_assert_eq!(sum([f64::from_bits(bits)].into_iter()), f64::from_bits(bits));
        }

        #[test]
        fn hundredths_are_added_as_whole_numbers(hundredths in prop::collection::vec(0_u32..100_000, 0..50)) {
            let total: u32 = hundredths.iter().sum();
            prop_assert_eq!(sum(hundredths.iter().map(|it| f64::from(*it) / 100.0)), f64::from(total) / 100.0);
        }
    }
}
