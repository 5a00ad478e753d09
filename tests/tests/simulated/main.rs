//! The driver against the model's own world, in simulated time: what the provider sees, the journal says and work is given is
//! judged by the functions that the explorers judge by.
//!
//! A run is all in its seed: `TURQUOISE_SEED=7 cargo test -p turquoise-tests --test simulated a_seed_can` tells the story of
//! seed 7, and `TURQUOISE_SEEDS=1000..20000` judges other ones than the first thousand.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "../system/document.rs"]
mod document;

mod dice;
mod disk;
mod plan;
mod provider;
mod run;
mod world;

mod catches_what_is_sown;
mod conforms;
mod judges_a_thousand_runs;
mod survives_every_crash_point;

/// So many seeds are run.
const RUNS: u64 = 1_000;
