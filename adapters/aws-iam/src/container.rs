//! The endpoint that AWS clients ask for the key that serves.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use turquoise_runtime::Credentials;
use turquoise_runtime::memory::Secret;
use zeroize::Zeroizing;

use crate::answer::container_answer;

/// So many are answered at once; others wait to be accepted.
const CONNECTIONS: usize = 64;
/// A client asks, is answered and goes: each connection is over by then.
const LONGEST: Duration = Duration::from_secs(5);
/// What a request may have of headers.
const HEADERS: usize = 32;
/// In bytes, with the request line; the least that the HTTP library takes.
const HEAD: usize = 8192;
/// In characters: less can be guessed.
const LEAST_TOKEN: usize = 20;
/// After a connection could not be accepted: usually there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The secret would go over a network in clear.
    #[error("{0} can be reached from other machines, and the key would go there in clear: listen on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// Anybody on this machine could ask.
    #[error(
        "the authorization token is too weak or no header: use {LEAST_TOKEN} or more visible ASCII characters, chosen by chance"
    )]
    Token,
    /// Clients would ask without end.
    #[error("`expires_in` is nothing: give it a length")]
    Zero,
    /// The listener is none.
    #[error("the listener has no address: {0}")]
    Listener(#[from] io::Error),
}

/// Hands the key that serves to AWS clients, as the endpoint of a container does.
///
/// A client finds it by `AWS_CONTAINER_CREDENTIALS_FULL_URI`, which is `http://127.0.0.1:PORT/`, and shows that it may ask by
/// `AWS_CONTAINER_AUTHORIZATION_TOKEN` or the file that `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` names. Who does not is told
/// nothing. While no key serves the answer is 503, with `Retry-After`.
///
/// A key has no end, but the answer has one: `expires_in` from now. Clients keep what they have read, most of them until 10
/// to 15 minutes before that, and ask anew: the grace of a rotation must last longer than they keep it. What a client has read
/// is not counted as work that holds the key.
pub struct Container {
    listener: TcpListener,
    desk: Arc<Desk>,
}

/// What answers.
struct Desk {
    credentials: Credentials,
    token: Secret,
    expires_in: Duration,
}

impl Container {
    /// Takes a listener on a loopback address, and the token that clients must show.
    pub fn new(
        listener: TcpListener,
        credentials: Credentials,
        token: Secret,
        expires_in: Duration,
    ) -> Result<Self, ContainerError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(ContainerError::NotLoopback(address));
        }
        let text = token.expose_secret();
        if text.len() < LEAST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ContainerError::Token);
        }
        if expires_in.is_zero() {
            return Err(ContainerError::Zero);
        }
        Ok(Self { listener, desk: Arc::new(Desk { credentials, token, expires_in }) })
    }

    /// Answers clients until it is dropped, and ends what is under way then.
    pub async fn serve(self) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(converse(stream, Arc::clone(&self.desk)))),
                    Err(why) => {
                        tracing::warn!(%why, next = "see how many files this process may open", "a client was not accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// One request and its answer. Who breaks off, is too slow or sends too much is none the wiser.
async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    let answer = service_fn(|request| {
        let response = desk.answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false).max_headers(HEADERS).max_buf_size(HEAD);
    if let Ok(Err(why)) = timeout(LONGEST, http.serve_connection(TokioIo::new(stream), answer)).await {
        tracing::debug!(%why, "a client was not answered");
    }
}

impl Desk {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_authorized(request) {
            return refusal(
                StatusCode::UNAUTHORIZED,
                "the authorization token is missing or wrong: set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            );
        }
        if request.method() != Method::GET {
            let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "a key is asked for with GET");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return refused;
        }
        if request.uri().path() != "/" {
            return refusal(StatusCode::NOT_FOUND, "there is nothing but /");
        }
        let Ok(guard) = self.credentials.acquire() else {
            let mut later = refusal(StatusCode::SERVICE_UNAVAILABLE, "no key serves now: ask again");
            later.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return later;
        };
        match container_answer((&guard).into(), SystemTime::now() + self.expires_in) {
            Ok(answer) => response(StatusCode::OK, Bytes::from_owner(Wiped(answer))),
            Err(why) => {
                tracing::error!(%why, next = "see that the provider is one of AWS keys", "what serves is no access key");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "what serves is no access key")
            }
        }
    }

    /// In a time that tells nothing but the length of what was shown.
    fn is_authorized(&self, request: &Request<Incoming>) -> bool {
        let mut shown = request.headers().get_all(AUTHORIZATION).iter();
        match (shown.next(), shown.next()) {
            (Some(shown), None) => shown.as_bytes().ct_eq(self.token.expose_secret().as_bytes()).into(),
            _ => false,
        }
    }
}

/// A body that is wiped when it is sent.
struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// In the form in which the container services of AWS say no. The words hold nothing that JSON would escape.
fn refusal(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let code = status.canonical_reason().unwrap_or_default().replace(' ', "");
    response(status, Bytes::from(format!("{{\"code\":\"{code}\",\"message\":\"{words}\"}}\n")))
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
