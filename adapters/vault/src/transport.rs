//! Requests to one server's nodes over one pool of connections for all tokens, and no more copies of them than can be helped.
//!
//! No redirect is followed but by a read to a configured address: it would carry the token elsewhere, and repeat a mint.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::Full;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use turquoise_http::{Connector, Missed as NoAnswer, Pool, Tls, nobody};
use zeroize::Zeroizing;

use crate::failure::{Failure, classify};
use crate::index::Index;
use crate::request::{Effect, Request};
use crate::server::{Address, ConfigError, Upstream};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const ROTATION: HeaderName = HeaderName::from_static("x-rotation-id");
const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");

/// How requests reach the nodes of one server.
pub(crate) struct Transport {
    nodes: Vec<Node>,
    /// The node that answered last, by its place.
    first: AtomicUsize,
    pool: Pool,
    timeout: Duration,
    namespace: Option<HeaderValue>,
    index: Index,
}

/// How the nodes of an [`Upstream`] are reached.
pub struct Reach {
    /// Makes the connections.
    pub connector: Connector,
    /// The nodes, in the order of their addresses; at least one.
    pub nodes: Vec<Node>,
}

/// Where one node is.
#[derive(Clone, Debug)]
pub struct Node {
    /// As it was given.
    pub address: Address,
    /// What the path of a request is put after: for a unix socket, a name that no host can have and that the connector knows.
    pub base: String,
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
        let Reach { connector, nodes } = upstream.reach()?;
        let namespace = upstream.namespace.as_ref().map(|name| HeaderValue::try_from(name.to_string()));
        let namespace = namespace.transpose().expect("a namespace is made of letters");
        Ok(Self {
            nodes,
            first: AtomicUsize::new(0),
            pool: Pool::new(connector),
            timeout: upstream.timeout,
            namespace,
            index: Index::default(),
        })
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

    /// How long a call may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
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
                (Failure::Unknown(_), Effect::Write | Effect::EndNamed) => (true, false),
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
        let answer = self.respond(&self.nodes[at], request, path).await.map_err(Missed::new)?;
        let turquoise_http::Answer { status, headers, body } = answer;
        classify(status, &headers, &body).map_err(|failure| Missed { failure, redirect: self.redirect(status, &headers) })?;
        if let (Effect::Write, Some(index)) = (effect, headers.get(INDEX)) {
            self.index.keep(index);
        }
        let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok(Answer { status, date, body })
    }

    async fn respond(
        &self,
        node: &Node,
        request: &http::Request<Full<Bytes>>,
        path: &str,
    ) -> Result<turquoise_http::Answer, Failure> {
        let uri: Uri = format!("{}/v1/{path}", node.base).parse().map_err(|e| Failure::Unfit(format!("no such request: {e}")))?;
        let mut sent = request.clone();
        *sent.uri_mut() = uri;
        if matches!(node.address, Address::Socket(_)) {
            sent.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        }
        self.pool.send(&sent).await.map_err(|missed| match missed {
            NoAnswer::Unsent(why) => Failure::Unavailable(format!("{}: {why}", node.address)),
            NoAnswer::Unknown(why) => Failure::Unknown(format!("{}: {why}", node.address)),
        })
    }

    fn redirect(&self, status: StatusCode, headers: &HeaderMap) -> Option<usize> {
        let to: Uri = headers.get(LOCATION).filter(|_| status.is_redirection())?.to_str().ok()?.parse().ok()?;
        let base = format!("{}://{}", to.scheme_str()?, to.authority()?);
        self.nodes.iter().position(|node| node.base == base)
    }
}

impl Upstream {
    /// How its nodes are reached: for who makes requests of others' and not only our own.
    pub fn reach(&self) -> Result<Reach, ConfigError> {
        let nodes: Vec<_> = self.addresses.iter().enumerate().map(Node::new).collect();
        if nodes.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        let sockets = nodes.iter().filter_map(|node| match &node.address {
            Address::Socket(path) => Some((node.base.trim_start_matches("http://").to_owned(), path.clone())),
            Address::Url(_) => None,
        });
        let name = server_name(&self.tls)?;
        let connector = Connector::new(sockets.collect(), Arc::new(tls(self)?), name, self.connect_timeout);
        Ok(Reach { connector, nodes })
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
    let secure = upstream.addresses.iter().any(Address::is_secure);
    Ok(if secure { upstream.tls.client_config()? } else { nobody() })
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
