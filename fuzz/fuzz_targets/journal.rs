//! See `turquoise_fuzz::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    turquoise_fuzz::journal::open(folder.path(), bytes);
});
