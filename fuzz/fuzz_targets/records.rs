//! See `turquoise_fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turquoise_fuzz::records::replay(bytes));
