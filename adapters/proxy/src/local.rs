//! The local token: what a client that cannot be changed is given in place of a credential that rotates.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use zeroize::Zeroizing;

/// What every local token begins with.
const PREFIX: &str = "turq_";
const RANDOM: usize = 32;
/// 32 bytes in letters.
const LETTERS: usize = 43;

/// What clients show. It is worth nothing but at the proxy, never reaches the server, and is the same after each start.
pub struct LocalToken {
    token: Secret,
}

/// Why there is no local token.
#[derive(Debug, thiserror::Error)]
pub enum LocalTokenError {
    /// The file cannot be had.
    #[error("the local token's file {} cannot be {doing} ({cause}): see to its folder", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// Others can read it.
    #[error("the local token's file {} has mode {mode:04o}, and others may know the token: remove it for a new one", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error("{} holds no local token: remove it for a new one, or name another file", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

impl LocalToken {
    /// The token in this file; a new one in a new file, mode 0600, if there is none. Of several processes that make one at the
    /// same time all get the same.
    ///
    /// # Errors
    ///
    /// See [`LocalTokenError`].
    pub fn in_file(path: &Path) -> Result<Self, LocalTokenError> {
        if let Some(token) = read(path)? {
            return Ok(token);
        }
        write(path, |from| fs::hard_link(from, path))?;
        read(path)?.ok_or_else(|| LocalTokenError::Content { path: path.to_owned() })
    }

    /// A new token in this file, whatever it held. A proxy that runs knows the one that it was started with.
    ///
    /// # Errors
    ///
    /// See [`LocalTokenError`].
    pub fn replace(path: &Path) -> Result<Self, LocalTokenError> {
        write(path, |from| fs::rename(from, path))?;
        read(path)?.ok_or_else(|| LocalTokenError::Content { path: path.to_owned() })
    }

    /// Whether this is it. How long that takes says nothing of where the two differ.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        self.bytes().ct_eq(shown).into()
    }

    /// Whether it is anywhere in this.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        let token = self.bytes();
        // Only what begins as a token does is compared.
        let mut rest = text;
        while let Some(at) = find(rest, PREFIX.as_bytes()) {
            rest = &rest[at..];
            if rest.len() < token.len() {
                return false;
            }
            if self.is(&rest[..token.len()]) {
                return true;
            }
            rest = &rest[PREFIX.len()..];
        }
        false
    }

    fn bytes(&self) -> &[u8] {
        self.token.expose_secret().as_bytes()
    }
}

/// For who tells it to a client.
impl turquoise_runtime::memory::ExposeSecret<str> for LocalToken {
    fn expose_secret(&self) -> &str {
        self.token.expose_secret()
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Writes a new token beside its file and has `put` give it its name: nobody ever sees half of one, or one that others can read.
fn write(path: &Path, put: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), LocalTokenError> {
    let fault = |doing| move |cause| LocalTokenError::Io { path: path.to_owned(), doing, cause };
    let mut random = Zeroizing::new([0; RANDOM]);
    getrandom::fill(random.as_mut()).map_err(|why| fault("made")(io::Error::other(why.to_string())))?;
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + LETTERS));
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(random.as_ref(), &mut token);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", getrandom::u64().map_err(|why| fault("made")(io::Error::other(why.to_string())))?));
    let temporary = PathBuf::from(temporary);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
        file.write_all(token.as_bytes())?;
        file.sync_all()
    });
    let put = written.and_then(|()| match put(&temporary) {
        // Another process was quicker: its token is ours too.
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    match fs::remove_file(&temporary) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(fault("made")(why)),
        _ => put.map_err(fault("made"))?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault("made"))
}

/// The token in a file, if there is one.
fn read(path: &Path) -> Result<Option<LocalToken>, LocalTokenError> {
    let fault = |cause| LocalTokenError::Io { path: path.to_owned(), doing: "read", cause };
    let file = match File::open(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fault)?,
    };
    let mode = file.metadata().map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(LocalTokenError::Open { path: path.to_owned(), mode });
    }
    // A buffer that does not grow leaves no copy behind.
    let mut found = Zeroizing::new(String::with_capacity(128));
    let content = || LocalTokenError::Content { path: path.to_owned() };
    file.take(128).read_to_string(&mut found).map_err(|_| content())?;
    let token = found.trim_end();
    let letters = token.strip_prefix(PREFIX).ok_or_else(content)?;
    let fits = letters.len() == LETTERS && letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fits { Ok(Some(LocalToken { token: token.into() })) } else { Err(content()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_after_each_start_and_another_when_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("local");
        let token = LocalToken::in_file(&path).expect("a new one");
        assert!(token.expose_secret().starts_with(PREFIX) && token.expose_secret().len() == PREFIX.len() + LETTERS);
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(LocalToken::in_file(&path).expect("the same").is(token.bytes()));
        assert!(!LocalToken::replace(&path).expect("another").is(token.bytes()));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_others_can_read_or_that_holds_something_else_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("local");
        drop(LocalToken::in_file(&path).expect("a new one"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
        assert!(matches!(LocalToken::in_file(&path), Err(LocalTokenError::Open { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        for other in ["", "hvs.abc", "turq_", "turq_short"] {
            fs::write(&path, other).expect("it is ours");
            assert!(matches!(LocalToken::in_file(&path), Err(LocalTokenError::Content { .. })), "{other:?} was taken");
        }
    }

    #[test]
    fn it_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = LocalToken::in_file(&folder.path().join("local")).expect("a new one");
        let text = token.expose_secret();
        for with in [text.to_owned(), format!("turq_turq_{text}"), format!("{{\"token\":\"{text}\"}}")] {
            assert!(token.is_in(with.as_bytes()), "{with}");
        }
        for without in ["", "turq_", &text[1..], &text[..text.len() - 1]] {
            assert!(!token.is_in(without.as_bytes()), "{without}");
        }
    }
}
