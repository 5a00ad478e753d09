//! What an operator tells the token provider.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::name::{Path, Role};
use crate::server::Upstream;

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
    /// The server.
    pub upstream: Upstream,
    /// The token role that siblings are minted through. It must make parentless service tokens that can be renewed, with
    /// neither a period nor a number of uses.
    pub role: Role,
    /// The file that holds the first token: one line, readable by nobody else (mode 0600).
    pub token_file: PathBuf,
    /// What a candidate is tried on.
    pub probes: Vec<Probe>,
    /// The policies that a new token must have, no more and no fewer; unchecked if absent.
    pub policies: Option<BTreeSet<String>>,
    /// The alias of the entity that new tokens are to belong to, one that the role allows. Without it they belong to none, and
    /// have no right that hangs from one.
    pub entity_alias: Option<String>,
}

impl TokenConfig {
    /// No probes, no expected policies, no entity.
    pub fn new(upstream: Upstream, role: Role, token_file: impl Into<PathBuf>) -> Self {
        Self { upstream, role, token_file: token_file.into(), probes: Vec::new(), policies: None, entity_alias: None }
    }
}
