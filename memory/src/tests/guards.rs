//! Who reads beyond a secret's page is killed.

#![expect(unsafe_code, reason = "safe code cannot read beyond anything")]

use std::os::unix::process::ExitStatusExt as _;
use std::process;

use rustix::param::page_size;

use super::{Process, command, role, room};
use crate::page::{Kind, Page};

#[test]
fn reading_beyond_a_page_kills() {
    const TEST: &str = "tests::guards::reading_beyond_a_page_kills";
    if let Some(role) = role() {
        return read(&role);
    }
    for kind in ["locked", "hidden"] {
        if kind == "hidden" && room(Kind::Hidden).is_none() {
            continue;
        }
        let ended = |place: &str| {
            let (status, words) = Process::start(&mut command(TEST, &format!("{kind} {place}"))).end();
            (status.code(), status.signal(), words)
        };
        let (code, _, words) = ended("inside");
        assert_eq!(code, Some(7), "{kind}: the text itself can be read: {words}");
        for place in ["above", "below"] {
            let (_, signal, words) = ended(place);
            assert_eq!(signal, Some(libc::SIGSEGV), "{kind}, {place}: {words}");
        }
    }
}

/// Ends with 7 if nothing happens.
fn read(role: &str) {
    let (kind, place) = role.split_once(' ').expect("two words");
    let kind = if kind == "hidden" { Kind::Hidden } else { Kind::Locked };
    let mut page = Page::of(kind, 1).expect("the parent had one");
    assert!(page.put("text"));
    let text = page.text().as_bytes().as_ptr_range();
    let at = match place {
        "inside" => text.start,
        "above" => text.end,
        // Below the body is the head, which may be read, and below that the guard.
        _ => text.end.wrapping_sub(2 * page_size() + 1),
    };
    // SAFETY: none; whether the system stops it is what is asked.
    std::hint::black_box(unsafe { at.read_volatile() });
    process::exit(7);
}
