//! An identity: a role, a policy and a first token at a server, and a folder.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;
use turquoise::core::{AbandonReason, Generation, Ledger, Privileges, Rotation, Step};
use turquoise::journal::FileJournal;
use turquoise::port::Store as _;
use turquoise::port::{Entry, held};
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{Probe, Role, policy as rules};
use turquoise::{BootClock, Clock as _};
use turquoise_openbao::{AdminError, Binary, Cluster, Options, Root, Server};
use turquoise_tests::{PROBED, policy};

use crate::http::Http;

/// What consumers read.
pub(crate) const WORK: &str = "secret/data/work";
/// The life of the first token: it is not renewed within a test's first process.
const FIRST_LIFE: Duration = Duration::from_mins(4);

/// The server of all tests that do not harm it. It goes with this process.
pub(crate) fn server() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(start_server);
    &SHARED
}

/// A server that is ready for tests.
pub(crate) fn start_server() -> Server {
    let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
    prepare(server.root());
    server
}

/// What consumers and probes read; and the audit log shows in clear for which rotation a mint was.
pub(crate) fn prepare(root: Root<'_>) {
    root.enable_kv().unwrap();
    for path in ["app", "work"] {
        root.write_secret(path, &json!({"motto": "never dark"})).unwrap();
    }
    root.admin("POST", "sys/config/auditing/request-headers/X-Rotation-Id", &json!({"hmac": false})).unwrap();
}

/// A server, or several that keep one store.
pub(crate) trait Seat {
    /// Asks as root whoever leads.
    fn seat(&self) -> Root<'_>;
}

impl Seat for Server {
    fn seat(&self) -> Root<'_> {
        self.root()
    }
}

impl Seat for Cluster {
    fn seat(&self) -> Root<'_> {
        self.root().unwrap()
    }
}

/// What new tokens of a role may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    Good,
    /// All but to read what a candidate is tried on.
    Useless,
}

pub(crate) struct Site {
    pub(crate) role: String,
    pub(crate) address: String,
    folder: TempDir,
    logs: AtomicUsize,
}

impl Site {
    pub(crate) fn new(server: &impl Seat, role: &str) -> Self {
        Self::with_life(server, role, FIRST_LIFE)
    }

    /// One whose first token lives so long.
    pub(crate) fn with_life(server: &impl Seat, role: &str, life: Duration) -> Self {
        let root = server.seat();
        let name: Role = role.parse().unwrap();
        let probe = |path: &str| Probe { path: path.parse().unwrap(), max_latency: None };
        root.write_policy(role, &rules(&name, &[probe(PROBED), probe(WORK)], Privileges::OnlySelf).to_string()).unwrap();
        root.write_policy(&useless(role), &rules(&name, &[probe(WORK)], Privileges::OnlySelf).to_string()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let site = Self { role: role.to_owned(), address: root.address().to_owned(), folder, logs: AtomicUsize::new(0) };
        site.mint_with(server, Rights::Good);
        let first = root.mint(role, life).unwrap();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(site.token_file()).unwrap();
        file.write_all(first.token.expose_secret().as_bytes()).unwrap();
        site
    }

    /// Another folder for the same role, with the same first token.
    pub(crate) fn beside(&self) -> Self {
        let other = Self {
            role: self.role.clone(),
            address: self.address.clone(),
            folder: tempfile::tempdir().unwrap(),
            logs: AtomicUsize::new(0),
        };
        // With its mode.
        fs::copy(self.token_file(), other.token_file()).unwrap();
        other
    }

    /// What the role mints from now on.
    pub(crate) fn mint_with(&self, server: &impl Seat, rights: Rights) {
        let policy = match rights {
            Rights::Good => self.role.clone(),
            Rights::Useless => useless(&self.role),
        };
        server.seat().write_token_role(&self.role, &[&policy]).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder().join("journal")
    }

    pub(crate) fn sink(&self) -> PathBuf {
        self.folder().join("token")
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder().join("first")
    }

    /// A file for the log of one more process.
    pub(crate) fn next_log(&self) -> PathBuf {
        self.folder().join(format!("log.{}", self.logs.fetch_add(1, Ordering::Relaxed)))
    }

    /// The logs of all processes.
    pub(crate) fn logs(&self) -> String {
        let logs = (0..self.logs.load(Ordering::Relaxed)).map(|number| self.folder().join(format!("log.{number}")));
        logs.map(|log| fs::read_to_string(log).unwrap()).collect()
    }

    /// What the journal says, which no process may have open.
    pub(crate) fn journalled(&self) -> Journalled {
        let opened = FileJournal::open(&self.journal()).unwrap();
        assert_eq!(opened.torn, None, "SIGKILL tears nothing");
        Journalled(opened.history.entries)
    }

    /// What must hold when all is quiet and no process is left; answers what the journal says.
    pub(crate) fn assert_quiet(&self, server: &impl Seat) -> Journalled {
        let journalled = self.journalled();
        let boot = BootClock::new().unwrap();
        let records = journalled.0.iter().map(|entry| entry.record);
        let loaded = FileSink::open(&self.sink(), Mode::PRIVATE).unwrap().load().unwrap();
        let machine = Rotation::recover(policy(), 0, boot.boot(), boot.now(), records, held(&loaded)).unwrap();
        let serving = machine.serving().unwrap();
        assert_eq!(loaded.len(), 1, "one slot is full");
        assert_eq!(loaded[0].mint.generation, serving, "what is in the slot is what serves");
        let published = fs::read_to_string(self.sink()).unwrap();
        assert_eq!(loaded[0].secret.expose_secret(), published, "what is published is what serves");
        let (status, looked) = Http::new(&self.address).get("auth/token/lookup-self", &published).unwrap();
        assert_eq!(status, 200, "{looked}");
        assert_eq!(looked["data"]["accessor"], journalled.handle(serving), "what serves is what the journal names");
        assert_eq!(server.seat().live_tokens(&self.role).unwrap(), 1, "tokens alive");
        let logs = self.logs();
        let errors: Vec<_> = logs.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors, [] as [&str; 0]);
        journalled
    }
}

fn useless(role: &str) -> String {
    format!("{role}-useless")
}

/// Whether a token lives, as the server says.
pub(crate) fn lives(server: &impl Seat, accessor: &str) -> bool {
    match server.seat().admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})) {
        Ok(_) => true,
        Err(AdminError::Refused { status: 400 | 403, .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// The entries of a journal.
pub(crate) struct Journalled(pub(crate) Vec<Entry>);

impl Journalled {
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        self.0.iter().map(|entry| entry.record.step)
    }

    /// The name of the last step.
    pub(crate) fn last(&self) -> String {
        self.0.last().map_or("nothing".to_owned(), |entry| format!("{:?}", entry.record.step.kind()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.count(name) > 0
    }

    /// How often a step was taken.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.steps().filter(|step| format!("{:?}", step.kind()) == name).count()
    }

    /// Why the first candidate that was abandoned was.
    pub(crate) fn abandoned(&self) -> Option<AbandonReason> {
        self.steps().find_map(|step| match step {
            Step::AbandonIntent { reason, .. } => Some(reason),
            _ => None,
        })
    }

    /// The name of the phase that these records lead to.
    pub(crate) fn phase(&self) -> String {
        let first = self.0.first().map(|entry| entry.record);
        let mut ledger = Ledger::new(0, first.map(|r| r.boot).unwrap_or_default(), first.map(|r| r.at).unwrap_or_default());
        for entry in &self.0 {
            ledger.apply(&entry.record, &policy()).unwrap();
        }
        format!("{:?}", ledger.phase().kind())
    }

    /// The first so many.
    pub(crate) fn up_to(&self, records: usize) -> Self {
        Self(self.0[..records].to_vec())
    }

    /// What names a generation at its provider.
    fn handle(&self, generation: Generation) -> String {
        let mut mint = None;
        let mut found = None;
        for entry in &self.0 {
            match entry.record.step {
                Step::LoginIntent { mint: next } | Step::IssueIntent { mint: next, .. } => mint = Some(next),
                Step::LoggedIn { .. } | Step::Issued { .. } if mint.is_some_and(|mint| mint.generation == generation) => {
                    found.clone_from(&entry.handle);
                }
                _ => {}
            }
        }
        found.unwrap().0
    }
}
