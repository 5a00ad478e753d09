//! Secrets that come in files.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The one line of a file, without the white space after it. What is missing may come later.
pub(crate) fn read(path: &Path, what: &str, remedy: &str) -> Result<SecretString, Failure> {
    const LONGEST: usize = 64 << 10;
    let fault = |why: &str| Failure::Unavailable(format!("the {what} {} {why}: {remedy}", path.display()));
    let open = |path| {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    let (file, size) = open(path).map_err(|e: std::io::Error| fault(&format!("cannot be read ({e})")))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > LONGEST {
        return Err(fault("is too long to be one"));
    }
    // Of a buffer that grows, a copy is left where nobody wipes it.
    let mut bytes = Zeroizing::new(vec![0; size]);
    file.take(LONGEST as u64)
        .read_exact(&mut bytes)
        .map_err(|e| fault(&format!("cannot be read, or was changed meanwhile ({e})")))?;
    match str::from_utf8(bytes.trim_ascii_end()) {
        Ok("") => Err(fault("is empty")),
        Ok(text) => Ok(SecretString::from(text)),
        Err(_) => Err(fault("holds something else than text")),
    }
}

/// Whether a file is still the one that was looked at: not what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(Option<(u64, i64, i64, u64)>);

impl Mark {
    pub(crate) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|seen| (seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.len())))
    }
}
