//! A secret's memory is wiped before it is given back.

#![expect(unsafe_code, reason = "safe code cannot look at memory after it was given back")]

use std::ptr;
use std::slice;

use rustix::mm::{MremapFlags, mremap, munmap};
use rustix::param::page_size;

use super::{canary, room};
use crate::page::{Kind, Page};

/// Hidden memory is shared, so it can be mapped a second time, and looked at when the page itself is gone.
#[test]
fn a_dropped_page_was_wiped_before_it_was_given_back() {
    let Some(_) = room(Kind::Hidden) else { return };
    let mut page = Page::of(Kind::Hidden, 1).expect("there was room");
    assert!(page.put(&canary(41)));
    let body = page.text().as_bytes().as_ptr_range().end.wrapping_sub(page_size()).cast_mut().cast();
    // SAFETY: of shared memory, no length means one more mapping of it; the first one stays.
    let second = unsafe { mremap(body, 0, page_size(), MremapFlags::MAYMOVE) }.expect("it is mapped twice");
    // SAFETY: it was just mapped, and is read before it is unmapped.
    let look = || unsafe { slice::from_raw_parts(second.cast::<u8>(), page_size()) }.to_vec();
    assert!(look().ends_with(canary(41).as_bytes()), "this is the same memory");
    drop(page);
    assert_eq!(look(), vec![0; page_size()]);
    // SAFETY: nobody uses it any more.
    unsafe { munmap(second, page_size()) }.expect("it is unmapped");
}

#[test]
fn a_text_that_takes_another_ones_place_leaves_nothing_of_it() {
    let mut page = Page::of(Kind::Locked, 1).expect("there was room");
    assert!(page.put("a longer text"));
    assert!(page.put("text"));
    let start = ptr::from_ref(page.text()).cast::<u8>().wrapping_sub("a longer ".len());
    // SAFETY: the body goes on below the text.
    assert_eq!(unsafe { slice::from_raw_parts(start, "a longer text".len()) }, b"\0\0\0\0\0\0\0\0\0text");
    assert!(!page.put(&"x".repeat(page_size() + 1)), "it does not fit");
    assert_eq!(page.text(), "text");
}
