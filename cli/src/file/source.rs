//! The text of a file, and what is wrong with it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// No configuration is larger.
const LARGEST: u64 = 1 << 20;

/// A file as it was read.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A place in a file, counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Something that a person should know about a place in a file. It never holds a value from the file, which might be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    pub(crate) file: String,
    #[serde(flatten)]
    pub(crate) place: Place,
    /// What is so.
    pub(crate) what: String,
    /// What to do about it; nothing, if that is up to the reader.
    pub(crate) remedy: String,
    /// Where the item that this is about begins and ends, in bytes.
    #[serde(skip)]
    pub(crate) at: (usize, usize),
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is not there, or not for us.
    #[error("{}: it cannot be read ({cause}): name a file that this user may read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It is something else.
    #[error("{}: it is no configuration: give a text file of at most {LARGEST} bytes", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
    },
}

impl Source {
    pub(crate) fn read(path: &Path) -> Result<Self, ReadError> {
        let refused = |cause| ReadError::Io { path: path.to_owned(), cause };
        let found = fs::metadata(path).map_err(refused)?;
        let text = || ReadError::NoText { path: path.to_owned() };
        if found.is_file() && found.len() > LARGEST {
            return Err(text());
        }
        let bytes = fs::read(path).map_err(refused)?;
        Ok(Self { path: path.to_owned(), text: String::from_utf8(bytes).map_err(|_| text())? })
    }

    /// A remark on what begins and ends at these bytes.
    pub(crate) fn remark(&self, (start, end): (usize, usize), what: impl Into<String>, remedy: impl Into<String>) -> Remark {
        let file = self.path.display().to_string();
        Remark { file, place: self.place(start), what: what.into(), remedy: remedy.into(), at: (start, end) }
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Place { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place: Place { line, column }, what, remedy, .. } = self;
        write!(f, "{file}:{line}:{column}: {what}")?;
        if remedy.is_empty() { Ok(()) } else { write!(f, ": {remedy}") }
    }
}
