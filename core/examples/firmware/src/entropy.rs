//! Random bytes from the board's seed: a keyed function of a counter (SipHash-2-4). Whoever does not know the seed cannot
//! tell its values from random ones.

use core::hash::Hasher as _;

use siphasher::sip::SipHasher24;
use sprat_core::memory::Entropy;

use crate::SEED_BYTES;

pub(crate) struct SeededEntropy {
    key: [u8; SEED_BYTES],
    counter: u64,
}

impl SeededEntropy {
    pub(crate) const fn new(seed: &[u8; SEED_BYTES]) -> Self {
        Self { key: *seed, counter: 0 }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.counter += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u64(self.counter);
        hasher.finish()
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_ne_bytes()[..chunk.len()]);
        }
    }
}
