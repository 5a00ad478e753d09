//! See `turquoise_fuzz::world`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turquoise_fuzz::world::walk(bytes));
