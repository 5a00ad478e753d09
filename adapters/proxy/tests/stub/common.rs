//! An identity in memory, a server that notes what it is sent, and a client.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use turquoise_proxy::{At, AutoAuth, Bound, Dependents, Door, Hooks, Limits, Listener, LocalToken, Metrics, Proxy, Setup};
use turquoise_runtime::core::{Consumers, Mint, Policy, Shortage, Trial};
use turquoise_runtime::memory::ExposeSecret as _;
use turquoise_runtime::port::{
    Contract, Credential, Entry, Handle, History, Journal, Minted, NotDurable, Observed, Provider, Reason, Reply, Store,
    StoreError,
};
use turquoise_runtime::{Credentials, Identity};
use turquoise_vault::Upstream;

/// Gives the secrets `key-1`, `key-2` …
#[derive(Clone, Default)]
struct Keys(Arc<Mutex<Made>>);

#[derive(Default)]
struct Made {
    count: u32,
    /// What the server has turned against.
    revoked: BTreeSet<String>,
}

const LIFE: Duration = Duration::from_hours(1);

impl Keys {
    fn make(&self) -> Reply<Minted> {
        let mut made = self.0.lock().unwrap();
        made.count += 1;
        let (secret, handle) = (format!("key-{}", made.count).into(), Handle(format!("accessor-{}", made.count)));
        Reply::Applied(Minted { secret, handle, remaining: LIFE })
    }

    fn use_of(&self, credential: &Credential) -> Reply<Duration> {
        if self.0.lock().unwrap().revoked.contains(credential.secret.expose_secret()) {
            return Reply::Refused(Reason("permission denied".to_owned()));
        }
        Reply::Applied(LIFE)
    }
}

impl Provider for Keys {
    fn contract(&self) -> Contract {
        Contract { login_life: LIFE, ..Contract::PROMPT }
    }

    async fn login(&self, _: Mint) -> Reply<Minted> {
        self.make()
    }

    async fn issue(&self, _: &Credential, _: Mint, _: Duration) -> Reply<Minted> {
        self.make()
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.use_of(with)
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        match self.use_of(with) {
            Reply::Applied(_) => Reply::Applied(life),
            other => other,
        }
    }

    async fn revoke(&self, _: &Credential) -> Reply<()> {
        Reply::Applied(())
    }

    async fn observe(&self, _: &Credential, _: &Credential) -> Reply<Observed> {
        Reply::Applied(Observed::Dead)
    }
}

struct Memory;

impl Journal for Memory {
    fn append(&mut self, _: &Entry) -> Result<(), NotDurable> {
        Ok(())
    }
}

impl Store for Memory {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(Vec::new())
    }

    fn persist(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self, _: Mint) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A request as the server had it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Heard {
    /// The token that was shown.
    pub(crate) fn token(&self) -> Option<&str> {
        self.headers.get("x-vault-token").map(|value| value.to_str().unwrap())
    }
}

/// A server.
#[derive(Clone, Default)]
pub(crate) struct Stub {
    pub(crate) heard: Arc<Mutex<Vec<Heard>>>,
    /// Who shows one of these is answered 403, and so.
    pub(crate) refused: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    /// What is answered at these paths instead of an empty document.
    pub(crate) answers: Arc<Mutex<BTreeMap<&'static str, (u16, &'static str)>>>,
    /// A request to `/v1/held` is answered when this is rung.
    pub(crate) bell: Arc<Notify>,
    /// Where a request to `/v1/led` is led.
    pub(crate) lead: Arc<Mutex<String>>,
}

impl Stub {
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stub = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stub = stub.clone();
                let service = service_fn(move |request| stub.clone().answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
            }
        });
        address
    }

    async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let upgraded = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().unwrap().to_string();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let request = Heard { method: head.method, target: target.clone(), headers: head.headers, body };
        let refusal = request.token().and_then(|token| self.refused.lock().unwrap().get(token).copied());
        self.heard.lock().unwrap().push(request);
        if target == "/v1/held" {
            self.bell.notified().await;
        }
        let mut response = Response::new(Full::default());
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        if let Some(upgraded) = upgraded {
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
                // Says back what it is told, until it is told no more.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", "echo".parse().unwrap());
        } else if let Some(refusal) = refusal {
            *response.status_mut() = StatusCode::FORBIDDEN;
            *response.body_mut() = refusal.into();
        } else if target == "/v1/led" {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert("location", self.lead.lock().unwrap().parse().unwrap());
        } else {
            let (status, body) = self.answers.lock().unwrap().get(target.as_str()).copied().unwrap_or((200, "{}"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.body_mut() = body.into();
        }
        Ok(response)
    }

    /// What was shown, in order.
    pub(crate) fn shown(&self) -> Vec<Option<String>> {
        self.heard.lock().unwrap().iter().map(|heard| heard.token().map(str::to_owned)).collect()
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

/// A server, a proxy before it, and the identity whose credential that bears.
pub(crate) struct Bench {
    pub(crate) stub: Stub,
    pub(crate) identity: Identity,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) client: Client,
    pub(crate) local: String,
    pub(crate) hooks: Hooks,
    pub(crate) folder: TempDir,
    keys: Keys,
}

/// What is to be otherwise than usual.
pub(crate) struct Otherwise {
    pub(crate) auto_auth: AutoAuth,
    pub(crate) limits: Limits,
    pub(crate) canary: Option<Trial>,
    pub(crate) listener: Listener,
    /// Opened already, in the place of the listener's.
    pub(crate) door: Option<Door>,
    pub(crate) upstream: Option<Vec<String>>,
    pub(crate) dependents: Option<Arc<dyn Dependents>>,
    /// Whether the program around it has metrics.
    pub(crate) metrics: bool,
}

/// Every request that can be sent again tries the candidate.
pub(crate) const TRIAL: Trial =
    Trial { share: 10_000, window: Duration::from_secs(8), samples: 3, forgiven: 0, slower: 0, shortage: Shortage::Abandon };

impl Default for Otherwise {
    fn default() -> Self {
        Self {
            auto_auth: AutoAuth::Off,
            limits: Limits::default(),
            canary: None,
            listener: Listener::new(At::Tcp(([127, 0, 0, 1], 0).into())),
            door: None,
            upstream: None,
            dependents: None,
            metrics: false,
        }
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(Otherwise::default()).await
    }

    pub(crate) async fn with(otherwise: Otherwise) -> Self {
        let Otherwise { auto_auth, limits, canary, listener, door, upstream, dependents, metrics } = otherwise;
        let (stub, keys, folder) = (Stub::default(), Keys::default(), tempfile::tempdir().unwrap());
        let setup = turquoise_runtime::Setup::new(keys.clone(), Memory, History::default(), Memory).unwrap();
        let soon = Duration::from_millis(10);
        let policy = Policy { probes: 1, probe_every: soon, backoff: soon, consumers: Consumers::Counted, ..setup.policy };
        let policy = Policy { canary, period: None, ..policy };
        let load = setup.load.clone().start_spread(Duration::ZERO);
        let identity = Identity::start(turquoise_runtime::Setup { policy, load, ..setup }).await.unwrap();
        identity.credentials().ready().await.unwrap();
        let local = LocalToken::in_file(&folder.path().join("local")).unwrap();
        let text = local.expose_secret().to_owned();
        let addresses = upstream.unwrap_or(vec![format!("http://{}", stub.listen().await)]);
        let mut upstream = Upstream::new(addresses.iter().map(|address| address.parse().unwrap()));
        upstream.connect_timeout = Duration::from_secs(1);
        let write = Arc::new(|| "of_the_program 1\n".to_owned());
        let metrics = metrics.then_some(Metrics { kind: "text/plain", write });
        let ready = Some(Arc::new(|| Err("not yet\n".to_owned())) as _);
        let hooks = Hooks { metrics, ready, ..Hooks::default() };
        let setup = Setup {
            credentials: identity.credentials(),
            upstream,
            local_token: Some(local),
            auto_auth,
            doors: vec![door.unwrap_or_else(|| Door::open(&listener).unwrap())],
            limits,
            hooks: hooks.clone(),
        };
        let proxy = Proxy::start_with(setup, dependents).unwrap();
        let client = Client { at: proxy.bound()[0].clone() };
        Self { stub, identity, proxy: Some(proxy), client, local: text, hooks, folder, keys }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.identity.credentials()
    }

    /// The server turns against this key.
    pub(crate) fn revoke(&self, key: &'static str) {
        self.keys.0.lock().unwrap().revoked.insert(key.to_owned());
        self.stub.refused.lock().unwrap().insert(key, r#"{"errors":["permission denied"]}"#);
    }

    /// Begins to try the next key.
    pub(crate) async fn try_next(&self) {
        self.identity.rotate().await.unwrap();
        while !self.credentials().acquire_canary().unwrap().is_candidate() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A read with the local token.
    pub(crate) async fn read(&self, path: &str) -> Response<Bytes> {
        self.client.send(self.get(path)).await
    }

    pub(crate) fn get(&self, path: &str) -> Request<Full<Bytes>> {
        Request::get(path).header("x-vault-token", &self.local).body(Full::default()).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::post(path).header("x-vault-token", &self.local).body(Full::new(body.into())).unwrap()
    }
}

/// A client whose connections are used once.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) at: Bound,
}

impl Client {
    pub(crate) fn address(&self) -> SocketAddr {
        let Bound::Tcp(address) = self.at else { panic!("it listens on a socket") };
        address
    }

    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        request.headers_mut().entry("host").or_insert("localhost".parse().unwrap());
        exchange(stream, request).await
    }
}

pub(crate) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Response<Bytes>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// The words of a refusal.
pub(crate) fn words(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}
