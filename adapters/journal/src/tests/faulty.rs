//! A disk that fails, or dies, at one change; and what is left of it when the power goes.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Change, Disk};

/// What goes wrong at the change with this number, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    /// How far the change comes.
    pub(super) done: Done,
    pub(super) then: Then,
}

/// How far a change that fails comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Nothing,
    /// Half of what is written; nothing of anything else.
    Half,
    All,
}

/// What comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// An error is answered, and what comes later is done.
    GoesOn,
    /// The process has died: nothing is done any more.
    Dies,
    /// The power is gone: nothing is done any more, and what was not synced is lost.
    LosesPower,
    /// The same, but renames had reached the disk before anything else did.
    LosesPowerOutOfOrder,
}

impl Fault {
    /// Every way in which a run of so many changes can go wrong once.
    pub(super) fn all(changes: usize) -> impl Iterator<Item = Self> {
        let ends = [Then::GoesOn, Then::Dies, Then::LosesPower, Then::LosesPowerOutOfOrder];
        (0..changes).flat_map(move |at| {
            [Done::Nothing, Done::Half, Done::All].into_iter().flat_map(move |done| ends.map(|then| Self { at, done, then }))
        })
    }
}

pub(super) struct Faulty {
    fault: Option<Fault>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Vec<String>,
    /// By number: what a power loss leaves of a file. That it is open keeps its number from being given to another one.
    synced: HashMap<u64, (File, Vec<u8>)>,
    /// The names that a power loss leaves in each folder.
    names: BTreeMap<PathBuf, BTreeMap<PathBuf, u64>>,
    /// The renames since, in order: from, to, and what is meant.
    renames: Vec<(PathBuf, PathBuf, u64)>,
}

impl Faulty {
    /// What is in these folders is synced.
    pub(super) fn new(fault: Option<Fault>, folders: &[&Path]) -> Arc<Self> {
        let mut state = State::default();
        for folder in folders {
            state.sync_folder(folder).expect("the folder is read");
            for file in files(folder).expect("the folder is read").into_keys() {
                state.sync(&File::open(file).expect("the file is there")).expect("the file is read");
            }
        }
        Arc::new(Self { fault, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the disk")
    }

    /// The kinds of all changes that were asked for, in order.
    pub(super) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// Takes everything away that was not synced, if the power has gone.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        match self.fault.filter(|fault| fault.at < state.log.len()).map(|fault| fault.then) {
            None | Some(Then::GoesOn | Then::Dies) => return,
            Some(Then::LosesPower) => {}
            Some(Then::LosesPowerOutOfOrder) => state.rename_early(),
        }
        for (folder, names) in &state.names {
            for file in files(folder).expect("the folder is read").into_keys() {
                fs::remove_file(file).expect("the file is removed");
            }
            for (name, number) in names {
                let synced = state.synced.get(number).map(|(_, bytes)| bytes.as_slice());
                fs::write(name, synced.unwrap_or_default()).expect("the file is written");
            }
        }
    }
}

impl Disk for Faulty {
    fn make(&self, change: &Change<'_>) -> io::Result<()> {
        let mut state = self.state();
        let number = state.log.len();
        let text = format!("{change:?}");
        state.log.push(text.split('(').next().unwrap_or_default().to_owned());
        match self.fault {
            Some(fault) if number == fault.at => {
                match (fault.done, change) {
                    (Done::All, _) => state.make(change)?,
                    (Done::Half, Change::Write(file, bytes)) => state.make(&Change::Write(file, &bytes[..bytes.len() / 2]))?,
                    (Done::Half, Change::WriteAt(file, bytes, offset)) => {
                        state.make(&Change::WriteAt(file, &bytes[..bytes.len() / 2], *offset))?;
                    }
                    _ => {}
                }
                Err(io::Error::other("the disk is gone"))
            }
            Some(fault) if number > fault.at && fault.then != Then::GoesOn => Err(io::Error::other("the process is gone")),
            _ => state.make(change),
        }
    }
}

impl State {
    fn make(&mut self, change: &Change<'_>) -> io::Result<()> {
        change.make()?;
        match *change {
            Change::Rename(from, to) => {
                let file = File::open(to)?;
                let number = file.metadata()?.ino();
                self.synced.entry(number).or_insert((file, Vec::new()));
                self.renames.push((from.to_owned(), to.to_owned(), number));
                Ok(())
            }
            Change::Sync(file) => self.sync(file),
            Change::SyncFolder(folder) => self.sync_folder(folder),
            _ => Ok(()),
        }
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        let bytes = fs::read(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        self.synced.insert(file.metadata()?.ino(), (file.try_clone()?, bytes));
        Ok(())
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        let files = files(folder)?;
        for (path, number) in &files {
            if !self.synced.contains_key(number) {
                self.synced.insert(*number, (File::open(path)?, Vec::new()));
            }
        }
        self.names.insert(folder.to_owned(), files);
        self.renames.retain(|(_, to, _)| to.parent() != Some(folder));
        Ok(())
    }

    fn rename_early(&mut self) {
        for (from, to, number) in std::mem::take(&mut self.renames) {
            let names = to.parent().and_then(|folder| self.names.get_mut(folder)).expect("the folder is known");
            names.remove(&from);
            names.insert(to, number);
        }
    }
}

/// The files in a folder, with their numbers. The lock is none of the journal's.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, u64>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_file() && entry.path().extension().is_none_or(|extension| extension != "lock") {
            files.insert(entry.path(), found.ino());
        }
    }
    Ok(files)
}
