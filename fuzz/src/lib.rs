//! What is done with a fuzzer's bytes. The tests of the crates replay the corpora through these same functions, on a stable
//! compiler and without a fuzzer: `docs/fuzzing.md`.

pub mod journal;
pub mod records;
pub mod world;
