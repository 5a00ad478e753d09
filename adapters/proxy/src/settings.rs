//! What a proxy is made of.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use turquoise_runtime::Credentials;
use turquoise_vault::Upstream;

use crate::door::Door;
use crate::local::LocalToken;

/// A proxy, before it listens.
pub struct Setup {
    /// Where requests take what they are sent with. Its work is counted: give it a name
    /// ([`Credentials::named`](turquoise_runtime::Credentials::named)).
    pub credentials: Credentials,
    /// Where requests go. Its `timeout` is not looked at: see [`Limits::reply`].
    pub upstream: Upstream,
    /// What clients show in order to be given the credential that serves.
    pub local_token: Option<LocalToken>,
    /// Who else is given it.
    pub auto_auth: AutoAuth,
    /// Where clients come in.
    pub doors: Vec<Door>,
    /// How much of anything is taken on.
    pub limits: Limits,
    /// What the proxy has from the program around it.
    pub hooks: Hooks,
}

/// Who is given the credential that serves without showing the local token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoAuth {
    /// Nobody.
    #[default]
    Off,
    /// Who shows no token.
    On,
    /// Everybody: a token of the client's own is put aside.
    Force,
}

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub at: At,
    /// With TLS, by these PEM files: the certificate, and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// What is served.
    pub role: Role,
    /// Whether a request must bear `X-Vault-Request: true`, which no browser can be made to send for a stranger's page.
    pub request_header: RequestHeader,
    /// Whether a POST to `/agent/v1/quit` or `/proxy/v1/quit` rings [`Hooks::quit`].
    pub quit: Quit,
}

impl Listener {
    /// Everything is served, without TLS, and nobody can quit.
    #[must_use]
    pub const fn new(at: At) -> Self {
        Self { at, tls: None, role: Role::Everything, request_header: RequestHeader::Optional, quit: Quit::Disabled }
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// An address. Another process may listen there too, so that a successor can begin before this one ends.
    Tcp(SocketAddr),
    /// A socket in the file system, put in the place of the one before: that keeps what it has accepted.
    Unix {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Whose it is, by number; ours without.
        user: Option<u32>,
        /// Whose group's it is, by number; ours without.
        group: Option<u32>,
    },
    /// A socket that whoever started us has opened (`LISTEN_FDS`), by its name (`LISTEN_FDNAMES`). It is never removed.
    Inherited {
        /// Its name. Of several with the same name each listener gets another one, in their order.
        name: String,
        /// What it must be.
        family: Family,
    },
}

/// What kind of socket is inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// One with an address.
    Tcp,
    /// One in the file system, or with no name at all.
    Unix,
}

impl Family {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "a TCP socket",
            Self::Unix => "a unix socket",
        }
    }
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The server's API, and ours.
    #[default]
    Everything,
    /// The metrics and the health, also as `/metrics`, `/healthz` and `/readyz`, and nothing else.
    MetricsOnly,
}

/// Whether requests must say that they are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestHeader {
    /// They need not.
    #[default]
    Optional,
    /// By `X-Vault-Request: true`.
    Required,
}

/// Whether a client may end us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quit {
    /// It may not.
    #[default]
    Disabled,
    /// It may.
    Enabled,
}

/// What the proxy has from the program around it.
#[derive(Clone, Default)]
pub struct Hooks {
    /// What `/agent/v1/metrics` and `/proxy/v1/metrics` answer; without it, [`Proxy::metrics`](crate::Proxy::metrics).
    pub metrics: Option<Metrics>,
    /// What `/readyz` answers where there are metrics alone: 200 with these words, or 503 with those. Without it, 200.
    pub ready: Option<Ready>,
    /// Rung when a client asks us to end.
    pub quit: Arc<Notify>,
}

/// Says whether something serves.
pub type Ready = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// Writes metrics.
#[derive(Clone)]
pub struct Metrics {
    /// The media type of what is written.
    pub kind: &'static str,
    /// Writes them as they are now.
    pub write: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// How much of anything is taken on, and how long anything may take. What is over a limit is answered, never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, over all listeners. A few more are told so (503), and the rest waits unaccepted.
    pub connections: usize,
    /// Requests at once; further ones are answered 429.
    pub in_flight: usize,
    /// The head of a request, in bytes: at least 8 192.
    pub head: usize,
    /// Its headers, in number.
    pub headers: usize,
    /// How long a client may take to send it.
    pub head_time: Duration,
    /// The body of a request, in bytes; a longer one is answered 413.
    pub body: u64,
    /// How long a client may take to send as much of it as is kept.
    pub body_time: Duration,
    /// A body up to so many bytes is kept until there is an answer: it can be sent again, and so tried on a candidate.
    pub replayable: usize,
    /// How long the server may take to begin its answer.
    pub reply: Duration,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
    /// How long a client may read nothing of what is written to it.
    pub write: Duration,
    /// How long a request waits where nothing serves, before it is answered 503.
    pub wait: Duration,
    /// How long requests wait for another credential when the server refuses the one that serves.
    pub replaced: Duration,
    /// At the end, so long a kept connection may still bring a request, with whose answer it ends: a client that is about to write
    /// one does not meet a connection that has just been closed.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            in_flight: 512,
            head: 64 << 10,
            headers: 100,
            head_time: Duration::from_secs(10),
            body: 32 << 20,
            body_time: Duration::from_secs(30),
            replayable: 64 << 10,
            reply: Duration::from_mins(1),
            idle: Duration::from_mins(5),
            write: Duration::from_mins(1),
            wait: Duration::from_secs(2),
            replaced: Duration::from_secs(10),
            linger: Duration::from_secs(1),
        }
    }
}
