//! What the server's audit log has in place of a name.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use turquoise_runtime::port::Reply;

use crate::failure::{Failure, answer};
use crate::file::read;
use crate::name::Mount;
use crate::reply::parse;
use crate::request::Request;
use crate::server::{ConfigError, Upstream};
use crate::transport::Transport;

/// Has the server hash names as one of its audit devices does, so that they are known again in its log.
///
/// The token must have the right to `update` `sys/audit-hash/DEVICE`, and needs no other.
pub struct AuditHash {
    transport: Transport,
    token_file: PathBuf,
    device: Mount,
}

#[derive(Deserialize)]
struct Hashed {
    data: Hash,
}

#[derive(Deserialize)]
struct Hash {
    hash: String,
}

impl AuditHash {
    /// Takes a server, the file that holds a token, and the name of an audit device. Nothing is sent or read yet, but for
    /// certificates.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn new(upstream: &Upstream, token_file: &Path, device: &Mount) -> Result<Self, ConfigError> {
        Ok(Self { transport: Transport::new(upstream)?, token_file: token_file.to_owned(), device: device.clone() })
    }

    /// The hash of a name: one request.
    pub async fn hash(&self, name: &str) -> Reply<String> {
        answer("hashing a name as the audit log has it", self.try_hash(name).await)
    }

    async fn try_hash(&self, name: &str) -> Result<String, Failure> {
        let token: SecretString = read(&self.token_file, "token file", "write a token there that may hash")?;
        let hashed = self.transport.call(&token, Request::audit_hash(&self.device, name)).await?;
        Ok(parse::<Hashed>(&hashed.body)?.data.hash)
    }
}
