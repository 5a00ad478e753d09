//! Several files that switch as a set.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use turquoise_runtime::port::Store;

use super::{blue, green, loaded, watch, words};
use crate::{FileSink, Form, Mode, Outlet, PublishedOnly};

/// Two folders, as readers of two kinds have them.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder is made");
        fs::create_dir(folder.path().join("other")).expect("a folder is made");
        Self { folder }
    }

    fn paths(&self) -> [PathBuf; 2] {
        ["token", "other/token"].map(|name| self.folder.path().join(name))
    }

    fn outlets(&self) -> [Outlet; 2] {
        self.paths().map(|path| Outlet::new(path, Mode::PRIVATE))
    }

    fn open(&self) -> FileSink {
        let [first, second] = self.outlets();
        FileSink::of(&first, &[second]).unwrap_or_else(|error| panic!("{error}"))
    }

    fn read(&self) -> [String; 2] {
        self.paths().map(|path| fs::read_to_string(path).unwrap_or_default())
    }

    fn files(&self) -> usize {
        let count = |path: &Path| fs::read_dir(path).expect("the folder is read").count();
        count(self.folder.path()) - 1 + count(&self.folder.path().join("other"))
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.folder.path().join(".token.set")).expect("there is a manifest")
    }
}

fn secret(credential: &turquoise_runtime::port::Credential) -> String {
    words(credential).2
}

#[test]
fn the_manifest_says_which_generation_the_set_is_at() {
    let place = Place::new();
    let mut sink = place.open();
    for credential in [blue(), green()] {
        sink.publish(&credential).expect("it is published");
        assert_eq!(place.read(), [secret(&credential), secret(&credential)]);
        assert!(place.manifest().contains(&format!("\"{}\"", credential.mint.generation)), "{}", place.manifest());
    }
    assert_eq!(place.files(), 3);
}

#[test]
fn a_file_alone_has_no_manifest() {
    let place = Place::new();
    let [first, _] = place.outlets();
    FileSink::of(&first, &[]).expect("it opens").publish(&blue()).expect("it is published");
    assert_eq!(place.files(), 1);
}

#[test]
fn a_switch_that_stops_at_any_step_leaves_whole_files_and_the_next_start_makes_them_one_set() {
    for deadly in [false, true] {
        let mut steps = 0;
        loop {
            let place = Place::new();
            let mut sink = place.open();
            for credential in [blue(), green()] {
                sink.persist(&credential).expect("it is persisted");
            }
            sink.publish(&blue()).expect("it is published");
            let taken = AtomicUsize::new(0);
            watch(&mut sink, move |_| match taken.fetch_add(1, Ordering::Relaxed) {
                step if step != steps => Ok(()),
                _ if deadly => resume_unwind(Box::new("killed")),
                _ => Err(io::ErrorKind::StorageFull.into()),
            });
            let result = catch_unwind(AssertUnwindSafe(|| sink.publish(&green())));
            let legal = [secret(&blue()), secret(&green())];
            assert!(place.read().iter().all(|found| legal.contains(found)), "step {steps}: {:?}", place.read());
            drop(sink);

            let mut successor = place.open();
            assert_eq!(loaded(&mut successor).len(), 2);
            let [first, second] = place.read();
            assert!(first == second && legal.contains(&first), "step {steps}: {first:?} and {second:?}");
            successor.publish(&green()).expect("it is published");
            assert_eq!(place.read(), [secret(&green()), secret(&green())]);
            assert_eq!(place.files(), 5, "step {steps}: leftovers");
            steps += 1;
            if matches!(result, Ok(Ok(()))) {
                break;
            }
        }
        assert!(steps > 20, "a set of two files and a manifest takes 21 steps, and these were {steps}");
    }
}

#[test]
fn a_file_that_is_new_in_the_set_gets_what_the_others_have() {
    let place = Place::new();
    let [first, _] = place.outlets();
    let mut alone = FileSink::of(&first, &[]).expect("it opens");
    for credential in [blue(), green()] {
        alone.persist(&credential).expect("it is persisted");
    }
    alone.publish(&green()).expect("it is published");
    loaded(&mut place.open());
    assert_eq!(place.read(), [secret(&green()), secret(&green())]);
}

#[test]
fn a_damaged_manifest_is_not_believed() {
    let place = Place::new();
    let mut sink = place.open();
    for credential in [blue(), green()] {
        sink.persist(&credential).expect("it is persisted");
    }
    sink.publish(&blue()).expect("it is published");
    let damaged = place.manifest().replace(&blue().mint.generation.to_string(), &green().mint.generation.to_string());
    fs::write(place.folder.path().join(".token.set"), damaged).expect("it is written");
    loaded(&mut place.open());
    assert_eq!(place.read(), [secret(&blue()), secret(&blue())]);
    assert!(place.manifest().contains(&blue().mint.generation.to_string()));
}

#[test]
fn what_does_not_fit_one_file_is_given_to_none() {
    let place = Place::new();
    let [first, second] = place.outlets();
    let shared = Form::SharedCredentials { profile: "app".parse().expect("a profile") };
    let mut sink = FileSink::of(&first, &[Outlet { form: shared, ..second }]).expect("it opens");
    sink.publish(&blue()).expect("it is published");
    let before = place.read();
    let unfit = super::credential(turquoise_runtime::core::Color::Green, 2, "hvs.two\nlines");
    super::refused(sink.publish(&unfit));
    assert_eq!(place.read(), before);
}

#[test]
fn files_without_slots_keep_nothing_for_a_successor() {
    let place = Place::new();
    let mut files = PublishedOnly::open(&place.outlets()).expect("it opens");
    files.persist(&blue()).expect("it does nothing");
    files.publish(&blue()).expect("it is published");
    assert_eq!(place.read(), [secret(&blue()), secret(&blue())]);
    assert!(!files.survives() && files.load().expect("it is read").is_empty());
    assert_eq!(place.files(), 3);
}
