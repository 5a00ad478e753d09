//! A forked child finds no secret.

#![expect(unsafe_code, reason = "there is no safe way to fork")]

use secrecy::ExposeSecret as _;

use super::{canary, room};
use crate::page::{Kind, Page};

#[test]
fn a_forked_child_finds_every_secret_empty_and_may_drop_it() {
    for kind in [Kind::Locked, Kind::Hidden] {
        let Some(room) = room(kind) else { continue };
        let secret = room.hold(canary(21)).expect("it fits");
        assert!(!secret.expose_secret().is_empty(), "{kind:?}: it is there before");
        let ended = forked(|| {
            let found = secret.expose_secret().len();
            // As the child's own drop would do.
            // SAFETY: the child ends before the secret is dropped again.
            drop(unsafe { std::ptr::read(&raw const secret) });
            found
        });
        assert_eq!(ended, Ended::By(0), "{kind:?}");
        assert_eq!(secret.expose_secret(), canary(21), "{kind:?}: to the parent nothing has happened");
    }
}

#[test]
fn the_memory_itself_is_nought_or_not_there_in_a_forked_child() {
    for (kind, expected) in [(Kind::Locked, Ended::By(0)), (Kind::Hidden, Ended::Killed(libc::SIGSEGV))] {
        let Some(_) = room(kind) else { continue };
        let mut page = Page::of(kind, 1).expect("there was room");
        assert!(page.put("text"));
        let last = page.text().as_bytes().last().expect("it is not empty");
        // SAFETY: it is a valid reference in the parent; that the child dies of it is what is asked.
        let ended = forked(|| usize::from(unsafe { std::ptr::read_volatile(last) }));
        assert_eq!(ended, expected, "{kind:?}");
    }
}

#[test]
fn a_room_that_was_taken_before_a_fork_is_not_used_after_it() {
    for kind in [Kind::Locked, Kind::Hidden] {
        let Some(_) = room(kind) else { continue };
        let mut page = Page::of(kind, 1).expect("there was room");
        assert_eq!(forked(|| usize::from(page.put("text"))), Ended::By(0), "{kind:?}");
        assert!(page.put("text"), "{kind:?}: in the parent it is as before");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    By(i32),
    Killed(i32),
}

/// How a forked child ends, with what `act` answers.
fn forked(act: impl FnOnce() -> usize) -> Ended {
    // SAFETY: the child only reads memory, and ends without running anything else.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "it is forked");
    if child == 0 {
        // SAFETY: allowed after a fork. The handler of Rust's own may wait for a lock that a thread held which is not here.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        let code = i32::try_from(act()).unwrap_or(255).min(255);
        // SAFETY: it ends the child, as promised above.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the status is a place to write to.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFSIGNALED(status) { Ended::Killed(libc::WTERMSIG(status)) } else { Ended::By(libc::WEXITSTATUS(status)) }
}
