//! One pool of connections for all tokens, and no more copies of them than can be helped.
//!
//! What it does not do matters as much: no redirect is followed but by a read to a configured address (it would carry the
//! token elsewhere, and repeat a mint), nothing that may have been done is sent twice, no proxy is taken from the environment.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::connect::Connector;
use crate::failure::{Failure, classify};
use crate::index::Index;
use crate::request::{Effect, Request};
use crate::server::{Address, ConfigError, Tls, Upstream};
use crate::tls::client_config;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const ROTATION: HeaderName = HeaderName::from_static("x-rotation-id");
const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");

/// The longest reply that is read.
const BODY_LIMIT: usize = 1 << 20;
/// Far below the five minutes after which servers close idle connections: a request on a closing one may be lost.
const IDLE: Duration = Duration::from_secs(30);
/// The driver has a handful of calls under way at once.
const IDLE_CONNECTIONS: usize = 4;

/// How requests reach the nodes of one server.
pub(crate) struct Transport {
    nodes: Vec<Node>,
    /// The node that answered last, by its place.
    first: AtomicUsize,
    client: Client<Connector, Full<Bytes>>,
    timeout: Duration,
    namespace: Option<HeaderValue>,
    index: Index,
}

/// Where one node is.
struct Node {
    address: Address,
    base: String,
}

/// A success.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What time it was there.
    pub(crate) date: Option<SystemTime>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// What one node made of a request.
struct Missed {
    failure: Failure,
    /// The node that a redirect names, if it is one of ours.
    redirect: Option<usize>,
}

impl Transport {
    pub(crate) fn new(upstream: &Upstream) -> Result<Self, ConfigError> {
        for (name, value) in [("connect_timeout", upstream.connect_timeout), ("timeout", upstream.timeout)] {
            if value.is_zero() {
                return Err(ConfigError::Zero { name });
            }
        }
        let nodes: Vec<_> = upstream.addresses.iter().enumerate().map(Node::new).collect();
        if nodes.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        let sockets = nodes.iter().filter_map(|node| match &node.address {
            Address::Socket(path) => Some((node.base.trim_start_matches("http://").to_owned(), path.clone())),
            Address::Url(_) => None,
        });
        let name = server_name(&upstream.tls)?;
        let connector = Connector::new(sockets.collect(), Arc::new(tls(upstream)?), name, upstream.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .retry_canceled_requests(false)
            .build(connector);
        let namespace = upstream.namespace.as_ref().map(|name| HeaderValue::try_from(name.to_string()));
        let namespace = namespace.transpose().expect("a namespace is made of letters");
        Ok(Self { nodes, first: AtomicUsize::new(0), client, timeout: upstream.timeout, namespace, index: Index::default() })
    }

    /// Sends a request as the holder of `token` and waits for its answer, at most as long as a call may take.
    pub(crate) async fn call(&self, token: &impl ExposeSecret<str>, request: Request) -> Result<Answer, Failure> {
        self.run(Some(header(token)?), request).await.map_err(|failure| failure.hide(token))
    }

    /// Sends a request as nobody. What is secret in it is the caller's to hide.
    pub(crate) async fn call_as_nobody(&self, request: Request) -> Result<Answer, Failure> {
        self.run(None, request).await
    }

    /// Whether calls carry an index from a write, so that a node that lags behind it passes them on to the leader.
    pub(crate) fn is_consistent(&self) -> bool {
        self.index.known().is_some()
    }

    /// The address that calls begin with.
    pub(crate) fn address(&self) -> &Address {
        &self.nodes[self.first.load(Ordering::Relaxed)].address
    }

    async fn run(&self, token: Option<HeaderValue>, request: Request) -> Result<Answer, Failure> {
        let Request { method, path, body, effect, rotation } = request;
        let mut headers = self.headers(token);
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(generation) = rotation {
            let value = HeaderValue::try_from(generation.to_string()).expect("a generation is made of digits and letters");
            headers.insert(ROTATION, value);
        }
        let mut sent = http::Request::new(Full::new(Bytes::from_owner(body)));
        *sent.method_mut() = method.clone();
        *sent.headers_mut() = headers;
        let result = self.send(&sent, &path, effect).await;
        // Not the words of a failure: they may hold a secret of the request, which only the caller can strike out.
        let status = result.as_ref().ok().map(|answer| answer.status.as_u16());
        tracing::debug!(%method, path, status, "called");
        result
    }

    fn headers(&self, token: Option<HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.extend(token.map(|token| (TOKEN, token)));
        headers.extend(self.namespace.clone().map(|namespace| (NAMESPACE, namespace)));
        // The second without the first makes lagging nodes lie (measured): never send it alone.
        if let Some(index) = self.index.known() {
            headers.insert(INDEX, index);
            headers.insert(INCONSISTENT, HeaderValue::from_static("forward-active-node"));
        }
        headers
    }

    /// One node after the other, until one answers or it may be wrong to go on.
    async fn send(&self, request: &http::Request<Full<Bytes>>, path: &str, effect: Effect) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.timeout;
        let count = self.nodes.len();
        let mut at = self.first.load(Ordering::Relaxed);
        let mut left = count;
        loop {
            left -= 1;
            let late = |_| Missed::new(Failure::Unknown(format!("no answer within {:?}", self.timeout)));
            let tried = timeout_at(deadline, self.exchange(at, request, path, effect)).await.map_err(late).flatten();
            let Missed { failure, redirect } = match tried {
                Ok(answer) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(missed) => missed,
            };
            let next = redirect.unwrap_or((at + 1) % count);
            let (move_on, again) = match (&failure, effect) {
                (Failure::Unavailable(_), _) | (Failure::Unknown(_), Effect::Read) => (true, true),
                (Failure::Unknown(_), Effect::Write) => (true, false),
                (Failure::Refused { .. } | Failure::Unfit(_) | Failure::Throttled { .. }, _) => (false, false),
            };
            if move_on {
                self.first.store(next, Ordering::Relaxed);
            }
            if !again || left == 0 || Instant::now() >= deadline {
                return Err(failure);
            }
            at = next;
        }
    }

    async fn exchange(
        &self,
        at: usize,
        request: &http::Request<Full<Bytes>>,
        path: &str,
        effect: Effect,
    ) -> Result<Answer, Missed> {
        let response = self.respond(&self.nodes[at], request, path).await.map_err(Missed::new)?;
        let (head, body) = response.into_parts();
        let broken = |e: Box<dyn Error + Send + Sync>| Missed::new(Failure::Unknown(chain(&*e)));
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(broken)?;
        let mut chunks = body.aggregate();
        let mut body = Zeroizing::new(vec![0; chunks.remaining()]);
        chunks.copy_to_slice(&mut body);
        classify(head.status, &head.headers, &body)
            .map_err(|failure| Missed { failure, redirect: self.redirect(head.status, &head.headers) })?;
        if let (Effect::Write, Some(index)) = (effect, head.headers.get(INDEX)) {
            self.index.keep(index);
        }
        let date = head.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok(Answer { status: head.status, date, body })
    }

    async fn respond(
        &self,
        node: &Node,
        request: &http::Request<Full<Bytes>>,
        path: &str,
    ) -> Result<http::Response<hyper::body::Incoming>, Failure> {
        let uri: Uri = format!("{}/v1/{path}", node.base).parse().map_err(|e| Failure::Unfit(format!("no such request: {e}")))?;
        // A connection that the server closed while it was idle takes nothing: a fresh one is made, once.
        let mut stale = true;
        loop {
            let mut sent = request.clone();
            *sent.uri_mut() = uri.clone();
            if matches!(node.address, Address::Socket(_)) {
                sent.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
            }
            match self.client.request(sent).await {
                Ok(response) => return Ok(response),
                Err(e) if is_unsent(&e) && std::mem::take(&mut stale) => {}
                Err(e) if is_unsent(&e) || e.is_connect() || is_our_certificate_refused(&e) => {
                    return Err(Failure::Unavailable(format!("{}: {}", node.address, chain(&e))));
                }
                Err(e) => return Err(Failure::Unknown(format!("{}: {}", node.address, chain(&e)))),
            }
        }
    }

    fn redirect(&self, status: StatusCode, headers: &HeaderMap) -> Option<usize> {
        let to: Uri = headers.get(LOCATION).filter(|_| status.is_redirection())?.to_str().ok()?.parse().ok()?;
        let base = format!("{}://{}", to.scheme_str()?, to.authority()?);
        self.nodes.iter().position(|node| node.base == base)
    }
}

impl Node {
    fn new((place, address): (usize, &Address)) -> Self {
        let base = match address {
            Address::Url(url) => url.clone(),
            // A name that no host can have.
            Address::Socket(_) => format!("http://{place}.socket.invalid"),
        };
        Self { address: address.clone(), base }
    }
}

impl Missed {
    const fn new(failure: Failure) -> Self {
        Self { failure, redirect: None }
    }
}

/// Without an address that needs it, nobody is trusted, and the system is not asked whom it trusts.
pub(crate) fn tls(upstream: &Upstream) -> Result<ClientConfig, ConfigError> {
    if upstream.addresses.iter().any(Address::is_secure) {
        return client_config(&upstream.tls);
    }
    let nothing = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let nothing = nothing.with_safe_default_protocol_versions().expect("the provider speaks TLS 1.2 and 1.3");
    Ok(nothing.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn server_name(tls: &Tls) -> Result<Option<ServerName<'static>>, ConfigError> {
    let parse = |name: &String| {
        ServerName::try_from(name.clone()).map_err(|_| ConfigError::Name { name: name.clone(), what: "server's name" })
    };
    tls.server_name.as_ref().map(parse).transpose()
}

/// Whether a token can be one at all. An empty one, looked up by value, would have the server look up the caller.
pub(crate) fn check(token: &impl ExposeSecret<str>) -> Result<(), Failure> {
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
fn header(token: &impl ExposeSecret<str>) -> Result<HeaderValue, Failure> {
    check(token)?;
    let bytes = Zeroizing::new(token.expose_secret().as_bytes().to_vec());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))
        .map_err(|_| Failure::Unfit("the token does not fit into a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
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
