//! A journal that has grown long begins anew, and its past is kept.

use std::fs;
use std::path::{Path, PathBuf};

use turquoise_runtime::port::{Entry, History, Journal};

use super::{base, every_entry, lines, names};
use crate::codec::{decode_base, sha256};
use crate::{Bound, Head, OpenError, Opened, Options};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder is made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self, bound: Bound) -> Options {
        Options { bound, ..Options::new(self.path("journal")) }
    }
}

const SMALL: Bound = Bound { lines: 2, archives: 2 };

fn open(options: &Options) -> Opened {
    options.open().unwrap_or_else(|error| panic!("{error}"))
}

fn append(opened: &mut Opened, entries: &[Entry]) {
    for entry in entries {
        opened.journal.append(entry).expect("an entry is appended");
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).expect("the file is there")
}

#[test]
fn past_its_bound_a_journal_begins_with_a_base_and_its_old_file_is_kept() {
    let (place, entries) = (Place::new(), every_entry());
    let options = place.options(SMALL);
    let mut opened = open(&options);
    append(&mut opened, &entries[..3]);
    let old = bytes(&options.path);
    let compacted = opened.journal.compact(&base(3)).expect("it begins anew").expect("it is long");
    let archive = place.path("journal.archive-1");
    assert_eq!((compacted.archive, compacted.removed), (archive.display().to_string(), Vec::new()));
    assert_eq!(bytes(&archive), old);
    let (_, prev) = decode_base(&bytes(&options.path)).expect("the only line is the base");
    assert_eq!(prev, sha256(&lines(&entries[..3])[2]), "the base names the last line of the archive");
    append(&mut opened, &entries[3..5]);
    drop(opened);
    let opened = open(&options);
    assert_eq!(opened.history, History { base: Some(base(3)), entries: entries[3..5].to_vec() });
    assert_eq!(names(place.0.path()), ["journal", "journal.archive-1", "journal.lock"]);
}

#[test]
fn a_base_that_comes_too_early_or_too_late_changes_nothing() {
    let (place, entries) = (Place::new(), every_entry());
    let options = place.options(SMALL);
    let mut opened = open(&options);
    append(&mut opened, &entries[..2]);
    assert_eq!(opened.journal.compact(&base(2)).expect("nothing is tried"), None);
    append(&mut opened, &entries[2..4]);
    assert_eq!(opened.journal.compact(&base(3)).expect("nothing is tried"), None);
    assert_eq!(bytes(&options.path), lines(&entries[..4]).concat());
    assert_eq!(names(place.0.path()), ["journal", "journal.lock"]);
}

#[test]
fn the_oldest_archive_is_removed_when_there_are_too_many_and_is_named() {
    let (place, entries) = (Place::new(), every_entry());
    let mut opened = open(&place.options(SMALL));
    let mut removed = Vec::new();
    for (n, round) in (1..).zip(entries.chunks_exact(3)) {
        append(&mut opened, round);
        let compacted = opened.journal.compact(&base(3 * n)).expect("it begins anew").expect("it is long");
        removed.extend(compacted.removed);
    }
    let path = |n: u64| place.path(&format!("journal.archive-{n}")).display().to_string();
    assert_eq!(removed, (1..=6).map(path).collect::<Vec<_>>());
    assert_eq!(names(place.0.path()), ["journal", "journal.archive-7", "journal.archive-8", "journal.lock"]);
}

#[test]
fn no_file_of_another_name_is_taken_for_an_archive() {
    let (place, entries) = (Place::new(), every_entry());
    let others = ["journal.1", "journal.archive-", "journal.archive-01", "journal.archive-x", "journal2.archive-1", "archive-1"];
    for other in others {
        fs::write(place.path(other), "").expect("the file is written");
    }
    let mut opened = open(&place.options(Bound { lines: 0, archives: 1 }));
    for (n, entry) in (1..).zip(&entries[..3]) {
        append(&mut opened, std::slice::from_ref(entry));
        opened.journal.compact(&base(n)).expect("it begins anew").expect("it is long");
    }
    let mut expected = others.map(str::to_owned).to_vec();
    expected.extend(["journal", "journal.archive-3", "journal.lock"].map(str::to_owned));
    expected.sort();
    assert_eq!(names(place.0.path()), expected);
}

#[test]
fn an_empty_journal_beside_its_archives_is_lost() {
    let (place, entries) = (Place::new(), every_entry());
    let options = place.options(SMALL);
    let mut opened = open(&options);
    append(&mut opened, &entries[..3]);
    opened.journal.compact(&base(3)).expect("it begins anew").expect("it is long");
    drop(opened);
    fs::remove_file(&options.path).expect("the journal is removed");
    let error = options.open().err().expect("opening is refused");
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    insta::assert_snapshot!(error.to_string().replace(place.0.path().to_str().expect("text"), "/var/lib"));
}

#[test]
fn a_head_guards_a_journal_that_has_begun_anew() {
    let (place, entries) = (Place::new(), every_entry());
    let options = Options { head: Some(Head::File(place.path("head"))), ..place.options(SMALL) };
    let mut opened = open(&options);
    append(&mut opened, &entries[..3]);
    opened.journal.compact(&base(3)).expect("it begins anew").expect("it is long");
    let anew = bytes(&options.path);
    drop(opened);
    let mut opened = open(&options);
    assert_eq!(opened.history, History { base: Some(base(3)), entries: Vec::new() });
    append(&mut opened, &entries[3..5]);
    drop(opened);
    assert_eq!(open(&options).history.entries, entries[3..5]);
    for shorter in [anew, bytes(&place.path("journal.archive-1"))] {
        fs::write(&options.path, shorter).expect("the journal is replaced");
        let error = options.open().err().expect("opening is refused");
        assert!(matches!(error, OpenError::Truncated { last: 3, acknowledged: 5, .. }), "{error}");
    }
}

#[test]
fn a_head_from_before_the_base_is_not_confirmed_by_it() {
    let (place, entries) = (Place::new(), every_entry());
    let options = Options { head: Some(Head::File(place.path("head"))), ..place.options(SMALL) };
    append(&mut open(&options), &entries[..2]);
    let old = bytes(&place.path("head"));
    let mut opened = open(&options);
    append(&mut opened, &entries[2..3]);
    opened.journal.compact(&base(3)).expect("it begins anew").expect("it is long");
    drop(opened);
    fs::write(place.path("head"), old).expect("the head is replaced");
    let error = options.open().err().expect("opening is refused");
    assert!(matches!(error, OpenError::Strayed { acknowledged: 2, .. }), "{error}");
}
