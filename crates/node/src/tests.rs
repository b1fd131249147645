//! The real stages on a disk that forgets, and real nodes on real directories.
mod basics;
mod clock;
mod copies;
mod crash;
mod damage;
mod due;
mod forged;
mod full;
mod gate;
mod lines;
mod market;
mod own_files;
mod rig;
mod scratch;
mod sealed;
mod threads;
mod views;
mod workload;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A runner whose whole run is a function of one number; on a failure it looks for a smaller case and shows both.
fn seeded(seed: u32, cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: cases * times(), failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// How many times over to run; a long run asks for a multiple of the usual 256 cases by `PROPTEST_CASES`.
fn times() -> u32 {
    (Config::default().cases / 256).max(1)
}
