//! The program forbids core files and hides its memory from other processes of the same user, before it does anything else.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Has no rights at all.
const NOBODY: u32 = 65_534;

/// Who the kernel says may look into a process: root alone, if that cannot be dumped.
fn owner(process: &str) -> u32 {
    fs::metadata(format!("/proc/{process}/environ")).unwrap().uid()
}

/// Runs as somebody who is not root, until its standard input ends, and has said something.
fn start(mut command: Command) -> Child {
    if owner("self") == 0 {
        command.uid(NOBODY);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(!said.is_empty(), "it ended: {:?}", child.wait());
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// Where anybody may read and run what is in it.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_turquoise"), folder.path().join("turquoise")).unwrap();
    folder
}

/// The part of the demo that reads with a token which it was given in a file.
fn reader(folder: &Path) -> Command {
    fs::write(folder.join("token"), "hvs.a-token-that-nobody-takes").unwrap();
    let mut command = Command::new(folder.join("turquoise"));
    command.args(["demo-client", "vault-token", "http://127.0.0.1:9"]).arg(folder.join("token")).arg("again");
    command
}

#[test]
fn no_core_file_is_left_and_nobody_looks_into_its_memory() {
    let folder = open_folder();
    let child = start(reader(folder.path()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core: Vec<_> = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    assert_eq!(owner(&child.id().to_string()), 0, "it can be dumped");
    end(child);

    let mut other = Command::new("/bin/sh");
    other.args(["-c", "echo ready; read end"]);
    let child = start(other);
    assert_ne!(owner(&child.id().to_string()), 0, "of what is not hardened its user is the owner");
    end(child);
}
