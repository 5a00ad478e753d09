//! What can go wrong, and what to do then. No message holds a part of a secret.

use std::io;
use std::path::PathBuf;

use turquoise_runtime::core::{Color, Generation};
use turquoise_runtime::port::StoreError;

/// Why the sink did not do as asked. Unless it says otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The path ends in `..`, or is `/`.
    #[error("{path} names no file; give the sink the path of a file")]
    NoName {
        /// The sink's path.
        path: PathBuf,
    },
    /// The folder is missing or is none.
    #[error("the folder {folder} cannot be used: {cause}; make it, for the readers of the sink to enter")]
    NoFolder {
        /// The sink's folder.
        folder: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Readers would find something else than what we put there.
    #[error("{path} is a link, a folder or a device, not a file; remove it, or give the sink another path")]
    NotAFile {
        /// The file in question.
        path: PathBuf,
    },
    /// There is no key that slots could be sealed with.
    #[error("the key {path} cannot be used: {why}")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// The operating system refused. Before the rename the old content stands, after it the new one.
    #[error("cannot {doing} {path}: {cause}; put that right and try again")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A secret or its handle would break the lines of the published file.
    #[error("a secret with blanks or line breaks does not fit into a shared credentials file; publish it in another form")]
    Unfit,
    /// A slot is neither empty nor what we wrote.
    #[error("{path} is damaged: {what}; restore it from a copy, or, if another credential serves, move it away")]
    Damaged {
        /// The slot's file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A newer program wrote the slot.
    #[error("{path} has format {version} of a newer program; run that one")]
    Newer {
        /// The slot's file.
        path: PathBuf,
        /// The format's version.
        version: u64,
    },
    /// The slot is not free for this generation, nor is it this generation's to clear.
    #[error("the {slot} slot holds generation {held}, not {asked}; the journal and the sink are not of one identity")]
    Occupied {
        /// The slot.
        slot: Color,
        /// The generation in it.
        held: Generation,
        /// The generation that was asked for.
        asked: Generation,
    },
    /// A generation has one secret for life; writing the other one would lose this one.
    #[error("the {slot} slot holds another secret of generation {generation}; it was kept, and an operator must choose")]
    OtherSecret {
        /// The slot.
        slot: Color,
        /// The generation that both secrets claim.
        generation: Generation,
    },
    /// Readers are never given nothing.
    #[error("the secret is empty, which no provider means; ask the provider anew")]
    Empty,
    /// It was written and renamed, and something else is there.
    #[error("{path} does not read back as it was written; check the disk, and who else writes there")]
    ReadBack {
        /// The file.
        path: PathBuf,
    },
}

impl From<SinkError> for StoreError {
    fn from(error: SinkError) -> Self {
        Self(error.to_string())
    }
}
