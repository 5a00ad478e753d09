//! What an operator tells us, parsed: whatever is built from these types cannot rewrite a path.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Why a configuration is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is not one of a server.
    #[error("`{address}` is not a server's address: write it as http://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// TLS is to come.
    #[error("`{address}` needs TLS, which this version does not speak yet: use an http:// address on a trusted network")]
    Tls {
        /// What was given.
        address: String,
    },
    /// A role or path holds what could lead a request elsewhere.
    #[error("`{name}` is not a {what}: use letters, digits, `_`, `-` and `.`, and neither `.` nor `..` alone")]
    Name {
        /// What was given.
        name: String,
        /// What it was given for.
        what: &'static str,
    },
}

/// One segment of a path. Dot segments and the characters `?`, `#`, `%` and `/` would make another request of it, `*`
/// and `+` would widen a policy.
fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(plain) && text != "." && text != ".."
}

/// The name of a token role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role(String);

impl FromStr for Role {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let fault = || ConfigError::Name { name: name.to_owned(), what: "role name" };
        is_segment(name).then(|| Self(name.to_owned())).ok_or_else(fault)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path of the server's API, without the leading `/v1/`: `secret/data/app`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

impl FromStr for Path {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let fault = || ConfigError::Name { name: name.to_owned(), what: "path" };
        name.split('/').all(is_segment).then(|| Self(name.to_owned())).ok_or_else(fault)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A real read that a new token must manage before it may serve: looking itself up proves nothing about access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is read.
    pub path: Path,
    /// A slower answer is a failure.
    pub max_latency: Option<Duration>,
}

/// What a [`TokenProvider`](crate::TokenProvider) is made from.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// The server: `http://HOST:PORT`.
    pub address: String,
    /// The token role that siblings are minted through. It must make parentless service tokens that can be renewed, with
    /// neither a period nor a number of uses.
    pub role: Role,
    /// The file that holds the first token: one line, readable by nobody else (mode 0600).
    pub token_file: PathBuf,
    /// What a candidate is tried on.
    pub probes: Vec<Probe>,
    /// The policies that a new token must have, no more and no fewer; unchecked if absent.
    pub policies: Option<BTreeSet<String>>,
    /// How long a connection may take. Nothing was sent by then, so this ends as *unavailable*.
    pub connect_timeout: Duration,
    /// How long a call may take as a whole. What is unanswered by then is *unknown*.
    pub timeout: Duration,
}

impl TokenConfig {
    /// No probes, no expected policies, 3 s to connect and 10 s for a call.
    pub fn new(address: impl Into<String>, role: Role, token_file: impl Into<PathBuf>) -> Self {
        Self {
            address: address.into(),
            role,
            token_file: token_file.into(),
            probes: Vec::new(),
            policies: None,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}

/// The least policy that a rotated token needs, in the server's own language.
///
/// It gives no power over others: a token mints siblings, ends itself, and may look whether a token that it already
/// *knows* is alive. Every token of the role must have it, since each mints the next.
#[must_use]
pub fn policy(role: &Role, probes: &[Probe]) -> String {
    let own = [
        (format!("auth/token/create/{role}"), "update"),
        ("auth/token/lookup-self".to_owned(), "read"),
        ("auth/token/renew-self".to_owned(), "update"),
        ("auth/token/revoke-self".to_owned(), "update"),
        ("auth/token/lookup".to_owned(), "update"),
    ];
    let read = probes.iter().map(|probe| (probe.path.to_string(), "read"));
    let line = |(path, capability)| format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}\n");
    own.into_iter().chain(read).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_rewrite_a_path_is_not_taken() {
        for name in ["", ".", "..", "a/b", "../../sys/seal", "a?b", "a#b", "a%2fb", "a b", "a*", "+", "a\n", "ä", "a\"b"] {
            assert!(name.parse::<Role>().is_err(), "{name:?} was taken for a role");
        }
        for name in ["rot", "a.b", "...", "A_1-x"] {
            assert!(name.parse::<Role>().is_ok(), "{name:?} was not taken for a role");
        }
        for path in ["", "/", "/a", "a/", "a//b", "a/../b", "a/./b", "a?b/c", "a/%2e%2e/b", "a/*", "a/+/b"] {
            assert!(path.parse::<Path>().is_err(), "{path:?} was taken for a path");
        }
        assert!("secret/data/app-1".parse::<Path>().is_ok());
    }
}
