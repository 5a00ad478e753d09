//! What a file comes to: everything that a run needs, and each setting with where it is from.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tracing_subscriber::filter::LevelFilter;
use turquoise::aws_iam::IamConfig;
use turquoise::core::{AtStop, Policy};
use turquoise::proxy::{AutoAuth, Listener};
use turquoise::sink::Outlet;
use turquoise::vault::{LoginConfig, SecretIdConfig, TokenConfig, Upstream};

use super::schedule::Schedule;
use super::source::Place;
use crate::admin::Alarm;
use crate::exec::{Exec, Template};

/// Everything that a run needs: the rotations, and what the process is to be for all of them.
pub(crate) struct Plan {
    /// At least one; no two have the same name, or share a file.
    pub(crate) rotations: Vec<Rotation>,
    pub(crate) program: Option<Program>,
    /// At most one for each rotation.
    pub(crate) proxies: Vec<Proxied>,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) exit_after_auth: bool,
    pub(crate) log: Log,
    pub(crate) watched: Watched,
    /// All of it, to be shown.
    pub(crate) settings: Vec<Setting>,
}

/// Who may look at the process and ask it for something, and who is told when something is wrong.
pub(crate) struct Watched {
    /// The admin socket, with its mode.
    pub(crate) socket: Option<(PathBuf, u32)>,
    /// Where metrics are read over TCP.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) alarm: Option<Alarm>,
}

/// One identity, and how its credential is rotated.
#[derive(Clone)]
pub(crate) struct Rotation {
    /// The label of its stanza; `default` without one.
    pub(crate) name: String,
    pub(crate) provider: Provider,
    pub(crate) policy: Policy,
    /// When it is due; without one the policy says how often.
    pub(crate) schedule: Option<Schedule>,
    /// Where its secrets outlive the process.
    pub(crate) store: Survivor,
    /// The files that readers open; they switch as a set.
    pub(crate) sinks: Vec<Outlet>,
    pub(crate) journal: PathBuf,
    pub(crate) on_stop: AtStop,
    /// What becomes of what is made with its credential.
    pub(crate) dependents: Option<Dependents>,
    /// A first login waits up to so long.
    pub(crate) start_spread: Duration,
    /// Where AWS clients ask for its key.
    pub(crate) container: Option<Container>,
}

impl Rotation {
    /// Whether both would write the same file, or listen at the same place.
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        let same_file = self.sinks.iter().any(|sink| other.sinks.iter().any(|another| another.path == sink.path));
        let address = |of: &Self| of.container.as_ref().map(|container| container.address);
        same_file || (address(self).is_some() && address(self) == address(other))
    }
}

/// An endpoint that hands a key to AWS clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// Of this machine alone.
    pub(crate) address: SocketAddr,
    /// What clients must show is in it; it is made if it is not there.
    pub(crate) token_file: PathBuf,
    /// When clients have to ask again.
    pub(crate) expires_in: Duration,
}

/// What is started beside them.
pub(crate) struct Program {
    pub(crate) exec: Exec,
    /// Its environment, besides our own.
    pub(crate) templates: Vec<Template>,
    /// The name of the rotation whose credential it lives on …
    pub(crate) rotation: String,
    /// … and where that is good.
    pub(crate) upstream: Upstream,
}

impl Program {
    /// Whether a file that was read again says the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.exec, &self.templates, &self.rotation) == (&other.exec, &other.templates, &other.rotation)
    }
}

/// Where programs reach the server with the token of a rotation.
pub(crate) struct Proxied {
    /// The name of the rotation.
    pub(crate) rotation: String,
    pub(crate) upstream: Upstream,
    pub(crate) auto_auth: AutoAuth,
    /// The file of the local token.
    pub(crate) local_token: Option<PathBuf>,
    /// At least one.
    pub(crate) listeners: Vec<Listener>,
    /// Whether leases that were made through them are waited for.
    pub(crate) waits: bool,
}

/// Whether a file that was read again says the same.
impl PartialEq for Proxied {
    fn eq(&self, other: &Self) -> bool {
        let parts = |of: &Self| (of.rotation.clone(), of.auto_auth, of.local_token.clone(), of.listeners.clone());
        parts(self) == parts(other)
    }
}

/// Where credentials come from.
#[derive(Clone)]
pub(crate) enum Provider {
    Login(LoginConfig),
    Token(TokenConfig),
    SecretId(SecretIdConfig),
    Keys(Box<IamConfig>),
}

impl Provider {
    /// As the file says it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "vault-login",
            Self::Token(_) => "vault-token",
            Self::SecretId(_) => "approle-secret-id",
            Self::Keys(_) => "aws-iam",
        }
    }

    /// Whether a candidate is tried in the same way.
    pub(crate) fn has_the_probes_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Login(one), Self::Login(other)) => one.probes == other.probes,
            (Self::Token(one), Self::Token(other)) => one.probes == other.probes,
            (Self::SecretId(one), Self::SecretId(other)) => one.probes == other.probes,
            (Self::Keys(one), Self::Keys(other)) => one.probes == other.probes,
            _ => true,
        }
    }

    /// Whether a credential of the one is one of the other.
    pub(crate) fn is_at_the_same_place(&self, other: &Self) -> bool {
        let upstream = match (self, other) {
            (Self::Login(one), Self::Login(other)) => (&one.upstream, &other.upstream),
            (Self::Token(one), Self::Token(other)) => (&one.upstream, &other.upstream),
            (Self::SecretId(one), Self::SecretId(other)) if one.app == other.app => (&one.upstream, &other.upstream),
            (Self::Keys(one), Self::Keys(other)) => {
                return one.user == other.user && one.iam == other.iam && one.sts == other.sts;
            }
            _ => return false,
        };
        let (one, other) = upstream;
        one.addresses == other.addresses && one.namespace == other.namespace
    }
}

/// Where secrets outlive the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Survivor {
    /// In slots beside the first sink's file.
    Sink,
    /// In slots beside the journal, encrypted under a key that is elsewhere.
    Sealed {
        /// The path that the slots are named after.
        slots: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Nowhere: each start logs in again.
    Bootstrap,
}

/// What becomes of leases and children of a credential that retires, where a listener has seen them made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependents {
    /// They keep it alive as long as the grace lasts.
    Wait,
    /// They end with it.
    Cut,
    /// None is given.
    Refuse,
}

/// What is logged.
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) is_json: bool,
}

impl Log {
    pub(crate) fn filter(&self) -> LevelFilter {
        self.level.parse().unwrap_or(LevelFilter::INFO)
    }
}

/// One setting as it is in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// Its place, as in the list of keys; that of a rotation with a label has it in parentheses.
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) from: Origin,
}

/// Where a setting is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    File(Place),
    Environment(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(Place { line, .. }) => write!(f, "line {line}"),
            Self::Environment(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}
