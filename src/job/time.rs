//! Times in RFC 3339: all of them, and nothing else.
//!
//! The library's own parser takes more forms than that, and not the last day of the year 9999; so the form is read here, and
//! the library says which days there are.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::explain::shown;
use super::{Checked, refuse};

pub(super) fn read(text: &str) -> Checked<Timestamp> {
    match timestamp(text.as_bytes()) {
        Some(time) => Ok(time),
        None => refuse("expires_at", format!("is not a time in RFC 3339: {}", shown(text))),
    }
}

fn timestamp(text: &[u8]) -> Option<Timestamp> {
    let (start, rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2] = start else {
        return None;
    };
    let year = i16::from(number([y1, y2])?) * 100 + i16::from(number([y3, y4])?);
    let date = Date::new(year, number([m1, m2])?, number([d1, d2])?).ok()?;
    let (hour, minute, second) = (number([h1, h2])?, number([n1, n2])?, number([s1, s2])?);
    let (nanoseconds, zone) = fraction(rest)?;
    let ahead = offset(zone)?;
    let is_leap = second == 60;
    let second = if is_leap { 59 } else { second };
    if is_leap && !ends_a_month(date, i32::from(hour) * 60 + i32::from(minute) - ahead) {
        return None;
    }
    let time = Time::new(hour, minute, second, nanoseconds).ok()?;
    let offset = Offset::from_seconds(ahead * 60).ok()?;
    // Only what lies behind the library's last time can't be told, some hours before the end of the year 9999.
    let time = offset.to_timestamp(date.to_datetime(time)).unwrap_or(Timestamp::MAX);
    Some(if is_leap { time.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX) } else { time })
}

/// Whether these minutes after the date's beginning in UTC are the last of a month, to which alone seconds are added.
fn ends_a_month(date: Date, minutes: i32) -> bool {
    const DAY: i32 = 24 * 60;
    let next = date.checked_add((minutes.div_euclid(DAY) + 1).days());
    minutes.rem_euclid(DAY) == DAY - 1 && next.map_or(true, |next| next.day() == 1)
}

/// The nanoseconds of what follows the seconds, and what follows those. Digits beyond are cut off.
fn fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanoseconds = padded.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    (!digits.is_empty()).then_some((nanoseconds, rest))
}

/// By how many minutes the local time is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i32> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (i32::from(number([h1, h2])?), i32::from(number([m1, m2])?));
            let ahead = hours * 60 + minutes;
            (hours < 24 && minutes < 60).then_some(if *sign == b'+' { ahead } else { -ahead })
        }
        _ => None,
    }
}

fn number(digits: [&u8; 2]) -> Option<i8> {
    let [tens, ones] = digits.map(|digit| digit.is_ascii_digit().then(|| (digit - b'0') as i8));
    Some(tens? * 10 + ones?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_in_rfc_3339_is_taken() {
        for (text, time) in [
            ("2030-01-02T03:04:05Z", "2030-01-02T03:04:05Z"),
            ("2030-01-02t03:04:05z", "2030-01-02T03:04:05Z"),
            ("2030-01-02T03:04:05.5Z", "2030-01-02T03:04:05.5Z"),
            ("2030-01-02T03:04:05.1234567899999Z", "2030-01-02T03:04:05.123456789Z"),
            ("2030-01-02T03:04:05.00000000000000000000000000000001-00:00", "2030-01-02T03:04:05Z"),
            ("2030-01-02T03:04:05+23:59", "2030-01-01T03:05:05Z"),
            ("2030-01-02T03:04:05.000-23:59", "2030-01-03T03:03:05Z"),
            ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0000-01-01T00:00:00+23:59", "-000001-12-31T00:01:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.25Z"),
            ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00Z"),
            ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00Z"),
            ("9999-12-30T21:59:59Z", "9999-12-30T21:59:59Z"),
        ] {
            assert_eq!(read(text).expect(text).to_string(), time, "{text}");
        }
        for endless in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999999Z",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-23:59",
        ] {
            assert_eq!(read(endless).expect(endless), Timestamp::MAX, "{endless}");
        }
    }

    #[test]
    fn what_is_no_such_time_is_refused() {
        for text in [
            "",
            "2030-01-02",
            "2030-01-02T03:04:05",
            "2030-01-02 03:04:05Z",
            "2030-01-02T03:04Z",
            "2030-01-02T03:04:05.Z",
            "2030-01-02T03:04:05,5Z",
            "2030-01-02T24:00:00Z",
            "2030-01-02T03:60:05Z",
            "2030-01-02T03:04:61Z",
            "2030-01-02T03:04:69Z",
            "2030-01-02T03:04:99Z",
            "2030-13-02T03:04:05Z",
            "2030-00-02T03:04:05Z",
            "2030-01-00T03:04:05Z",
            "2030-04-31T03:04:05Z",
            "2030-02-29T03:04:05Z",
            "2030-01-02T03:04:05+24:00",
            "2030-01-02T03:04:05+10:60",
            "2030-01-02T03:04:05+0100",
            "2030-01-02T03:04:05+01",
            "2030-01-02T03:04:05+1:00",
            "2030-01-02T03:04:05+01:00:00",
            "2030-01-02T03:04:05ZZ",
            "2030-01-02T03:04:05Z[UTC]",
            "2030-01-02T03:04:05 Z",
            "+002030-01-02T03:04:05Z",
            "-2030-01-02T03:04:05Z",
            "10000-01-01T00:00:00Z",
            "203a-01-02T03:04:05Z",
            "2030-1-02T03:04:05Z",
            "20300102T030405Z",
            "2030-W01-3T03:04:05Z",
            "٢٠٣٠-01-02T03:04:05Z",
            "2030-01-02T03:04:05\u{2212}01:00",
            "2030-01-02T03:04:05.٥Z",
            "2030-01-02T12:30:60Z",
            "2016-12-31T22:59:60Z",
            "2016-12-30T23:59:60Z",
            "2016-12-31T23:59:60+01:00",
            "9999-12-31T23:58:60Z",
            " 2030-01-02T03:04:05Z",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
