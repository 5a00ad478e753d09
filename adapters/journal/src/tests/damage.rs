//! What nobody can have left behind by dying fails closed, and is left as it is.

use std::fs;

use super::{base, entry, every_entry, lines, names, refused};
use crate::codec::{encode, encode_base, sha256};
use crate::scan::scan;
use crate::{Damage, OpenError};

#[test]
fn every_single_flipped_bit_in_any_line_is_noticed() {
    let sound =
        lines(&every_entry()[2..5].iter().zip(1..).map(|(e, lsn)| entry(lsn, e.record.step)).collect::<Vec<_>>()).concat();
    assert_eq!(scan(&sound).expect("the journal is sound").history.entries.len(), 3);
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << bit;
            assert!(scan(&flipped).is_err(), "bit {bit} of byte {at} flipped unnoticed");
        }
    }
}

#[test]
fn every_single_flipped_bit_in_a_base_is_noticed() {
    let line = encode_base(&base(12), &sha256(b"the last line of the archive")).expect("a base is encoded");
    let entry = entry(13, every_entry()[0].record.step);
    let next = encode(&entry, &sha256(&line)).expect("an entry is encoded");
    for sound in [line.clone(), [line, next].concat()] {
        assert_eq!(scan(&sound).expect("the journal is sound").history.base, Some(base(12)));
        for at in 0..sound.len() {
            for bit in 0..8 {
                let mut flipped = sound.clone();
                flipped[at] ^= 1 << bit;
                assert!(scan(&flipped).is_err(), "bit {bit} of byte {at} flipped unnoticed");
            }
        }
    }
}

#[test]
fn a_base_within_a_journal_is_damage() {
    let mut journal = lines(&every_entry()[..3]);
    journal.push(encode_base(&base(3), &sha256(&journal[2])).expect("a base is encoded"));
    let fault = scan(&journal.concat()).map(|_| ()).expect_err("only the first line can be a base");
    assert!(matches!((fault.line, fault.damage), (4, Damage::Unreadable { .. })));
}

#[test]
fn every_byte_of_an_acknowledged_line_that_turns_into_any_other_is_noticed() {
    let journal = lines(&every_entry()[..2]);
    let (length, sound) = (journal[0].len(), journal.concat());
    for at in 0..length {
        for value in 0..=u8::MAX {
            let mut changed = sound.clone();
            changed[at] = value;
            assert!(value == sound[at] || scan(&changed).is_err(), "byte {at} became {value} unnoticed");
        }
    }
}

#[test]
fn a_last_newline_that_turns_into_any_other_character_is_noticed() {
    let sound = lines(&every_entry()[..2]).concat();
    for value in (1..=u8::MAX).filter(|value| *value != b'\n') {
        let mut changed = sound.clone();
        *changed.last_mut().expect("there are lines") = value;
        assert!(scan(&changed).is_err(), "the newline became {value} unnoticed");
    }
}

#[test]
fn damage_names_file_line_and_remedy_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("journal");
    let mut journal = lines(&every_entry());
    journal[8][100] ^= 1;
    let bytes = journal.concat();
    fs::write(&path, &bytes).expect("the file is written");
    let before = names(folder.path());
    let error = refused(&path);
    assert!(matches!(error, OpenError::Damaged { line: 9, damage: Damage::Checksum, .. }), "{error:?}");
    insta::assert_snapshot!(error.to_string().replace(folder.path().to_str().expect("text"), "/var/lib"));
    assert_eq!(fs::read(&path).expect("the file is read"), bytes);
    assert_eq!(names(folder.path()), [before, vec!["journal.lock".to_owned()]].concat());
}

#[test]
fn a_line_that_is_missing_repeated_or_out_of_order_is_noticed() {
    let journal = lines(&every_entry());
    let missing = [&journal[..3], &journal[4..]].concat().concat();
    let repeated = [&journal[..4], &journal[3..]].concat().concat();
    let begun_later = journal[1..].concat();
    let fault = |bytes: &[u8]| scan(bytes).map(|_| ()).map_err(|fault| (fault.line, fault.damage));
    assert_eq!(fault(&missing), Err((4, Damage::Sequence { found: 5, due: 4 })));
    assert_eq!(fault(&repeated), Err((5, Damage::Sequence { found: 4, due: 5 })));
    assert_eq!(fault(&begun_later), Err((1, Damage::Sequence { found: 2, due: 1 })));
}

#[test]
fn a_complete_last_line_that_makes_no_sense_may_have_been_acknowledged_and_is_not_dropped() {
    let journal = lines(&every_entry()[..2]);
    let line = String::from_utf8(journal[1].clone()).expect("a line is text");
    for last in [line.replace("login", "lapin"), format!("{}\n", &line[..line.len() / 2]), "\n".to_owned(), "no\n".to_owned()] {
        let bytes = [journal[0].clone(), last.into_bytes()].concat();
        assert!(matches!(scan(&bytes), Err(fault) if fault.line == 2 && fault.damage == Damage::Checksum));
    }
}

#[test]
fn a_file_that_is_not_a_journal_is_refused() {
    let foreign: [&[u8]; 6] = [b"hello\n", b"hello", b"{}\n", b"[]", b"\x7fELF\0\0\0\0\0\0", b"{\"v\":1,\"name\":\"package\""];
    for bytes in foreign {
        assert!(scan(bytes).is_err(), "{bytes:?}");
    }
    assert!(matches!(scan(b"hello\n"), Err(fault) if fault.damage == Damage::Foreign));
}
