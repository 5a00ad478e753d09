//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use crate::error::OpenError;
use crate::open::with_suffix;

/// Takes the lock of a journal; it is held until the returned file is dropped, and no longer than the process lives.
///
/// What is locked is a file of its own, `<journal>.lock`: the journal may then be replaced under the lock. It is never
/// removed, because two processes could then hold locks on two files of one name.
pub(crate) fn take(journal: &Path) -> Result<File, OpenError> {
    let path = with_suffix(journal, ".lock");
    let io = |cause| OpenError::Io { doing: "lock", path: path.clone(), cause };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            // The number only helps a person: a disk too full for it must not keep recovery from reading.
            drop(sign(&mut file));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(io)?;
            let holder = pid.trim().parse::<u32>().map_or("another process".to_owned(), |pid| format!("process {pid}"));
            Err(OpenError::Locked { path: journal.to_owned(), holder })
        }
        Err(TryLockError::Error(cause)) => Err(io(cause)),
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", process::id())
}
