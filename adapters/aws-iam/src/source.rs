//! Where the first key comes from.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use turquoise_runtime::port::{Reason, Reply};

use crate::failure::Failure;
use crate::key::{Key, SESSION, from_profile};

/// Where the first key comes from. It is adopted: nothing about it is changed until it retires.
#[derive(Clone, Debug)]
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
    /// From where only the program knows.
    Supplied(Supply),
}

/// Asks for a first key, its id and its secret, anew each time that one is needed.
#[derive(Clone)]
pub struct Supply(Arc<dyn Fn() -> Asked + Send + Sync>);

type Asked = Pin<Box<dyn Future<Output = Reply<[Secret; 2]>> + Send>>;

impl Supply {
    /// Asks in this way. It should change nothing: an answer that is *unknown* is asked for again.
    pub fn new<A>(ask: impl Fn() -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Reply<[Secret; 2]>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(ask())))
    }
}

impl fmt::Debug for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Supply")
    }
}

impl Source {
    pub(crate) async fn key(&self) -> Result<Key, Failure> {
        match self {
            Self::Environment => from_environment(|name| env::var_os(name)),
            Self::Profile { file, profile } => from_profile(file, profile),
            Self::Supplied(Supply(ask)) => match ask().await {
                Reply::Applied([id, secret]) => Ok(Key { id: id.expose_secret().to_owned(), secret }),
                Reply::Refused(Reason(why)) => Err(Failure::Unfit(why)),
                Reply::Throttled { reason: Reason(text), retry_after } => Err(Failure::Throttled { text, retry_after }),
                Reply::Unavailable(Reason(why)) | Reply::Unknown(Reason(why)) => Err(Failure::Unavailable(why)),
            },
        }
    }
}

fn from_environment(value: impl Fn(&str) -> Option<OsString>) -> Result<Key, Failure> {
    let text = |name: &str| value(name).and_then(|value| value.into_string().ok()).filter(|text| !text.is_empty());
    if text("AWS_SESSION_TOKEN").is_some() {
        return Err(Failure::Unfit(format!("the key in the environment will not do: {SESSION}")));
    }
    match (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY").map(Secret::from)) {
        (Some(id), Some(secret)) => Ok(Key { id, secret }),
        _ => Err(Failure::Unavailable(
            "there is no key in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_gives_a_key_or_says_what_is_missing() {
        let given = |names: &'static [&str]| {
            let value = move |name: &str| names.contains(&name).then(|| OsString::from(format!("the {name}")));
            from_environment(value).map(|key| key.id).map_err(|failure| failure.to_string())
        };
        assert_eq!(given(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]), Ok("the AWS_ACCESS_KEY_ID".to_owned()));
        assert!(given(&["AWS_ACCESS_KEY_ID"]).is_err_and(|why| why.contains("AWS_SECRET_ACCESS_KEY")));
        let session = given(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
        assert!(session.is_err_and(|why| why.contains("session")));
    }
}
