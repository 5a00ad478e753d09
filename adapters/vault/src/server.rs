//! Where a server is and how it is reached, parsed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use turquoise_http::{Tls, TlsError};

use crate::name::Namespace;

/// Why a configuration is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is not one of a server.
    #[error("`{address}` is not a server's address: write it as https://HOST:PORT, http://HOST:PORT or unix:///PATH")]
    Address {
        /// What was given.
        address: String,
    },
    /// No address at all.
    #[error("there is no server's address: give one, as https://HOST:PORT")]
    NoAddress,
    /// A role or path holds what could lead a request elsewhere.
    #[error("`{name}` is not a {what}: use letters, digits, `_`, `-` and `.`, and neither `.` nor `..` alone")]
    Name {
        /// What was given.
        name: String,
        /// What it was given for.
        what: &'static str,
    },
    /// A certificate or a key is not to be used, or nobody is trusted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A login with a certificate needs one.
    #[error("a login with a certificate needs one: give the upstream's TLS a client certificate")]
    NoCertificate,
    /// A setting that `vaultrs` has no place for.
    #[error("a client of vaultrs takes the server's name from its address: unset `server_name`")]
    ServerName,
    /// A duration must last.
    #[error("`{name}` is nothing: give it a length")]
    Zero {
        /// Which.
        name: &'static str,
    },
}

/// Where one node of a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `http://HOST:PORT` or `https://HOST:PORT`, without a path.
    Url(String),
    /// `unix:///PATH`: HTTP over a unix socket.
    Socket(PathBuf),
}

impl Address {
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Url(url) if url.starts_with("https:"))
    }
}

impl FromStr for Address {
    type Err = ConfigError;

    fn from_str(address: &str) -> Result<Self, ConfigError> {
        let fault = || ConfigError::Address { address: address.to_owned() };
        if let Some(path) = address.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() && path.file_name().is_some() { Ok(Self::Socket(path)) } else { Err(fault()) };
        }
        let uri: Uri = address.parse().map_err(|_| fault())?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or_else(fault)?;
        let authority = uri.authority().filter(|host| !host.as_str().contains('@')).ok_or_else(fault)?;
        if uri.path_and_query().is_some_and(|rest| rest != "/") {
            return Err(fault());
        }
        Ok(Self::Url(format!("{scheme}://{authority}")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// One server, alone or a cluster, and how it is spoken to. No variable of the environment is looked at.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its nodes. They are tried in this order, beginning with the one that answered last: another one only if the request
    /// was certainly not done, or changes nothing. A redirect leads to one of these or nowhere.
    pub addresses: Vec<Address>,
    /// The namespace of every request.
    pub namespace: Option<Namespace>,
    /// For `https` addresses.
    pub tls: Tls,
    /// How long a connection may take, TLS included. Nothing was sent by then, so this ends as *unavailable*.
    pub connect_timeout: Duration,
    /// How long a call may take as a whole. What is unanswered by then is *unknown*.
    pub timeout: Duration,
}

impl Upstream {
    /// A server at these addresses: no namespace, the system's authorities, 3 s to connect and 10 s for a call.
    pub fn new(addresses: impl IntoIterator<Item = Address>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            namespace: None,
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_or_a_socket_and_nothing_more() {
        for good in ["http://127.0.0.1:8200", "http://[::1]:8200", "https://vault:8200", "https://vault", "unix:///run/bao.sock"]
        {
            assert_eq!(good.parse::<Address>().map(|address| address.to_string()), Ok(good.to_owned()));
        }
        assert_eq!("http://vault:8200/".parse::<Address>(), Ok(Address::Url("http://vault:8200".to_owned())));
        for bad in [
            "",
            "vault",
            "vault:8200",
            "ftp://vault",
            "http://",
            "http://user:pw@vault",
            "http://vault/v1",
            "http://vault?x",
            "unix://",
            "unix:///",
            "unix://run/bao.sock",
        ] {
            assert!(matches!(bad.parse::<Address>(), Err(ConfigError::Address { .. })), "{bad:?} was taken");
        }
    }
}
