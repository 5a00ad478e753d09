//! The file behind the port.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use turquoise_runtime::core::Lsn;
use turquoise_runtime::port::{Base, Compacted, Entry, History, Journal, NotCompacted, NotDurable};

use crate::codec;
use crate::disk::{Change, Disk, Real};
use crate::error::{OpenError, remedy};
use crate::head::{Head, Keeper, Mark};
use crate::open;
use crate::scan::LONGEST_LINE;

/// A journal in one append-only file of JSON lines; see the crate's documentation for the format.
///
/// It holds the writer's lock for as long as it lives. An append blocks for one write and one `fdatasync`, and for as long as
/// its head takes to be kept, if it has one.
pub struct FileJournal {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) lines: u64,
    /// The last line.
    pub(crate) last: Mark,
    pub(crate) head: Option<Keeper>,
    pub(crate) bound: Bound,
    pub(crate) health: Health,
    pub(crate) disk: Arc<dyn Disk>,
    // Last, so that the file is closed when another process gets the lock.
    pub(crate) _lock: File,
}

/// What a journal is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The file; its neighbours begin with the same name.
    pub path: PathBuf,
    /// Where the head is kept. Without one the loss of whole lines at the end is not noticed.
    pub head: Option<Head>,
    /// How much it may hold.
    pub bound: Bound,
}

/// How much a journal may hold before it begins anew, and how much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// A file with more lines than that ends at the next rest, and a new one begins.
    pub lines: u64,
    /// So many files are kept as archives, and one at least. The oldest is removed when there are more, and named in what
    /// [`Journal::compact`] answers, for the driver's log.
    pub archives: usize,
}

impl Default for Bound {
    /// 10 000 lines, about 3 MB, and eight archives: a thousand rotations in each.
    fn default() -> Self {
        Self { lines: 10_000, archives: 8 }
    }
}

/// What opening a journal gave.
pub struct Opened {
    /// To append to.
    pub journal: FileJournal,
    /// All that was acknowledged, and at the end perhaps one that was written but never acknowledged. All of it is durable.
    pub history: History,
    /// Where the torn tail is kept that was found at the end.
    pub torn: Option<PathBuf>,
}

pub(crate) enum Health {
    Sound,
    /// An append failed, and nobody knows how much of it is in the file.
    Poisoned,
}

impl Options {
    /// No head, and the usual bound.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), head: None, bound: Bound::default() }
    }

    /// Opens a journal, or begins one (mode 0600, in a folder that is made with 0700 if only it is missing), takes its lock,
    /// verifies every line, compares it with its head and moves a torn tail aside.
    pub fn open(&self) -> Result<Opened, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(Real);
        open::open(self, &disk)
    }
}

impl FileJournal {
    /// Opens a journal without a head: see [`Options::open`].
    pub fn open(path: &Path) -> Result<Opened, OpenError> {
        Options::new(path).open()
    }

    /// Writes a line, waits for the disk, has the head kept; answers what the last line is now.
    fn write(&mut self, entry: &Entry) -> Result<Mark, String> {
        let (Lsn(lsn), due) = (entry.record.lsn, self.last.seq + 1);
        if lsn != due {
            return Err(format!("record {lsn} where {due} is due; report this defect"));
        }
        let line = codec::encode(entry, &self.last.hash).map_err(|error| format!("{error}; report this defect"))?;
        if line.len() > LONGEST_LINE {
            return Err(format!("a line of {} bytes, and {LONGEST_LINE} is the limit; shorten the handle", line.len()));
        }
        let refused = |cause: io::Error| format!("{cause}; {} and open the journal anew", remedy(&cause));
        self.disk.make(&Change::Write(&self.file, &line)).map_err(refused)?;
        self.disk.make(&Change::Sync(&self.file)).map_err(refused)?;
        let last = Mark::new(lsn, &codec::sha256(&line));
        if let Some(head) = &mut self.head {
            head.keep(&last).map_err(|error| error.to_string())?;
        }
        Ok(last)
    }
}

impl Journal for FileJournal {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        let path = self.path.display();
        if matches!(self.health, Health::Poisoned) {
            return Err(NotDurable(format!("an earlier append to {path} failed; open the journal anew")));
        }
        // A failed sync is never tried again: the kernel may have dropped the pages, and a second one would succeed.
        self.health = Health::Poisoned;
        self.last = self.write(entry).map_err(|why| {
            let path = self.path.display();
            NotDurable(format!("cannot append to {path}: {why}"))
        })?;
        self.lines += 1;
        self.health = Health::Sound;
        Ok(())
    }

    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        let due = self.lines > self.bound.lines && base.checkpoint.lsn == Lsn(self.last.seq);
        match self.health {
            Health::Sound if due => self.begin_anew(base).map(Some),
            _ => Ok(None),
        }
    }
}
