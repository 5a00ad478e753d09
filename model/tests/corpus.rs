//! What the fuzzer has found worth keeping is replayed on every change, by the same functions that it drives.

#[path = "../../fuzz/src/records.rs"]
pub mod records;
#[path = "../../fuzz/src/world.rs"]
pub mod world;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let inputs: Vec<_> =
        fs::read_dir(&folder).expect("there is a corpus").map(|entry| entry.expect("it can be read").path()).collect();
    assert!(inputs.len() >= 10, "{} has {} inputs: a corpus is missing", folder.display(), inputs.len());
    for input in inputs {
        let bytes = fs::read(&input).expect("it can be read");
        let held = std::panic::catch_unwind(|| run(&bytes));
        assert!(held.is_ok(), "{}", input.display());
    }
}

#[test]
fn ways_through_the_world_are_replayed() {
    replay("world", world::walk);
}

#[test]
fn records_are_replayed() {
    replay("records", records::replay);
}

#[test]
fn a_mint_announced_twice_is_no_reason_to_ask_without_end() {
    records::replay(include_bytes!("../../fuzz/finds/records/a-mint-announced-twice"));
}
