//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::OpenError;
use crate::open::with_suffix;

/// How long a lock that is taken is waited for, and how often it is tried.
///
/// A child that this process starts shares its locks for the moment between its fork and its exec: a journal that was closed
/// meanwhile may seem to be in use.
const PATIENCE: Duration = Duration::from_millis(500);
const NAP: Duration = Duration::from_millis(5);

/// Takes the lock of a journal; it is held until the returned file is dropped, and no longer than the process lives.
///
/// What is locked is a file of its own, `<journal>.lock`: the journal may then be replaced under the lock. It is never
/// removed, because two processes could then hold locks on two files of one name.
pub(crate) fn take(journal: &Path) -> Result<File, OpenError> {
    let path = with_suffix(journal, ".lock");
    let io = || OpenError::io("lock", &path);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = opened.map_err(io())?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(NAP),
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: journal.to_owned(), holder: holder(&mut file).map_err(io())? });
            }
            Err(TryLockError::Error(cause)) => return Err(io()(cause)),
        }
    }
    // The number only helps a person: a disk too full for it must not keep recovery from reading.
    drop(sign(&mut file));
    Ok(file)
}

fn holder(file: &mut File) -> io::Result<String> {
    let mut pid = String::new();
    file.read_to_string(&mut pid)?;
    Ok(pid.trim().parse::<u32>().map_or("another process".to_owned(), |pid| format!("process {pid}")))
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", process::id())
}
