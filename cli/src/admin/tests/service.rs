//! A service in memory that makes keys, with moods; and an identity that rotates them, with its socket.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use turquoise::core::{Consumers, Jitter, Mint};
use turquoise::journal::FileJournal;
use turquoise::memory::ExposeSecret as _;
use turquoise::port::{Contract, Credential, Handle, Minted, Observed, Provider, Reason, Reply};
use turquoise::proxy::{AutoAuth, Hooks, Limits, Proxy};
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::Upstream;
use turquoise::{Identity, Setup, proxy};

use crate::admin::shape::{Accepted, Complaint, Since, Standing};
use crate::admin::{Admin, Alarm, Facts, Proxied};
use crate::pause::Paused;

/// What is wrong with the service, if anything.
#[derive(Default)]
pub(super) struct Moods {
    /// Keys that are made now are good for nothing.
    pub(super) useless: AtomicBool,
    /// Keys cannot be ended.
    pub(super) endless: AtomicBool,
}

/// Every key that was ever made, and when it ends.
#[derive(Clone, Default)]
struct Keys {
    ends: Arc<Mutex<HashMap<String, Instant>>>,
    useless: Arc<Mutex<HashSet<String>>>,
    moods: Arc<Moods>,
}

impl Keys {
    fn make(&self, mint: Mint, life: Duration) -> Reply<Minted> {
        let key = format!("key-of-{}", mint.generation);
        self.ends.lock().unwrap().insert(key.clone(), Instant::now() + life);
        if self.moods.useless.load(Ordering::Relaxed) {
            self.useless.lock().unwrap().insert(key.clone());
        }
        Reply::Applied(Minted { secret: key.into(), handle: Handle(mint.generation.to_string()), remaining: life })
    }

    fn left(&self, key: &Credential) -> Option<Duration> {
        self.ends.lock().unwrap().get(key.secret.expose_secret())?.checked_duration_since(Instant::now())
    }
}

fn no<T>(why: &str) -> Reply<T> {
    Reply::Refused(Reason(why.to_owned()))
}

impl Provider for Keys {
    fn contract(&self) -> Contract {
        Contract { login_life: Duration::from_mins(10), ..Contract::PROMPT }
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        self.make(mint, self.contract().login_life)
    }

    async fn issue(&self, _: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        self.make(mint, life)
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        let useless = self.useless.lock().unwrap().contains(with.secret.expose_secret());
        self.left(with).filter(|_| !useless).map_or_else(|| no("\u{1b}[31mit is good for nothing"), Reply::Applied)
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        self.ends.lock().unwrap().insert(with.secret.expose_secret().to_owned(), Instant::now() + life);
        Reply::Applied(life)
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        if self.moods.endless.load(Ordering::Relaxed) {
            return no("keys do not end here");
        }
        self.ends.lock().unwrap().remove(with.secret.expose_secret());
        Reply::Applied(())
    }

    async fn observe(&self, target: &Credential, _: &Credential) -> Reply<Observed> {
        Reply::Applied(self.left(target).map_or(Observed::Dead, Observed::Alive))
    }
}

/// An identity with its socket.
pub(super) struct Site {
    pub(super) identity: Identity,
    pub(super) admin: Admin,
    pub(super) moods: Arc<Moods>,
    pub(super) folder: Arc<TempDir>,
    /// Before no server, and with no listener.
    _proxy: Proxy,
}

impl Site {
    async fn start(folder: Arc<TempDir>, alarm: Option<Alarm>, backoff: Duration) -> Self {
        let keys = Keys::default();
        let file = |name: &str| folder.path().join(name);
        let opened = FileJournal::open(&file("journal")).unwrap();
        let store = FileSink::open(&file("key"), Mode::PRIVATE).unwrap();
        let moods = Arc::clone(&keys.moods);
        let mut setup = Setup::new(keys, opened.journal, opened.history, store).unwrap();
        setup.policy.consumers = Consumers::Counted;
        setup.policy.jitter = Jitter::None;
        setup.policy.probe_every = Duration::from_millis(1);
        setup.policy.backoff = backoff;
        setup.policy.backoff_cap = backoff;
        let paused = Paused::beside(&file("journal"));
        let facts = Facts { provider: "keys".to_owned(), policy: setup.policy, calendar: None, paused };
        let identity = Identity::start(setup).await.unwrap();
        let mut admin = Admin::new(alarm).unwrap();
        admin.seat("app", identity.operator(), facts);
        admin.listen_unix(&file("admin.sock"), 0o600).unwrap();
        let proxy = Proxy::start(proxy::Setup {
            credentials: identity.credentials(),
            upstream: Upstream::new(["http://127.0.0.1:1".parse().unwrap()]),
            local_token: None,
            auto_auth: AutoAuth::Off,
            doors: Vec::new(),
            limits: Limits::default(),
            hooks: Hooks::default(),
        });
        let proxy = proxy.unwrap();
        admin.attach("app", Proxied { remote: proxy.remote(), leases: None, local_token: None });
        Self { identity, admin, moods, folder, _proxy: proxy }
    }

    /// Once something serves. What fails is not tried again before the test is over.
    pub(super) async fn ready(alarm: Option<Alarm>) -> Self {
        Self::serving(alarm, Duration::from_mins(1)).await
    }

    /// The same where what fails is tried again at once.
    pub(super) async fn hasty(alarm: Option<Alarm>) -> Self {
        Self::serving(alarm, Duration::from_millis(1)).await
    }

    async fn serving(alarm: Option<Alarm>, backoff: Duration) -> Self {
        let site = Self::start(Arc::new(TempDir::new().unwrap()), alarm, backoff).await;
        site.identity.credentials().ready().await.unwrap();
        site.until("Ready", 0).await;
        site
    }

    /// Stopped, and started again where its secrets are gone.
    pub(super) async fn bereft(self, alarm: Option<Alarm>) -> Self {
        let Self { identity, admin, folder, .. } = self;
        identity.stop().await;
        admin.close().await;
        for found in fs::read_dir(folder.path()).unwrap() {
            let path = found.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().contains("key") {
                fs::remove_file(path).unwrap();
            }
        }
        Self::start(folder, alarm, Duration::from_mins(1)).await
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        call(self.socket(), "GET", path, "").await
    }

    /// Asks for something; answers what is said.
    pub(super) async fn post(&self, verb: &str, body: &str) -> (u16, String) {
        call(self.socket(), "POST", &format!("/v1/identities/app/{verb}"), body).await
    }

    /// Asks for something that is accepted; answers what to ask for events after.
    pub(super) async fn ask(&self, verb: &str, body: &str) -> u64 {
        let (status, told) = self.post(verb, body).await;
        assert_eq!(status, 202, "{told}");
        serde_json::from_str::<Accepted>(&told).unwrap().after
    }

    /// Asks for something that is not done.
    pub(super) async fn refused(&self, verb: &str, body: &str) -> (u16, String) {
        let (status, told) = self.post(verb, body).await;
        (status, serde_json::from_str::<Complaint>(&told).unwrap().error)
    }

    pub(super) async fn standing(&self) -> Standing {
        let (status, told) = self.get("/v1/identities/app").await;
        assert_eq!(status, 200, "{told}");
        serde_json::from_str(&told).unwrap()
    }

    /// Waits for a step after an event; answers the steps until then.
    pub(super) async fn until(&self, step: &str, after: u64) -> Vec<String> {
        let (mut steps, mut next) = (Vec::new(), after);
        loop {
            let (status, told) = self.get(&format!("/v1/events?after={next}&wait=20&identity=app")).await;
            assert_eq!(status, 200, "{told}");
            let Since { events, after, missed } = serde_json::from_str(&told).unwrap();
            assert!(!missed && !events.is_empty(), "no {step} after {steps:?}");
            for happened in events {
                steps.push(happened.step);
                if steps.last().unwrap() == step {
                    return steps;
                }
            }
            next = after;
        }
    }
}

/// A request as any program would make it; answers the status and the body.
pub(super) async fn call(socket: PathBuf, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = raw(socket, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Bytes in, and all that comes back.
pub(super) async fn raw(socket: PathBuf, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    // It may be refused before all of it is sent.
    drop(stream.write_all(request).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}
