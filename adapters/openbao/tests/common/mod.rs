//! What the tests share.
#![expect(dead_code, reason = "each test file uses its own part of this")]

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use turquoise_openbao::{Binary, Options, Server};

/// A server of the test's own.
pub(crate) fn server() -> Server {
    let binary = Binary::obtain(|_| {}).expect("a server program");
    Server::start(&binary, Options::default()).expect("a server")
}

/// This test program again, running only its ignored test `name`: for what a test may not do to its own process.
pub(crate) fn as_child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command
}

/// Waits until `condition` holds, at most 30 s.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process does anything still: it exists and is no zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}
