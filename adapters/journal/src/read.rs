//! Reading a journal as it is: no lock, no change, also beside the process that writes it.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use turquoise_runtime::port::History;

use crate::error::remedy;
use crate::scan::{Damage, Fault, scan};

/// A journal as it stands on the disk.
#[derive(Clone, Debug)]
pub struct Written {
    /// What its records say.
    pub history: History,
    /// Its sound lines, as they are: JSON objects.
    pub lines: String,
    /// A torn tail, which the next one to open the journal moves aside; or a line that is being written.
    pub torn: Option<Torn>,
}

/// Bytes at the end of a journal that are no whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where they begin.
    pub offset: usize,
    /// How many they are.
    pub length: usize,
}

/// Why a journal could not be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It holds what this program did not write, or not so.
    #[error("{path}, line {line}, at byte {offset}: {damage}; nothing was changed")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Where the line begins.
        offset: usize,
        /// What is wrong with the line, and what to do.
        damage: Damage,
    },
    /// A folder, a symbolic link, a device.
    #[error("{path} is not a regular file; give the path of a journal")]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {path}: {cause}; {}", remedy(cause))]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Reads the journal, or the archive, at this path and verifies every line. What the last process wrote may not be durable.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read(path: &Path) -> Result<Written, ReadError> {
    let bytes = bytes(path)?;
    let sound = scan(&bytes).map_err(|Fault { line, damage }| {
        let before = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..line);
        let offset = before.map(|(bytes, _)| bytes.len()).sum();
        ReadError::Damaged { path: path.to_owned(), line, offset, damage }
    })?;
    let rest = bytes.len() - sound.length;
    let torn = (rest > 0).then_some(Torn { offset: sound.length, length: rest });
    let lines = String::from_utf8_lossy(&bytes[..sound.length]).into_owned();
    Ok(Written { history: sound.history, lines, torn })
}

/// Without following a link and without waiting for the other end of a pipe.
fn bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    let io = |cause| ReadError::Io { path: path.to_owned(), cause };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}
