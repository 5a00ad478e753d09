//! Every change that a journal makes on a disk, in one place: a test can then make each of them fail.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// One change.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    /// Makes a folder that only its owner may enter.
    MakeFolder(&'a Path),
    /// Makes an empty file that only its owner may read; it is an error if there is one.
    Create(&'a Path),
    /// Writes where the file stands; at its end, where it was opened to append.
    Write(&'a File, &'a [u8]),
    /// Writes over what is there.
    WriteAt(&'a File, &'a [u8], u64),
    /// Cuts a file off after so many bytes.
    Cut(&'a File, u64),
    /// Returns when what was written, and the length, would survive a power loss.
    Sync(&'a File),
    /// Returns when the names in a folder would survive a power loss.
    SyncFolder(&'a Path),
    /// Gives a file a second name; it is an error if the name is taken.
    Link(&'a Path, &'a Path),
    /// Puts a file in another one's place.
    Rename(&'a Path, &'a Path),
    /// Removes a name.
    Remove(&'a Path),
}

impl Change<'_> {
    /// Makes it.
    pub(crate) fn make(&self) -> io::Result<()> {
        match *self {
            Self::MakeFolder(path) => DirBuilder::new().mode(0o700).create(path),
            Self::Create(path) => OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop),
            Self::Write(mut file, bytes) => file.write_all(bytes),
            Self::WriteAt(file, bytes, offset) => file.write_all_at(bytes, offset),
            Self::Cut(file, length) => file.set_len(length),
            Self::Sync(file) => file.sync_data(),
            Self::SyncFolder(path) => File::open(path)?.sync_all(),
            Self::Link(from, to) => fs::hard_link(from, to),
            Self::Rename(from, to) => fs::rename(from, to),
            Self::Remove(path) => fs::remove_file(path),
        }
    }
}

/// Whoever makes the changes.
pub(crate) trait Disk: Send + Sync {
    /// Makes one.
    fn make(&self, change: &Change<'_>) -> io::Result<()>;
}

/// The disk there is.
pub(crate) struct Real;

impl Disk for Real {
    fn make(&self, change: &Change<'_>) -> io::Result<()> {
        change.make()
    }
}
