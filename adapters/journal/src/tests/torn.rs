//! A tail that an interrupted append left is moved aside and kept, and nothing else is lost with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use turquoise_runtime::port::Journal;

use super::{every_entry, lines, names, open};
use crate::scan::scan;

#[test]
fn cut_at_every_byte_of_every_kind_of_line_a_journal_keeps_the_lines_before() {
    let entries = every_entry();
    let (mut sound, mut cuts) = (Vec::new(), 0);
    for (n, line) in lines(&entries).into_iter().enumerate() {
        for length in 0..line.len() {
            let torn = [&sound[..], &line[..length]].concat();
            let scan = scan(&torn).unwrap_or_else(|fault| panic!("line {n} cut at {length}: {}", fault.damage));
            assert_eq!((scan.history.entries.as_slice(), scan.length), (&entries[..n], sound.len()), "line {n} cut at {length}");
            cuts += 1;
        }
        sound.extend(line);
    }
    assert_eq!(cuts, sound.len());
}

#[test]
fn blocks_that_never_reached_the_disk_are_a_torn_tail_even_if_the_newline_did() {
    let entries = every_entry();
    let journal = lines(&entries[..2]);
    let line = &journal[1];
    for to in [line.len() - 1, line.len()] {
        // One NUL at the end is a block that did not arrive; one within might be a flipped bit.
        for from in (0..to - 1).chain((to == line.len()).then_some(to - 1)) {
            let mut zeroed = line.clone();
            zeroed[from..to].fill(0);
            let scan =
                scan(&[&journal[0][..], &zeroed].concat()).unwrap_or_else(|fault| panic!("{from}..{to}: {}", fault.damage));
            assert_eq!((scan.history.entries.as_slice(), scan.length), (&entries[..1], journal[0].len()), "{from}..{to}");
        }
    }
}

#[test]
fn zeros_in_a_line_that_others_follow_are_damage() {
    let mut journal = lines(&every_entry()[..3]);
    journal[1][100..150].fill(0);
    assert_eq!(scan(&journal.concat()).map(|_| ()).map_err(|fault| fault.line), Err(2));
}

#[test]
fn a_torn_tail_is_kept_beside_the_journal_and_the_journal_goes_on() {
    let (entries, folder) = (every_entry(), tempfile::tempdir().expect("a folder is made"));
    let journal = lines(&entries);
    let (path, aside) = (folder.path().join("journal"), folder.path().join("journal.torn-6-1"));
    let sound = journal[..5].concat();
    for length in 1..journal[5].len() {
        let tail = &journal[5][..length];
        fs::write(&path, [&sound[..], tail].concat()).expect("the file is written");
        let mut opened = open(&path);
        assert_eq!((opened.history.entries.as_slice(), opened.torn.as_deref()), (&entries[..5], Some(&*aside)));
        assert_eq!(fs::read(&aside).expect("the tail is read"), tail);
        assert_eq!(fs::metadata(&aside).expect("the tail is there").permissions().mode() & 0o7777, 0o600);
        opened.journal.append(&entries[5]).expect("an entry is appended");
        drop(opened);
        let opened = open(&path);
        assert_eq!((opened.history.entries.as_slice(), opened.torn), (&entries[..6], None));
        fs::remove_file(&aside).expect("the tail is removed");
    }
}

#[test]
fn an_earlier_torn_tail_is_never_overwritten() {
    let (entries, folder) = (every_entry(), tempfile::tempdir().expect("a folder is made"));
    let path = folder.path().join("journal");
    let line = &lines(&entries)[0];
    for length in [10, 20] {
        fs::write(&path, &line[..length]).expect("the file is written");
        assert!(open(&path).torn.is_some());
    }
    assert_eq!(names(folder.path()), ["journal", "journal.lock", "journal.torn-1-1", "journal.torn-1-2"]);
}
