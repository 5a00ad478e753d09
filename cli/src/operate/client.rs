//! Asks a sidecar over its admin socket: one request, one connection.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::admin::shape::{Complaint, Since};

/// The longest answer that is read.
const LIMIT: usize = 4 << 20;
/// More than a sidecar may take for anything, a wait for events included.
const PATIENCE: Duration = Duration::from_secs(45);
/// So long a sidecar waits for an event that we ask for, in seconds.
const WAIT: u64 = 20;

/// Why an operator's command is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nobody is there.
    #[error("no sidecar listens on {}: start `turquoise run`, or name its socket with --admin", .0.display())]
    NoDaemon(PathBuf),
    /// It is there and we cannot reach it.
    #[error("{}: {cause}; ask as the user that it runs as", at.display())]
    Local {
        /// The socket.
        at: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It went away, or talks nonsense.
    #[error("the sidecar's answer is not to be understood: {0}; is it of this version?")]
    Garbled(String),
    /// Not in this phase.
    #[error("refused: {0}")]
    Refused(String),
    /// What was asked for makes no sense there.
    #[error("{0}")]
    Usage(String),
    /// Its own trouble.
    #[error("the sidecar could not do it: {0}")]
    Daemon(String),
}

impl Trouble {
    /// The code that a command ends with.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::NoDaemon(_) => 3,
            Self::Refused(_) => 5,
            Self::Local { .. } | Self::Garbled(_) | Self::Usage(_) | Self::Daemon(_) => 1,
        }
    }
}

/// A sidecar's socket.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(crate) const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Looks.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// Asks.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).map_err(garbled)?;
        self.call(Method::POST, path, body.into()).await
    }

    /// What happened after an event, to one identity or to all; none, if nothing did for a while.
    pub(crate) async fn events(&self, after: u64, identity: Option<&str>) -> Result<Since, Trouble> {
        let only = identity.map_or_else(String::new, |name| format!("&identity={name}"));
        self.get(&format!("/v1/events?after={after}&wait={WAIT}{only}")).await
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, Trouble> {
        let late = |_| Trouble::Daemon(format!("no answer within {PATIENCE:?}"));
        let (status, body) = timeout(PATIENCE, self.exchange(method, path, body)).await.map_err(late)??;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(garbled);
        }
        let Complaint { error } = serde_json::from_slice(&body).map_err(garbled)?;
        Err(match status {
            StatusCode::CONFLICT => Trouble::Refused(error),
            status if status.is_client_error() => Trouble::Usage(error),
            _ => Trouble::Daemon(error),
        })
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Trouble> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Trouble::NoDaemon(self.socket.clone()),
            _ => Trouble::Local { at: self.socket.clone(), cause },
        })?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| self.cut(&e))?;
        let request = Request::builder().method(method).uri(path).header(HOST, "turquoise");
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body)).map_err(garbled)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|e| self.cut(&e))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LIMIT).collect().await.map_err(garbled)?;
            Ok::<_, Trouble>((status, body.to_bytes()))
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            answer = &mut exchange => answer,
            // Its end is told by the exchange too.
            _ = &mut connection => exchange.await,
        }
    }

    /// Who goes away amid an answer is not there.
    fn cut(&self, _: &hyper::Error) -> Trouble {
        Trouble::NoDaemon(self.socket.clone())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped with")]
fn garbled(why: impl ToString) -> Trouble {
    Trouble::Garbled(why.to_string())
}
