//! An identity: a role, a policy and a first token at a server, and a folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::{AbandonReason, Generation, Ledger, Policy, Privileges, Rotation, Step};
use turquoise::journal::FileJournal;
use turquoise::port::Store as _;
use turquoise::port::{Entry, held};
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{App, Issued, Probe, Role, Rules, login_policy, policy as token_policy, secret_id_policy};
use turquoise::{BootClock, Clock as _};
use turquoise_openbao::{AdminError, Binary, Cluster, Options, Root, Server};
use turquoise_tests::{Kind, PROBED};

use crate::http::Http;

/// What consumers read.
pub(crate) const WORK: &str = "secret/data/work";
/// The life of the first token or secret id: it is not renewed within a test's first process.
const FIRST_LIFE: Duration = Duration::from_mins(4);

/// How long a token lives that an AppRole gives, if nobody sets its life.
const APP_TOKEN: Duration = Kind::Login.policy().probation;

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
    pub(crate) kind: Kind,
    /// The role; of what comes by logging in also where its AppRole is mounted.
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
        let site = Self::with_policies(server, Kind::Token, role);
        site.mint_with(server, Rights::Good);
        write_private(&site.secret_file(), server.seat().mint(role, life).unwrap().token.expose_secret());
        site
    }

    /// One of this kind.
    pub(crate) fn of(kind: Kind, server: &impl Seat, role: &str) -> Self {
        let first = match kind {
            Kind::Token => return Self::new(server, role),
            Kind::Login => json!({}),
            Kind::SecretId => json!({"ttl": FIRST_LIFE.as_secs()}),
        };
        let site = Self::with_policies(server, kind, role);
        mount_app_role(server.seat(), role);
        site.mint_with(server, Rights::Good);
        write_ids(server.seat(), role, &first, site.folder());
        site
    }

    fn with_policies(server: &impl Seat, kind: Kind, role: &str) -> Self {
        let root = server.seat();
        root.write_policy(role, &rules(kind, role, &[PROBED, WORK]).to_string()).unwrap();
        root.write_policy(&useless(role), &rules(kind, role, &[WORK]).to_string()).unwrap();
        let (address, folder) = (root.address().to_owned(), tempfile::tempdir().unwrap());
        Self { kind, role: role.to_owned(), address, folder, logs: AtomicUsize::new(0) }
    }

    /// Another folder for the same role, with the same first token.
    pub(crate) fn beside(&self) -> Self {
        let other = Self {
            kind: self.kind,
            role: self.role.clone(),
            address: self.address.clone(),
            folder: tempfile::tempdir().unwrap(),
            logs: AtomicUsize::new(0),
        };
        // With its mode.
        fs::copy(self.secret_file(), other.secret_file()).unwrap();
        other
    }

    /// What the role mints from now on; of a secret id also what those can do that there are.
    pub(crate) fn mint_with(&self, server: &impl Seat, rights: Rights) {
        let policy = match rights {
            Rights::Good => self.role.clone(),
            Rights::Useless => useless(&self.role),
        };
        match self.kind {
            Kind::Token => server.seat().write_token_role(&self.role, &[&policy]).unwrap(),
            Kind::Login | Kind::SecretId => {
                let rules =
                    json!({"token_policies": [policy], "token_no_default_policy": true, "token_ttl": APP_TOKEN.as_secs()});
                drop(server.seat().admin("POST", &app_role(&self.role), &rules).unwrap());
            }
        }
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

    /// What it begins with: a first token, or a secret id.
    pub(crate) fn secret_file(&self) -> PathBuf {
        self.folder().join("first")
    }

    pub(crate) fn role_id_file(&self) -> PathBuf {
        self.folder().join("role-id")
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
        let machine = Rotation::recover(self.kind.policy(), 0, boot.boot(), boot.now(), records, held(&loaded)).unwrap();
        let serving = machine.serving().unwrap();
        assert_eq!(loaded.len(), 1, "one slot is full");
        assert_eq!(loaded[0].mint.generation, serving, "what is in the slot is what serves");
        let published = fs::read_to_string(self.sink()).unwrap();
        assert_eq!(loaded[0].secret.expose_secret(), published, "what is published is what serves");
        assert_eq!(self.accessor(server, &published), journalled.handle(serving), "what serves is what the journal names");
        assert_eq!(self.alive(server), 1, "credentials alive");
        let logs = self.logs();
        let errors: Vec<_> = logs.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors, [] as [&str; 0]);
        journalled
    }

    /// What names a credential that lives.
    fn accessor(&self, server: &impl Seat, secret: &str) -> String {
        if self.kind == Kind::SecretId {
            let path = format!("{}/secret-id/lookup", app_role(&self.role));
            let looked = server.seat().admin("POST", &path, &json!({"secret_id": secret})).unwrap();
            return text(&looked["data"], "secret_id_accessor");
        }
        let (status, looked) = Http::new(&self.address).get("auth/token/lookup-self", secret).unwrap();
        assert_eq!(status, 200, "{looked}");
        text(&looked["data"], "accessor")
    }

    /// How many of the role's credentials are alive, by the server's own list.
    fn alive(&self, server: &impl Seat) -> usize {
        let role = &self.role;
        count(
            server,
            &match self.kind {
                Kind::Token => format!("sys/leases/lookup/auth/token/create/{role}"),
                Kind::Login => format!("sys/leases/lookup/auth/{role}/login"),
                Kind::SecretId => format!("{}/secret-id", app_role(role)),
            },
        )
    }
}

/// What the tokens of a role need, to be rotated or to rotate, and to read these.
fn rules(kind: Kind, role: &str, paths: &[&str]) -> Rules {
    let probes: Vec<_> = paths.iter().map(|path| Probe { path: path.parse().unwrap(), max_latency: None }).collect();
    let (app, role) = (App { mount: role.parse().unwrap(), role: role.parse().unwrap() }, role.parse::<Role>().unwrap());
    match kind {
        Kind::Token => token_policy(&role, &probes, Privileges::OnlySelf),
        Kind::Login => login_policy(Some(&app), &probes, Privileges::OnlySelf),
        Kind::SecretId => secret_id_policy(&app, Issued::Outlive, &probes),
    }
}

/// The AppRole of this name, which is mounted by it.
pub(crate) fn app_role(name: &str) -> String {
    format!("auth/{name}/role/{name}")
}

pub(crate) fn mount_app_role(root: Root<'_>, name: &str) {
    root.admin("POST", &format!("sys/auth/{name}"), &json!({"type": "approle"})).unwrap();
}

/// Writes what to log in with, the secret id as told, into a folder: as `role-id` and `first`.
pub(crate) fn write_ids(root: Root<'_>, name: &str, first: &Value, folder: &Path) {
    let role = app_role(name);
    let role_id = root.admin("GET", &format!("{role}/role-id"), &Value::Null).unwrap();
    write_private(&folder.join("role-id"), &text(&role_id["data"], "role_id"));
    let made = root.admin("POST", &format!("{role}/secret-id"), first).unwrap();
    write_private(&folder.join("first"), &text(&made["data"], "secret_id"));
}

fn write_private(path: &Path, secret: &str) {
    fs::write(path, secret).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_owned()
}

/// How many there are at this path.
pub(crate) fn count(server: &impl Seat, path: &str) -> usize {
    match server.seat().admin("LIST", path, &Value::Null) {
        Ok(reply) => reply["data"]["keys"].as_array().unwrap().len(),
        // The server has no empty lists.
        Err(AdminError::Refused { status: 404, .. }) => 0,
        Err(other) => panic!("{other}"),
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
    pub(crate) fn phase(&self, policy: &Policy) -> String {
        let first = self.0.first().map(|entry| entry.record);
        let mut ledger = Ledger::new(0, first.map(|r| r.boot).unwrap_or_default(), first.map(|r| r.at).unwrap_or_default());
        for entry in &self.0 {
            ledger.apply(&entry.record, policy).unwrap();
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
