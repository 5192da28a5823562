//! Tables of what each checker forgives, and every checker against a plain reading of the same rules.

use bytes::Bytes;
use proptest::prelude::*;

use super::float::LONGEST_NUMBER;
use super::*;

const TOKENS: Checker = Checker::Tokens { case_sensitive: true, space_sensitive: false };
const ANY_CASE: Checker = Checker::Tokens { case_sensitive: false, space_sensitive: false };
const SPACE: Checker = Checker::Tokens { case_sensitive: true, space_sensitive: true };
const NEAR: Checker = Checker::Float { abs: Some(1e-6), rel: None, case_sensitive: true };

fn matches(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
    let mut comparison = checker.compare(Bytes::copy_from_slice(expected));
    comparison.push(output);
    comparison.finish()
}

#[test]
fn each_checker_forgives_what_it_says_and_nothing_else() {
    let cases: &[(Checker, &str, &str, bool)] = &[
        (TOKENS, "1 2\n", "  1\r\n\t2", true),
        (TOKENS, "", " \n", true),
        (TOKENS, " \n", "", true),
        (TOKENS, "1 2", "12", false),
        (TOKENS, "12", "1 2", false),
        (TOKENS, "1 2", "1", false),
        (TOKENS, "1", "1 2", false),
        (TOKENS, "yes", "YES", false),
        (TOKENS, "ab", "a", false),
        (TOKENS, "a", "ab", false),
        (ANY_CASE, "Yes no", "yES\nNO\n", true),
        (ANY_CASE, "yes", "ye s", false),
        (SPACE, "1 2\n", "1 2\n", true),
        (SPACE, "1 2\n", "1 2", false),
        (SPACE, "1 2", "1  2", false),
        (Checker::Exact, "a\n", "a\n", true),
        (Checker::Exact, "a\n", "a", false),
        (Checker::Exact, "a", "a\n", false),
        (Checker::Lines, "a b\n\nc\n", "a b  \r\n\t\nc", true),
        (Checker::Lines, "a\n", "a\n\n \n", true),
        (Checker::Lines, "a\n\n\n", "a", true),
        (Checker::Lines, "a b", "a  b", false),
        (Checker::Lines, "a\nb", "a\n\nb", false),
        (Checker::Lines, "a", " a", false),
        (Checker::Lines, "a", "\na", false),
        (Checker::Lines, " a\n  b", " a\n  b", true),
        (Checker::Lines, "a\n b", "a   \n b", true),
        (Checker::Lines, "a\n b", "a\n  b", false),
        (NEAR, "1.0 x", "1.0000001  x", true),
        (NEAR, "1.0", "1.00001", false),
        (NEAR, "1.0", "1", true),
        (NEAR, "1.0 2", "1.02", false),
        (NEAR, "100", "1e2", true),
        (NEAR, "1", "one", false),
        (NEAR, "one", "1", false),
        (NEAR, "one", "One", false),
        (NEAR, "0", "-0", true),
        (NEAR, "nan -inf", "NaN -Infinity", true),
        (NEAR, "inf", "-inf", false),
        (NEAR, "inf", "1e300", false),
        (NEAR, "nan", "1", false),
        (NEAR, "1", "nan", false),
        (NEAR, "1 ", "1.0 2", false),
        (NEAR, "1 2", "1.0", false),
        (Checker::Float { abs: None, rel: Some(1e-6), case_sensitive: true }, "1000000", "1000000.9", true),
        (Checker::Float { abs: None, rel: Some(1e-6), case_sensitive: true }, "0", "1e-300", false),
        (Checker::Float { abs: Some(0.5), rel: Some(1e-6), case_sensitive: false }, "0 A", "0.5 a", true),
    ];
    for (checker, expected, output, answer) in cases {
        assert_eq!(
            matches(*checker, expected.as_bytes(), output.as_bytes()),
            *answer,
            "{checker:?}: {expected:?}, {output:?}"
        );
    }
}

#[test]
fn a_token_too_long_for_a_number_is_text() {
    let digits = |length: usize| "1".repeat(length).into_bytes();
    for length in [LONGEST_NUMBER - 1, LONGEST_NUMBER, LONGEST_NUMBER + 1, LONGEST_NUMBER + 2, 3 * LONGEST_NUMBER] {
        let expected = digits(length);
        assert!(matches(NEAR, &expected, &expected), "{length} digits, the same");
        let mut padded = b"+".to_vec();
        padded.extend_from_slice(&expected);
        assert_eq!(matches(NEAR, &expected, &padded), length < LONGEST_NUMBER, "{length} digits, with a sign");
        let mut longer = expected.clone();
        longer.push(b'x');
        assert!(!matches(NEAR, &expected, &longer), "{length} digits and a letter");
        assert!(!matches(NEAR, &longer, &expected), "{length} digits without the letter");
    }
    let any_case = Checker::Float { abs: Some(0.0), rel: None, case_sensitive: false };
    assert!(matches(any_case, &b"aB".repeat(LONGEST_NUMBER), &b"Ab".repeat(LONGEST_NUMBER)));
}

#[test]
fn a_checker_reads_as_it_is_written_and_its_mistakes_are_named() {
    for checker in [TOKENS, ANY_CASE, SPACE, Checker::Exact, Checker::Lines, NEAR] {
        let text = serde_json::to_string(&checker).expect("a checker serializes");
        assert_eq!(serde_json::from_str::<Checker>(&text).expect("and comes back"), checker);
    }
    let read = |text: &str| serde_json::from_str::<Checker>(text).expect_err(text).to_string();
    assert!(read("{}").starts_with("type: is missing"));
    assert!(read(r#"{"type":"custom","source":1}"#).starts_with("type: custom is not supported"));
    assert!(read(r#"{"type":"float"}"#).starts_with("abs: is missing"));
    assert!(read(r#"{"type":"float","abs":-1}"#).starts_with("abs: must not be negative"));
    assert!(read(r#"{"type":"exact","abs":1}"#).starts_with("abs: is no option of the checker exact"));
    assert!(read(r#"{"type":"tokens","case_sensitiv":true}"#).contains("did you mean case_sensitive?"));
    assert!(read(r#"{"type":"tokens","type":"exact"}"#).starts_with("duplicate field `type`"));
}

/// The rules again, over whole outputs and with no regard to memory.
fn reference(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
    let is_space = |byte: &u8| b" \t\n\x0b\x0c\r".contains(byte);
    let tokens = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(is_space).filter(|it| !it.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let same =
        |left: &[u8], right: &[u8], case: bool| if case { left == right } else { left.eq_ignore_ascii_case(right) };
    match checker {
        Checker::Exact => expected == output,
        Checker::Tokens { case_sensitive, space_sensitive: true } => same(expected, output, case_sensitive),
        Checker::Tokens { case_sensitive, space_sensitive: false } => {
            let (expected, output) = (tokens(expected), tokens(output));
            expected.len() == output.len() && expected.iter().zip(&output).all(|(e, o)| same(e, o, case_sensitive))
        }
        Checker::Lines => {
            let lines = |text: &[u8]| {
                let mut lines: Vec<Vec<u8>> = Vec::new();
                for line in text.split(|byte| *byte == b'\n') {
                    let end = line.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
                    lines.push(line[..end].to_vec());
                }
                while lines.last().is_some_and(Vec::is_empty) {
                    lines.pop();
                }
                lines
            };
            lines(expected) == lines(output)
        }
        Checker::Float { abs, rel, case_sensitive } => {
            let number = |token: &[u8]| match token.len() {
                0..=LONGEST_NUMBER => std::str::from_utf8(token).ok().and_then(|it| it.parse::<f64>().ok()),
                _ => None,
            };
            let near = |e: f64, o: f64| {
                let difference = (e - o).abs();
                e == o
                    || (e.is_nan() && o.is_nan())
                    || (e.is_finite()
                        && o.is_finite()
                        && (abs.is_some_and(|abs| difference <= abs)
                            || rel.is_some_and(|rel| difference <= rel * e.abs())))
            };
            let (expected, output) = (tokens(expected), tokens(output));
            expected.len() == output.len()
                && expected.iter().zip(&output).all(|(e, o)| match (number(e), number(o)) {
                    (Some(e), Some(o)) => near(e, o),
                    (Some(_), None) => false,
                    (None, _) => same(e, o, case_sensitive),
                })
        }
    }
}

fn checkers() -> impl Strategy<Value = Checker> {
    prop_oneof![
        Just(Checker::Exact),
        Just(Checker::Lines),
        (any::<bool>(), any::<bool>())
            .prop_map(|(case_sensitive, space_sensitive)| Checker::Tokens { case_sensitive, space_sensitive }),
        (prop::option::of(0.0..1.0f64), 0.0..1.0f64, any::<bool>())
            .prop_map(|(abs, rel, case_sensitive)| Checker::Float { abs, rel: Some(rel), case_sensitive }),
    ]
}

/// Outputs of few words and much white space, so that near misses are common.
fn outputs() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec!["a", "A", "ab", "1", "1.0", "1.5", "nan", "inf", "-", "e", "\u{e9}"])
            .prop_map(str::to_owned),
        8 => prop::sample::select(vec![" ", "\n", "\r\n", "\t", "\x0b", "  ", "\n\n", " \n "]).prop_map(str::to_owned),
        1 => (500usize..540).prop_map(|length| "1".repeat(length)),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

/// A pair of outputs, of which the second is often the first with one piece changed.
fn pairs() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edited = (outputs(), any::<prop::sample::Index>(), 0usize..3, outputs()).prop_map(|(left, at, cut, put)| {
        let mut right = left.clone();
        let start = at.index(right.len() + 1);
        let end = (start + cut).min(right.len());
        right.splice(start..end, put.into_iter().take(3));
        (left, right)
    });
    prop_oneof![edited, (outputs(), outputs())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streaming_in_any_chunks_agrees_with_the_plain_reading(
        checker in checkers(),
        (expected, output) in pairs(),
        sizes in prop::collection::vec(1usize..70, 1..8),
    ) {
        let answer = reference(checker, &expected, &output);
        prop_assert_eq!(matches(checker, &expected, &output), answer);
        let mut comparison = checker.compare(Bytes::from(expected));
        let mut rest = output.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, tail) = rest.split_at((*size).min(rest.len()));
            comparison.push(chunk);
            rest = tail;
        }
        prop_assert_eq!(comparison.finish(), answer);
    }
}
