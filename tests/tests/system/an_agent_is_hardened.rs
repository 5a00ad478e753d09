//! A process that holds secrets leaves no core file, and other processes of the same user cannot look into it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::agent::{Agent, How};
use crate::site::{Site, server};

/// Who the kernel says may look into a process.
fn owner(process: &str) -> u32 {
    fs::metadata(format!("/proc/{process}/environ")).unwrap().uid()
}

#[test]
fn an_agent_is_hardened() {
    let site = Site::new(server(), "hardened");
    let mut agent = Agent::start(&site, How::default());
    agent.until_steady();
    let limits = fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
    let core: Vec<_> = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    // Of what cannot be dumped root is the owner. Where we are root that says nothing: see the test of the program.
    assert_eq!(owner(&agent.pid().to_string()), 0);
    agent.stop();

    let mut open = Agent::start(&site, How { readable: true, ..How::default() });
    open.until_steady();
    assert_eq!(owner(&open.pid().to_string()), owner("self"));
    open.stop();
    site.assert_quiet(server());
}
