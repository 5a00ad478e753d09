//! One file per behaviour.

mod atomic;
mod form;
mod opening;
mod refusing;
mod sealing;
mod set;
mod slots;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use turquoise_runtime::core::{Color, Generation, Mint};
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use turquoise_runtime::port::{Credential, Handle, Store, StoreError};

use crate::folder::Step;
use crate::{FileSink, Mode};

fn credential(slot: Color, number: u32, secret: &str) -> Credential {
    Credential {
        mint: Mint { generation: Generation { incarnation: 0x0123_abcd, number }, slot },
        handle: Handle(format!("accessor-{number}")),
        secret: Secret::from(secret),
    }
}

fn blue() -> Credential {
    credential(Color::Blue, 1, "hvs.blue-secret-of-some-length")
}

fn green() -> Credential {
    credential(Color::Green, 2, "hvs.green-secret-that-is-longer-than-the-blue-one")
}

/// A folder of its own and the path of a sink in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("token");
    (folder, path)
}

fn open(path: &Path) -> FileSink {
    FileSink::open(path, Mode::PRIVATE).unwrap_or_else(|error| panic!("{error}"))
}

/// Has this called before each step of each change.
fn watch(sink: &mut FileSink, before: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) {
    let before = Arc::new(before);
    for folder in std::iter::once(&mut sink.slots.folder).chain(sink.outlets.files.iter_mut().map(|file| &mut file.folder)) {
        let before = Arc::clone(&before);
        folder.before = Box::new(move |step| before(step));
    }
}

/// What is in the slots, in words that can be compared.
fn loaded(sink: &mut FileSink) -> Vec<(Mint, Handle, String)> {
    sink.load().unwrap_or_else(|StoreError(error)| panic!("{error}")).iter().map(words).collect()
}

fn words(credential: &Credential) -> (Mint, Handle, String) {
    (credential.mint, credential.handle.clone(), credential.secret.expose_secret().to_owned())
}

/// The error of a call that was refused; it quotes no secret.
fn refused<T>(result: Result<T, StoreError>) -> String {
    let StoreError(error) = result.err().expect("it is refused");
    assert!(!error.contains("hvs."), "{error}");
    error
}
