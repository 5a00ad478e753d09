//! What the slots keep, and what they refuse.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use turquoise_runtime::core::Color;
use turquoise_runtime::port::{Credential, Store};

use super::{blue, credential, green, loaded, open, place, refused, words};
use crate::{FileSink, Mode, slot};

#[test]
fn both_slots_outlive_the_process() {
    let (_folder, path) = place();
    assert!(loaded(&mut open(&path)).is_empty());
    for credential in [green(), blue()] {
        open(&path).persist(&credential).expect("it is persisted");
    }
    assert_eq!(loaded(&mut open(&path)), [words(&blue()), words(&green())]);
}

#[test]
fn a_slot_names_itself_and_what_is_published_is_the_bare_secret() {
    let (folder, path) = place();
    let mut sink = FileSink::open(&path, Mode::new(0o640).expect("the mode is sound")).expect("the sink opens");
    sink.persist(&green()).expect("it is persisted");
    sink.publish(&green()).expect("it is published");
    let slot = folder.path().join(".token.green");
    let text = fs::read_to_string(&slot).expect("the slot is read");
    let named = r#"{"v":1,"generation":"0123abcd-2","slot":"green","handle":"accessor-2","secret":"hvs.green-secret-"#;
    assert!(text.starts_with(named) && text.ends_with("\"}\n"), "{text}");
    assert_eq!(fs::read_to_string(&path).expect("it is read"), "hvs.green-secret-that-is-longer-than-the-blue-one");
    let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!((mode(&slot), mode(&path)), (0o600, 0o640));
}

#[test]
fn doing_it_twice_is_like_doing_it_once() {
    let (_folder, path) = place();
    let mut sink = open(&path);
    for _ in 0..2 {
        sink.persist(&blue()).expect("it is persisted");
        sink.publish(&blue()).expect("it is published");
    }
    assert_eq!(loaded(&mut sink), [words(&blue())]);
    for _ in 0..2 {
        sink.clear(blue().mint).expect("it is cleared");
    }
    assert!(loaded(&mut sink).is_empty());
    assert!(path.exists(), "clearing a slot leaves readers what is published");
}

#[test]
fn a_slot_is_never_taken_from_another_generation() {
    let (_folder, path) = place();
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    let other = credential(Color::Blue, 3, "hvs.another");
    let persisted = refused(sink.persist(&other));
    assert!(persisted.contains("the blue slot holds generation 0123abcd-1, not 0123abcd-3"), "{persisted}");
    assert_eq!(refused(sink.clear(other.mint)), persisted);
    assert_eq!(loaded(&mut sink), [words(&blue())]);
}

#[test]
fn a_generation_does_not_change_its_secret() {
    let (_folder, path) = place();
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    assert!(refused(sink.persist(&credential(Color::Blue, 1, "hvs.another"))).contains("another secret"));
    assert_eq!(loaded(&mut sink), [words(&blue())]);
}

#[test]
fn an_empty_secret_reaches_nobody() {
    let (folder, path) = place();
    let mut sink = open(&path);
    let empty = credential(Color::Blue, 1, "");
    assert_eq!(refused(sink.persist(&empty)), refused(sink.publish(&empty)));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder is read").count(), 0);
}

#[test]
fn a_damaged_slot_is_an_error_and_never_empty_nor_overwritten() {
    let (folder, path) = place();
    let slot = folder.path().join(".token.blue");
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    let sound = fs::read(&slot).expect("the slot is read");
    for damaged in [&b""[..], &sound[..sound.len() / 2], &vec![0; sound.len()], b"{}\n"] {
        fs::write(&slot, damaged).expect("the slot is damaged");
        assert!(refused(sink.load()).contains(".token.blue is damaged"));
        refused(sink.persist(&blue()));
        refused(sink.clear(blue().mint));
        assert_eq!(fs::read(&slot).expect("the slot is read"), damaged);
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_slot_is_noticed() {
    let sound = slot::encode(&blue()).expect("it is encoded");
    assert!(slot::decode(&sound, Color::Blue).is_ok());
    for at in 0..sound.len() {
        assert!(slot::decode(&sound[..at], Color::Blue).is_err(), "cut at {at} unnoticed");
        for bit in 0..8 {
            let mut flipped = sound.to_vec();
            flipped[at] ^= 1 << bit;
            assert!(slot::decode(&flipped, Color::Blue).is_err(), "bit {bit} of byte {at} flipped unnoticed");
        }
    }
}

#[test]
fn a_slot_under_the_name_of_the_other_or_of_a_newer_format_is_an_error() {
    let (folder, path) = place();
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    fs::rename(folder.path().join(".token.blue"), folder.path().join(".token.green")).expect("it is renamed");
    assert!(refused(sink.load()).contains("the file of the other slot"));
    fs::write(folder.path().join(".token.green"), slot::sealed(r#"{"v":2,"unheard":"of""#)).expect("it is written");
    assert!(refused(sink.load()).contains("format 2 of a newer program"));
}

#[test]
fn secrets_of_every_shape_come_back_as_they_were() {
    let shapes = ["a", " ", "line\none\"two\"\\\u{1f}\u{7f}", "\u{1f512}\u{e4}", &"\u{1}".repeat(10_000), &"x".repeat(100_000)];
    for (number, secret) in (1..).zip(shapes) {
        let (_folder, path) = place();
        let credential = credential(Color::Green, number, secret);
        let mut sink = open(&path);
        sink.persist(&credential).expect("it is persisted");
        sink.publish(&credential).expect("it is published");
        assert_eq!(loaded(&mut sink), [words(&credential)]);
        assert_eq!(fs::read_to_string(&path).expect("it is read"), secret);
    }
}

#[test]
fn writing_a_secret_down_does_not_move_it_in_memory() {
    let longest = Credential {
        handle: turquoise_runtime::port::Handle("\u{1}".repeat(99)),
        ..credential(Color::Green, u32::MAX, &"\u{1}".repeat(99))
    };
    for credential in [longest, blue()] {
        let bytes = slot::encode(&credential).expect("it is encoded");
        let (secret, handle) = (words(&credential).2, &credential.handle.0);
        assert_eq!(bytes.capacity(), 6 * (secret.len() + handle.len()) + 256, "the buffer grew, and left a copy behind");
    }
}
