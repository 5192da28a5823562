//! What the checkers ask of bytes; the loops that decide their speed are here.

/// White space as C's `isspace` has it, and so the other judges; Rust's own lacks the vertical tab.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// How many bytes the two have in common from their start.
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let length = left.len().min(right.len());
    let (left, right) = (&left[..length], &right[..length]);
    let blocks = equal_blocks::<64>(left, right);
    let words = equal_blocks::<8>(&left[blocks..], &right[blocks..]);
    let start = blocks + words;
    start + left[start..].iter().zip(&right[start..]).take_while(|(left, right)| left == right).count()
}

/// The bytes in equal whole blocks from the start. Arrays of a fixed size compare without a call and many bytes at once.
fn equal_blocks<const SIZE: usize>(left: &[u8], right: &[u8]) -> usize {
    let blocks = left.as_chunks::<SIZE>().0.iter().zip(right.as_chunks::<SIZE>().0);
    SIZE * blocks.take_while(|(left, right)| left == right).count()
}

/// How much white space the bytes begin with.
pub(super) fn leading_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_space(**byte)).count()
}

/// How many bytes the token is long that the bytes begin with.
pub(super) fn leading_token(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| !is_space(**byte)).count()
}

/// Whether there is nothing but white space.
pub(super) fn all_space(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_space(*byte))
}

/// Whether two texts are the same, ASCII letters' case aside where that doesn't count.
pub(super) fn same_text(left: &[u8], right: &[u8], case_sensitive: bool) -> bool {
    if case_sensitive { left == right } else { left.eq_ignore_ascii_case(right) }
}

/// How many bytes the two have in common from their start, the case of ASCII letters aside.
pub(super) fn common_prefix_any_case(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left.eq_ignore_ascii_case(right)).count()
}
