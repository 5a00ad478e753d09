//! boto3 and the AWS CLI as they are, through everything that hands out the key, while the driver rotates it.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::time::timeout;
use turquoise::aws_iam::{Container, Endpoint, IamConfig, IamProvider, Key, Source, policy as rights};
use turquoise::core::{Consumers, Jitter, PhaseKind, Policy, Privileges, Relogin, Sown, StepKind, Via, Writer};
use turquoise::journal::FileJournal;
use turquoise::port::Contract;
use turquoise::sink::{FileSink, Form, Mode};
use turquoise::{Identity, Progress, Setup};
use turquoise_moto::{Emulator, Python, User};
use turquoise_openbao::{Binary, Options, Server};

const TURQUOISE: &str = env!("CARGO_BIN_EXE_turquoise");
const USER: &str = "app";
const TOKEN: &str = "a-token-that-was-chosen-by-chance";
/// How long a new key is unknown and a deleted one honoured, at the emulator, and at most.
const LAG: Duration = Duration::from_millis(200);
const DECLARED: Duration = Duration::from_millis(600);
/// Longer than anything here takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A call for each line of its input, with a line of its own for each: by one client for all of them, or by a new one as a
/// program has it that is started anew.
const CALLER: &str = r#"
import os, sys, boto3
def client():
    return boto3.Session().client("sts")
one = None if "ANEW" in os.environ else client()
for _ in sys.stdin:
    try:
        print("served", (one or client()).get_caller_identity()["Arn"], flush=True)
    except Exception as why:
        print("failed", why, flush=True)
"#;

/// What hands out the key.
#[derive(Clone, Copy, Debug)]
enum Surface {
    File,
    Process,
    Container,
}

const SURFACES: [Surface; 3] = [Surface::File, Surface::Process, Surface::Container];

/// Where it all is.
struct Place {
    /// A Python with boto3.
    boto: PathBuf,
    /// One with the AWS CLI.
    cli: PathBuf,
    emulator: String,
    folder: PathBuf,
    container: SocketAddr,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A client in an environment that says nothing but where the key is.
    fn client(&self, python: &Path, surface: Surface, args: &[&str]) -> Command {
        let mut command = Command::new(python);
        command.args(args).env_clear().env("AWS_ENDPOINT_URL", &self.emulator).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_MAX_ATTEMPTS", "1").env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
        let set = |command: &mut Command, name: &str, found: Option<OsString>| {
            command.env(name, found.unwrap_or_else(|| OsStr::new("/dev/null").to_owned()));
        };
        let (file, config) = match surface {
            Surface::File => (Some(self.path("credentials").into()), None),
            Surface::Process => (None, Some(self.path("config").into())),
            Surface::Container => (None, None),
        };
        set(&mut command, "AWS_SHARED_CREDENTIALS_FILE", file);
        set(&mut command, "AWS_CONFIG_FILE", config);
        if matches!(surface, Surface::Container) {
            command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/", self.container));
            command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.path("token"));
        }
        command
    }

    /// One call by the AWS CLI.
    fn call_by_cli(&self, surface: Surface) {
        let mut cli = self.client(&self.cli, surface, &["-I", "-m", "awscli", "sts", "get-caller-identity", "--output", "json"]);
        let answer = cli.stdin(Stdio::null()).output().unwrap();
        let (said, complained) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
        assert!(answer.status.success() && said.contains("user/app"), "the AWS CLI by {surface:?}: {said} {complained}");
    }
}

/// boto3 in a process of its own.
struct Boto {
    surface: Surface,
    child: Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Boto {
    fn start(place: &Place, surface: Surface) -> Self {
        let mut command = place.client(&place.boto, surface, &["-I", "-c", CALLER]);
        // Nothing tells a client that a file has changed.
        if matches!(surface, Surface::File) {
            command.env("ANEW", "");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (ask, told) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { surface, child, ask, told }
    }

    fn call(&mut self) {
        self.ask.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        assert!(line.starts_with("served") && line.contains("user/app"), "boto3 by {:?}: {line}", self.surface);
    }
}

impl Drop for Boto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Every client calls by every surface, all at once.
fn all_call(place: &Place, botos: &mut [Boto]) {
    thread::scope(|scope| {
        for boto in botos {
            scope.spawn(|| boto.call());
        }
        for surface in SURFACES {
            scope.spawn(move || place.call_by_cli(surface));
        }
    });
}

/// Goes on until this has happened.
async fn until(progress: &mut broadcast::Receiver<Progress>, what: impl Fn(StepKind, PhaseKind) -> bool) {
    let reached = async {
        loop {
            if let Progress::Recorded(recorded) = progress.recv().await.unwrap()
                && what(recorded.record.step.kind(), recorded.phase.kind())
            {
                break;
            }
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
}

/// A user, whose first key is in a profile.
fn furnish(emulator: &Emulator, folder: &Path) -> PathBuf {
    let policy = serde_json::from_str(&rights(&format!("arn:aws:iam::123456789012:user/{USER}"))).unwrap();
    let first = emulator.make_user(&User { name: USER.to_owned(), policy, propagate: LAG, linger: LAG }).unwrap();
    let (id, secret) = (&first.id, first.secret.expose_secret());
    let file = folder.join("first");
    fs::write(&file, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")).unwrap();
    file
}

async fn start(emulator: &Emulator, folder: &Path) -> Identity {
    let file = furnish(emulator, folder);
    let endpoint = Endpoint { url: emulator.url().to_owned(), region: "us-east-1".to_owned() };
    let config = IamConfig {
        iam: endpoint.clone(),
        sts: endpoint,
        propagation: DECLARED,
        lingering: DECLARED,
        late: Duration::from_secs(2),
        spare: Duration::ZERO,
        ..IamConfig::new(USER.parse().unwrap(), Source::Profile { file, profile: "default".to_owned() })
    };
    let opened = FileJournal::open(&folder.join("journal")).unwrap();
    let form = Form::SharedCredentials { profile: "default".parse().unwrap() };
    let store = FileSink::open(&folder.join("credentials"), Mode::PRIVATE).unwrap().in_form(form);
    let setup = Setup::new(IamProvider::new(config).unwrap(), opened.journal, opened.history, store).unwrap();
    let identity = Identity::start(Setup { policy: policy_of_tests(), ..setup }).await.unwrap();
    timeout(PATIENCE, identity.credentials().ready()).await.unwrap().unwrap();
    identity
}

const fn policy_of_tests() -> Policy {
    Policy {
        mint: Via::Current,
        relogin: Relogin::Impossible,
        privileges: Privileges::Accessor,
        full: Contract::FOREVER,
        probation: Contract::FOREVER,
        login_life: Duration::ZERO,
        period: None,
        probes: 4,
        probe_every: Duration::from_millis(200),
        validate_for: Duration::from_secs(10),
        canary: None,
        grace: Duration::from_millis(500),
        consumers: Consumers::Uncounted,
        evidence: Duration::from_secs(30),
        patience: Duration::from_secs(10),
        delta: Duration::from_secs(2),
        skew: Duration::from_secs(1),
        backoff: Duration::from_millis(50),
        backoff_cap: Duration::from_millis(200),
        jitter: Jitter::None,
        budget: None,
        most_live: 2,
        tries_before_debt: 100,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_boto3_or_the_aws_cli_fails_by_any_surface_over_rotations() {
    let emulator = Emulator::start(|_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let identity = start(&emulator, folder.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place {
        boto: emulator.python().program().to_owned(),
        cli: Python::with("aws-cli", include_str!("aws-cli.txt"), |_| {}).unwrap().program().to_owned(),
        emulator: emulator.url().to_owned(),
        folder: folder.path().to_owned(),
        container: listener.local_addr().unwrap(),
    };
    // An answer that ends so soon is not kept: clients ask again for every call.
    let expires_in = Duration::from_mins(1);
    tokio::spawn(Container::new(listener, identity.credentials(), TOKEN.into(), expires_in).unwrap().serve());
    fs::write(place.path("token"), TOKEN).unwrap();
    let published = place.path("credentials");
    let process = format!("{TURQUOISE} credential-process --file {} --expires-in 1m", published.display());
    fs::write(place.path("config"), format!("[default]\ncredential_process = {process}\n")).unwrap();

    let mut botos = SURFACES.map(|surface| Boto::start(&place, surface));
    let mut progress = identity.progress();
    all_call(&place, &mut botos);
    identity.rotate().await.unwrap();
    // The new key is published, the old one is there still.
    until(&mut progress, |step, _| step == StepKind::ShortenIntent).await;
    all_call(&place, &mut botos);
    until(&mut progress, |step, phase| step == StepKind::Cleared && phase == PhaseKind::Steady).await;
    identity.rotate().await.unwrap();
    until(&mut progress, |step, phase| step == StepKind::Cleared && phase == PhaseKind::Steady).await;
    all_call(&place, &mut botos);
    assert_eq!(emulator.made(USER).unwrap().len(), 3, "two rotations");
    let [serving] = emulator.keys(USER).unwrap().try_into().unwrap();
    assert_eq!(serving.id, identity.credentials().acquire().unwrap().handle().0);
    identity.stop().await;
}

/// `turquoise run` by a file with an endpoint and a first key that a Vault keeps.
#[test]
fn a_client_asks_the_endpoint_of_a_configuration_file() {
    let emulator = Emulator::start(|_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The first key is in a Vault.
    let first = Key::of_profile(&furnish(&emulator, folder.path()), "default").unwrap();
    let vault = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
    vault.enable_kv().unwrap();
    vault.write_secret("app", &json!({ "access_key": first.id, "secret_key": first.secret.expose_secret() })).unwrap();
    fs::write(folder.path().join("vault-token"), vault.root_token().expose_secret()).unwrap();
    // Free a moment ago.
    let container = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place {
        boto: emulator.python().program().to_owned(),
        cli: PathBuf::new(),
        emulator: emulator.url().to_owned(),
        folder: folder.path().to_owned(),
        container,
    };
    let (url, dir, vault) = (emulator.url(), folder.path().display(), vault.address());
    let config = format!(
        r#"
vault {{ address = "{vault}" }}
journal {{ path = "{dir}" }}
rotation {{
  provider = "aws-iam"
  user     = "{USER}"
  adopt    = "own"
  source "vault" {{
    path       = "secret/data/app"
    token_file = "{dir}/vault-token"
  }}
  endpoint {{
    iam = "{url}"
    sts = "{url}"
  }}
  sink "shared-credentials" {{ config = {{ path = "{dir}/credentials" }} }}
  container {{
    address    = "{container}"
    token_file = "{dir}/token"
  }}
}}
"#
    );
    let file = place.path("turquoise.hcl");
    fs::write(&file, config).unwrap();
    let mut run = Command::new(TURQUOISE);
    let mut run = run.args(["run", "--config"]).arg(&file).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<_> = log.by_ref().take_while(|line| !line.contains("serving")).collect();
    let mut boto = Boto::start(&place, Surface::Container);
    boto.call();
    assert!(said.iter().any(|line| line.contains("AWS clients are answered")), "{said:?}");
    assert!(fs::read_to_string(place.path("token")).unwrap().starts_with("turq_"));
    run.kill().unwrap();
    run.wait().unwrap();
}
