//! A head kept elsewhere shows that a journal lost what it had acknowledged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use turquoise_runtime::port::{Entry, Journal};

use super::{every_entry, lines, names};
use crate::{Head, HeadError, OpenError, Opened, Options};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder is made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self) -> Options {
        Options { head: Some(Head::File(self.path("head"))), ..Options::new(self.path("journal")) }
    }

    fn open(&self) -> Opened {
        self.options().open().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Begins a journal with these entries.
    fn write(&self, entries: &[Entry]) {
        append(&mut self.open(), entries);
    }

    /// Opening must be refused, and must leave everything as it is.
    fn refused(&self) -> OpenError {
        let content = || ["journal", "head"].map(|name| fs::read(self.path(name)).ok());
        let before = (names(self.0.path()), content());
        let error = self.options().open().err().expect("opening is refused");
        assert_eq!((names(self.0.path()), content()), before, "it was refused and changed");
        error
    }

    fn say(&self, error: &OpenError) -> String {
        error.to_string().replace(self.0.path().to_str().expect("text"), "/var/lib")
    }
}

fn append(opened: &mut Opened, entries: &[Entry]) {
    for entry in entries {
        opened.journal.append(entry).expect("an entry is appended");
    }
}

#[test]
fn a_journal_cut_at_the_end_of_any_line_is_refused() {
    let entries = &every_entry()[..6];
    let place = Place::new();
    place.write(entries);
    let journal = lines(entries);
    for lines in 1..journal.len() {
        fs::write(place.path("journal"), journal[..lines].concat()).expect("the file is written");
        let error = place.refused();
        let (last, acknowledged) = match error {
            OpenError::Truncated { last, acknowledged, .. } => (last, acknowledged),
            other => panic!("{other}"),
        };
        assert_eq!((last, acknowledged), (lines as u64, entries.len() as u64));
    }
    insta::assert_snapshot!(place.say(&place.refused()));
}

#[test]
fn a_journal_that_is_empty_or_missing_while_there_is_a_head_is_refused() {
    let place = Place::new();
    place.write(&every_entry()[..3]);
    fs::write(place.path("journal"), "").expect("the file is emptied");
    assert!(matches!(place.refused(), OpenError::Truncated { last: 0, acknowledged: 3, .. }));
    insta::assert_snapshot!(place.say(&place.refused()));
    fs::remove_file(place.path("journal")).expect("the file is removed");
    let error = place.options().open().err().expect("opening is refused");
    assert!(matches!(error, OpenError::Truncated { last: 0, acknowledged: 3, .. }), "{error}");
}

#[test]
fn a_last_line_that_was_acknowledged_is_not_a_torn_tail_however_it_looks() {
    let entries = every_entry();
    let journal = lines(&entries[..3]);
    let place = Place::new();
    place.write(&entries[..3]);
    for length in 0..journal[2].len() {
        let torn = [&journal[0][..], &journal[1], &journal[2][..length]].concat();
        fs::write(place.path("journal"), torn).expect("the file is written");
        assert!(matches!(place.refused(), OpenError::Truncated { last: 2, acknowledged: 3, .. }), "cut at {length}");
    }
}

#[test]
fn a_crash_between_the_line_and_its_head_is_no_loss() {
    let entries = every_entry();
    let place = Place::new();
    place.write(&entries[..2]);
    let behind = fs::read(place.path("head")).expect("the head is there");
    append(&mut place.open(), &entries[2..3]);
    fs::write(place.path("head"), behind).expect("the head is as it was");
    let mut opened = place.open();
    assert_eq!(opened.history.entries, entries[..3]);
    append(&mut opened, &entries[3..4]);
    drop(opened);
    fs::write(place.path("journal"), lines(&entries[..3]).concat()).expect("the file is written");
    assert!(matches!(place.refused(), OpenError::Truncated { last: 3, acknowledged: 4, .. }));
}

#[test]
fn a_head_cut_or_spoilt_at_any_byte_is_as_it_was_before_or_refused() {
    let entries = every_entry();
    let place = Place::new();
    place.write(&entries[..2]);
    let before = fs::read(place.path("head")).expect("the head is there");
    append(&mut place.open(), &entries[2..3]);
    let after = fs::read(place.path("head")).expect("the head is there");
    let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    assert!(changed.iter().all(|at| at / 4096 == changed[0] / 4096), "only one of the two marks is written over");
    for at in changed {
        let torn = [&after[..at], &before[at..]].concat();
        fs::write(place.path("head"), torn).expect("the head is written");
        assert_eq!(place.open().history.entries, entries[..3], "torn at {at}");
    }
    for bytes in [b"".as_slice(), b"something else\n", &vec![0; 8192]] {
        fs::write(place.path("head"), bytes).expect("the head is written");
        let error = place.refused();
        assert!(matches!(error, OpenError::Head(HeadError::Damaged { .. })), "{error}");
    }
}

#[test]
fn another_journal_or_one_that_went_its_own_way_is_refused() {
    let entries = every_entry();
    let (place, other) = (Place::new(), Place::new());
    place.write(&entries[..3]);
    let mut others = entries[..3].to_vec();
    others[1].record.at.0 += 1;
    other.write(&others);
    fs::copy(other.path("journal"), place.path("journal")).expect("the journal is replaced");
    assert!(matches!(place.refused(), OpenError::Strayed { acknowledged: 3, .. }));
    insta::assert_snapshot!(place.say(&place.refused()));
}

#[test]
fn a_head_that_is_asked_for_later_begins_with_the_journal_as_it_is() {
    let entries = every_entry();
    let place = Place::new();
    super::write(&place.path("journal"), &entries[..3]);
    assert_eq!(place.open().history.entries, entries[..3]);
    let mode = fs::metadata(place.path("head")).expect("the head is there").permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    fs::write(place.path("journal"), lines(&entries[..2]).concat()).expect("the file is written");
    assert!(matches!(place.refused(), OpenError::Truncated { last: 2, acknowledged: 3, .. }));
}
