//! The head: which line was acknowledged last, kept where the journal is not, so that a journal that lost lines at its end
//! is noticed.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::command::HeadCommand;
use crate::disk::{Change, Disk};
use crate::error::remedy;
use crate::open::{folder_of, with_suffix};

/// The two marks of a head file lie a page apart: a write that is cut short spoils one of them at most.
const SLOT: usize = 4096;

/// Where the head is kept: on another disk than the journal, best on another machine.
///
/// It is written after each line has become durable and before the line is acknowledged. So after a crash it is as far as
/// the journal or one line behind, never ahead: a journal that is *behind its head* has lost what was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A file of 8 KiB, written over in place: one more write and one more `fdatasync` for each append.
    File(PathBuf),
    /// A command of the operator, run for each append.
    Command(HeadCommand),
}

/// Why the head could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The file holds no mark that can be read.
    #[error(
        "{path} is not the head of a journal, or is damaged; give another path, or move it away, and the head is taken from the \
         journal as it is"
    )]
    Damaged {
        /// The head file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} {path}: {cause}; {} and start again", remedy(cause))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The head file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The command did not do its part.
    #[error("the command {program} {why}; put that right and start again")]
    Command {
        /// What was run.
        program: PathBuf,
        /// What it did instead.
        why: String,
    },
}

/// One line of a journal, by its number and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    v: u64,
    /// 0 before the first line.
    pub(crate) seq: u64,
    /// As the `prev` of the next line has it.
    #[serde(rename = "head")]
    pub(crate) hash: String,
}

impl Mark {
    pub(crate) fn new(seq: u64, hash: &str) -> Self {
        Self { v: codec::VERSION, seq, hash: hash.to_owned() }
    }

    /// A line as a journal's are: its own checksum last, its newline included.
    pub(crate) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.pop(); // the closing brace, which the seal brings
        line.extend_from_slice(codec::seal(&line).as_bytes());
        Ok(line)
    }

    /// Takes nothing but what [`line`](Self::line) gives.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let mut object = codec::unsealed(line)?.to_vec();
        object.push(b'}');
        let mark: Self = serde_json::from_slice(&object).ok()?;
        (mark.v == codec::VERSION && mark.line().is_ok_and(|same| same == line)).then_some(mark)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Command(command) => write!(f, "the command {}", command.program.display()),
        }
    }
}

impl Head {
    /// What is kept; nothing if nothing was ever kept there.
    pub(crate) fn read(&self) -> Result<Option<Mark>, HeadError> {
        match self {
            Self::File(path) => match fs::read(path) {
                Ok(bytes) => parse_file(&bytes).map(Some).ok_or_else(|| HeadError::Damaged { path: path.clone() }),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(cause) => Err(HeadError::Io { doing: "read", path: path.clone(), cause }),
            },
            Self::Command(command) => command.show(),
        }
    }

    /// Makes ready to keep the marks to come, now that `kept` is there and the journal has come to `now`.
    pub(crate) fn keeper(&self, kept: Option<&Mark>, now: &Mark, disk: &Arc<dyn Disk>) -> Result<Keeper, HeadError> {
        let mut keeper = match self {
            Self::File(path) => {
                let file = if kept.is_some() { open_head(path) } else { begin(path, now, disk.as_ref()) }?;
                Keeper::File { file, path: path.clone(), disk: Arc::clone(disk) }
            }
            Self::Command(command) => Keeper::Command(command.clone()),
        };
        if kept != Some(now) {
            keeper.keep(now)?;
        }
        Ok(keeper)
    }
}

/// Who keeps the head while a journal is open.
pub(crate) enum Keeper {
    File { file: File, path: PathBuf, disk: Arc<dyn Disk> },
    Command(HeadCommand),
}

impl Keeper {
    /// Returns when the mark would survive a power loss.
    pub(crate) fn keep(&mut self, mark: &Mark) -> Result<(), HeadError> {
        match self {
            Self::File { file, path, disk } => {
                let io = |cause| HeadError::Io { doing: "write", path: path.clone(), cause };
                let line = padded(&mark.line().map_err(|error| io(error.into()))?);
                let offset = mark.seq % 2 * SLOT as u64;
                disk.make(&Change::WriteAt(file, &line, offset)).map_err(io)?;
                disk.make(&Change::Sync(file)).map_err(io)
            }
            Self::Command(command) => command.keep(mark),
        }
    }
}

/// A line that fills its slot.
fn padded(line: &[u8]) -> Vec<u8> {
    let mut slot = vec![b' '; SLOT];
    let object = &line[..line.len().saturating_sub(1)];
    slot[..object.len()].copy_from_slice(object);
    slot[SLOT - 1] = b'\n';
    slot
}

/// The later one of the two marks that can be read.
fn parse_file(bytes: &[u8]) -> Option<Mark> {
    let slots = bytes.chunks_exact(SLOT);
    let marks = slots.filter_map(|slot| {
        let object = slot.strip_suffix(b"\n")?.trim_ascii_end();
        Mark::parse(&[object, b"\n"].concat())
    });
    marks.max_by_key(|mark| mark.seq)
}

fn open_head(path: &Path) -> Result<File, HeadError> {
    let io = |cause| HeadError::Io { doing: "open", path: path.to_owned(), cause };
    OpenOptions::new().read(true).write(true).open(path).map_err(io)
}

/// A new file, which appears under its name only when it is whole.
fn begin(path: &Path, mark: &Mark, disk: &dyn Disk) -> Result<File, HeadError> {
    let new = with_suffix(path, ".new");
    let begun = || {
        match disk.make(&Change::Remove(&new)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        disk.make(&Change::Create(&new))?;
        let file = OpenOptions::new().read(true).write(true).open(&new)?;
        let slots = [padded(&mark.line()?), padded(b"\n")];
        let [first, second] = if mark.seq.is_multiple_of(2) {
            slots
        } else {
            let [a, b] = slots;
            [b, a]
        };
        disk.make(&Change::Write(&file, &[first, second].concat()))?;
        disk.make(&Change::Sync(&file))?;
        disk.make(&Change::Rename(&new, path))?;
        disk.make(&Change::SyncFolder(folder_of(path)))?;
        Ok(file)
    };
    begun().map_err(|cause| HeadError::Io { doing: "begin", path: path.to_owned(), cause })
}
