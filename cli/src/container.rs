//! The endpoint of a rotation: where it listens, and the token that it asks for.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use turquoise::Credentials;
use turquoise::aws_iam::{Container, ContainerError};
use turquoise::memory::Secret;

use crate::file;

/// How a token of our own begins, so that who finds one knows what it is.
const PREFIX: &str = "turq_";

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpen {
    /// Somebody listens there, or nobody may.
    #[error("the endpoint cannot listen at {address}: {why}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        why: io::Error,
    },
    /// The token is not to be had.
    #[error("the endpoint's token file {} cannot be used: {why}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// It would be none to rely on.
    #[error("the endpoint: {0}")]
    Unfit(#[from] ContainerError),
}

/// Listens, and has a token.
pub(crate) async fn open(plan: &file::Container, credentials: Credentials) -> Result<Container, NotOpen> {
    let file::Container { address, token_file, expires_in } = plan;
    let token = token(token_file).map_err(|why| NotOpen::Token { path: token_file.clone(), why })?;
    let listener = TcpListener::bind(address).await.map_err(|why| NotOpen::Listen { address: *address, why })?;
    Ok(Container::new(listener, credentials, token, *expires_in)?)
}

/// The one in the file, or a new one, which is there for the next start.
fn token(path: &Path) -> io::Result<Secret> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match made {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            return Ok(fs::read_to_string(path)?.trim_end().into());
        }
        made => made?,
    };
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|why| io::Error::other(why.to_string()))?;
    let mut text = PREFIX.to_owned();
    // Writing to a string does not fail.
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text.as_str().into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use turquoise::memory::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let first = token(&path).expect("a token").expose_secret().to_owned();
        assert!(first.starts_with(PREFIX) && first.len() == PREFIX.len() + 64, "{}", first.len());
        assert_eq!(token(&path).expect("a token").expose_secret(), first);
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_ne!(token(&folder.path().join("other")).expect("a token").expose_secret(), first);
    }
}
