//! Beginning a journal, and who may have it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process;

use super::{every_entry, names, open, refused, write};
use crate::OpenError;

#[test]
fn a_journal_begins_empty_private_and_in_a_private_folder() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("state/journal");
    let opened = open(&path);
    assert!(opened.history.entries.is_empty() && opened.torn.is_none());
    let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!(mode(path.clone()), 0o600);
    assert_eq!(mode(path.with_file_name("journal.lock")), 0o600);
    assert_eq!(mode(folder.path().join("state")), 0o700);
}

#[test]
fn what_was_appended_is_there_when_it_is_opened_anew() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let (path, entries) = (folder.path().join("journal"), every_entry());
    write(&path, &entries[..1]);
    let mut opened = open(&path);
    assert_eq!(opened.history.entries, entries[..1]);
    for entry in &entries[1..] {
        turquoise_runtime::port::Journal::append(&mut opened.journal, entry).expect("an entry is appended");
    }
    drop(opened);
    assert_eq!(open(&path).history.entries, entries);
}

#[test]
fn a_second_writer_is_told_who_the_first_is_and_may_come_when_it_is_gone() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("journal");
    let first = open(&path);
    let error = refused(&path);
    assert!(matches!(&error, OpenError::Locked { holder, .. } if *holder == format!("process {}", process::id())), "{error}");
    drop(first);
    open(&path);
}

#[test]
fn the_lock_of_a_dead_process_does_not_count() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("journal");
    fs::write(folder.path().join("journal.lock"), "1\n").expect("the lock file is written");
    open(&path);
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let [link, inner] = ["link", "inner"].map(|name| folder.path().join(name));
    symlink(folder.path().join("elsewhere"), &link).expect("a link is made");
    fs::create_dir(&inner).expect("a folder is made");
    for path in [&link, &inner] {
        assert!(matches!(refused(path), OpenError::NotAFile { .. }));
    }
    assert!(!names(folder.path()).contains(&"elsewhere".to_owned()));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder is made");
    fs::write(folder.path().join("file"), "").expect("a file is written");
    for (path, named) in [("file/journal", "file/journal.lock"), ("file/inner/journal", "file/inner"), ("a/b/journal", "a/b")] {
        match refused(&folder.path().join(path)) {
            OpenError::Io { path, .. } => assert_eq!(path, folder.path().join(named)),
            other => panic!("{other}"),
        }
    }
    assert!(matches!(refused("/proc/journal".as_ref()), OpenError::Io { .. }));
}
