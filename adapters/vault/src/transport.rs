//! One pool of connections for all tokens, and no more copies of them than can be helped.
//!
//! What it does not do matters as much: no redirect is followed (it would carry the token elsewhere, and repeat a mint),
//! no request is sent twice, no proxy is taken from the environment.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use zeroize::Zeroizing;

use crate::config::{ConfigError, TokenConfig};
use crate::reply::{Failure, classify};
use crate::request::{Effect, Request};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const ROTATION: HeaderName = HeaderName::from_static("x-rotation-id");
const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");

/// The longest reply that is read.
const BODY_LIMIT: usize = 1 << 20;
/// Far below the five minutes after which servers close idle connections: a request on a closing one may be lost.
const IDLE: Duration = Duration::from_secs(30);
/// The driver has a handful of calls under way at once.
const IDLE_CONNECTIONS: usize = 4;

/// How requests reach one server. TLS goes into its connector.
pub(crate) struct Transport {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
    index: Mutex<Option<HeaderValue>>,
}

/// A success.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Transport {
    pub(crate) fn new(config: &TokenConfig) -> Result<Self, ConfigError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { base: base(&config.address)?, client, timeout: config.timeout, index: Mutex::default() })
    }

    /// Sends a request as the holder of `token` and waits for its answer, at most as long as a call may take.
    pub(crate) async fn call(&self, token: &Secret, request: Request) -> Result<Answer, Failure> {
        let (method, path, effect) = (request.method.clone(), request.path.clone(), request.effect);
        let sent = self.seal(token, request)?;
        let late = |_| Failure::Unknown(format!("no answer within {:?}", self.timeout));
        let result = tokio::time::timeout(self.timeout, self.exchange(sent, effect)).await.map_err(late).flatten();
        let result = result.map_err(|failure| failure.hide(token));
        // Not the words of a failure: they may hold a secret of the request, which only the caller can strike out.
        let status = result.as_ref().ok().map(|answer| answer.status.as_u16());
        tracing::debug!(%method, path, status, "called");
        result
    }

    /// Whether calls carry an index from a write, so that a node that lags behind it passes them on to the leader.
    pub(crate) fn is_consistent(&self) -> bool {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn seal(&self, token: &Secret, request: Request) -> Result<http::Request<Full<Bytes>>, Failure> {
        let uri = format!("{}/v1/{}", self.base, request.path);
        let mut sent = http::Request::builder().method(request.method).uri(uri).header(TOKEN, header(token)?);
        if !request.body.is_empty() {
            sent = sent.header(CONTENT_TYPE, "application/json");
        }
        if let Some(generation) = request.rotation {
            sent = sent.header(ROTATION, generation.to_string());
        }
        // The second without the first makes lagging nodes lie (measured): never send it alone.
        if let Some(index) = self.index.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            sent = sent.header(INDEX, index).header(INCONSISTENT, "forward-active-node");
        }
        sent.body(Full::new(Bytes::from_owner(request.body))).map_err(|e| Failure::Unfit(format!("no such request: {e}")))
    }

    async fn exchange(&self, request: http::Request<Full<Bytes>>, effect: Effect) -> Result<Answer, Failure> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|e| if e.is_connect() { Failure::Unavailable(chain(&e)) } else { Failure::Unknown(chain(&e)) })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|e| Failure::Unknown(chain(&*e)))?;
        let mut chunks = body.aggregate();
        let mut body = Zeroizing::new(vec![0; chunks.remaining()]);
        chunks.copy_to_slice(&mut body);
        classify(head.status, &body)?;
        if let (Effect::Write, Some(index)) = (effect, head.headers.get(INDEX)) {
            self.keep(index);
        }
        Ok(Answer { status: head.status, body })
    }

    /// Replies overtake each other, so the highest index of one cluster is kept; what cannot be compared replaces.
    /// Only writes give one: the index that comes with a read may be that of the lagging node that answered it.
    fn keep(&self, seen: &HeaderValue) {
        let mut kept = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = match (kept.as_ref().and_then(position), position(seen)) {
            (Some(kept), Some(seen)) => kept.cluster == seen.cluster && seen.value < kept.value,
            _ => false,
        };
        if !behind {
            *kept = Some(seen.clone());
        }
    }
}

/// What an index says. A server that writes it otherwise is taken at its latest word.
struct Position {
    cluster: String,
    value: u64,
}

fn position(index: &HeaderValue) -> Option<Position> {
    #[derive(Deserialize)]
    struct Written {
        cluster: String,
        value: String,
    }
    let json = BASE64_STANDARD.decode(index.as_bytes()).ok()?;
    let Written { cluster, value } = serde_json::from_slice(&json).ok()?;
    Some(Position { cluster, value: value.parse().ok()? })
}

/// Whether a token can be one at all. An empty one, looked up by value, would have the server look up the caller.
pub(crate) fn check(token: &Secret) -> Result<(), Failure> {
    let token = token.expose_secret();
    if token.is_empty() {
        return Err(Failure::Unfit("the token is empty".to_owned()));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Unfit("the token has a character in it that no token has, a blank or a line break".to_owned()));
    }
    Ok(())
}

/// A token as a header, in memory that is wiped when the request is gone.
fn header(token: &Secret) -> Result<HeaderValue, Failure> {
    check(token)?;
    let bytes = Zeroizing::new(token.expose_secret().as_bytes().to_vec());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))
        .map_err(|_| Failure::Unfit("the token does not fit into a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The server's address without a trailing slash.
fn base(address: &str) -> Result<String, ConfigError> {
    let fault = || ConfigError::Address { address: address.to_owned() };
    let uri: Uri = address.parse().map_err(|_| fault())?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(ConfigError::Tls { address: address.to_owned() }),
        _ => return Err(fault()),
    }
    let authority = uri.authority().filter(|host| !host.as_str().contains('@')).ok_or_else(fault)?;
    if uri.path_and_query().is_some_and(|rest| rest != "/") {
        return Err(fault());
    }
    Ok(format!("http://{authority}"))
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
