//! The core's own tests: a world that checks every promise after every command, and the scenarios and properties that drive it.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may panic, and is read more often than it is run"
)]

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

mod budget;
mod canonical;
mod line;
mod meter;
pub(crate) mod names;
mod precedence;
mod properties;
mod scenario;
mod shown;
mod verbs;
mod workload;
mod world;

pub(crate) use scenario::{check, stage};
pub(crate) use world::World;

/// A runner of so many cases, as many times over as is asked for.
pub(crate) fn seeded(seed: u32, cases: u32) -> TestRunner {
    runner(seed, cases * times())
}

/// A runner whose whole run is a function of one number; on a failure it looks for a smaller case and shows both.
pub(crate) fn runner(seed: u32, cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// How many times over to run; a long run asks for a multiple of the usual 256 cases by `PROPTEST_CASES`.
pub(crate) fn times() -> u32 {
    (Config::default().cases / 256).max(1)
}
