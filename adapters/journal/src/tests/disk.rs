//! When the disk fails, at any change that the journal makes.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use turquoise_runtime::port::{Entry, Journal};

use super::faulty::{Done, Fault, Faulty, Then};
use super::{base, every_entry, lines, open};
use crate::compact::archives;
use crate::disk::{Change, Disk};
use crate::scan::scan;
use crate::{Bound, Head, OpenError, Opened, Options};

/// A folder for a journal and one for its head.
struct Place {
    _folder: tempfile::TempDir,
    journal: PathBuf,
    head: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder is made");
        let [journal, head] = ["state", "elsewhere"].map(|name| folder.path().join(name));
        fs::create_dir(&journal).expect("a folder is made");
        fs::create_dir(&head).expect("a folder is made");
        Self { journal: journal.join("journal"), head: head.join("head"), _folder: folder }
    }

    fn options(&self) -> Options {
        let bound = Bound { lines: 1, archives: 100 };
        Options { head: Some(Head::File(self.head.clone())), bound, ..Options::new(&self.journal) }
    }

    fn disk(&self, fault: Option<Fault>) -> Arc<Faulty> {
        let folder = |path: &Path| path.parent().expect("a file is in a folder").to_owned();
        Faulty::new(fault, &[&folder(&self.journal), &folder(&self.head)])
    }

    fn open_on(&self, disk: &Arc<Faulty>) -> Result<Opened, OpenError> {
        let disk: Arc<dyn Disk> = Arc::clone(disk) as _;
        crate::open::open(&self.options(), &disk)
    }

    /// Begins a journal, appends to it, leaves a torn tail, opens it again and goes on.
    fn live(&self, disk: &Arc<Faulty>, entries: &[Entry]) -> Lived {
        let mut lived = Lived { acknowledged: 0, torn: None };
        let (first, rest) = entries.split_at(2);
        let Ok(mut opened) = self.open_on(disk) else { return lived };
        lived.acknowledged = append(&mut opened, disk, first);
        drop(opened);
        if lived.acknowledged < first.len() {
            return lived;
        }
        let torn = lines(entries)[lived.acknowledged][..100].to_vec();
        let file = OpenOptions::new().append(true).open(&self.journal).expect("the journal is there");
        let planted = disk.make(&Change::Write(&file, &torn)).and_then(|()| disk.make(&Change::Sync(&file)));
        if planted.is_err() {
            return lived;
        }
        lived.torn = Some(torn);
        let Ok(mut opened) = self.open_on(disk) else { return lived };
        for (n, round) in rest.chunks(2).enumerate() {
            if n > 0 {
                // A refusal leaves the journal as it is, or ends it: which one shows in the next append.
                drop(opened.journal.compact(&base(lived.acknowledged as u64)));
            }
            lived.acknowledged += append(&mut opened, disk, round);
        }
        lived
    }

    /// Whether a torn tail is kept.
    fn keeps(&self, torn: &[u8]) -> bool {
        let folder = fs::read_dir(self.journal.parent().expect("a file is in a folder")).expect("the folder is read");
        let mut files = folder.map(|entry| entry.expect("a name is read").path());
        files.any(|file| file.to_string_lossy().contains(".torn-") && fs::read(file).expect("the file is read") == torn)
    }
}

/// Every record that is in a journal's archives or in itself, whoever has it twice.
fn past(journal: &Path) -> Vec<u64> {
    let mut files: Vec<_> = archives(journal).expect("the folder is read").into_values().collect();
    files.push(journal.to_owned());
    let mut seqs = Vec::new();
    for file in files {
        let sound = scan(&fs::read(file).expect("the file is read")).unwrap_or_else(|fault| panic!("{}", fault.damage));
        seqs.extend(sound.history.entries.iter().map(|entry| entry.record.lsn.0));
    }
    seqs.sort_unstable();
    seqs.dedup();
    seqs
}

/// What a run came to.
struct Lived {
    acknowledged: usize,
    torn: Option<Vec<u8>>,
}

/// Appends until the disk fails; then nothing more may be tried.
fn append(opened: &mut Opened, disk: &Faulty, entries: &[Entry]) -> usize {
    let acknowledged = entries.iter().take_while(|entry| opened.journal.append(entry).is_ok()).count();
    if acknowledged < entries.len() {
        let changes = disk.log().len();
        for entry in entries {
            assert!(opened.journal.append(entry).is_err(), "a journal that failed took another entry");
        }
        assert_eq!(disk.log().len(), changes, "a journal that failed touched the disk again");
    }
    acknowledged
}

#[test]
fn wherever_the_disk_fails_or_the_process_dies_or_the_power_goes_nothing_acknowledged_is_lost() {
    let entries = &every_entry()[..7];
    let place = Place::new();
    let disk = place.disk(None);
    assert_eq!(place.live(&disk, entries).acknowledged, entries.len());
    let log = disk.log();
    let kinds: BTreeSet<&str> = log.iter().map(String::as_str).collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["Create", "Cut", "Link", "MakeFolder", "Remove", "Rename", "Sync", "SyncFolder", "Write", "WriteAt"]
    );
    let (mut lost, mut kept, mut bases) = (0, 0, BTreeSet::new());
    for fault in Fault::all(log.len()) {
        let place = Place::new();
        let disk = place.disk(Some(fault));
        let Lived { acknowledged, torn } = place.live(&disk, entries);
        disk.settle();
        let context = format!("{fault:?} at {}", log[fault.at]);
        let head = Head::File(place.head.clone()).read().unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(head.map_or(0, |mark| mark.seq) >= acknowledged as u64, "{context}: the head is behind what was acknowledged");
        let opened = place.options().open().unwrap_or_else(|error| panic!("{context}: {error}"));
        let stands_for = opened.history.base.as_ref().map_or(0, |base| base.checkpoint.lsn.0);
        let first = usize::try_from(stands_for).expect("a few");
        let found = first + opened.history.entries.len();
        assert!((acknowledged..=acknowledged + 1).contains(&found), "{context}: {found} of {acknowledged} acknowledged");
        assert_eq!(opened.history.entries, entries[first..found], "{context}");
        assert_eq!(opened.history.base, (first > 0).then(|| base(stands_for)), "{context}");
        assert_eq!(past(&place.journal), (1..=found as u64).collect::<Vec<_>>(), "{context}: the past is lost");
        bases.insert(first);
        assert!(torn.is_none_or(|torn| place.keeps(&torn)), "{context}: the torn tail is lost");
        if found == acknowledged { lost += 1 } else { kept += 1 }
    }
    assert!(lost > 0 && kept > 0, "an entry in doubt is lost at times, and kept at times: {lost}, {kept}");
    assert_eq!(bases.into_iter().collect::<Vec<_>>(), [0, 4, 6], "the old journal is found at times, and the new ones");
}

#[test]
fn a_failed_sync_is_not_tried_again_even_if_the_disk_would_take_it_now() {
    let entries = &every_entry()[..3];
    let place = Place::new();
    drop(place.options().open().expect("the journal begins"));
    let changes_of_open = {
        let disk = place.disk(None);
        drop(place.open_on(&disk).expect("it is opened"));
        disk.log().len()
    };
    let disk = place.disk(Some(Fault { at: changes_of_open + 1, done: Done::Nothing, then: Then::GoesOn }));
    let mut opened = place.open_on(&disk).expect("it is opened");
    assert_eq!(append(&mut opened, &disk, entries), 0);
    assert_eq!(disk.log()[changes_of_open..], ["Write", "Sync"]);
}

/// A disk without room, or without the right to be written.
struct Refusing(i32);

impl Disk for Refusing {
    fn make(&self, change: &Change<'_>) -> std::io::Result<()> {
        match change {
            Change::Sync(_) | Change::SyncFolder(_) => change.make(),
            Change::MakeFolder(folder) if folder.exists() => change.make(),
            _ => Err(std::io::Error::from_raw_os_error(self.0)),
        }
    }
}

#[test]
fn a_full_and_a_read_only_disk_are_named_with_what_to_do() {
    let mut said = Vec::new();
    for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::ROFS, rustix::io::Errno::DQUOT] {
        let disk: Arc<dyn Disk> = Arc::new(Refusing(errno.raw_os_error()));
        let folder = tempfile::tempdir().expect("a folder is made");
        let path = folder.path().join("journal");
        let error = crate::open::open(&Options::new(&path), &disk).err().expect("no journal can begin");
        said.push(error.to_string().replace(folder.path().to_str().expect("text"), "/var/lib"));
        assert!(!path.exists());
        drop(open(&path));
        // What is there is read all the same: renewals need no journal.
        let mut opened = crate::open::open(&Options::new(&path), &disk).unwrap_or_else(|error| panic!("{error}"));
        let error = opened.journal.append(&every_entry()[0]).expect_err("nothing can be written");
        said.push(error.to_string().replace(folder.path().to_str().expect("text"), "/var/lib"));
        let error = opened.journal.append(&every_entry()[0]).expect_err("it failed before");
        said.push(error.to_string().replace(folder.path().to_str().expect("text"), "/var/lib"));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn an_entry_that_does_not_fit_is_refused_before_it_reaches_the_file() {
    let (folder, entries) = (tempfile::tempdir().expect("a folder is made"), every_entry());
    let path = folder.path().join("journal");
    let out_of_order = entries[1].clone();
    let mut too_long = entries[0].clone();
    too_long.handle = Some(turquoise_runtime::port::Handle("x".repeat(20_000)));
    for entry in [out_of_order, too_long] {
        assert!(open(&path).journal.append(&entry).is_err());
        assert!(open(&path).history.entries.is_empty());
    }
}
