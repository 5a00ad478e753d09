//! An identity in this process, which logs in by a mount of its own, on a clock that can be made to jump.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use turquoise::core::{BootId, Color, Illegal, Instant as Now, PhaseKind, Policy, Privileges, StepKind};
use turquoise::journal::FileJournal;
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{LoginConfig, LoginProvider, Method, Probe, Retry, Upstream, login_policy};
use turquoise::{AskError, BootClock, Clock, Identity, Progress, Setup};
use turquoise_openbao::Server;
use turquoise_tests::{Kind, PROBED, policy};

use crate::agent::PATIENCE;
use crate::audit;
use crate::http::Http;
use crate::site::{Journalled, WORK, app_role, count, lives, mount_app_role, write_ids};

const POLL: Duration = Duration::from_millis(100);

/// Jumps as it is told to.
#[derive(Clone)]
pub(crate) struct Leap {
    real: BootClock,
    slept: Arc<AtomicU64>,
    set: Arc<AtomicU64>,
}

impl Leap {
    fn new() -> Self {
        Self { real: BootClock::new().unwrap(), slept: Arc::default(), set: Arc::default() }
    }

    /// As after a suspend: the boot clock went on, the timers stood still.
    pub(crate) fn sleep(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.slept.fetch_add(millis, Ordering::SeqCst);
        self.set_ahead(time);
    }

    /// As when somebody sets the wall clock.
    pub(crate) fn set_ahead(&self, time: Duration) {
        self.set.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Leap {
    fn now(&self) -> Now {
        Now(self.real.now().0 + self.slept.load(Ordering::SeqCst))
    }

    fn drift(&self) -> Duration {
        self.real.drift() + Duration::from_millis(self.set.load(Ordering::SeqCst))
    }

    fn boot(&self) -> BootId {
        self.real.boot()
    }
}

/// The timing of those who log in.
pub(crate) fn logging_in() -> Policy {
    // Time enough between two probes for something to happen.
    Policy { probe_every: Duration::from_millis(500), ..Kind::Login.policy() }
}

/// A way to log in at a server.
pub(crate) struct Door<'a> {
    pub(crate) server: &'a Server,
    /// Where the method is mounted, and the role there.
    pub(crate) name: String,
    folder: TempDir,
}

impl<'a> Door<'a> {
    pub(crate) fn new(server: &'a Server, name: &str) -> Self {
        let door = Self { server, name: name.to_owned(), folder: tempfile::tempdir().unwrap() };
        let probe = |path: &str| Probe { path: path.parse().unwrap(), max_latency: None };
        let rules = login_policy(door.method().app().as_ref(), &[probe(PROBED), probe(WORK)], Privileges::OnlySelf);
        server.write_policy(name, &rules.to_string()).unwrap();
        mount_app_role(server.root(), name);
        door.amend(&json!({}));
        write_ids(server.root(), name, &json!({}), door.folder.path());
        door
    }

    /// What tokens of the role are like from now on.
    pub(crate) fn amend(&self, change: &Value) {
        let life = policy().probation.as_secs();
        let mut rules = json!({"token_policies": [self.name], "token_no_default_policy": true, "token_ttl": life, "token_explicit_max_ttl": 0});
        rules.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.server.admin("POST", &app_role(&self.name), &rules).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn method(&self) -> Method {
        let (mount, role) = (self.name.parse().unwrap(), Some(self.name.parse().unwrap()));
        Method::AppRole { mount, role_id_file: self.path("role-id"), secret_id_file: Some(self.path("first")), role }
    }

    /// How many tokens that logged in here are alive, by the server's own list.
    pub(crate) fn alive(&self) -> usize {
        count(self.server, &format!("sys/leases/lookup/auth/{}/login", self.name))
    }

    /// Those that logged in here, by the server's own log: all of them, and those that live.
    pub(crate) fn tokens(&self) -> (Vec<String>, Vec<String>) {
        let (log, login) = (audit::read(self.server), format!("update auth/{}/login", self.name));
        let all: Vec<_> = log.into_iter().filter(|line| line.request == login).filter_map(|line| line.issued).collect();
        let living = all.iter().filter(|token| lives(self.server, token)).cloned().collect();
        (all, living)
    }

    /// The entity that all of them belong to.
    pub(crate) fn entity(&self, accessor: &str) -> String {
        let looked = self.server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})).unwrap();
        looked["data"]["entity_id"].as_str().filter(|entity| !entity.is_empty()).unwrap().to_owned()
    }
}

/// The identity. One that is dropped has crashed.
pub(crate) struct Resident<'a> {
    pub(crate) door: &'a Door<'a>,
    pub(crate) identity: Identity,
    pub(crate) clock: Leap,
    pub(crate) retry: Retry,
    progress: Receiver<Progress>,
    folder: TempDir,
    steps: Vec<StepKind>,
}

impl<'a> Resident<'a> {
    /// Logs in.
    pub(crate) async fn start(door: &'a Door<'a>) -> Self {
        let (folder, clock, policy) = (tempfile::tempdir().unwrap(), Leap::new(), logging_in());
        let mut config = LoginConfig::new(Upstream::new([door.server.address().parse().unwrap()]), door.method());
        config.probes = vec![Probe { path: PROBED.parse().unwrap(), max_latency: None }];
        (config.probation, config.login_life, config.upstream.timeout) = (policy.probation, policy.login_life, policy.patience);
        let provider = LoginProvider::new(config).unwrap();
        let retry = provider.retry();
        let opened = FileJournal::open(&folder.path().join("journal")).unwrap();
        let store = FileSink::open(&folder.path().join("token"), Mode::PRIVATE).unwrap();
        let setup = Setup::new(provider, opened.journal, opened.history, store).unwrap();
        let identity = Identity::start(Setup { policy, clock: Box::new(clock.clone()), ..setup }).await.unwrap();
        let progress = identity.progress();
        let mut resident = Self { door, identity, clock, retry, progress, folder, steps: Vec::new() };
        resident.until(StepKind::Ready).await;
        resident
    }

    /// Waits until this is on record.
    pub(crate) async fn until(&mut self, step: StepKind) {
        let told = async {
            while !self.steps.contains(&step) {
                if let Progress::Recorded(recorded) = self.progress.recv().await.unwrap() {
                    self.steps.push(recorded.record.step.kind());
                }
            }
        };
        let late = tokio::time::timeout(PATIENCE, told).await;
        assert!(late.is_ok(), "{step:?} did not come: {:?}, {:?}", self.steps, self.identity.status());
        self.steps.clear();
    }

    /// Asks for a rotation, unless one begins by itself, and waits until this step of it is on record.
    pub(crate) async fn rotate_until(&mut self, step: StepKind) {
        // What was told before is not about this one.
        self.progress = self.identity.progress();
        match self.identity.rotate().await {
            Ok(()) | Err(AskError::Illegal(Illegal::NotHere { phase: PhaseKind::Steady | PhaseKind::Issuing, .. })) => {
                self.until(step).await;
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Waits until the server refuses something.
    pub(crate) async fn until_refused(&self) {
        let words = || self.identity.status().reason.map(|reason| reason.0).unwrap_or_default();
        self.poll("a refusal", || words().contains("permission denied") || words().contains("403")).await;
    }

    /// Waits until one token lives, by the server's own list, it is the published one, and nothing is under way or owed.
    pub(crate) async fn until_quiet(&self, alive: usize) {
        let quiet = || {
            let status = self.identity.status();
            status.phase == PhaseKind::Steady
                && status.debt.is_none()
                && self.door.alive() == alive
                && self.published().is_some()
                && self.identity.credentials().acquire().is_ok()
        };
        self.poll("quiet", quiet).await;
    }

    async fn poll(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let state = || format!("{:?}, {} alive, {:?}", self.identity.status(), self.door.alive(), self.published());
            assert!(Instant::now() < deadline, "no {what}: {}", state());
            tokio::time::sleep(POLL).await;
        }
    }

    /// The accessor of the published token, if that works.
    pub(crate) fn published(&self) -> Option<String> {
        let token = fs::read_to_string(self.folder.path().join("token")).unwrap();
        let http = Http::new(self.door.server.address());
        let works = matches!(http.get(WORK, &token), Ok((200, _)));
        let (_, looked) = http.get("auth/token/lookup-self", &token).ok()?;
        looked["data"]["accessor"].as_str().filter(|_| works).map(str::to_owned)
    }

    /// What is in a slot.
    pub(crate) fn secret_in(&self, slot: Color) -> String {
        let slot = self.folder.path().join(format!(".token.{slot}"));
        let kept: Value = serde_json::from_slice(&fs::read(slot).unwrap()).unwrap();
        kept["secret"].as_str().unwrap().to_owned()
    }

    /// Ends the process; what the journal says.
    pub(crate) async fn stop(self) -> Journalled {
        self.identity.stop().await;
        Journalled(FileJournal::open(&self.folder.path().join("journal")).unwrap().history.entries)
    }
}
