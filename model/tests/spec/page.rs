//! Generated documentation, held against what generates it; with `TURQUOISE_BLESS=1` it is written instead.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Tests run beside each other, and write to the same page.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page)
}

fn blesses() -> bool {
    std::env::var_os("TURQUOISE_BLESS").is_some()
}

/// A part of a page, between its marks.
pub(crate) fn holds(page: &str, part: &str, text: &str) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let content = std::fs::read_to_string(path(page)).expect("the page exists");
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let from = content.find(&begin).expect("the page has the part") + begin.len();
    let to = content.find(&end).expect("the part ends");
    if blesses() {
        let blessed = format!("{}{text}{}", &content[..from], &content[to..]);
        return std::fs::write(path(page), blessed).expect("the page can be written");
    }
    assert_eq!(&content[from..to], text, "{page} has drifted: look at it, then run the test with TURQUOISE_BLESS=1");
}

/// Whether a page has these words.
pub(crate) fn has(page: &str, words: &str) -> bool {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::read_to_string(path(page)).expect("the page exists").contains(words)
}

/// A whole file.
pub(crate) fn is(page: &str, text: &str) {
    if blesses() {
        return std::fs::write(path(page), text).expect("the file can be written");
    }
    let content = std::fs::read_to_string(path(page)).expect("the file exists");
    assert_eq!(content, text, "{page} has drifted: look at it, then run the test with TURQUOISE_BLESS=1");
}
