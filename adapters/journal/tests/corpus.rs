//! What the fuzzer has found worth keeping is replayed on every change, by the same function that it drives.

#[path = "../../../fuzz/src/journal.rs"]
pub mod journal;

use std::fs;
use std::path::Path;

#[test]
fn files_are_opened_or_refused_and_stay_what_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/journal");
    let inputs: Vec<_> =
        fs::read_dir(&folder).expect("there is a corpus").map(|entry| entry.expect("it can be read").path()).collect();
    assert!(inputs.len() >= 10, "{} has {} inputs: a corpus is missing", folder.display(), inputs.len());
    for input in inputs {
        let empty = tempfile::tempdir().expect("there is room for a folder");
        let bytes = fs::read(&input).expect("it can be read");
        let opened = std::panic::catch_unwind(|| journal::open(empty.path(), &bytes));
        assert!(opened.is_ok(), "{}", input.display());
    }
}
