//! Code that is written for `vaultrs`, over credentials that rotate.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

#[path = "../../runtime/tests/driver/leak.rs"]
mod leak;
#[path = "../examples/rounds/mod.rs"]
mod rounds;
#[path = "../examples/scene/mod.rs"]
mod scene;
#[path = "../examples/vaultrs/story.rs"]
mod story;

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tracing_subscriber::fmt::format::FmtSpan;
use turquoise::core::Mint;
use turquoise::journal::FileJournal;
use turquoise::port::{Contract, Credential, Handle, Minted, Observed, Provider, Reason, Reply};
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{RotatingClient, Upstream};
use turquoise::vaultrs::client::Client as _;
use turquoise::vaultrs::token;
use turquoise::{Identity, Setup};

use leak::Leaks;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_while_its_token_is_rotated() {
    let told = story::story(200).await.expect("no read and no rotation fails");
    assert_eq!((told.rotations, told.alive), (200, 1));
    assert!(told.reads > 2000, "{told:?}: too few to prove anything");
}

#[test]
fn a_redirect_is_not_followed_and_no_proxy_of_the_environment_gets_the_token() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "sends_the_token_to_its_address_only", "--ignored", "--nocapture"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, "http://127.0.0.1:1");
    }
    let ended = child.env("VAULT_ADDR", "http://127.0.0.1:1").env("VAULT_TOKEN", "s.ambient").output().unwrap();
    assert!(ended.status.success(), "{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
#[ignore = "started by another test, in an environment of its choice"]
async fn sends_the_token_to_its_address_only() {
    let (server, elsewhere) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = format!("http://{}", server.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let identity = given(folder.path()).await;
    let client = RotatingClient::new(&Upstream::new([address.parse().unwrap()]), identity.credentials()).unwrap();
    let guard = client.acquire().unwrap();
    assert_eq!(identity.status().current_held, 1, "it is work in flight");
    assert_eq!(guard.settings().token, "");
    let to = format!("http://{}", elsewhere.local_addr().unwrap());
    let answered = async { answer(server.accept().await.unwrap().0, &to).await };
    let (asked, seen) = tokio::join!(token::lookup_self(&guard), answered);
    assert!(asked.is_err());
    assert!(seen.contains(GIVEN) && !seen.contains("s.ambient"), "{seen}");
    assert!(tokio::time::timeout(Duration::from_millis(200), elsewhere.accept()).await.is_err(), "it was followed");
    drop(guard);
    assert_eq!(identity.status().current_held, 0);
    identity.stop().await;
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let server = UnixListener::bind(&socket).unwrap();
    let identity = given(folder.path()).await;
    let address = format!("unix://{}", socket.display()).parse().unwrap();
    let client = RotatingClient::new(&Upstream::new([address]), identity.credentials()).unwrap();
    let answered = async { answer(server.accept().await.unwrap().0, "http://127.0.0.1:1").await };
    let guard = client.acquire().unwrap();
    let (asked, seen) = tokio::join!(token::lookup_self(&guard), answered);
    assert!(asked.is_err() && seen.starts_with("GET /v1/auth/token/lookup-self"), "{seen}");
    identity.stop().await;
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nor do `rustify`, `reqwest` and what they are made of, whose logs at their most talkative are a stranger's.
#[tokio::test]
async fn vaultrs_says_nothing_of_the_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    subscriber.with_span_events(FmtSpan::FULL).with_writer(move || writer.clone()).init();

    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let identity = given(folder.path()).await;
    let client = RotatingClient::new(&Upstream::new([address.parse().unwrap()]), identity.credentials()).unwrap();
    let guard = client.acquire().unwrap();
    let answered = async { answer(server.accept().await.unwrap().0, "http://127.0.0.1:1").await };
    let (asked, seen) = tokio::join!(token::lookup_self(&guard), answered);
    let failed = asked.unwrap_err();
    let printed = format!("{failed} {failed:?} {failed:#?} {:?} {:?}", guard.settings(), identity.credentials());
    identity.stop().await;

    let leaks = Leaks::of([GIVEN]);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(leaks.find(seen.as_bytes()).is_some(), "it was sent");
    assert!(["rustify", "reqwest", "INFO"].iter().all(|said| logged.contains(said)), "not talkative: {logged}");
    assert_eq!((leaks.find(logged.as_bytes()), leaks.find(printed.as_bytes())), (None, None));
    tracing::trace!(planted = GIVEN);
    assert!(leaks.find(&log.0.lock().unwrap()).is_some(), "what is planted is found");
}

/// An identity with a credential that nothing ever happens to.
async fn given(folder: &Path) -> Identity {
    let opened = FileJournal::open(&folder.join("journal")).unwrap();
    let store = FileSink::open(&folder.join("token"), Mode::PRIVATE).unwrap();
    let setup = Setup::new(Given, opened.journal, opened.history, store).unwrap();
    let identity = Identity::start(setup).await.unwrap();
    identity.credentials().ready().await.unwrap();
    identity
}

/// Answers one request with a redirect; gives it back.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: &str) -> String {
    let mut seen = vec![0; 4096];
    let length = stream.read(&mut seen).await.unwrap();
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}/v1/elsewhere\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&seen[..length]).into_owned()
}

/// Has one credential, for ever.
struct Given;

const LIFE: Duration = Duration::from_mins(5);
const GIVEN: &str = "s.given/Qk7+Zt_x9LmW4e2JvPa0Rd";

impl Provider for Given {
    fn contract(&self) -> Contract {
        Contract::PROMPT
    }

    async fn login(&self, _: Mint) -> Reply<Minted> {
        Reply::Applied(Minted { secret: GIVEN.into(), handle: Handle("given".to_owned()), remaining: LIFE })
    }

    async fn issue(&self, _: &Credential, _: Mint, _: Duration) -> Reply<Minted> {
        Reply::Refused(Reason("there is but one".to_owned()))
    }

    async fn probe(&self, _: &Credential) -> Reply<Duration> {
        Reply::Applied(LIFE)
    }

    async fn set_life(&self, _: &Credential, life: Duration) -> Reply<Duration> {
        Reply::Applied(life)
    }

    async fn revoke(&self, _: &Credential) -> Reply<()> {
        Reply::Applied(())
    }

    async fn observe(&self, _: &Credential, _: &Credential) -> Reply<Observed> {
        Reply::Applied(Observed::Dead)
    }
}
