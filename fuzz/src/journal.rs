//! Bytes as a journal's file.

use std::fs;
use std::path::Path;

use turquoise_journal::{FileJournal, OpenError};

/// Longer files than this are cut.
const LONGEST: usize = 64 * 1024;

/// Opens a journal that holds these bytes, in this folder, which must be empty: it is refused with an error and left as
/// it was; or it is opened, and opened again it says the same, with nothing more to repair.
///
/// # Panics
///
/// If it is not so.
pub fn open(folder: &Path, bytes: &[u8]) {
    let path = folder.join("journal");
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    fs::write(&path, bytes).expect("the file can be written");
    let opened = match FileJournal::open(&path) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
            assert!(error.to_string().ends_with("nothing was changed"), "{error}");
            assert_eq!(fs::read(&path).expect("the file is there"), bytes, "it was refused and changed");
            return;
        }
    };
    let (history, torn) = (opened.history, opened.torn);
    drop(opened.journal);
    let kept = fs::read(&path).expect("the file is there");
    let aside = torn.map_or_else(Vec::new, |aside| fs::read(aside).expect("the tail is kept"));
    assert_eq!([kept.as_slice(), &aside].concat(), bytes, "a byte was lost");
    let again = FileJournal::open(&path).unwrap_or_else(|error| panic!("it was sound a moment ago: {error}"));
    assert_eq!(again.history, history);
    assert_eq!(again.torn, None, "it was repaired a moment ago");
    assert_eq!(fs::read(&path).expect("the file is there"), kept, "opening a sound journal changed it");
}
