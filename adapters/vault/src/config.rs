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

/// What a token mints its siblings through. None of it takes `sudo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Through {
    /// A token role. It must make parentless service tokens that can be renewed, with neither a period nor a number of uses. What
    /// it allows is what a sibling gets.
    Role(Role),
    /// `create-orphan`, which needs no role: a sibling gets the policies of the token that mints it.
    CreateOrphan,
}

impl Through {
    /// The path of a mint.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Role(role) => format!("auth/token/create/{role}"),
            Self::CreateOrphan => "auth/token/create-orphan".to_owned(),
        }
    }
}

impl From<Role> for Through {
    fn from(role: Role) -> Self {
        Self::Role(role)
    }
}

impl From<&Role> for Through {
    fn from(role: &Role) -> Self {
        Self::Role(role.clone())
    }
}

/// What a [`TokenProvider`](crate::TokenProvider) is made from.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// The server.
    pub upstream: Upstream,
    /// What siblings are minted through.
    pub through: Through,
    /// The file that holds the first token: one line, readable by nobody else (mode 0600).
    pub token_file: PathBuf,
    /// What a candidate is tried on.
    pub probes: Vec<Probe>,
    /// The policies that a new token must have, no more and no fewer; unchecked if absent.
    pub policies: Option<BTreeSet<String>>,
    /// The alias of the entity that new tokens are to belong to, one that the role allows. Without it, or without a role, they
    /// belong to none, and have no right that hangs from one.
    pub entity_alias: Option<String>,
}

impl TokenConfig {
    /// No probes, no expected policies, no entity.
    pub fn new(upstream: Upstream, through: impl Into<Through>, token_file: impl Into<PathBuf>) -> Self {
        let through = through.into();
        Self { upstream, through, token_file: token_file.into(), probes: Vec::new(), policies: None, entity_alias: None }
    }
}
