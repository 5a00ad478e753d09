//! Atomic, durable writes of small files in one folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::error::SinkError;
use crate::outlets::Owner;

/// No file of a sink is larger.
const LARGEST: u64 = 1024 * 1024;

/// What a file system answers that has no sync. All else is a failure of the disk.
const UNSYNCED: [Errno; 3] = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];

/// The steps of a change, in their order. A process may die before each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    SetMode,
    Write,
    SyncFile,
    Rename,
    Remove,
    SyncFolder,
    ReadBack,
}

/// What a file has before it has content.
#[derive(Clone, Copy)]
pub(crate) struct Permits {
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
}

impl Permits {
    /// For us alone.
    pub(crate) const PRIVATE: Self = Self { mode: 0o600, owner: Owner { user: None, group: None } };
}

/// A name in the folder, and the one its content has while it is being written.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) file: OsString,
    pub(crate) temporary: OsString,
}

pub(crate) struct Folder {
    path: PathBuf,
    /// Its file system does not sync, and that was said.
    is_unsynced: bool,
    /// Called before each step; an error stops there. Only tests give another one than that which lets all pass.
    pub(crate) before: Box<dyn FnMut(Step) -> io::Result<()> + Send>,
}

impl Folder {
    /// A folder that exists.
    pub(crate) fn open(path: &Path) -> Result<Self, SinkError> {
        let refuse = |cause| SinkError::NoFolder { folder: path.to_owned(), cause };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Self { path: path.to_owned(), is_unsynced: false, before: Box::new(|_| Ok(())) }),
            Ok(_) => Err(refuse(io::ErrorKind::NotADirectory.into())),
            Err(cause) => Err(refuse(cause)),
        }
    }

    pub(crate) fn join(&self, file: &OsStr) -> PathBuf {
        self.path.join(file)
    }

    /// Refuses what is there but is not a regular file.
    pub(crate) fn expect_file_or_nothing(&self, file: &OsStr) -> Result<(), SinkError> {
        let path = self.join(file);
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => Ok(()),
            Ok(_) => Err(SinkError::NotAFile { path }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(SinkError::Io { doing: "look at", path, cause }),
        }
    }

    /// Puts content under a name: whoever looks finds what was there before, or all of this.
    pub(crate) fn replace(&mut self, name: &Name, permits: Permits, content: &[u8]) -> Result<(), SinkError> {
        self.stage(name, permits, content)?;
        self.commit(name, content)
    }

    /// Writes content aside, durably: nobody sees it yet.
    pub(crate) fn stage(&mut self, name: &Name, permits: Permits, content: &[u8]) -> Result<(), SinkError> {
        self.expect_file_or_nothing(&name.file)?;
        let temporary = self.join(&name.temporary);
        self.write(&temporary, permits, content).map_err(|cause| {
            drop(self.remove_leftover(name)); // the next write, or the next start, tries again
            SinkError::Io { doing: "write", path: temporary, cause }
        })
    }

    /// Puts what was written aside under its name, and reads it back.
    pub(crate) fn commit(&mut self, name: &Name, content: &[u8]) -> Result<(), SinkError> {
        let (file, temporary) = (self.join(&name.file), self.join(&name.temporary));
        if let Err(cause) = self.step(Step::Rename, || fs::rename(&temporary, &file)) {
            drop(self.remove_leftover(name)); // the next write, or the next start, tries again
            return Err(SinkError::Io { doing: "rename to", path: file, cause });
        }
        self.sync()?;
        self.step(Step::ReadBack, || Ok(())).map_err(|cause| SinkError::Io { doing: "read back", path: file.clone(), cause })?;
        let found = self.read(&name.file)?;
        if found.is_some_and(|found| *found == content) { Ok(()) } else { Err(SinkError::ReadBack { path: file }) }
    }

    /// Removes a file, durably; it may be gone already.
    pub(crate) fn remove(&mut self, file: &OsStr) -> Result<(), SinkError> {
        let path = self.join(file);
        self.step(Step::Remove, || remove_if_there(&path)).map_err(|cause| SinkError::Io { doing: "remove", path, cause })?;
        self.sync()
    }

    /// Makes what the folder lists durable.
    pub(crate) fn sync(&mut self) -> Result<(), SinkError> {
        let path = self.path.clone();
        self.synced(Step::SyncFolder, || File::open(&path)?.sync_all()).map_err(|cause| SinkError::Io {
            doing: "sync the folder",
            path,
            cause,
        })
    }

    /// Refuses what is no file under this name, and removes what a write left that did not end.
    pub(crate) fn clean(&self, name: &Name) -> Result<(), SinkError> {
        self.expect_file_or_nothing(&name.file)?;
        self.remove_leftover(name)
    }

    /// Removes what a write left that did not end.
    fn remove_leftover(&self, name: &Name) -> Result<(), SinkError> {
        let path = self.join(&name.temporary);
        remove_if_there(&path).map_err(|cause| SinkError::Io { doing: "remove the leftover", path, cause })
    }

    /// The content of a file, if it is there.
    pub(crate) fn read(&self, file: &OsStr) -> Result<Option<Zeroizing<Vec<u8>>>, SinkError> {
        self.expect_file_or_nothing(file)?;
        let path = self.join(file);
        match read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(SinkError::Io { doing: "read", path, cause }),
        }
    }

    fn write(&mut self, temporary: &Path, Permits { mode, owner }: Permits, content: &[u8]) -> io::Result<()> {
        let mut file = self.step(Step::Create, || {
            remove_if_there(temporary)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)
        })?;
        self.step(Step::SetMode, || {
            if owner != Owner::default() {
                fchown(&file, owner.user, owner.group)?;
            }
            file.set_permissions(Permissions::from_mode(mode))
        })?;
        self.step(Step::Write, || file.write_all(content))?;
        self.synced(Step::SyncFile, || file.sync_all())
    }

    /// A file system that cannot sync at all is not worth an outage: it is said once, and what is there survives the process, if
    /// not the power.
    fn synced(&mut self, step: Step, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.step(step, act) {
            Err(cause) if Errno::from_io_error(&cause).is_some_and(|errno| UNSYNCED.contains(&errno)) => {
                if !std::mem::replace(&mut self.is_unsynced, true) {
                    let next = "put the sink on a file system that syncs, or on a tmpfs";
                    tracing::warn!(folder = %self.path.display(), %cause, next, "its file system cannot sync");
                }
                Ok(())
            }
            other => other,
        }
    }

    fn step<T>(&mut self, step: Step, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        (self.before)(step)?;
        act()
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// Reads into one buffer that never moves, so that no copy is left behind unwiped.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let size = file.metadata()?.len();
    if size > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut content = Zeroizing::new(vec![0; size]);
    file.read_exact(&mut content)?;
    Ok(content)
}
