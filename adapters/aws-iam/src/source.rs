//! Where the first key comes from.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::reply::Made;

/// Where the first key comes from. It is adopted: nothing about it is changed until it retires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// A profile of a shared credentials file.
    Profile {
        /// The file: `~/.aws/credentials`.
        file: PathBuf,
        /// The profile: `default`.
        profile: String,
    },
}

impl Source {
    pub(crate) fn read(&self) -> Result<Made, Failure> {
        match self {
            Self::Environment => from_environment(|name| env::var_os(name)),
            Self::Profile { file, profile } => from_profile(file, profile),
        }
    }
}

const SESSION: &str =
    "it is a session's, which ends by itself and is not listed: hand over an access key of the user, which has no session token";

fn from_environment(value: impl Fn(&str) -> Option<OsString>) -> Result<Made, Failure> {
    let text = |name: &str| value(name).and_then(|value| value.into_string().ok()).filter(|text| !text.is_empty());
    if text("AWS_SESSION_TOKEN").is_some() {
        return Err(Failure::Unfit(format!("the key in the environment will not do: {SESSION}")));
    }
    match (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY").map(SecretString::from)) {
        (Some(id), Some(secret)) => Ok(Made { id, secret }),
        _ => Err(Failure::Unavailable(
            "there is no key in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile".to_owned(),
        )),
    }
}

fn from_profile(file: &Path, profile: &str) -> Result<Made, Failure> {
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
        (Some((_, id)), Some((_, secret))) => Ok(Made { id: id.to_owned(), secret: SecretString::from(secret) }),
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

    fn profile(content: &str, name: &str) -> Result<Made, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("a write");
        Source::Profile { file: file.path().to_owned(), profile: name.to_owned() }.read().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_profile_is_told_from_its_neighbours() {
        let file = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = one\n\n# a comment\n[b]\n;aws_access_key_id = no\n\
                    aws_secret_access_key=a/b+c=\naws_access_key_id=AKIA2\n[session]\naws_access_key_id=ASIA\naws_session_token=x\n";
        let key = |name: &str| profile(file, name).map(|made| (made.id, made.secret.expose_secret().to_owned()));
        assert_eq!(key("default"), Ok(("AKIA1".to_owned(), "one".to_owned())));
        assert_eq!(key("b"), Ok(("AKIA2".to_owned(), "a/b+c=".to_owned())));
        assert!(key("c").is_err_and(|why| why.contains("is not there")));
        assert!(key("session").is_err_and(|why| why.contains("session")));
        assert!(profile("[default]\n", "default").is_err_and(|why| why.contains("has no key")));
    }

    #[test]
    fn the_environment_gives_a_key_or_says_what_is_missing() {
        let given = |names: &'static [&str]| {
            let value = move |name: &str| names.contains(&name).then(|| OsString::from(format!("the {name}")));
            from_environment(value).map(|made| made.id).map_err(|failure| failure.to_string())
        };
        assert_eq!(given(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]), Ok("the AWS_ACCESS_KEY_ID".to_owned()));
        assert!(given(&["AWS_ACCESS_KEY_ID"]).is_err_and(|why| why.contains("AWS_SECRET_ACCESS_KEY")));
        let session = given(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
        assert!(session.is_err_and(|why| why.contains("session")));
    }
}
