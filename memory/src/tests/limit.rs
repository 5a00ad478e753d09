//! What happens when no more memory may be locked.

use std::io;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use rustix::param::page_size;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use secrecy::ExposeSecret as _;

use super::{Process, canary, command, role};
use crate::{LockError, Secret, WhenLockingFails};

#[test]
fn refuse_names_the_limit_and_what_to_do() {
    const TEST: &str = "tests::limit::refuse_names_the_limit_and_what_to_do";
    if role().is_none() {
        return in_a_child(TEST);
    }
    let limit = limit_to(3);
    let mut held: Vec<_> = (0..3).map(|n| WhenLockingFails::Refuse.room().expect("within the limit").hold(canary(n))).collect();
    let why = WhenLockingFails::Refuse.room().err().expect("beyond the limit");
    assert_eq!(why, LockError::Limit { needed: page_size(), limit });
    assert!(matches!(LockError::locking(1, Errno::INVAL), LockError::System { .. }), "not all that fails is the limit");
    let words = why.to_string();
    for expected in [&format!("may lock {limit} bytes"), "RLIMIT_MEMLOCK", "LimitMEMLOCK="] {
        assert!(words.contains(expected), "{expected} is missing in {words}");
    }
    held.pop();
    assert!(WhenLockingFails::Refuse.room().is_ok(), "what is dropped makes room");

    let room = WhenLockingFails::Refuse.room().expect("there is room for one");
    let long = canary(1).repeat(page_size());
    assert!(matches!(room.hold(long), Err(LockError::Limit { .. })), "a longer one needs more room");
    assert_eq!(limit_to(0), 0);
    held.clear();
    assert_eq!(WhenLockingFails::Refuse.room().err(), Some(LockError::Limit { needed: page_size(), limit: 0 }));
}

#[test]
fn warn_goes_on_unlocked_and_says_so_once() {
    const TEST: &str = "tests::limit::warn_goes_on_unlocked_and_says_so_once";
    if role().is_none() {
        return in_a_child(TEST);
    }
    let log = Log::default();
    let pen = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || pen.clone()).finish();
    let limit = limit_to(1);
    let secrets: Vec<Secret> = tracing::subscriber::with_default(subscriber, || {
        let held = (0..4).map(|n| WhenLockingFails::Warn.room().expect("it only warns").hold(canary(n)));
        held.collect::<Result<_, _>>().expect("it only warns")
    });
    let locked: Vec<_> = secrets.iter().map(Secret::is_locked).collect();
    assert_eq!(locked, [true, false, false, false]);
    let text = log.text();
    assert_eq!(text.matches("secrets unlocked").count(), 1, "{text}");
    assert!(text.contains("WARN") && text.contains(&format!("may lock {limit} bytes")), "{text}");
    for (n, secret) in (0..).zip(&secrets) {
        assert_eq!(secret.expose_secret(), canary(n));
        assert!(!text.contains(secret.expose_secret()));
    }
}

fn in_a_child(test: &str) {
    let (status, words) = Process::start(&mut command(test, "limited")).end();
    assert!(status.success(), "{words}");
}

/// Lets this thread lock so many pages, also if it is the superuser's.
fn limit_to(pages: usize) -> u64 {
    let mut sets = capabilities(None).expect("they can be read");
    sets.effective.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, sets).expect("they can be given up");
    let limit = (pages * page_size()) as u64;
    setrlimit(Resource::Memlock, Rlimit { current: Some(limit), maximum: Some(limit) }).expect("it can be lowered");
    limit
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics with it").clone()).expect("logs are text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
