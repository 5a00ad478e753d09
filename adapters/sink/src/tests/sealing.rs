//! What a sealed store keeps, and from whom.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use turquoise_runtime::core::Color;
use turquoise_runtime::port::{Store, StoreError};

use super::{blue, green, loaded, open, refused, words};
use crate::seal::Key;
use crate::slot::Unsound;
use crate::{SealedStore, SinkError};

const DIGITS: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";

/// A folder with a key in one folder and room for a store in another.
fn place() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder is made");
    let [keys, state] = ["keys", "state"].map(|name| folder.path().join(name));
    for made in [&keys, &state] {
        fs::create_dir(made).expect("a folder is made");
    }
    let key = write_key(&keys.join("key"), format!("{DIGITS}\n").as_bytes());
    (folder, key, state.join("app"))
}

fn write_key(path: &Path, bytes: &[u8]) -> PathBuf {
    fs::write(path, bytes).expect("a key is written");
    fs::set_permissions(path, Permissions::from_mode(0o400)).expect("it is made private");
    path.to_owned()
}

fn sealed(path: &Path, key: &Path) -> SealedStore {
    SealedStore::open(path, key).unwrap_or_else(|error| panic!("{error}"))
}

fn why(path: &Path, key: &Path) -> String {
    match SealedStore::open(path, key) {
        Err(error @ SinkError::Key { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{} was taken for a key", key.display()),
    }
}

#[test]
fn both_slots_outlive_the_process_and_the_disk_tells_nothing() {
    let (_folder, key, path) = place();
    for credential in [green(), blue()] {
        sealed(&path, &key).persist(&credential).expect("it is persisted");
    }
    let kept = sealed(&path, &key).load().unwrap_or_else(|StoreError(error)| panic!("{error}"));
    assert_eq!(kept.iter().map(words).collect::<Vec<_>>(), [words(&blue()), words(&green())]);
    for (slot, credential) in [(".app.blue", blue()), (".app.green", green())] {
        let slot = path.with_file_name(slot);
        let bytes = fs::read(&slot).expect("the slot is read");
        let (_, handle, secret) = words(&credential);
        for told in [secret.as_bytes(), handle.0.as_bytes(), b"generation", &DIGITS.as_bytes()[..16]] {
            assert!(!bytes.windows(told.len()).any(|found| found == told), "{} tells", slot.display());
        }
        assert_eq!(fs::metadata(&slot).expect("it is there").permissions().mode() & 0o7777, 0o600);
    }
    let mut store = sealed(&path, &key);
    store.publish(&green()).expect("nobody reads");
    store.clear(green().mint).expect("it is cleared");
    store.clear(blue().mint).expect("it is cleared");
    assert_eq!(fs::read_dir(path.parent().expect("it has one")).expect("the folder is read").count(), 0);
}

#[test]
fn no_two_seals_are_alike() {
    let (_folder, key, path) = place();
    let slot = path.with_file_name(".app.blue");
    let [first, second] = [(); 2].map(|()| {
        sealed(&path, &key).persist(&blue()).expect("it is persisted");
        fs::read(&slot).expect("the slot is read")
    });
    assert_ne!(first, second, "a nonce was used twice");
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed_and_the_other_slot_s_name_does_not_help() {
    let (_folder, key, _) = place();
    let key = Key::read(&key).unwrap_or_else(|error| panic!("{error}"));
    let plain = crate::slot::encode(&blue()).expect("it is encoded");
    let whole = key.seal(Color::Blue, plain.clone()).expect("it is sealed");
    assert!(key.open(Color::Blue, &whole).is_ok_and(|opened| opened == plain));
    assert_eq!(key.open(Color::Green, &whole).err(), Some(Unsound::Damaged("its seal is broken")));
    for at in 0..whole.len() {
        assert!(key.open(Color::Blue, &whole[..at]).is_err(), "cut at {at} unnoticed");
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            assert!(key.open(Color::Blue, &flipped).is_err(), "bit {bit} of byte {at} flipped unnoticed");
        }
    }
}

#[test]
fn what_another_key_or_nobody_has_sealed_is_an_error_and_is_kept() {
    let (folder, key, path) = place();
    let other = write_key(&folder.path().join("keys/other"), DIGITS.replace('0', "1").as_bytes());
    let slot = path.with_file_name(".app.blue");
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    assert!(refused(sealed(&path, &key).load()).contains("it is not sealed"));
    sink.clear(blue().mint).expect("it is cleared");
    sealed(&path, &key).persist(&blue()).expect("it is persisted");
    let kept = fs::read(&slot).expect("the slot is read");
    assert!(refused(sealed(&path, &other).load()).contains("it is sealed with another key"));
    assert!(refused(sealed(&path, &other).persist(&blue())).contains("it is sealed with another key"));
    assert!(refused(sink.load()).contains("its checksum does not match"));
    assert_eq!(fs::read(&slot).expect("the slot is read"), kept);
    let newer = String::from_utf8_lossy(&kept[..18]).replace('1', "2");
    fs::write(&slot, [newer.as_bytes(), &kept[18..]].concat()).expect("it is written");
    assert!(refused(sealed(&path, &key).load()).contains("format 2 of a newer program"));
    assert_eq!(loaded(&mut open(&path.with_file_name("unused"))), []);
}

#[test]
fn a_key_may_be_bytes_or_digits() {
    let (folder, digits, path) = place();
    let raw: Vec<_> = (0..64).step_by(2).map(|at| u8::from_str_radix(&DIGITS[at..at + 2], 16).expect("two digits")).collect();
    let raw = write_key(&folder.path().join("keys/raw"), &raw);
    sealed(&path, &digits).persist(&blue()).expect("it is persisted");
    assert_eq!(sealed(&path, &raw).load().map(|kept| kept.len()).ok(), Some(1));
}

#[test]
fn a_key_that_protects_nothing_is_refused_with_the_remedy() {
    let (folder, key, path) = place();
    let keys = folder.path().join("keys");
    for (length, bytes) in [(0, ""), (31, "short"), (63, &DIGITS[1..]), (66, &format!("{DIGITS}00")), (64, &"g".repeat(64))] {
        let wrong = write_key(&keys.join(format!("wrong-{length}-{}", bytes.len())), bytes.as_bytes());
        assert!(why(&path, &wrong).contains("openssl rand -hex 32"), "{bytes}");
    }
    let open = write_key(&keys.join("open"), DIGITS.as_bytes());
    fs::set_permissions(&open, Permissions::from_mode(0o440)).expect("it is opened to a group");
    assert!(why(&path, &open).contains("mode 0440 lets others read it; use 0400"));
    let link = keys.join("link");
    symlink(&key, &link).expect("a link is made");
    why(&path, &link);
    assert!(why(&path, &keys).contains("not a file"));
    assert!(why(&path, &keys.join("none")).contains("No such file"));
    assert!(why(&keys.join("app"), &key).contains("it lies beside what it seals"));
    assert_eq!(fs::read_dir(path.parent().expect("it has one")).expect("the folder is read").count(), 0);
}
