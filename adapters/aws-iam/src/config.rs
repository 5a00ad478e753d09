//! What an operator tells the provider.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use turquoise_http::{Tls, TlsError};

use crate::source::Source;

/// Why a configuration is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No user has such a name.
    #[error("`{name}` is not the name of an IAM user: use letters, digits and `+=,.@_-`, without its path")]
    User {
        /// What was given.
        name: String,
    },
    /// Nothing can be asked there.
    #[error("`{url}` is not an address to ask: write it as https://HOST, or http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
    },
    /// A duration must last.
    #[error("`{name}` is nothing: give it a length")]
    Zero {
        /// Which.
        name: &'static str,
    },
    /// Nobody can be trusted.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The name of an IAM user, without its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl FromStr for UserName {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        let fits = (1..=64).contains(&name.len()) && name.chars().all(plain);
        fits.then(|| Self(name.to_owned())).ok_or_else(|| ConfigError::User { name: name.to_owned() })
    }
}

impl UserName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a service is asked, and for which region requests to it are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https://iam.amazonaws.com`.
    pub url: String,
    /// `us-east-1`, which is where IAM is.
    pub region: String,
}

/// A read, signed with the key under trial, that must succeed before the key may serve: that STS knows a key says nothing of
/// the services that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// For which service the request is signed: `s3`.
    pub service: String,
    /// For which region it is signed.
    pub region: String,
    /// What is read: `https://BUCKET.s3.eu-west-1.amazonaws.com/?list-type=2&max-keys=1`.
    pub url: String,
    /// A slower answer is a failure.
    pub max_latency: Option<Duration>,
}

/// What an [`IamProvider`](crate::IamProvider) is made from.
#[derive(Clone, Debug)]
pub struct IamConfig {
    /// Whose keys are rotated.
    pub user: UserName,
    /// Where the first key comes from.
    pub source: Source,
    /// Where IAM is asked.
    pub iam: Endpoint,
    /// Where STS is asked.
    pub sts: Endpoint,
    /// Whom to trust.
    pub tls: Tls,
    /// What a candidate is tried on, beside STS.
    pub probes: Vec<Probe>,
    /// How long it may take until a new key is known everywhere.
    pub propagation: Duration,
    /// How long a deleted key may be honoured somewhere.
    pub lingering: Duration,
    /// How long a request may be applied after it was signed: no less than the policy's `delta`. AWS refuses older ones.
    pub late: Duration,
    /// So long before the end of its grace a retiring key is switched off, from where a rollback brings it back. Longer than
    /// the policy's `backoff_cap`, or it may come to nothing; zero never switches a key off. Work that still uses the key fails from then on: give
    /// it the rest of the grace.
    pub switched_off: Duration,
    /// A key that others than this process used within so long is not ended yet, unless its secret is known to others; zero does
    /// not ask.
    pub spare: Duration,
    /// How long a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long one request may take as a whole. What is unanswered by then is *unknown*.
    pub timeout: Duration,
}

impl IamConfig {
    /// AWS itself, and times that suit it: 15 s until a key is known and 10 s until it is not, 15 min for a late request,
    /// never switched off, spared if used within a minute, 3 s to connect and 10 s for a request. No probes but STS.
    #[must_use]
    pub fn new(user: UserName, source: Source) -> Self {
        let region = || "us-east-1".to_owned();
        Self {
            user,
            source,
            iam: Endpoint { url: "https://iam.amazonaws.com".to_owned(), region: region() },
            sts: Endpoint { url: "https://sts.us-east-1.amazonaws.com".to_owned(), region: region() },
            tls: Tls::default(),
            probes: Vec::new(),
            propagation: Duration::from_secs(15),
            lingering: Duration::from_secs(10),
            late: Duration::from_mins(15),
            switched_off: Duration::ZERO,
            spare: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}

/// An address without a name and a password in it.
pub(crate) fn parse_url(url: &str) -> Result<Uri, ConfigError> {
    let fault = || ConfigError::Url { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| fault())?;
    let fits =
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some_and(|host| !host.as_str().contains('@'));
    if fits { Ok(uri) } else { Err(fault()) }
}

/// The least policy of the user, but for what the probes and its real work need: power over its own keys and one tag, and over
/// nobody else. `arn` is the user's: `arn:aws:iam::123456789012:user/payments`.
#[must_use]
pub fn policy(arn: &str) -> String {
    let keys = ["CreateAccessKey", "DeleteAccessKey", "ListAccessKeys", "UpdateAccessKey", "ListUserTags", "TagUser"];
    let actions = keys.map(|action| format!("\"iam:{action}\"")).join(", ");
    // When a key was last used can only be asked of all keys or of none.
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [
    {{ "Effect": "Allow", "Action": [{actions}], "Resource": "{arn}" }},
    {{ "Effect": "Allow", "Action": "iam:GetAccessKeyLastUsed", "Resource": "*" }}
  ]
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_add_a_parameter_is_not_taken() {
        for bad in ["", "a&b", "a b", "path/name", "a\n", "ä", "a%26"] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
        assert!("svc-payments+eu@example.com".parse::<UserName>().is_ok());
    }

    #[test]
    fn an_address_has_a_host_and_no_password() {
        for bad in ["", "iam.amazonaws.com", "ftp://iam", "https://user:pw@iam", "/path"] {
            assert!(parse_url(bad).is_err(), "{bad:?}");
        }
        assert!(parse_url("https://iam.amazonaws.com").is_ok());
    }
}
