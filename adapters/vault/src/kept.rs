//! What somebody has put into a KV store: the first credential of another provider.

use std::collections::HashMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use turquoise_runtime::memory::Secret;
use turquoise_runtime::port::Reply;

use crate::failure::{Failure, answer};
use crate::holder::handed_over;
use crate::name::Path;
use crate::reply::parse;
use crate::request::Request;
use crate::server::{ConfigError, Upstream};
use crate::transport::Transport;

/// A secret of a KV store of version 2, all of whose values are text, and the token that may read it.
///
/// It is how another provider is handed its first credential. The token needs to live until then: nothing renews or ends it.
pub struct Kept {
    transport: Transport,
    path: Path,
    token_file: PathBuf,
}

#[derive(Deserialize)]
struct Answered {
    data: Version,
}

#[derive(Deserialize)]
struct Version {
    data: HashMap<String, SecretString>,
}

impl Kept {
    /// At this path, which has `data/` in it: `secret/data/app`. The file holds the token, on one line. Nothing is sent yet.
    pub fn new(upstream: &Upstream, path: Path, token_file: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        Ok(Self { transport: Transport::new(upstream)?, path, token_file: token_file.into() })
    }

    /// What its newest version has under these names.
    pub async fn read<const N: usize>(&self, names: [&str; N]) -> Reply<[Secret; N]> {
        answer(&format!("reading {}", self.path), self.fields(names).await)
    }

    async fn fields<const N: usize>(&self, names: [&str; N]) -> Result<[Secret; N], Failure> {
        let token = handed_over(&self.token_file)?;
        let reply = self.transport.call(&token, Request::read(&self.path)).await?;
        let Answered { data: Version { mut data } } = parse(&reply.body)?;
        if let Some(name) = names.iter().find(|name| !data.contains_key(**name)) {
            return Err(Failure::Unfit(format!("there is no `{name}` in it: write it there")));
        }
        Ok(names.map(|name| data.remove(name).unwrap_or_default().into()))
    }
}
