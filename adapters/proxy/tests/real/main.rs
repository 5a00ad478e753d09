//! Clients that nobody changed, over rotations of a real server's token: the server's own command line, and Python's `hvac`.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod costs;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinHandle;
use turquoise_moto::Python;
use turquoise_openbao::{Binary, Options, Server};
use turquoise_proxy::{At, AutoAuth, Door, Hooks, Limits, Listener, LocalToken, Proxy, Setup};
use turquoise_runtime::core::{Consumers, Mint, Policy, Privileges, Step};
use turquoise_runtime::memory::ExposeSecret as _;
use turquoise_runtime::port::{Credential, Entry, History, Journal, NotDurable, Store, StoreError};
use turquoise_runtime::{Identity, Progress};
use turquoise_vault::{Probe, Role, TokenConfig, TokenProvider, Upstream, policy};

const ROTATIONS: u32 = 3;

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

/// A server with what the clients read, and a role whose tokens may.
struct Scene {
    binary: Binary,
    server: Server,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let binary = Binary::obtain(|_| ()).unwrap();
        let server = Server::start(&binary, Options::default()).unwrap();
        server.enable_kv().unwrap();
        server.write_secret("app", &json!({"motto": "never dark"})).unwrap();
        server.write_policy("app", &policy("app".parse::<Role>().unwrap(), &probes(), Privileges::OnlySelf).to_string()).unwrap();
        server.write_token_role("app", &["app"]).unwrap();
        Self { binary, server, folder: tempfile::tempdir().unwrap() }
    }

    /// A token that is handed over, in its file.
    fn first_token(&self) -> PathBuf {
        let file = self.folder.path().join("first");
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).unwrap();
        opened.write_all(self.work_token().as_bytes()).unwrap();
        file
    }

    fn work_token(&self) -> String {
        self.server.mint("app", Duration::from_mins(10)).unwrap().token.expose_secret().to_owned()
    }
}

fn probes() -> [Probe; 1] {
    [Probe { path: "secret/data/app".parse().unwrap(), max_latency: None }]
}

/// An identity that begins with the token of this file.
async fn identity(server: &str, token_file: PathBuf) -> Identity {
    let role: Role = "app".parse().unwrap();
    let config = TokenConfig { probes: probes().to_vec(), ..TokenConfig::new(upstream(server), role, token_file) };
    let setup = turquoise_runtime::Setup::new(TokenProvider::new(config).unwrap(), Memory, History::default(), Memory).unwrap();
    let policy = Policy { consumers: Consumers::Counted, probes: 1, period: None, ..setup.policy };
    let load = setup.load.clone().start_spread(Duration::ZERO);
    let identity = Identity::start(turquoise_runtime::Setup { policy, load, ..setup }).await.unwrap();
    identity.credentials().ready().await.unwrap();
    identity
}

fn upstream(server: &str) -> Upstream {
    Upstream::new([server.parse().unwrap()])
}

/// A proxy before the server, and its local token.
fn setup(identity: &Identity, server: &str, folder: &Path) -> (Setup, String) {
    let local_token = LocalToken::in_file(&folder.join("local")).unwrap();
    let token = local_token.expose_secret().to_owned();
    let setup = Setup {
        credentials: identity.credentials().named("proxy"),
        upstream: upstream(server),
        local_token: Some(local_token),
        auto_auth: AutoAuth::Off,
        doors: vec![Door::open(&Listener::new(At::Tcp(([127, 0, 0, 1], 0).into()))).unwrap()],
        limits: Limits::default(),
        hooks: Hooks::default(),
    };
    (setup, token)
}

/// Rotates and waits for the old token's end.
async fn rotate(identity: &Identity) {
    let mut progress = identity.progress();
    while identity.rotate().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    loop {
        if let Progress::Recorded(recorded) = progress.recv().await.unwrap() {
            assert!(!matches!(recorded.record.step, Step::AbandonIntent { .. }), "{recorded:?}");
            if matches!(recorded.record.step, Step::Cleared) {
                return;
            }
        }
    }
}

/// What became of a client's requests.
#[derive(Default)]
struct Tally {
    served: AtomicU32,
    failed: AtomicU32,
    over: AtomicBool,
    /// Of the failures.
    words: Mutex<Vec<String>>,
}

impl Tally {
    fn add(&self, served: bool, why: impl FnOnce() -> String) {
        if served {
            self.served.fetch_add(1, Ordering::Relaxed);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.words.lock().unwrap().push(why());
        }
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// The server's program as a client: a process for each read, and now and then one that renews, and one that revokes its token.
fn by_the_command_line(binary: &Binary, address: &str, token: &str, home: &Path, tally: &Arc<Tally>) -> JoinHandle<()> {
    let (program, address, token) = (binary.path().to_owned(), address.to_owned(), token.to_owned());
    let (home, tally) = (home.to_owned(), Arc::clone(tally));
    tokio::spawn(async move {
        let turns: [&[&str]; 4] =
            [&["kv", "get", "-mount=secret", "app"], &["token", "renew"], &["token", "lookup"], &["token", "revoke", "-self"]];
        for turn in turns.iter().cycle() {
            if !tally.goes_on() {
                return;
            }
            let mut command = Command::new(&program);
            command.args(*turn).env_clear().envs([("BAO_ADDR", &address), ("BAO_TOKEN", &token)]).env("HOME", &home);
            let done = command.stdin(Stdio::null()).output().await.unwrap();
            tally.add(done.status.success(), || format!("{turn:?}: {}", String::from_utf8_lossy(&done.stderr)));
        }
    })
}

/// A program that keeps its connection.
fn by_http(address: &str, token: &str, tally: &Arc<Tally>) -> JoinHandle<()> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let (address, token, tally) = (format!("{address}/v1/secret/data/app"), token.to_owned(), Arc::clone(tally));
    tokio::spawn(async move {
        while tally.goes_on() {
            let request = Request::get(&address).header("x-vault-token", &token).body(Empty::new()).unwrap();
            let (head, body) = client.request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            tally.add(head.status == StatusCode::OK, || format!("{}: {}", head.status, String::from_utf8_lossy(&body)));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}

#[tokio::test]
async fn unmodified_clients_see_no_failure_over_rotations() {
    let python = Python::with("hvac", include_str!("requirements.txt"), |_| ()).unwrap();
    let scene = Scene::new();
    let Scene { binary, server, folder } = &scene;
    let identity = identity(server.address(), scene.first_token()).await;
    let (setup, token) = setup(&identity, server.address(), folder.path());
    let proxy = Proxy::start(setup).unwrap();
    let address = format!("http://{}", proxy.bound()[0]);

    let (commands, requests) = (Arc::<Tally>::default(), Arc::<Tally>::default());
    let mut script = Command::new(python.program());
    script.args(["-c", include_str!("reads.py")]).env("VAULT_ADDR", &address).env("VAULT_TOKEN", &token);
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let clients = [
        by_the_command_line(binary, &address, &token, folder.path(), &commands),
        by_http(&address, &token, &requests),
        by_http(&address, &token, &requests),
    ];
    for rotation in 0..=ROTATIONS {
        // Under load, before and after each: on a machine that is busy with other things, too.
        while commands.served.load(Ordering::Relaxed) + commands.failed.load(Ordering::Relaxed) < 2 * (rotation + 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if rotation < ROTATIONS {
            rotate(&identity).await;
        }
    }
    for tally in [&commands, &requests] {
        tally.over.store(true, Ordering::Relaxed);
    }
    for client in clients {
        client.await.unwrap();
    }
    script.stdin.take().unwrap().shutdown().await.unwrap();
    let said = script.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let count = |tally: &Tally| (tally.served.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    let words = [commands.words.lock().unwrap().clone(), requests.words.lock().unwrap().clone()];
    let (commands, requests) = (count(&commands), count(&requests));
    assert!(commands.0 >= 8 && requests.0 > 50, "the clients did not get to do anything");
    assert_eq!((commands.1, requests.1), (0, 0), "{words:?}");
    let mut counts = said.split_whitespace().map_while(|word| word.parse::<u32>().ok());
    let (served, failed) = (counts.next().unwrap(), counts.next().unwrap());
    assert!(served > 3 && failed == 0, "hvac: {said}");
    assert_eq!(identity.status().current.unwrap().generation.number, 1 + ROTATIONS, "rotations");
    assert_eq!(server.live_tokens("app").unwrap(), 1, "the one that serves");
}
