//! Opening a journal: what is there is read, judged and, where a tail is torn, tidied, in this order.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, OFlags, fadvise};

use crate::compact::archives;
use crate::disk::{Change, Disk};
use crate::error::OpenError;
use crate::file::{FileJournal, Health, Opened, Options};
use crate::head::{Head, Mark};
use crate::lock;
use crate::scan::{Fault, Scan, scan};

/// Opens or begins a journal on this disk.
pub(crate) fn open(options: &Options, disk: &Arc<dyn Disk>) -> Result<Opened, OpenError> {
    let path = options.path.as_path();
    make_folder(folder_of(path), disk.as_ref())?;
    let lock = lock::take(path)?;
    let mut file = open_file(path, disk.as_ref())?;
    let bytes = settle(&mut file, disk.as_ref()).map_err(OpenError::io("read", path))?;
    sync_folder(folder_of(path), disk.as_ref())?;
    let sound = scan(&bytes).map_err(|Fault { line, damage }| OpenError::Damaged { path: path.to_owned(), line, damage })?;
    let kept = options.head.as_ref().map(Head::read).transpose()?.flatten();
    if let Some((mark, head)) = kept.as_ref().zip(options.head.as_ref()) {
        confirm(mark, &sound, &bytes).map_err(|astray| astray.at(path, mark, head))?;
    }
    if sound.lines == 0
        && let Some((_, archive)) = archives(path).map_err(OpenError::io("list the archives of", path))?.pop_last()
    {
        return Err(OpenError::Lost { path: path.to_owned(), archive });
    }
    let torn = match &bytes[sound.length..] {
        [] => None,
        tail => Some(set_aside(path, &file, &sound, tail, disk.as_ref())?),
    };
    let now = Mark::new(sound.due() - 1, &sound.prev);
    let head = options.head.as_ref().map(|head| head.keeper(kept.as_ref(), &now, disk)).transpose()?;
    let journal = FileJournal {
        path: path.to_owned(),
        file,
        lines: sound.lines,
        last: now,
        head,
        bound: options.bound,
        health: Health::Sound,
        disk: Arc::clone(disk),
        _lock: lock,
    };
    Ok(Opened { journal, history: sound.history, torn })
}

/// How a journal and its head disagree.
enum Astray {
    Behind { last: u64 },
    Elsewhere,
}

impl Astray {
    fn at(self, path: &Path, mark: &Mark, head: &Head) -> OpenError {
        let (path, acknowledged, head) = (path.to_owned(), mark.seq, head.to_string());
        match self {
            Self::Behind { last } => OpenError::Truncated { path, last, acknowledged, head },
            Self::Elsewhere => OpenError::Strayed { path, acknowledged, head },
        }
    }
}

/// Whether the line that was acknowledged last is in the journal. A torn tail is none of it yet: what was acknowledged is
/// not torn but damaged.
fn confirm(mark: &Mark, sound: &Scan, bytes: &[u8]) -> Result<(), Astray> {
    let last = sound.due() - 1;
    if mark.seq > last {
        return Err(Astray::Behind { last });
    }
    if sound.holds(mark.seq, &mark.hash, bytes) { Ok(()) } else { Err(Astray::Elsewhere) }
}

/// A path with something after its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_folder(folder: &Path, disk: &dyn Disk) -> Result<(), OpenError> {
    match disk.make(&Change::MakeFolder(folder)) {
        Ok(()) => sync_folder(folder_of(folder), disk),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(OpenError::io("make the folder", folder)(cause)),
    }
}

fn sync_folder(folder: &Path, disk: &dyn Disk) -> Result<(), OpenError> {
    disk.make(&Change::SyncFolder(folder)).map_err(OpenError::io("sync the folder", folder))
}

/// Opens without following a link and without waiting for the other end of a pipe.
fn open_file(path: &Path, disk: &dyn Disk) -> Result<File, OpenError> {
    let not_a_file = || OpenError::NotAFile { path: path.to_owned() };
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => return Err(not_a_file()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            disk.make(&Change::Create(path)).map_err(OpenError::io("create", path))?;
        }
        _ => {}
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new().read(true).append(true).custom_flags(flags).open(path);
    let file = opened.map_err(OpenError::io("open", path))?;
    let found = file.metadata().map_err(OpenError::io("open", path))?;
    if found.is_file() { Ok(file) } else { Err(not_a_file()) }
}

/// Reads what is on the disk, not what is in memory.
///
/// Whoever wrote the last line may have died before its sync, or the sync may have failed and left clean pages that the
/// disk never saw. So it is synced before anybody relies on it, and then read anew as far as the system obliges.
fn settle(file: &mut File, disk: &dyn Disk) -> io::Result<Vec<u8>> {
    disk.make(&Change::Sync(file))?;
    fadvise(&*file, 0, None, Advice::DontNeed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Keeps the tail in a file of its own, durably, before it is cut off. Dying in between leaves a second copy, no loss.
fn set_aside(path: &Path, journal: &File, sound: &Scan, tail: &[u8], disk: &dyn Disk) -> Result<PathBuf, OpenError> {
    let mut n = 1_u32;
    let aside = loop {
        let aside = with_suffix(path, &format!(".torn-{}-{n}", sound.due()));
        match disk.make(&Change::Create(&aside)) {
            Ok(()) => break aside,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => n += 1,
            Err(cause) => return Err(OpenError::io("keep a torn tail as", &aside)(cause)),
        }
    };
    let keep = || {
        let file = OpenOptions::new().write(true).open(&aside)?;
        disk.make(&Change::Write(&file, tail))?;
        disk.make(&Change::Sync(&file))
    };
    if let Err(cause) = keep() {
        // On a full disk every start would leave one more useless copy.
        drop(disk.make(&Change::Remove(&aside)));
        return Err(OpenError::io("keep a torn tail as", &aside)(cause));
    }
    sync_folder(folder_of(path), disk)?;
    let length = u64::try_from(sound.length).unwrap_or(u64::MAX);
    let cut = disk.make(&Change::Cut(journal, length)).and_then(|()| disk.make(&Change::Sync(journal)));
    cut.map_err(OpenError::io("cut a torn tail off", path))?;
    Ok(aside)
}
