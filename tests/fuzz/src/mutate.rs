//! New inputs from old ones. The same seed makes the same inputs.

use sprat_tests::Chance;

/// No input is longer.
const INPUT_BYTES_MAX: usize = 4_096;

/// An input made of one of `inputs`: a few pieces are changed, put in, taken out, or come from another one.
pub fn mutated(chance: &mut Chance, inputs: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut input = if inputs.is_empty() { Vec::new() } else { chance.pick(inputs).clone() };
    for _ in 0..=chance.below(6) {
        let at = chance.below(input.len() as u64 + 1) as usize;
        let end = input.len().min(at + 1 + small(chance));
        match chance.below(8) {
            0 => flip(chance, &mut input, at),
            1 => drop(input.drain(at..end)),
            2 => put(&mut input, at, &random(chance)),
            3 if !words.is_empty() => {
                let word = chance.pick::<&[u8]>(words);
                put(&mut input, at, word);
            }
            4 => {
                let piece = input[at..end].to_vec();
                put(&mut input, at, &piece.repeat(1 + chance.below(4) as usize));
            }
            5 if !inputs.is_empty() => {
                let other = chance.pick(inputs);
                let from = chance.below(other.len() as u64 + 1) as usize;
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 if at < input.len() => input[at] = *chance.pick(&[0, 1, 0x1e, 0x20, 0x22, 0x30, 0x7f, 0x80, 0xfe, 0xff]),
            _ => input.truncate(at.max(1)),
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// Bytes of any kind.
pub fn random(chance: &mut Chance) -> Vec<u8> {
    (0..=small(chance)).map(|_| chance.number() as u8).collect()
}

fn flip(chance: &mut Chance, input: &mut [u8], at: usize) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << chance.below(8);
    }
}

fn put(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

/// Mostly a few, now and then many.
fn small(chance: &mut Chance) -> usize {
    let end = *chance.pick(&[2, 4, 8, 8, 16, 64, 300]);
    chance.below(end) as usize
}
