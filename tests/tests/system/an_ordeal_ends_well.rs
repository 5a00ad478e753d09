//! The one command that goes through several rotations, a death and a verdict still does.

use std::process::Command;

#[test]
fn an_ordeal_ends_well() {
    let ended = Command::new(env!("CARGO_BIN_EXE_ordeal")).args(["--rotations", "4"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    for told in ["SIGKILL: the agent is gone", "rotation 4 is over", "… L2", "all of it is as it must be"] {
        assert!(said.contains(told), "{told:?} is not told: {said}");
    }
}
