//! What an operator tells the token provider.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::method::Method;
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

/// The least policy that a rotated token needs, in the server's own language.
///
/// It gives no power over others: a token mints siblings, ends itself, and may look whether a token that it already
/// *knows* is alive. Every token of the role must have it, since each mints the next.
#[must_use]
pub fn policy(role: &Role, probes: &[Probe]) -> String {
    rules([(format!("auth/token/create/{role}"), "update")], probes)
}

/// The least policy that the token of a [`LoginProvider`](crate::LoginProvider) needs: of others it may only look whether a
/// token that it already *knows* is alive.
#[must_use]
pub fn login_policy(method: &Method, probes: &[Probe]) -> String {
    let uses = method.uses_path().map(|path| (path, "update"));
    rules(uses, probes)
}

/// What the accessor privileges need beside, and it is much: *any* token of the namespace can be ended with it, a root token
/// too (measured). In exchange, what a crash leaves of a mint is ended at once instead of outlived.
pub const ACCESSOR_POLICY: &str = "path \"auth/token/lookup-accessor\" { capabilities = [\"update\"] }
path \"auth/token/revoke-accessor\" { capabilities = [\"update\"] }
";

/// What it takes beside [`ACCESSOR_POLICY`] to look for a token whose mint was not answered, among all tokens of the namespace.
/// Without it such a token is waited out.
pub const DISCOVERY_POLICY: &str = "path \"auth/token/accessors\" { capabilities = [\"list\", \"sudo\"] }
";

fn rules(first: impl IntoIterator<Item = (String, &'static str)>, probes: &[Probe]) -> String {
    let own = [
        ("auth/token/lookup-self", "read"),
        ("auth/token/renew-self", "update"),
        ("auth/token/revoke-self", "update"),
        ("auth/token/lookup", "update"),
    ];
    let own = own.map(|(path, capability)| (path.to_owned(), capability));
    let read = probes.iter().map(|probe| (probe.path.to_string(), "read"));
    let line = |(path, capability)| format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}\n");
    first.into_iter().chain(own).chain(read).map(line).collect()
}
