//! Sequences of operations on a server: bytes choose the steps of [`chaos`], whose model says what must be true.

use proptest::collection::vec;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sprat_core::Limits;
use sprat_core::memory::{Entropy as _, Fixed};
use sprat_tests::chaos::{self, Chaos};
use sprat_tests::{Chance, chaos::Step};

/// In memory that has room.
pub fn plain(data: &[u8]) {
    in_memory::<32, 32, 16, 128, 256, 32, 256, 32_768, 0>(data, chaos::limits());
}

/// In memory that is full at every second step.
pub fn small(data: &[u8]) {
    in_memory::<4, 3, 2, 6, 12, 2, 16, 1_000, 0>(data, chaos::limits());
}

/// With clients that come back.
pub fn recovering(data: &[u8]) {
    in_memory::<10, 8, 4, 16, 40, 4, 60, 2_500, 24>(data, chaos::recovering());
}

fn in_memory<
    const CLIENTS: usize,
    const SOCKETS: usize,
    const ROOMS: usize,
    const MEMBERSHIPS: usize,
    const PACKETS: usize,
    const ACKS: usize,
    const FRAMES: usize,
    const BYTES: usize,
    const RECENT: usize,
>(
    data: &[u8],
    limits: Limits,
) {
    let mut memory =
        Box::new(Fixed::<CLIENTS, SOCKETS, ROOMS, MEMBERSHIPS, PACKETS, ACKS, FRAMES, BYTES, RECENT>::new());
    let seed = data.iter().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    Chaos::new(memory.lend(Chance::new(seed)), limits).run(&steps(data));
}

/// The steps that these bytes stand for: each from bytes of its own, so that the others stay what they are when one changes.
fn steps(data: &[u8]) -> Vec<Step> {
    // The default asks the environment, which takes its time.
    let (strategy, config) = (vec(chaos::step(), 1), Config::default());
    let step = |bytes: &[u8]| {
        let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let mut seed = [0; 16];
        Chance::new(number).fill(&mut seed);
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &seed);
        let tree = strategy.new_tree(&mut TestRunner::new_with_rng(config.clone(), rng));
        tree.ok()?.current().pop()
    };
    data.chunks(STEP_BYTES).take(STEPS_MAX).filter_map(step).collect()
}

/// So many bytes choose a step.
const STEP_BYTES: usize = 3;
/// What happens after more steps than these has happened before.
const STEPS_MAX: usize = 200;
