//! A journal that has grown long begins anew, and its old file becomes an archive.
//!
//! In this order, so that dying anywhere leaves the old journal or the new one, whole, under the journal's name:
//!
//! 1. The base is written to `<journal>.new` and synced.
//! 2. The old file gets its archive's name beside its own, and the folder is synced.
//! 3. `<journal>.new` takes the journal's name, and the folder is synced.
//!
//! A failure before the third step changes nothing that counts. One within it leaves it open which file the name means
//! after a power loss, so nothing is appended any more.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use turquoise_runtime::port::{Base, Compacted, NotCompacted};

use crate::codec;
use crate::disk::{Change, Disk};
use crate::error::remedy;
use crate::file::{FileJournal, Health};
use crate::head::Mark;
use crate::open::{folder_of, with_suffix};

/// What the name of an archive has after the journal's, before its number.
const ARCHIVE: &str = ".archive-";

impl FileJournal {
    pub(crate) fn begin_anew(&mut self, base: &Base) -> Result<Compacted, NotCompacted> {
        let line = codec::encode_base(base, &self.last.hash).map_err(|error| NotCompacted(error.to_string()))?;
        let new = with_suffix(&self.path, ".new");
        let disk = self.disk.as_ref();
        let prepared = prepare(&new, &line, disk).and_then(|file| Ok((file, keep(&self.path, disk)?)));
        let (file, archive) = prepared.map_err(|cause| self.refused("is as it was", &cause))?;
        let replaced = disk.make(&Change::Rename(&new, &self.path));
        let replaced = replaced.and_then(|()| disk.make(&Change::SyncFolder(folder_of(&self.path))));
        if let Err(cause) = replaced {
            self.health = Health::Poisoned;
            return Err(self.refused("takes no more entries until it is opened anew", &cause));
        }
        self.file = file;
        self.lines = 1;
        self.last = Mark::new(self.last.seq, &codec::sha256(&line));
        let removed = self.make_room().map_err(|cause| self.refused("has begun anew, and holds too many archives", &cause))?;
        Ok(Compacted { archive: archive.display().to_string(), removed })
    }

    fn refused(&self, state: &str, cause: &io::Error) -> NotCompacted {
        let path = self.path.display();
        NotCompacted(format!("{path} cannot be bounded: {cause}; {}; it {state}", remedy(cause)))
    }

    /// Removes the oldest archives.
    fn make_room(&self) -> io::Result<Vec<String>> {
        let mut archives = archives(&self.path)?;
        let mut removed = Vec::new();
        while archives.len() > self.bound.archives.max(1) {
            let Some((_, oldest)) = archives.pop_first() else { break };
            self.disk.make(&Change::Remove(&oldest))?;
            removed.push(oldest.display().to_string());
        }
        Ok(removed)
    }
}

/// Writes a file with one line, to be appended to.
fn prepare(new: &Path, line: &[u8], disk: &dyn Disk) -> io::Result<File> {
    match disk.make(&Change::Remove(new)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    disk.make(&Change::Create(new))?;
    let file = OpenOptions::new().append(true).open(new)?;
    disk.make(&Change::Write(&file, line))?;
    disk.make(&Change::Sync(&file))?;
    Ok(file)
}

/// Gives the journal its archive's name as well, durably.
fn keep(path: &Path, disk: &dyn Disk) -> io::Result<PathBuf> {
    let (last, latest) = archives(path)?.pop_last().unzip();
    let archive = match latest {
        // Whoever tried before died after this step: what it has is the journal itself.
        Some(latest) if fs::metadata(&latest)?.ino() == fs::metadata(path)?.ino() => latest,
        _ => {
            let next = archive(path, last.unwrap_or(0) + 1);
            disk.make(&Change::Link(path, &next))?;
            next
        }
    };
    disk.make(&Change::SyncFolder(folder_of(path)))?;
    Ok(archive)
}

/// The archives of a journal, oldest first: `<journal>.archive-1`, `<journal>.archive-2`, … No file with another journal's name
/// can be meant.
pub(crate) fn archives(path: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut archives = BTreeMap::new();
    let Some(name) = path.file_name().map(std::ffi::OsStr::as_encoded_bytes) else { return Ok(archives) };
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let found = entry.file_name();
        let number = found.as_encoded_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(ARCHIVE.as_bytes()));
        let number = number.and_then(|digits| str::from_utf8(digits).ok()?.parse::<u64>().ok());
        if let Some(number) = number
            && found == *archive(path, number).file_name().unwrap_or_default()
        {
            archives.insert(number, entry.path());
        }
    }
    Ok(archives)
}

fn archive(path: &Path, number: u64) -> PathBuf {
    with_suffix(path, &format!("{ARCHIVE}{number}"))
}
