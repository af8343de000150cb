//! Random steps of [`sprat_tests::chaos`] in memory of any size.

use core::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use sprat_core::Limits;
use sprat_core::memory::Resources;
use sprat_tests::chaos::{self, Chaos};
use sprat_tests::memory::{self, Memory};

/// The same few cases each time; with `PROPTEST_CASES` as many as it says, and new ones.
fn runner() -> TestRunner {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return TestRunner::new(config);
    }
    let config = ProptestConfig { cases: 40, ..config };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Runs random steps in memory of some size; how many clients came back in all of them.
fn run(memory: fn(u64) -> Resources<Memory>, limits: &Limits) -> usize {
    let recovered = Cell::new(0);
    let steps = (prop::collection::vec(chaos::step(), 1..150), any::<u64>());
    let result = runner().run(&steps, |(steps, seed)| {
        recovered.set(recovered.get() + Chaos::new(memory(seed), limits.clone()).run(&steps));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    recovered.get()
}

#[test]
fn in_roomy_memory() {
    run(memory::sized::<32, 32, 16, 128, 256, 32, 256, 32_768, 0>, &chaos::limits());
}

#[test]
fn with_few_bytes() {
    run(memory::sized::<16, 16, 8, 32, 64, 8, 64, 1_000, 0>, &chaos::limits());
}

#[test]
fn with_few_frames() {
    run(memory::sized::<16, 16, 8, 32, 64, 8, 10, 8_192, 0>, &chaos::limits());
}

#[test]
fn with_few_entries() {
    run(memory::sized::<16, 16, 8, 32, 5, 8, 64, 8_192, 0>, &chaos::limits());
}

#[test]
fn with_few_of_everything_else() {
    run(memory::sized::<3, 2, 2, 3, 64, 1, 64, 8_192, 0>, &chaos::limits());
}

#[test]
fn with_next_to_nothing() {
    run(memory::sized::<2, 1, 1, 1, 2, 1, 4, 256, 0>, &chaos::limits());
}

#[test]
fn with_recovery() {
    let recovered = run(memory::sized::<32, 32, 16, 128, 256, 32, 256, 32_768, 64>, &chaos::recovering());
    assert!(recovered > 5, "{recovered} came back");
}

#[test]
fn with_recovery_and_little_memory() {
    let recovered = run(memory::sized::<10, 8, 4, 16, 40, 4, 60, 2_500, 24>, &chaos::recovering());
    assert!(recovered > 5, "{recovered} came back");
}
