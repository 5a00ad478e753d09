//! Why a journal could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::head::HeadError;
use crate::scan::Damage;

/// Why a journal could not be opened. Unless it says otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("{path} is in use by {holder}; stop that one first, or give this one a journal of its own")]
    Locked {
        /// The journal.
        path: PathBuf,
        /// Who holds it, as its lock file says.
        holder: String,
    },
    /// A folder, a symbolic link, a device.
    #[error("{path} is not a regular file; give the path of one, or of a file that does not exist yet")]
    NotAFile {
        /// The journal.
        path: PathBuf,
    },
    /// It holds what this program did not write, or not so.
    #[error("{path}, line {line}: {damage}; nothing was changed")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with the line, and what to do.
        damage: Damage,
    },
    /// Records that were acknowledged are gone from its end, or all of them: a restored copy, a file that was cut or
    /// removed, a disk that lied about a flush.
    #[error(
        "{path} {}, but record {acknowledged} was acknowledged, as {head} has it: {LOSS} {head} away; nothing was changed",
        ends_with(*last)
    )]
    Truncated {
        /// The journal.
        path: PathBuf,
        /// The last record in it; 0 if it is empty or missing.
        last: u64,
        /// The record that the head is of.
        acknowledged: u64,
        /// Where the head is kept.
        head: String,
    },
    /// The record that the head is of is another one in this journal, or lies before its beginning.
    #[error(
        "{path} does not hold record {acknowledged} as {head} has it: it is another identity's, or an older copy that went its \
         own way: {LOSS} {head} away; nothing was changed"
    )]
    Strayed {
        /// The journal.
        path: PathBuf,
        /// The record that the head is of.
        acknowledged: u64,
        /// Where the head is kept.
        head: String,
    },
    /// The journal is empty or missing, and an archive of it is there.
    #[error("{path} is empty or missing, but {archive} holds older records of it: {LOSS} its archives away; nothing was changed")]
    Lost {
        /// The journal.
        path: PathBuf,
        /// The latest archive.
        archive: PathBuf,
    },
    /// The head could not be read or written.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The operating system refused. A torn tail that could not be moved aside is still where it was.
    #[error("cannot {doing} {path}: {cause}; {} and start again", remedy(cause))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

const LOSS: &str = "put the right file back; if it is lost, end at the provider what may live of it, then move the journal and";

impl OpenError {
    /// What the system refused, as a closure for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { doing, path, cause }
    }
}

fn ends_with(last: u64) -> String {
    if last == 0 { "is empty or missing".to_owned() } else { format!("ends with record {last}") }
}

/// What a person does about it.
pub(crate) fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space",
        io::ErrorKind::QuotaExceeded => "the quota is used up: raise it, or free some space",
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only: mount it so that it can be written",
        io::ErrorKind::PermissionDenied => "give this user the right to it",
        _ => "put that right",
    }
}
