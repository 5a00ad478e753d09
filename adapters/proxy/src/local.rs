//! The local token: what a client that cannot be changed is given in place of a credential that rotates.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;
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

    /// A new token in this file, whatever it held. A proxy that runs knows the one that it was started with, until it is told of
    /// another one ([`Remote::replace_local_token`](crate::Remote::replace_local_token)).
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

    /// Whether this is written as local tokens are, and as no token of a server is.
    pub(crate) fn is_written_so(shown: &[u8]) -> bool {
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let letters = shown.strip_prefix(PREFIX.as_bytes());
        letters.is_some_and(|letters| letters.len() == LETTERS && letters.iter().all(is_letter))
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

/// The local tokens that a proxy takes, which may change while it runs.
#[derive(Default)]
pub(crate) struct Locals(RwLock<Option<Arc<Accepted>>>);

/// The local tokens that are taken at a time: one, and for a while the one before it.
pub(crate) struct Accepted {
    current: Arc<LocalToken>,
    /// Until when.
    before: Option<(Arc<LocalToken>, Instant)>,
}

impl Locals {
    pub(crate) fn new(token: Option<LocalToken>) -> Self {
        Self(RwLock::new(token.map(|token| Arc::new(Accepted { current: Arc::new(token), before: None }))))
    }

    /// Those of now.
    pub(crate) fn now(&self) -> Option<Arc<Accepted>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this one is taken, and for so long the one that was until now. The one before that is not.
    pub(crate) fn replace(&self, token: LocalToken, overlap: Duration) {
        let until = Instant::now() + overlap;
        let mut accepted = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = accepted.take().map(|old| (Arc::clone(&old.current), until));
        *accepted = Some(Arc::new(Accepted { current: Arc::new(token), before }));
    }

    /// Lets go of the one before if its time is over.
    pub(crate) fn sweep(&self) {
        let is_over = |old: &Accepted| old.before.as_ref().is_some_and(|(_, until)| *until <= Instant::now());
        if self.now().is_some_and(|old| is_over(&old)) {
            let mut accepted = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(old) = accepted.take_if(|old| is_over(old)) {
                *accepted = Some(Arc::new(Accepted { current: Arc::clone(&old.current), before: None }));
            }
        }
    }
}

impl Accepted {
    /// The one in the file.
    pub(crate) fn current(&self) -> &LocalToken {
        &self.current
    }

    fn all(&self) -> impl Iterator<Item = &LocalToken> {
        let before = self.before.as_ref().filter(|(_, until)| Instant::now() < *until);
        [&*self.current].into_iter().chain(before.map(|(token, _)| &**token))
    }

    /// The one of them that this is.
    pub(crate) fn find(&self, shown: &[u8]) -> Option<&LocalToken> {
        self.all().find(|token| token.is(shown))
    }

    /// Whether one of them is anywhere in this.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.all().any(|token| token.is_in(text))
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
    if LocalToken::is_written_so(token.as_bytes()) { Ok(Some(LocalToken { token: token.into() })) } else { Err(content()) }
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
    fn the_one_before_is_taken_for_a_while_and_let_go_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("local");
        let one = |token: &LocalToken| token.expose_secret().to_owned();
        let first = LocalToken::in_file(&path).expect("a new one");
        let mut texts = vec![one(&first)];
        let locals = Locals::new(Some(first));
        let now = || locals.now().expect("there are some");
        let hour = Duration::from_hours(1);
        for (overlap, taken) in
            [(hour, &[true, true][..]), (hour, &[false, true, true]), (Duration::ZERO, &[false, false, false, true])]
        {
            let next = LocalToken::replace(&path).expect("another");
            texts.push(one(&next));
            locals.replace(next, overlap);
            locals.sweep();
            assert_eq!(texts.iter().map(|text| now().find(text.as_bytes()).is_some()).collect::<Vec<_>>(), taken);
        }
        assert!(now().before.is_none(), "it is let go of");
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
