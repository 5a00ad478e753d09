//! Requests out, answers in, and what is known when there is none.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::AlertDescription;
use zeroize::Zeroizing;

use crate::connect::Connector;

/// The longest reply that is read.
const BODY_LIMIT: usize = 1 << 20;
/// Far below the minutes after which servers close idle connections: a request on a closing one may be lost.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// The driver has a handful of calls under way at once.
const IDLE_CONNECTIONS: usize = 4;

/// Connections that are kept for the next request.
pub struct Pool {
    client: Client<Connector, Full<Bytes>>,
}

/// An answer, whatever it says.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body: it may hold a secret, and is wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer. The texts are for a person, and name no request.
#[derive(Debug, thiserror::Error)]
pub enum Missed {
    /// Nothing was done: the request never got there.
    #[error("{0}")]
    Unsent(String),
    /// It may have been done.
    #[error("{0}")]
    Unknown(String),
}

impl Pool {
    /// No connection yet.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .retry_canceled_requests(false)
            .build(connector);
        Self { client }
    }

    /// Sends a request with an absolute address, once. How long that may take is the caller's to limit: dropped, it leaves the
    /// request in doubt.
    pub async fn send(&self, request: &Request<Full<Bytes>>) -> Result<Answer, Missed> {
        let (head, body) = self.respond(request).await?.into_parts();
        let broken = |e: Box<dyn Error + Send + Sync>| Missed::Unknown(chain(&*e));
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(broken)?;
        let mut chunks = body.aggregate();
        let mut body = Zeroizing::new(vec![0; chunks.remaining()]);
        chunks.copy_to_slice(&mut body);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn respond(&self, request: &Request<Full<Bytes>>) -> Result<http::Response<hyper::body::Incoming>, Missed> {
        // A connection that the server closed while it was idle takes nothing: a fresh one is made, once.
        let mut stale = true;
        loop {
            match self.client.request(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(e) if is_unsent(&e) && std::mem::take(&mut stale) => {}
                Err(e) => return Err(missed(&e)),
            }
        }
    }
}

/// What is certain after a request that was not answered.
pub(crate) fn missed(error: &hyper_util::client::legacy::Error) -> Missed {
    if is_unsent(error) || error.is_connect() || is_our_certificate_refused(error) {
        Missed::Unsent(chain(error))
    } else {
        Missed::Unknown(chain(error))
    }
}

/// Whether the request was taken back before a byte of it was written.
fn is_unsent(error: &hyper_util::client::legacy::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

/// Whether the server ended the connection over our certificate. It does so before it looks at the request, although with
/// TLS 1.3 that was sent by then.
fn is_our_certificate_refused(error: &hyper_util::client::legacy::Error) -> bool {
    let alert = |cause: &(dyn Error + 'static)| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
            _ => None,
        }
    };
    causes(error).filter_map(alert).any(|alert| {
        matches!(
            alert,
            AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
        )
    })
}

/// An error and what caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error and its causes on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let separator = if text.is_empty() { "" } else { ": " };
        let _ = write!(text, "{separator}{cause}");
    }
    text
}
