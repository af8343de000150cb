//! Seeded chance for tests: the same numbers on every run and every machine.

extern crate std;

use std::string::String;

/// A generator of numbers (splitmix64).
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0 to `end`, exclusive.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.number() as u8);
    }

    /// A character is taken out, put in or doubled, a few times.
    pub(crate) fn mutated(&mut self, text: &str, pieces: &[&str]) -> String {
        let mut text = String::from(text);
        for _ in 0..self.below(3) {
            let mut at = self.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match self.below(3) {
                0 => text.insert_str(at, self.pick(pieces)),
                1 if at < text.len() => drop(text.remove(at)),
                _ => {
                    let tail = String::from(&text[at..]);
                    text.truncate(at);
                    text.push_str(&tail[..tail.char_indices().nth(1).map_or(tail.len(), |(next, _)| next)]);
                    text.push_str(&tail);
                }
            }
        }
        text
    }
}
