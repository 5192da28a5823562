//! Checkers against the plain reading of their rules.

#[path = "../../../src/checker/plain.rs"]
mod plain;

use super::Input;
use bytes::Bytes;
use caisson::checker::Checker;

/// Tolerances worth trying.
const TOLERANCES: [Option<f64>; 8] =
    [None, Some(0.0), Some(1e-9), Some(1e-6), Some(0.5), Some(1.0), Some(1e300), Some(f64::MIN_POSITIVE)];

/// However an output is cut, the answer is that of the plain reading of the rules.
pub fn checkers(data: &[u8]) {
    let mut input = Input(data);
    let (choice, tolerances, sizes) = (input.byte(), input.byte(), input.byte());
    let case_sensitive = choice & 8 == 0;
    let checker = match choice % 4 {
        0 => Checker::Exact,
        1 => Checker::Lines,
        2 => Checker::Tokens { case_sensitive, space_sensitive: choice & 16 != 0 },
        _ => {
            let tolerance = |bits: u8| TOLERANCES[usize::from(bits & 7)];
            let rel = tolerance(tolerances >> 3).or(Some(0.0));
            Checker::Float { abs: tolerance(tolerances), rel, case_sensitive }
        }
    };
    let length = input.number();
    let expected = input.take(length);
    // Often an output begins as the expected one does.
    let shared = if choice & 32 == 0 { 0 } else { usize::from(input.byte()).min(expected.len()) };
    let output = [&expected[..expected.len() - shared], input.0].concat();
    let output = if choice & 32 == 0 { input.0 } else { &output };

    let whole = compare(checker, expected, std::iter::once(output));
    let pieces = compare(checker, expected, output.chunks(usize::from(sizes) % 70 + 1));
    let bytes = compare(checker, expected, output.chunks(1));
    if matches!(checker, Checker::Float { .. }) && (has_long_exponent(expected) || has_long_exponent(output)) {
        assert_eq!((whole, pieces), (bytes, bytes), "{checker:?}: {expected:?}, {output:?}");
        return;
    }
    let plain = plainly(checker, expected, output);
    assert_eq!((whole, pieces, bytes), (plain, plain, plain), "{checker:?}: {expected:?}, {output:?}");
    assert!(compare(checker, expected, expected.chunks(7)), "{checker:?}: {expected:?} is not itself");
}

fn compare<'a>(checker: Checker, expected: &[u8], chunks: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut comparison = checker.compare(Bytes::copy_from_slice(expected));
    for chunk in chunks {
        comparison.push(chunk);
        comparison.push(b"");
    }
    comparison.finish()
}

/// Whether there may be a number that is too long to be written out.
fn has_long_exponent(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().skip(1).take_while(|byte| b"+-0123456789".contains(byte)).count();
    (0..text.len()).any(|at| text[at] | 32 == b'e' && digits(&text[at..]) > 4)
}

fn plainly(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
    let is_space = |byte: &u8| b" \t\n\x0b\x0c\r".contains(byte);
    let tokens = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(is_space).filter(|token| !token.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let folded = |text: &[u8], keep: bool| if keep { text.to_vec() } else { text.to_ascii_lowercase() };
    match checker {
        Checker::Exact => expected == output,
        Checker::Tokens { case_sensitive: keep, space_sensitive: true } => {
            folded(expected, keep) == folded(output, keep)
        }
        Checker::Tokens { case_sensitive: keep, space_sensitive: false } => {
            tokens(&folded(expected, keep)) == tokens(&folded(output, keep))
        }
        Checker::Lines => {
            let lines = |text: &[u8]| -> Vec<Vec<u8>> {
                let lines = text.split(|byte| *byte == b'\n');
                let visible = |line: &[u8]| line.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
                let mut lines: Vec<Vec<u8>> = lines.map(|line| line[..visible(line)].to_vec()).collect();
                lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
                lines
            };
            lines(expected) == lines(output)
        }
        Checker::Float { abs, rel, case_sensitive: keep } => {
            let number = |token: &[u8]| -> Option<(String, f64)> {
                let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= 65_536)?;
                text.parse().ok().map(|value| (text.to_owned(), value))
            };
            let is_word = |text: &str| !text.bytes().any(|byte| byte.is_ascii_digit());
            let near = |(expected, value): (String, f64), (output, other): (String, f64)| {
                let alike =
                    is_word(&expected) && is_word(&output) && (value == other || value.is_nan() && other.is_nan());
                let within =
                    |tolerance: f64, is_part| plain::is_near(&expected, &output, tolerance, is_part).unwrap_or(alike);
                abs.is_some_and(|abs| within(abs, false)) || rel.is_some_and(|rel| within(rel, true))
            };
            let (expected, output) = (tokens(expected), tokens(output));
            expected.len() == output.len()
                && expected.iter().zip(&output).all(|(expected, output)| match (number(expected), number(output)) {
                    (Some(expected), Some(output)) => near(expected, output),
                    (Some(_), None) => false,
                    (None, _) => folded(expected, keep) == folded(output, keep),
                })
        }
    }
}
