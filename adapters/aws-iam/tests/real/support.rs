//! A user of the emulator, and identities that rotate its keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use turquoise_aws_iam::{Endpoint, IamConfig, IamProvider, Source, policy};
use turquoise_journal::FileJournal;
use turquoise_moto::{Emulator, Fault, Key, Loss, User};
use turquoise_runtime::core::{Consumers, Jitter, PhaseKind, Policy, Privileges, Relogin, Sown, StepKind, Via, Writer};
use turquoise_runtime::memory::WhenLockingFails;
use turquoise_runtime::port::{Contract, Provider};
use turquoise_runtime::{BootClock, Identity, Load, Progress, Setup};
use turquoise_sink::{FileSink, Form, Mode};

/// Ends with this process, whose death it sees.
pub(crate) static EMULATOR: LazyLock<Emulator> = LazyLock::new(|| Emulator::start(|_| {}).unwrap());

/// How long a new key is unknown, and a deleted one honoured, in the emulator.
pub(crate) const LAG: Duration = Duration::from_millis(300);
/// What the provider declares of that.
pub(crate) const DECLARED: Duration = Duration::from_secs(1);
/// Longer than anything here takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user with one key.
pub(crate) struct Bench {
    pub(crate) user: String,
    pub(crate) first: Key,
    pub(crate) folder: TempDir,
}

impl Bench {
    /// Its policy is the least that is printed, and nothing else.
    pub(crate) fn new() -> Self {
        Self::allowed(&[])
    }

    /// As [`new`](Self::new), and some more that is no matter of the rotation's.
    pub(crate) fn allowed(more: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let user = format!("user-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut policy: Value = serde_json::from_str(&policy(&format!("arn:aws:iam::123456789012:user/{user}"))).unwrap();
        let statements = policy["Statement"].as_array_mut().unwrap();
        statements.extend(more.iter().map(|action| json!({ "Effect": "Allow", "Action": action, "Resource": "*" })));
        let first = EMULATOR.make_user(&User { name: user.clone(), policy, propagate: LAG, linger: LAG }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (id, secret) = (&first.id, first.secret.expose_secret());
        let profile = format!("[rotated]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        fs::write(folder.path().join("profile"), profile).unwrap();
        Self { user, first, folder }
    }

    pub(crate) fn config(&self) -> IamConfig {
        config(EMULATOR.url(), &self.user, self.folder.path())
    }

    pub(crate) fn provider(&self) -> IamProvider {
        IamProvider::new(self.config()).unwrap()
    }

    pub(crate) fn published(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    /// An identity that may have no key yet.
    pub(crate) async fn begin(&self) -> Identity {
        self.begin_with(self.provider(), policy_of_tests()).await
    }

    pub(crate) async fn start(&self) -> Running {
        self.start_with(self.provider(), policy_of_tests()).await
    }

    #[expect(clippy::large_types_passed_by_value, reason = "it is moved in, once")]
    pub(crate) async fn start_with(&self, provider: impl Provider, policy: Policy) -> Running {
        let identity = self.begin_with(provider, policy).await;
        timeout(PATIENCE, identity.credentials().ready()).await.unwrap().unwrap();
        Running { identity }
    }

    #[expect(clippy::large_types_passed_by_value, reason = "it is moved in, once")]
    async fn begin_with(&self, provider: impl Provider, policy: Policy) -> Identity {
        Identity::start(setup(self.folder.path(), provider, policy)).await.unwrap()
    }

    /// The ids of the keys that there are.
    pub(crate) fn keys(&self) -> Vec<String> {
        EMULATOR.keys(&self.user).unwrap().into_iter().map(|key| key.id).collect()
    }

    pub(crate) fn fault(&self, action: &str, loss: Loss, times: u32) {
        EMULATOR.fault(Fault { user: &self.user, action, loss, skip: 0, times }).unwrap();
    }

    /// The changes that were asked for, in their order.
    pub(crate) fn changes(&self) -> Vec<String> {
        let calls = EMULATOR.calls(&self.user).unwrap();
        calls.into_iter().filter(|call| call.ends_with("AccessKey") || call == "TagUser").collect()
    }
}

/// What there is to say of the keys of a user, whose first one is in a folder.
pub(crate) fn config(emulator: &str, user: &str, folder: &Path) -> IamConfig {
    let source = Source::Profile { file: folder.join("profile"), profile: "rotated".to_owned() };
    let endpoint = Endpoint { url: emulator.to_owned(), region: "us-east-1".to_owned() };
    IamConfig {
        iam: endpoint.clone(),
        sts: endpoint,
        propagation: DECLARED,
        lingering: DECLARED,
        late: Duration::from_secs(2),
        spare: Duration::ZERO,
        ..IamConfig::new(user.parse().unwrap(), source)
    }
}

/// What an identity in a folder is made of.
#[expect(clippy::large_types_passed_by_value, reason = "it is moved in, once")]
pub(crate) fn setup<P: Provider>(folder: &Path, provider: P, policy: Policy) -> Setup<P, FileJournal, FileSink> {
    let opened = FileJournal::open(&folder.join("journal")).unwrap();
    let form = Form::SharedCredentials { profile: "default".parse().unwrap() };
    Setup {
        policy,
        provider,
        journal: opened.journal,
        history: opened.history,
        store: FileSink::open(&folder.join("credentials"), Mode::PRIVATE).unwrap().in_form(form),
        clock: Box::new(BootClock::new().unwrap()),
        memory: WhenLockingFails::Warn,
        load: Load::unlimited(),
    }
}

pub(crate) struct Running {
    pub(crate) identity: Identity,
}

impl Running {
    /// Rotates, and waits until the round is over and nothing is owed; answers the steps.
    pub(crate) async fn rotate(&self) -> Vec<StepKind> {
        let mut progress = self.identity.progress();
        // A successor does not begin before what it has found is on record.
        while self.identity.rotate().await.is_err() {
            assert_eq!(self.identity.status().phase, PhaseKind::Steady);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut steps = Vec::new();
        timeout(PATIENCE, async {
            loop {
                if let Progress::Recorded(recorded) = progress.recv().await.unwrap() {
                    let step = recorded.record.step.kind();
                    if steps.is_empty() && step != StepKind::IssueIntent {
                        continue;
                    }
                    steps.push(step);
                    if recorded.phase.kind() == PhaseKind::Steady && recorded.debt.is_none() {
                        return;
                    }
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("the round is not over after {steps:?}: {:?}", self.identity.status()));
        steps
    }

    /// Waits for a record of this kind.
    pub(crate) async fn reach(&self, wanted: StepKind, ask: impl AsyncFnOnce(&Identity)) {
        let mut progress = self.identity.progress();
        ask(&self.identity).await;
        let reached = async {
            while !matches!(progress.recv().await.unwrap(), Progress::Recorded(recorded) if recorded.record.step.kind() == wanted)
            {
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("no {wanted:?}: {:?}", self.identity.status()));
    }

    /// The id of the key that serves.
    pub(crate) fn serving(&self) -> String {
        self.identity.credentials().acquire().unwrap().handle().0.clone()
    }
}

/// Writes what a campaign has found between its marks in `docs/access-keys.md`, if the environment has `UPDATE_DOCS=1`. It is
/// not compared: how many calls there are depends on how quick the machine is.
pub(crate) fn document(name: &str, found: &str) {
    if std::env::var_os("UPDATE_DOCS").is_none() {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access-keys.md");
    let text = fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (head, rest) = text.split_once(&begin).unwrap();
    let (_, tail) = rest.split_once(&end).unwrap();
    fs::write(path, format!("{head}{begin}\n{found}\n{end}{tail}")).unwrap();
}

/// As short as the lags allow.
pub(crate) const fn policy_of_tests() -> Policy {
    Policy {
        mint: Via::Current,
        relogin: Relogin::Impossible,
        privileges: Privileges::Accessor,
        full: Contract::FOREVER,
        probation: Contract::FOREVER,
        login_life: Duration::ZERO,
        period: None,
        probes: 5,
        probe_every: Duration::from_millis(250),
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
