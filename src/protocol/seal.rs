//! What tells the agent's frames from anybody else's on the same pipe.
//!
//! Under runc a program has no way to the agent's channel. Under gVisor it has: `/proc/1/fd` can be opened there by whoever
//! has the same user id. So each event bears a seal, made with a key that the worker sends before any program runs and that
//! is nowhere but in the agent's memory, which no program can read. A frame without it ends the conversation, and that is
//! evidence about the program.

#[allow(deprecated, reason = "std's SipHash with a key of one's own; its successor can't be given one")]
use std::hash::{Hasher, SipHasher};

/// The length of a seal, which follows the frame.
pub const SEAL: usize = 8;

/// Makes seals: SipHash-2-4 (Aumasson and Bernstein, 2012) over the whole frame, whose sequence number is never used twice.
#[derive(Clone, Copy, Default)]
pub struct Sealer {
    key: [u64; 2],
}

/// The key is shown to nobody.
impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sealer")
    }
}

impl Sealer {
    /// Without a key (all zero) it is what an agent uses that hasn't been greeted yet.
    pub fn new(key: [u8; 16]) -> Sealer {
        let (low, high) = (u128::from_le_bytes(key) as u64, (u128::from_le_bytes(key) >> 64) as u64);
        Sealer { key: [low, high] }
    }

    pub fn seal(&self, frame: &[u8]) -> [u8; SEAL] {
        #[allow(deprecated, reason = "as above")]
        let mut hash = SipHasher::new_with_keys(self.key[0], self.key[1]);
        hash.write(frame);
        hash.finish().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_are_those_of_the_published_function() {
        // The reference vector for the message 00 01 … 0e under the key 00 01 … 0f (SipHash paper, appendix A).
        let key = std::array::from_fn(|index| index as u8);
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(Sealer::new(key).seal(&message), 0xa129_ca61_49be_45e5_u64.to_le_bytes());
    }

    #[test]
    fn another_key_or_another_frame_has_another_seal() {
        let sealer = Sealer::new([7; 16]);
        assert_ne!(sealer.seal(b"frame"), Sealer::default().seal(b"frame"));
        assert_ne!(sealer.seal(b"frame"), sealer.seal(b"Frame"));
        assert_eq!(format!("{sealer:?}"), "Sealer");
    }
}
