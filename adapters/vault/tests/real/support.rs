//! A server for all tests, and for each test a role of its own on it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise_openbao::{Binary, Options, Server};
use turquoise_runtime::core::{Color, Generation, Mint, Privileges};
use turquoise_runtime::memory::ExposeSecret;
use turquoise_runtime::port::{Credential, Minted, Provider, Reply};
use turquoise_vault::{Path, Probe, Role, TokenConfig, TokenProvider, Upstream, policy};

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
/// The secret that every role of these tests may read.
pub(crate) const READABLE: &str = "secret/data/app";

/// The running server, or a new one. It goes with the last test that uses it.
pub(crate) fn server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(start());
    *shared = Arc::downgrade(&server);
    server
}

pub(crate) fn start() -> Server {
    prepare(Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap())
}

/// Puts there what the tests read.
pub(crate) fn prepare(server: Server) -> Server {
    server.enable_kv().unwrap();
    server.write_secret("app", &json!({"key": "value"})).unwrap();
    server
}

pub(crate) fn mint(number: u32) -> Mint {
    let slot = if number % 2 == 1 { Color::Blue } else { Color::Green };
    Mint { generation: Generation { incarnation: 0x7E57, number }, slot }
}

pub(crate) fn credential(number: u32, minted: Minted) -> Credential {
    Credential { mint: mint(number), handle: minted.handle, secret: minted.secret }
}

pub(crate) fn probe(path: &str) -> Probe {
    Probe { path: path.parse().unwrap(), max_latency: None }
}

pub(crate) fn applied<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Applied(value) => value,
        Reply::Refused(why) => panic!("refused: {}", why.0),
        Reply::Unavailable(why) => panic!("unavailable: {}", why.0),
        Reply::Throttled { reason, .. } => panic!("throttled: {}", reason.0),
        Reply::Unknown(why) => panic!("unknown: {}", why.0),
    }
}

/// The reason of a reply that must be a refusal and must say so.
#[track_caller]
pub(crate) fn refused<T>(reply: Reply<T>, saying: &str) {
    let Reply::Refused(why) = reply else { panic!("not refused") };
    assert!(why.0.contains(saying), "{saying:?} is not in {:?}", why.0);
}

#[track_caller]
pub(crate) fn unavailable<T>(reply: Reply<T>, saying: &str) {
    let Reply::Unavailable(why) = reply else { panic!("not unavailable") };
    assert!(why.0.contains(saying), "{saying:?} is not in {:?}", why.0);
}

#[track_caller]
pub(crate) fn unknown<T>(reply: Reply<T>, saying: &str) {
    let Reply::Unknown(why) = reply else { panic!("not unknown") };
    assert!(why.0.contains(saying), "{saying:?} is not in {:?}", why.0);
}

/// A role with a policy of the same name on a server, and a folder for token files.
pub(crate) struct Bench {
    pub(crate) server: Arc<Server>,
    pub(crate) role: Role,
    folder: TempDir,
}

impl Bench {
    /// A role as it should be.
    pub(crate) fn new(role: &str) -> Self {
        Self::on(server(), role)
    }

    pub(crate) fn on(server: Arc<Server>, name: &str) -> Self {
        let role: Role = name.parse().unwrap();
        server.write_policy(name, &policy(&role, &[probe(READABLE)], Privileges::OnlySelf).to_string()).unwrap();
        server.write_token_role(name, &[name]).unwrap();
        Self { server, role, folder: TempDir::new().unwrap() }
    }

    /// Changes the role.
    pub(crate) fn amend(&self, change: &Value) {
        let mut role = json!({
            "orphan": true,
            "allowed_policies": [self.role.to_string()],
            "token_no_default_policy": true,
            "token_type": "service",
        });
        role.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let path = format!("auth/token/roles/{}", self.role);
        self.server.admin("DELETE", &path, &Value::Null).unwrap();
        self.server.admin("POST", &path, &role).unwrap();
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::new([self.server.address().parse().unwrap()])
    }

    pub(crate) fn config(&self) -> TokenConfig {
        TokenConfig { probes: vec![probe(READABLE)], ..TokenConfig::new(self.upstream(), self.role.clone(), self.token_file()) }
    }

    pub(crate) fn provider(&self) -> TokenProvider {
        TokenProvider::new(self.config()).unwrap()
    }

    /// A good token of the role, for an hour.
    pub(crate) fn blue(&self) -> Credential {
        self.blue_for(60 * MINUTE)
    }

    pub(crate) fn blue_for(&self, life: Duration) -> Credential {
        let minted = self.server.mint(&self.role.to_string(), life).unwrap();
        let handle = turquoise_runtime::port::Handle(minted.accessor.to_string());
        Credential { mint: mint(1), handle, secret: minted.token.into() }
    }

    pub(crate) async fn green(&self, blue: &Credential) -> Credential {
        credential(2, applied(self.provider().issue(blue, mint(2), MINUTE).await))
    }

    /// Logs in with a token made as `body` says by root, at `path`.
    pub(crate) async fn log_in_with(&self, path: &str, body: &Value) -> Reply<Minted> {
        let reply = self.server.admin("POST", path, body).unwrap();
        self.log_in_as(reply["auth"]["client_token"].as_str().unwrap()).await
    }

    pub(crate) async fn log_in_as(&self, token: &str) -> Reply<Minted> {
        std::fs::write(self.token_file(), format!("{token}\n")).unwrap();
        self.provider().login(mint(1)).await
    }

    /// How many tokens of the role live.
    pub(crate) fn alive(&self) -> usize {
        self.server.live_tokens(&self.role.to_string()).unwrap()
    }
}

pub(crate) fn text(secret: &impl ExposeSecret<str>) -> String {
    secret.expose_secret().to_owned()
}

/// A path that no test's policy covers.
pub(crate) fn unreadable() -> Path {
    "secret/data/other".parse().unwrap()
}
