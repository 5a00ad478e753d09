//! A server whose audit disk is full does what it is asked and answers 500, or answers 500 and does nothing; one with a quota on
//! all that has to do with tokens answers 429. Whatever call of a rotation it is: one token lives in the end, and nothing is owed.
//!
//! Campaigns: the disk takes root, to mount a small one; each takes a server of its own.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise_openbao::Server;
use turquoise_tests::{Command, Place, Point, Side};

use crate::agent::{Agent, How, PATIENCE};
use crate::audit;
use crate::campaign;
use crate::consumer::Consumer;
use crate::site::{Site, start_server};

const PAGE: usize = 4096;

/// A disk that has room for some hundred lines of a log. Unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Program::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(folder.path()).status().unwrap();
        assert!(mounted.success(), "a small disk can be mounted by root only");
        Self(folder)
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("audit.log")
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Leaves no more than what is left of the log's last page.
    fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0; PAGE]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn slack(&self) -> usize {
        PAGE - usize::try_from(fs::metadata(self.log()).unwrap().len()).unwrap() % PAGE
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A folder that is in use stays until the machine is started anew, and holds nothing.
        drop(Program::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

/// How long the two lines are that a request of this path leaves in the log.
fn lengths(log: &Path, path: &str) -> (usize, usize) {
    let text = fs::read_to_string(log).unwrap();
    let of = |kind: &str| {
        let is = |line: &&str| {
            serde_json::from_str::<Value>(line).is_ok_and(|value| value["type"] == kind && value["request"]["path"] == path)
        };
        text.lines().rfind(is).unwrap().len()
    };
    (of("request"), of("response"))
}

/// Before which call of a login and a good rotation the disk is full: its number, its name, and its path.
const CALLS: [(u64, &str, &str); 5] = [
    (4, "mint", "auth/token/create/measure"),
    (8, "extend", "auth/token/renew-self"),
    (10, "shorten the old one", "auth/token/renew-self"),
    (11, "revoke the old one", "auth/token/revoke-self"),
    (12, "look whether it is dead", "auth/token/lookup"),
];

/// A login and a rotation, with the disk full from before this call until it was refused.
fn survive(server: &Server, disk: &Disk, number: u64, path: &str) -> String {
    let (request, response) = lengths(&disk.log(), path);
    let site = Site::new(server, &format!("full-{number}"));
    let hold = Some(Point { side: Side::Before, place: Place::Call(number) });
    let mut agent = Agent::start(&site, How { hold, ..How::default() });
    agent.until_steady();
    agent.order(Command::Rotate);
    agent.until_held();
    // Room for the line of the request, and not for that of its answer.
    let wanted = request + 100..request + response - 100;
    for _ in 0..200 {
        if wanted.contains(&disk.slack()) {
            break;
        }
        server.admin("GET", "sys/mounts", &Value::Null).unwrap();
    }
    assert!(wanted.contains(&disk.slack()), "{} of {wanted:?}", disk.slack());
    disk.fill();
    agent.order(Command::Release);
    let deadline = Instant::now() + PATIENCE;
    while !agent.log().contains("internal error") {
        assert!(Instant::now() < deadline, "the server has room: {}", agent.log());
        thread::sleep(Duration::from_millis(20));
    }
    disk.free();
    let undone = path.contains("create") && server.live_tokens(&site.role).unwrap() < 2;
    assert!(!undone, "the server says 500 and has minted nothing: it did not get as far as that");
    agent.until_steady();
    let consumer = Consumer::start(&site);
    agent.rotate();
    agent.stop();
    consumer.stop();
    let journalled = site.assert_quiet(server);
    journalled.abandoned().map_or_else(|| "rotated".to_owned(), |why| format!("abandoned ({why:?}): the old one serves"))
}

#[test]
#[ignore = "a campaign, as root: UPDATE_DOCS=1 cargo test -p turquoise-tests --test system -- --ignored a_full_audit_disk"]
fn a_full_audit_disk() {
    let (mut server, disk) = (start_server(), Disk::new());
    server.stop();
    fs::remove_file(server.audit_log()).unwrap();
    fs::write(disk.log(), "").unwrap();
    std::os::unix::fs::symlink(disk.log(), server.audit_log()).unwrap();
    server.restart().unwrap();
    // What a rotation leaves in the log.
    let site = Site::new(&server, "measure");
    let mut agent = Agent::start(&site, How::default());
    agent.until_steady();
    agent.rotate();
    agent.stop();
    let mut text = String::from("| the disk is full at | in the end |\n| --- | --- |\n");
    for (number, name, path) in CALLS {
        writeln!(text, "| {name} | {} |", survive(&server, &disk, number, path)).unwrap();
    }
    campaign::report("fault-matrix.md", "disk", &text);
}

#[test]
#[ignore = "a campaign: cargo test -p turquoise-tests --test system -- --ignored a_quota_on_all_tokens"]
fn a_quota_on_all_tokens() {
    let server = start_server();
    let site = Site::new(&server, "quota");
    let mut agent = Agent::start(&site, How::default());
    agent.until_steady();
    let consumer = Consumer::start(&site);
    server.admin("POST", "sys/quotas/rate-limit/all", &json!({"path": "auth/token/", "rate": 1, "interval": "1s"})).unwrap();
    agent.rotate();
    server.admin("DELETE", "sys/quotas/rate-limit/all", &Value::Null).unwrap();
    assert!(agent.log().contains("rate limit quota exceeded"), "nothing was throttled");
    agent.rotate();
    agent.stop();
    consumer.stop();
    site.assert_quiet(&server);
    assert!(audit::minted(&audit::read(&server), "quota").len() > 2);
}
