//! SHA-256: of streams that a result shows in part, and of data that is named by it.

use std::fmt;

use sha2::Digest as _;

/// The SHA-256 of some bytes; written as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// One being computed while the bytes come.
#[derive(Debug, Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Sha256 {
    pub fn of(bytes: &[u8]) -> Sha256 {
        let mut hasher = Hasher::default();
        hasher.push(bytes);
        hasher.finish()
    }

    /// Reads 64 hexadecimal digits, of either case.
    pub fn from_hex(text: &str) -> Option<Sha256> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        let bytes: Vec<u8> = pairs.collect::<Option<_>>()?;
        bytes.try_into().ok().map(Sha256)
    }
}

impl Hasher {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn it_is_the_standards_own_and_the_same_in_pieces() {
        assert_eq!(Sha256::of(b"abc").to_string(), ABC);
        let mut hasher = Hasher::default();
        for piece in [&b"a"[..], b"", b"bc"] {
            hasher.push(piece);
        }
        assert_eq!(hasher.finish(), Sha256::of(b"abc"));
    }

    #[test]
    fn what_it_writes_it_reads_and_nothing_else() {
        assert_eq!(Sha256::from_hex(ABC), Some(Sha256::of(b"abc")));
        assert_eq!(Sha256::from_hex(&ABC.to_ascii_uppercase()), Some(Sha256::of(b"abc")));
        let (half, odd) = (&ABC[..32], &ABC[..63]);
        for wrong in ["", "0", half, odd, &format!("{ABC}00"), &format!("{odd}g"), &format!("+{odd}"), &"é".repeat(32)] {
            assert_eq!(Sha256::from_hex(wrong), None, "{wrong}");
        }
    }
}
