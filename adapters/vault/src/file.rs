//! Secrets that come in files.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The one line of a file, without the white space after it. What is missing may come later.
pub(crate) fn read(path: &Path, what: &str, remedy: &str) -> Result<SecretString, Failure> {
    const LONGEST: usize = 64 << 10;
    let fault = |why: &str| Failure::Unavailable(format!("the {what} {} {why}: {remedy}", path.display()));
    // Of a buffer that grows, a copy is left where nobody wipes it.
    let mut bytes = Zeroizing::new(vec![0; LONGEST + 1]);
    let length = File::open(path).and_then(|file| fill(file, &mut bytes)).map_err(|e| fault(&format!("cannot be read ({e})")))?;
    if length > LONGEST {
        return Err(fault("is too long to be one"));
    }
    match str::from_utf8(bytes[..length].trim_ascii_end()) {
        Ok("") => Err(fault("is empty")),
        Ok(text) => Ok(SecretString::from(text)),
        Err(_) => Err(fault("holds something else than text")),
    }
}

/// Reads until the buffer is full or nothing more comes.
fn fill(mut file: File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}

/// Whether a file is still the one that was looked at: not what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark(Option<(u64, i64, i64, u64)>);

impl Mark {
    pub(crate) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|seen| (seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.len())))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn reads(content: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("a write");
        let read = read(file.path(), "file", "write it");
        read.map(|text| text.expose_secret().to_owned()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_file_holds_one_text_that_is_not_too_long() {
        assert_eq!(reads(b"s.token\n"), Ok("s.token".to_owned()));
        assert_eq!(reads(&vec![b'x'; 64 << 10]).map(|text| text.len()), Ok(64 << 10));
        for (content, why) in
            [(vec![b'x'; (64 << 10) + 1], "too long"), (b" \n".to_vec(), "empty"), (vec![0xff], "else than text")]
        {
            assert!(reads(&content).is_err_and(|text| text.contains(why)), "{why}");
        }
    }
}
