//! The key of a sealed store, and the bytes of a slot under it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use turquoise_runtime::core::Color;
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use zeroize::Zeroizing;

use crate::error::SinkError;
use crate::slot::{Unsound, hex};

const KEY: usize = 32;
const NONCE: usize = 24;
/// What each sealed slot begins with; its version and the name of its key follow.
const MAGIC: &str = "turquoise sealed ";
const VERSION: u64 = 1;

/// 256 bits that open a sealed store. It has no `Debug`; it is kept in locked memory and wiped.
pub(crate) struct Key {
    digits: Secret,
    /// Tells keys apart, and gives nothing away.
    name: String,
}

impl Key {
    /// Reads a key from a file that nobody but its owner may read: 32 bytes, or 64 hexadecimal digits and perhaps a newline.
    ///
    /// A systemd credential (`LoadCredentialEncrypted=`) is such a file.
    pub(crate) fn read(path: &Path) -> Result<Self, SinkError> {
        let refuse = |why: String| SinkError::Key { path: path.to_owned(), why };
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|why| refuse(why.to_string()))?;
        let found = file.metadata().map_err(|why| refuse(why.to_string()))?;
        if !found.is_file() {
            return Err(refuse("it is not a file".to_owned()));
        }
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(refuse(format!("mode {mode:04o} lets others read it; use 0400")));
        }
        let mut bytes = Zeroizing::new([0; 2 * KEY + 2]);
        let length = fill(file, &mut bytes[..]).map_err(|why| refuse(why.to_string()))?;
        let key = decode(&bytes[..length]).ok_or_else(|| {
            refuse("a key is 32 bytes or 64 hexadecimal digits; make one: (umask 077; openssl rand -hex 32 > key)".to_owned())
        })?;
        Ok(Self::new(&key))
    }

    fn new(key: &[u8; KEY]) -> Self {
        let digits = Zeroizing::new(hex(key));
        let named = Sha256::new().chain_update("turquoise seal\n").chain_update(key).finalize();
        Self { digits: Secret::from(digits.as_str()), name: hex(&named[..8]) }
    }

    /// Refuses a key that lies beside what it seals: who can read the one can read the other.
    pub(crate) fn lies_elsewhere(path: &Path, folder: &Path) -> Result<(), SinkError> {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if real(parent).is_some_and(|parent| Some(parent) == real(folder)) {
            let why = "it lies beside what it seals; keep it elsewhere, as a systemd credential for one".to_owned();
            return Err(SinkError::Key { path: path.to_owned(), why });
        }
        Ok(())
    }

    /// The bytes of a slot, for nobody without this key to read or to change.
    pub(crate) fn seal(&self, slot: Color, mut plain: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let head = format!("{MAGIC}{VERSION} {}\n", self.name);
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        self.cipher().encrypt_in_place(&XNonce::from(nonce), &aside(&head, slot), &mut *plain).map_err(too_long)?;
        Ok(Zeroizing::new([head.as_bytes(), &nonce, &plain].concat()))
    }

    /// What was sealed for this slot.
    pub(crate) fn open(&self, slot: Color, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsound> {
        let end = sealed.iter().position(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let (head, rest) = sealed.split_at(end);
        let head = str::from_utf8(head).map_err(|_| Unsound::Damaged("it is not sealed"))?;
        let words = head.strip_prefix(MAGIC).and_then(|words| words.trim_end().split_once(' '));
        let (version, name) = words.ok_or(Unsound::Damaged("it is not sealed"))?;
        match version.parse() {
            Ok(VERSION) => {}
            Ok(newer) => return Err(Unsound::Newer(newer)),
            Err(_) => return Err(Unsound::Damaged("it names no format")),
        }
        if name != self.name {
            return Err(Unsound::Damaged("it is sealed with another key"));
        }
        let broken = Unsound::Damaged("its seal is broken");
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE>() else { return Err(broken) };
        let mut plain = Zeroizing::new(sealed.to_vec());
        let opened = self.cipher().decrypt_in_place(&XNonce::from(*nonce), &aside(head, slot), &mut *plain);
        opened.map(|()| plain).map_err(|_| broken)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = decode(self.digits.expose_secret().as_bytes()).unwrap_or_else(|| unreachable!("made of a key's digits"));
        XChaCha20Poly1305::new((&*key).into())
    }
}

/// What is sealed beside the secret: a slot's bytes under the other one's name are of no use.
fn aside(head: &str, slot: Color) -> Vec<u8> {
    [head, slot.name()].concat().into_bytes()
}

/// 32 bytes, or 64 digits for them.
fn decode(bytes: &[u8]) -> Option<Zeroizing<[u8; KEY]>> {
    if let Ok(raw) = <[u8; KEY]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if digits.len() != 2 * KEY {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

/// Reads until the end or until the buffer is full.
fn fill(mut from: impl io::Read, to: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < to.len() {
        match from.read(&mut to[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}
