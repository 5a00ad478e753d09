//! When the disk fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use turquoise_runtime::port::{Entry, Journal};

use super::{every_entry, lines, open};
use crate::file::Medium;

/// A disk that fails at one operation, counted over writes and syncs; of a write it has taken `room` bytes by then.
struct Faulty {
    file: File,
    fails_at: usize,
    room: usize,
    operations: Arc<AtomicUsize>,
}

impl Faulty {
    fn fails_now(&mut self) -> bool {
        self.operations.fetch_add(1, Ordering::Relaxed) == self.fails_at
    }
}

impl Medium for Faulty {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.fails_now() {
            self.file.write_all(&line[..self.room.min(line.len())])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(line)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.fails_now() { Err(io::Error::other("the disk is gone")) } else { self.file.sync_data() }
    }
}

/// Appends until the disk fails, and answers how many entries were acknowledged.
fn append_until_it_fails(path: &Path, entries: &[Entry], fails_at: usize, room: usize) -> usize {
    let mut journal = open(path).journal;
    let file = OpenOptions::new().append(true).open(path).expect("the file is opened");
    let operations = Arc::new(AtomicUsize::new(0));
    journal.medium = Box::new(Faulty { file, fails_at, room, operations: Arc::clone(&operations) });
    let acknowledged = entries.iter().take_while(|entry| journal.append(entry).is_ok()).count();
    for entry in entries {
        assert!(journal.append(entry).is_err(), "a journal that failed took another entry");
    }
    assert_eq!(operations.load(Ordering::Relaxed), fails_at + 1, "a journal that failed touched the disk again");
    acknowledged
}

#[test]
fn a_failed_write_or_sync_loses_nothing_acknowledged_and_ends_the_journal() {
    let entries = &every_entry()[..4];
    let lines = lines(entries);
    for fails_at in 0..2 * entries.len() {
        let length = lines[fails_at / 2].len();
        for room in [0, 1, 100, length - 1, length] {
            let folder = tempfile::tempdir().expect("a folder is made");
            let path = folder.path().join("journal");
            let acknowledged = append_until_it_fails(&path, entries, fails_at, room);
            assert_eq!(acknowledged, fails_at / 2);
            let complete = fails_at % 2 == 1 || room == length;
            let opened = open(&path);
            assert_eq!(opened.entries, entries[..acknowledged + usize::from(complete)]);
            assert_eq!(opened.torn.is_some(), !complete && room > 0);
        }
    }
}

#[test]
fn the_error_says_what_the_disk_said_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let mut journal = open(&folder.path().join("journal")).journal;
    journal.medium = Box::new(OpenOptions::new().append(true).open("/dev/full").expect("the full device is opened"));
    let errors = [every_entry()[0].clone(), every_entry()[0].clone()].map(|entry| match journal.append(&entry) {
        Ok(()) => "appended to a full disk".to_owned(),
        Err(error) => error.to_string().replace(folder.path().to_str().expect("text"), "/var/lib"),
    });
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn an_entry_that_does_not_fit_is_refused_before_it_reaches_the_file() {
    let (folder, entries) = (tempfile::tempdir().expect("a folder is made"), every_entry());
    let path = folder.path().join("journal");
    let out_of_order = entries[1].clone();
    let mut too_long = entries[0].clone();
    too_long.handle = Some(turquoise_runtime::port::Handle("x".repeat(20_000)));
    for entry in [out_of_order, too_long] {
        assert!(open(&path).journal.append(&entry).is_err());
        assert!(open(&path).entries.is_empty());
    }
}
