//! Where a sink may be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use turquoise_runtime::port::Store;

use super::{blue, loaded, open, place, refused, words};
use crate::{FileSink, Mode, ModeError, SinkError};

fn error(path: &Path) -> SinkError {
    FileSink::open(path, Mode::PRIVATE).err().expect("it is refused")
}

#[test]
fn a_missing_folder_is_named() {
    let (folder, path) = place();
    let missing = folder.path().join("none");
    assert!(matches!(error(&missing.join("token")), SinkError::NoFolder { folder, .. } if folder == missing));
    fs::write(&path, "").expect("a file is written");
    assert!(matches!(error(&path.join("token")), SinkError::NoFolder { folder, .. } if folder == path));
    assert!(matches!(error("/".as_ref()), SinkError::NoName { .. }));
}

#[test]
fn a_published_path_that_is_a_link_or_a_folder_is_refused_and_left_alone() {
    let (folder, path) = place();
    let mut sink = open(&path);
    let target = folder.path().join("target");
    fs::write(&target, "theirs").expect("a file is written");
    symlink(&target, &path).expect("a link is made");
    assert!(matches!(error(&path), SinkError::NotAFile { .. }));
    assert!(refused(sink.publish(&blue())).contains("is a link"));
    assert_eq!(fs::read_to_string(&target).expect("it is read"), "theirs");
    fs::remove_file(&path).expect("the link is removed");
    fs::create_dir(&path).expect("a folder is made");
    assert!(matches!(error(&path), SinkError::NotAFile { .. }));
    refused(sink.publish(&blue()));
}

#[test]
fn a_slot_that_is_a_link_is_refused() {
    let (folder, path) = place();
    let mut sink = open(&path);
    symlink("target", folder.path().join(".token.blue")).expect("a link is made");
    assert!(matches!(error(&path), SinkError::NotAFile { .. }));
    refused(sink.load());
    refused(sink.persist(&blue()));
}

#[test]
fn modes_that_give_the_secret_away_are_refused() {
    assert_eq!(Mode::new(0o600), Ok(Mode::PRIVATE));
    for sound in [0o400, 0o640, 0o644, 0o660] {
        assert!(Mode::new(sound).is_ok());
    }
    assert_eq!(Mode::new(0o602), Err(ModeError::OtherWrite(0o602)));
    assert_eq!(Mode::new(0o200), Err(ModeError::OwnerUnreadable(0o200)));
    for special in [0o4600, 0o2600, 0o1600, 0o10_0600] {
        assert_eq!(Mode::new(special), Err(ModeError::Special(special)));
    }
}

#[test]
fn leftovers_of_a_dead_process_are_removed_and_nothing_else() {
    let (folder, path) = place();
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    let leftovers = [".token.new.tmp", ".token.blue.tmp", ".token.green.tmp"].map(|name| folder.path().join(name));
    let others = ["other", ".token.tmp", ".other.blue.tmp", "token.new.tmp"].map(|name| folder.path().join(name));
    for file in leftovers.iter().chain(&others) {
        fs::write(file, "hvs.half").expect("a file is written");
    }
    assert_eq!(loaded(&mut open(&path)), [words(&blue())]);
    assert!(leftovers.iter().all(|file| !file.exists()) && others.iter().all(|file| file.exists()));
}

#[test]
fn a_leftover_that_could_not_be_removed_does_not_keep_the_next_write_from_its_place() {
    let (folder, path) = place();
    let mut sink = open(&path);
    symlink(folder.path().join("target"), folder.path().join(".token.new.tmp")).expect("a link is made");
    sink.publish(&blue()).expect("it is published");
    assert_eq!(fs::read_to_string(&path).expect("it is read"), words(&blue()).2);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder is read").count(), 1);
}

#[test]
fn a_relative_path_is_beside_the_process() {
    assert!(FileSink::open("turquoise-sink-token".as_ref(), Mode::PRIVATE).is_ok());
}
