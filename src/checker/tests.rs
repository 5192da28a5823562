//! Tables of what each checker forgives, and every checker against a plain reading of the same rules.

use bytes::Bytes;
use proptest::prelude::*;

use super::float::LONGEST_NUMBER;
use super::plain;
use super::*;

const TOKENS: Checker = Checker::Tokens { case_sensitive: true, space_sensitive: false };
const ANY_CASE: Checker = Checker::Tokens { case_sensitive: false, space_sensitive: false };
const SPACE: Checker = Checker::Tokens { case_sensitive: true, space_sensitive: true };
const NEAR: Checker = Checker::Float { abs: Some(1e-6), rel: None, case_sensitive: true };

fn within(abs: f64) -> Checker {
    Checker::Float { abs: Some(abs), rel: None, case_sensitive: true }
}

fn part(rel: f64) -> Checker {
    Checker::Float { abs: None, rel: Some(rel), case_sensitive: true }
}

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
        (NEAR, "5", "5.000001", true),
        (NEAR, "5", "5.0000010000000000000001", false),
        (NEAR, "0.3", "0.300001", true),
        (NEAR, "1e-400", "0", true),
        (NEAR, "1e400", "1e401", false),
        (NEAR, "1e400", "inf", false),
        (NEAR, "inf", "1e400", false),
        (NEAR, "1e400", "10e399", true),
        (NEAR, "-1e400", "1e400", false),
        (NEAR, "1e999999999", "1.0e999999999", true),
        (NEAR, "1e999999999", "1e999999998", false),
        (NEAR, "1", "1.0000000e-0", true),
        (NEAR, "1e99999999999999999999", "1E99999999999999999999", false),
        (NEAR, "0", "-0e-99", true),
        (NEAR, "-nan +inf", "nan inf", true),
        (NEAR, "1.", ".1e1", true),
        (NEAR, ".", "0", false),
        (NEAR, "0x10", "16", false),
        (part(1e-6), "1e400", "1.000001e400", true),
        (part(1e-6), "1e400", "1.0000011e400", false),
        (part(1e-6), "-3e-400", "-3.000003e-400", true),
        (part(0.1), "7", "7.7", true),
        (part(0.1), "7", "6.3", true),
        (part(0.1), "7", "7.70000000000000000001", false),
        (part(1.0), "1e400", "0", true),
        (part(1.0), "1e400", "-1e-400", false),
        (part(1e-300), "1e300", "1", false),
        (within(1e-20), "9007199254740992", "9007199254740993", false),
        (within(1.0), "9007199254740992", "9007199254740993", true),
        (within(0.0), "0.1", "0.1000000000000000000001", false),
        (within(0.0), "0.1", "0.100", true),
        (within(1e300), "1e308", "1.00000001e308", true),
        (within(1e300), "1e308", "1.00000001000001e308", false),
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
fn numbers_of_any_size_are_compared_by_their_digits() {
    let near = Checker::Float { abs: Some(1e-6), rel: Some(1e-6), case_sensitive: true };
    for length in [310, 400, 512, 513, 600, 5_000, LONGEST_NUMBER - 9] {
        let [eights, sevens, nines] = ["8", "7", "9"].map(|digit| digit.repeat(length));
        assert!(!matches(near, eights.as_bytes(), sevens.as_bytes()), "{length} digits");
        assert!(!matches(near, eights.as_bytes(), format!("-{eights}").as_bytes()), "{length} digits and a sign");
        assert!(!matches(near, eights.as_bytes(), b"inf"), "{length} digits and infinity");
        assert!(!matches(near, b"inf", eights.as_bytes()), "infinity and {length} digits");
        assert!(!matches(near, eights.as_bytes(), format!("{eights}8").as_bytes()), "{length} digits and one more");
        assert!(matches(near, eights.as_bytes(), format!("{eights}.5").as_bytes()), "{length} digits and a fraction");
        assert!(matches(near, nines.as_bytes(), format!("1e{length}").as_bytes()), "{length} nines, and one more");
        assert!(!matches(within(0.5), nines.as_bytes(), format!("1e{length}").as_bytes()), "{length} nines are not");
        assert!(matches(within(1.0), nines.as_bytes(), format!("1e{length}").as_bytes()), "{length} nines lack one");
        let third = format!("0.{}", "3".repeat(length));
        assert!(matches(near, third.as_bytes(), b"0.33333333"), "{length} places");
        assert!(
            !matches(within(0.0), third.as_bytes(), format!("{third}1").as_bytes()),
            "{length} places and one more"
        );
    }
}

#[test]
fn a_token_is_looked_at_once_however_the_sides_differ() {
    let length = 1 << 18;
    let any_case = Checker::Float { abs: Some(1e-9), rel: Some(1e-9), case_sensitive: false };
    let digits = "9".repeat(60_000);
    let pairs = [
        ("aB".repeat(length), "Ab".repeat(length), true),
        ("a".repeat(2 * length), "A".repeat(2 * length), true),
        ("aB ".repeat(length), "Ab ".repeat(length), true),
        ("1".repeat(2 * length), format!("+{}", "1".repeat(2 * length)), false),
        ("1.5 ".repeat(length), "1.50 ".repeat(length), true),
        ("1e999999999 ".repeat(1_000), "1.0e999999999 ".repeat(1_000), true),
        (format!("{digits} ").repeat(8), format!("{digits}. ").repeat(8), true),
        (format!("{digits} ").repeat(8), format!("{digits}.1 ").repeat(8), true),
    ];
    for (expected, output, answer) in pairs {
        let mut comparison = any_case.compare(Bytes::from(expected.clone()));
        output.as_bytes().chunks(1_000).for_each(|chunk| comparison.push(chunk));
        let Kind::Float(float) = &comparison.kind else { panic!("it is a comparison of numbers") };
        // What both sides share is looked at twice: on the way there, and from its token's start on.
        assert!(float.looked_at <= 2 * expected.len(), "{} bytes of {}", float.looked_at, expected.len());
        assert_eq!(comparison.finish(), answer, "{}…", &expected[..20]);
    }
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
            let (expected, output) = (tokens(expected), tokens(output));
            expected.len() == output.len()
                && expected.iter().zip(&output).all(|(e, o)| near(e, o, abs, rel).unwrap_or(same(e, o, case_sensitive)))
        }
    }
}

/// Whether a token is near enough to the expected one; `None` where that is no number.
fn near(expected: &[u8], output: &[u8], abs: Option<f64>, rel: Option<f64>) -> Option<bool> {
    let number = |token: &[u8]| -> Option<(String, f64)> {
        let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= LONGEST_NUMBER)?.to_owned();
        text.parse().ok().map(|value| (text, value))
    };
    let (expected, value) = number(expected)?;
    let Some((output, other)) = number(output) else { return Some(false) };
    let near = |tolerance: f64, is_part: bool| plain::is_near(&expected, &output, tolerance, is_part);
    let word = |text: &str| !text.contains(|letter: char| letter.is_ascii_digit());
    let alike = (value.is_nan() && other.is_nan()) || (word(&expected) && word(&output) && value == other);
    let tolerances = [abs.map(|abs| near(abs, false)), rel.map(|rel| near(rel, true))];
    Some(tolerances.into_iter().flatten().any(|it| it.unwrap_or(alike)))
}

fn checkers() -> impl Strategy<Value = Checker> {
    prop_oneof![
        Just(Checker::Exact),
        Just(Checker::Lines),
        (any::<bool>(), any::<bool>())
            .prop_map(|(case_sensitive, space_sensitive)| Checker::Tokens { case_sensitive, space_sensitive }),
        (prop::option::of(tolerances()), tolerances(), any::<bool>())
            .prop_map(|(abs, rel, case_sensitive)| Checker::Float { abs, rel: Some(rel), case_sensitive }),
    ]
}

/// Tolerances as they are written, and any.
fn tolerances() -> impl Strategy<Value = f64> {
    prop_oneof![prop::sample::select(vec![0.0, 1e-9, 1e-6, 0.1, 0.5, 1.0, 1.5, 1e300, f64::MIN_POSITIVE]), 0.0..1.0f64]
}

/// A number, and one that is as far from it as a tolerance, or as good as.
fn neighbours() -> impl Strategy<Value = (String, String)> {
    let number = "-?[0-9]{1,30}(\\.[0-9]{0,30})?(e-?[0-9]{1,2})?";
    let far = (number, number);
    let close = ("-?[1-9][0-9]{0,20}", "(0{0,6}[0159]{0,20})", 0_usize..20, "(e-?[0-9]{1,2})?").prop_map(
        |(whole, fraction, cut, exponent)| {
            let shorter = &fraction[..cut.min(fraction.len())];
            (format!("{whole}.{fraction}{exponent}"), format!("{whole}.{shorter}{exponent}"))
        },
    );
    prop_oneof![far, close.clone(), close.prop_map(|(left, right)| (right, left))]
}

/// Outputs of few words and much white space, so that near misses are common.
fn outputs() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "a", "A", "ab", "1", "1.0", "1.5", "nan", "inf", "-", "e", "\u{e9}", "1e400", ".5",
        ])
        .prop_map(str::to_owned),
        8 => prop::sample::select(vec![" ", "\n", "\r\n", "\t", "\x0b", "  ", "\n\n", " \n "]).prop_map(str::to_owned),
        1 => (300usize..340).prop_map(|length| "1".repeat(length)),
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

/// Whether the reference, which writes all digits out, has the memory for it: pieces next to each other may make an exponent
/// of thousands of millions.
fn can_be_written_out(output: &[u8]) -> bool {
    let exponents = output.split(|byte| matches!(byte, b'e' | b'E')).skip(1);
    let digits = |rest: &[u8]| {
        let unsigned = rest.strip_prefix(b"-").or(rest.strip_prefix(b"+")).unwrap_or(rest);
        unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    exponents.map(digits).all(|digits| digits <= 5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_near_when_their_digits_say_so(
        (expected, output) in neighbours(),
        abs in prop::option::of(tolerances()),
        rel in tolerances(),
    ) {
        let checker = Checker::Float { abs, rel: Some(rel), case_sensitive: true };
        let answer = near(expected.as_bytes(), output.as_bytes(), abs, Some(rel));
        prop_assert_eq!(Some(matches(checker, expected.as_bytes(), output.as_bytes())), answer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streaming_in_any_chunks_agrees_with_the_plain_reading(
        checker in checkers(),
        (expected, output) in pairs(),
        sizes in prop::collection::vec(1usize..70, 1..8),
    ) {
        prop_assume!(can_be_written_out(&expected) && can_be_written_out(&output));
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
