//! The file behind the port.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags, fadvise};
use turquoise_runtime::core::Lsn;
use turquoise_runtime::port::{Entry, Journal, NotDurable};

use crate::codec;
use crate::lock;
use crate::scan::{Damage, Fault, LONGEST_LINE, Scan, scan};

/// A journal in one append-only file of JSON lines; see the crate's documentation for the format.
///
/// It holds the writer's lock for as long as it lives. An append blocks for one write and one `fdatasync`.
pub struct FileJournal {
    path: PathBuf,
    pub(crate) medium: Box<dyn Medium>,
    due: u64,
    prev: String,
    health: Health,
    // Last, so that the file is closed when another process gets the lock.
    _lock: File,
}

/// What opening a journal gave.
pub struct Opened {
    /// To append to.
    pub journal: FileJournal,
    /// All that was acknowledged, and at the end perhaps one that was written but never acknowledged. All of it is durable.
    pub entries: Vec<Entry>,
    /// Where the torn tail is kept that was found at the end.
    pub torn: Option<PathBuf>,
}

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

/// What a person does about it.
fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space",
        io::ErrorKind::QuotaExceeded => "the quota is used up: raise it, or free some space",
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only: mount it so that it can be written",
        io::ErrorKind::PermissionDenied => "give this user the right to it",
        _ => "put that right",
    }
}

/// What an append needs of a file, so that tests can make it fail.
pub(crate) trait Medium: Send {
    /// Writes at the end.
    fn append(&mut self, line: &[u8]) -> io::Result<()>;
    /// Returns when what was written would survive a power loss.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.write_all(line)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

enum Health {
    Sound,
    /// An append failed, and nobody knows how much of it is in the file.
    Poisoned,
}

impl FileJournal {
    /// Opens a journal, or begins one (mode 0600, in a folder that is made with 0700 if only it is missing), takes its lock,
    /// verifies every line and moves a torn tail aside.
    pub fn open(path: &Path) -> Result<Opened, OpenError> {
        make_folder(folder_of(path))?;
        let lock = lock::take(path)?;
        let mut file = open_file(path)?;
        let bytes = settle(&mut file).map_err(|cause| OpenError::Io { doing: "read", path: path.to_owned(), cause })?;
        sync_folder(folder_of(path))?;
        let sound = scan(&bytes).map_err(|Fault { line, damage }| OpenError::Damaged { path: path.to_owned(), line, damage })?;
        let torn = match &bytes[sound.length..] {
            [] => None,
            tail => Some(set_aside(path, &file, &sound, tail)?),
        };
        let due = sound.due();
        let journal =
            Self { path: path.to_owned(), medium: Box::new(file), due, prev: sound.prev, health: Health::Sound, _lock: lock };
        Ok(Opened { journal, entries: sound.entries, torn })
    }

    /// Writes a line and waits for the disk; answers the `prev` of the next one.
    fn write(&mut self, entry: &Entry) -> Result<String, String> {
        let Lsn(lsn) = entry.record.lsn;
        if lsn != self.due {
            return Err(format!("record {lsn} where {} is due; report this defect", self.due));
        }
        let line = codec::encode(entry, &self.prev).map_err(|error| format!("{error}; report this defect"))?;
        if line.len() > LONGEST_LINE {
            return Err(format!("a line of {} bytes, and {LONGEST_LINE} is the limit; shorten the handle", line.len()));
        }
        let refused = |cause: io::Error| format!("{cause}; {}", remedy(&cause));
        self.medium.append(&line).map_err(refused)?;
        self.medium.sync().map_err(refused)?;
        Ok(codec::sha256(&line))
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
        self.prev = self.write(entry).map_err(|why| {
            let path = self.path.display();
            NotDurable(format!("cannot append to {path}: {why} and open the journal anew"))
        })?;
        self.due += 1;
        self.health = Health::Sound;
        Ok(())
    }
}

/// A path with something after its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_folder(folder: &Path) -> Result<(), OpenError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_folder(folder_of(folder)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(OpenError::Io { doing: "make the folder", path: folder.to_owned(), cause }),
    }
}

fn sync_folder(folder: &Path) -> Result<(), OpenError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|cause| OpenError::Io {
        doing: "sync the folder",
        path: folder.to_owned(),
        cause,
    })
}

/// Opens without following a link and without waiting for the other end of a pipe.
fn open_file(path: &Path) -> Result<File, OpenError> {
    let io = |cause| OpenError::Io { doing: "open", path: path.to_owned(), cause };
    let not_a_file = || OpenError::NotAFile { path: path.to_owned() };
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return Err(not_a_file());
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

/// Reads what is on the disk, not what is in memory.
///
/// Whoever wrote the last line may have died before its sync, or the sync may have failed and left clean pages that the
/// disk never saw. So it is synced before anybody relies on it, and then read anew as far as the system obliges.
fn settle(file: &mut File) -> io::Result<Vec<u8>> {
    file.sync_all()?;
    fadvise(&*file, 0, None, Advice::DontNeed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Keeps the tail in a file of its own, durably, before it is cut off. Dying in between leaves a second copy, no loss.
fn set_aside(path: &Path, journal: &File, sound: &Scan, tail: &[u8]) -> Result<PathBuf, OpenError> {
    let mut n = 1_u32;
    let (aside, mut file) = loop {
        let aside = with_suffix(path, &format!(".torn-{}-{n}", sound.due()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside) {
            Ok(file) => break (aside, file),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => n += 1,
            Err(cause) => return Err(OpenError::Io { doing: "keep a torn tail as", path: aside, cause }),
        }
    };
    if let Err(cause) = file.write_all(tail).and_then(|()| file.sync_all()) {
        // On a full disk every start would leave one more useless copy.
        drop(fs::remove_file(&aside));
        return Err(OpenError::Io { doing: "keep a torn tail as", path: aside, cause });
    }
    sync_folder(folder_of(path))?;
    journal
        .set_len(u64::try_from(sound.length).unwrap_or(u64::MAX))
        .and_then(|()| journal.sync_all())
        .map_err(|cause| OpenError::Io { doing: "cut a torn tail off", path: path.to_owned(), cause })?;
    Ok(aside)
}
