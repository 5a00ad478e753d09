//! An access key.

use std::fs;
use std::path::Path;

use turquoise_runtime::memory::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// An access key.
pub struct Key {
    /// What names it. It is no secret.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
}

/// Why there is no key, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoKey(pub(crate) String);

impl From<Failure> for NoKey {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

pub(crate) const SESSION: &str =
    "it is a session's, which ends by itself and is not listed: hand over an access key of the user, which has no session token";

impl Key {
    /// The key that a profile of a shared credentials file has now.
    ///
    /// # Errors
    ///
    /// There is none, or it is a session's.
    pub fn of_profile(file: &Path, profile: &str) -> Result<Self, NoKey> {
        Ok(from_profile(file, profile)?)
    }
}

pub(crate) fn from_profile(file: &Path, profile: &str) -> Result<Key, Failure> {
    let fault = |why: &str| Failure::Unavailable(format!("the profile [{profile}] of {} {why}", file.display()));
    let bytes = fs::read(file).map(Zeroizing::new).map_err(|e| fault(&format!("cannot be read: {e}")))?;
    let text = str::from_utf8(&bytes).map_err(|_| fault("holds something else than text"))?;
    let lines = section(text, profile).ok_or_else(|| fault("is not there: write it, with a key of the user"))?;
    let value = |wanted: &str| {
        let pairs = lines.clone().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, value)| *name == wanted && !value.is_empty())
    };
    if value("aws_session_token").is_some() {
        return Err(Failure::Unfit(format!("the key of the profile [{profile}] will not do: {SESSION}")));
    }
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some((_, id)), Some((_, secret))) => Ok(Key { id: id.to_owned(), secret: secret.into() }),
        _ => Err(fault("has no key: write aws_access_key_id and aws_secret_access_key there")),
    }
}

/// The lines of a section.
fn section<'a>(text: &'a str, wanted: &str) -> Option<impl Iterator<Item = &'a str> + Clone> {
    let is_head = |line: &str| line.trim_start().starts_with('[');
    let mut lines = text.lines();
    lines.find(|line| {
        line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|name| name.trim() == wanted)
    })?;
    Some(lines.take_while(move |line| !is_head(line)).filter(|line| !line.trim_start().starts_with(['#', ';'])))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn profile(content: &str, name: &str) -> Result<Key, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("a write");
        Key::of_profile(file.path(), name).map_err(|why| why.to_string())
    }

    #[test]
    fn a_profile_is_told_from_its_neighbours() {
        let file = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = one\n\n# a comment\n[b]\n;aws_access_key_id = no\n\
                    aws_secret_access_key=a/b+c=\naws_access_key_id=AKIA2\n[session]\naws_access_key_id=ASIA\naws_session_token=x\n";
        let key = |name: &str| profile(file, name).map(|key| (key.id, key.secret.expose_secret().to_owned()));
        assert_eq!(key("default"), Ok(("AKIA1".to_owned(), "one".to_owned())));
        assert_eq!(key("b"), Ok(("AKIA2".to_owned(), "a/b+c=".to_owned())));
        assert!(key("c").is_err_and(|why| why.contains("is not there")));
        assert!(key("session").is_err_and(|why| why.contains("session")));
        assert!(profile("[default]\n", "default").is_err_and(|why| why.contains("has no key")));
    }
}
