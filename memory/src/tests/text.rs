//! A secret is the text that it was made of, and prints as something else.

use std::fs;

use rustix::param::page_size;
use secrecy::ExposeSecret as _;

use super::{canary, room};
use crate::page::{Kind, Page};
use crate::{Secret, WhenLockingFails};

#[test]
fn a_text_of_any_length_is_held() {
    for length in [0, 1, 47, page_size() - 1, page_size(), page_size() + 1, 3 * page_size()] {
        let text = "x".repeat(length);
        let room = WhenLockingFails::Refuse.room().expect("there is room");
        let secret = room.hold(text.as_str()).expect("there is room");
        assert!(secret.is_locked() && secret.expose_secret() == text, "{length}");
        for kind in [Kind::Locked, Kind::Hidden] {
            let Ok(mut page) = Page::of(kind, length) else { continue };
            assert!(page.put(&text) && page.text() == text, "{kind:?} {length}");
        }
    }
}

#[test]
fn what_is_held_already_stays_where_it_is() {
    let room = || WhenLockingFails::Refuse.room().expect("there is room");
    let secret = room().hold(canary(31)).expect("it fits");
    let place = secret.expose_secret().as_ptr();
    let again = room().hold(secret).expect("it is held");
    assert_eq!((again.expose_secret().as_ptr(), again.expose_secret()), (place, canary(31).as_str()));
}

#[test]
fn nothing_of_a_secret_is_printed() {
    let printed = |secret: &Secret| {
        let printed = format!("{secret:?} {secret:#?}");
        assert!(!printed.contains(&canary(32)[..4]), "{printed}");
        printed
    };
    assert!(printed(&Secret::from(canary(32))).contains("Unlocked"));
    for kind in [Kind::Locked, Kind::Hidden] {
        let Some(room) = room(kind) else { continue };
        let printed = printed(&room.hold(canary(32)).expect("it fits"));
        assert!(printed.contains(&format!("{kind:?}")), "{printed}");
    }
}

/// `lo`cked, not in a `dump`, and `w`iped on `f`ork or not copied (`dc`) there: in the kernel's own words.
#[test]
fn the_kernel_confirms_what_was_asked_of_it() {
    for (kind, expected) in [(Kind::Locked, ["lo", "dd", "wf"]), (Kind::Hidden, ["lo", "dd", "dc"])] {
        let Some(_) = room(kind) else { continue };
        let mut page = Page::of(kind, 1).expect("there was room");
        assert!(page.put("text"));
        let flags = flags_at(page.text().as_ptr() as usize);
        for flag in expected {
            assert!(flags.split(' ').any(|found| found == flag), "{kind:?}: {flag} is not among {flags}");
        }
        assert!(!flags_at(Box::into_raw(Box::new(0_u8)) as usize).contains("dd"), "common memory is not so");
    }
}

fn flags_at(address: usize) -> String {
    let maps = fs::read_to_string("/proc/self/smaps").expect("it can be read");
    let mut within = false;
    for line in maps.lines() {
        let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
        if let Some([start, end]) = range.map(|(start, end)| [start, end].map(|end| usize::from_str_radix(end, 16))) {
            within = start.is_ok_and(|start| start <= address) && end.is_ok_and(|end| address < end);
        } else if within && let Some(flags) = line.strip_prefix("VmFlags: ") {
            return flags.trim().to_owned();
        }
    }
    panic!("no such memory");
}
