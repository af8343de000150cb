//! Random bytes for who has a secret seed and no generator: a keyed function of a counter (SipHash-2-4). Whoever does not
//! know the seed cannot tell its values from random ones.

use core::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use crate::memory::Entropy;

/// Length of a seed: 128 bits.
pub const SEED_BYTES: usize = 16;

/// Values of one seed, which must be another one at each start: the same seed gives the same values.
pub struct SeededEntropy {
    key: [u8; SEED_BYTES],
    counter: u64,
}

impl SeededEntropy {
    /// The values of this seed, from the first one on.
    pub const fn new(seed: &[u8; SEED_BYTES]) -> Self {
        Self { key: *seed, counter: 0 }
    }

    /// The next value.
    pub fn next_u64(&mut self) -> u64 {
        self.counter += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.counter.to_le_bytes());
        hasher.finish()
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Shows nothing of the seed.
impl core::fmt::Debug for SeededEntropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SeededEntropy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    const SEED: [u8; SEED_BYTES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    #[test]
    fn values_are_those_of_siphash_2_4() {
        // From the test vectors of its authors: this key, and the bytes 0 to 7.
        let mut entropy = SeededEntropy { key: SEED, counter: 0x0706_0504_0302_00ff };
        assert_eq!(entropy.next_u64(), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
        let filled = |seed: &[u8; SEED_BYTES], len| {
            let mut bytes = std::vec![0; len];
            SeededEntropy::new(seed).fill(&mut bytes);
            bytes
        };
        let (first, mut other) = (filled(&SEED, 20), SEED);
        assert_eq!(first, filled(&SEED, 20));
        assert_eq!(first[..13], filled(&SEED, 13));
        other[15] ^= 1;
        assert_ne!(first[..8], filled(&other, 20)[..8]);
        assert_ne!(first[..8], first[8..16], "no value comes twice in a row");
    }

    #[test]
    fn a_seed_is_not_shown() {
        let shown = std::format!("{:?}", SeededEntropy::new(&SEED));
        assert_eq!(shown, "SeededEntropy { .. }");
    }
}
