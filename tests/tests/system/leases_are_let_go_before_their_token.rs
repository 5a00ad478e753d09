//! Leases of database users, made with a token that rotates: whoever uses one never meets with its end, each is revoked by its
//! id, and only then its token ends.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use turquoise::core::{Consumers, Drained, Policy, Privileges, Step};
use turquoise::journal::FileJournal;
use turquoise::port::{Handle, Holders};
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{Leases, Path, Probe, TokenConfig, TokenProvider, Upstream, User, policy as rules};
use turquoise::{Credentials, Identity, Progress, Setup};
use turquoise_openbao::{Database, Server};
use turquoise_tests::{PROBED, policy};

use crate::http::Http;
use crate::psql::Session;
use crate::site::{Site, server};

const CREDS: &str = "database/creds/work";
const WORKERS: usize = 3;
const ROTATIONS: usize = 4;
/// Between statements.
const PACE: Duration = Duration::from_millis(5);

/// As the other tests have it, but for whom it waits for.
fn counted(grace: Duration) -> Policy {
    Policy { consumers: Consumers::Counted, grace, ..policy() }
}

/// A database with something to read in it, whose users the server makes: one for all tests here.
struct Desk {
    database: Database,
    server: &'static Server,
}

impl Desk {
    async fn new() -> Self {
        let database = tokio::task::spawn_blocking(Database::start).await.unwrap().unwrap();
        let mut admin = Session::open(database.host(), database.administrator(), "");
        admin.run("CREATE TABLE work AS SELECT 'never dark' AS motto").unwrap();
        let desk = Self { database, server: server() };
        let url = format!("postgresql://{{{{username}}}}:{{{{password}}}}@/postgres?host={}", desk.database.host().display());
        let user = r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"#;
        let made = [user, r#"GRANT SELECT ON work TO "{{name}}""#];
        desk.admin("sys/mounts/database", &json!({"type": "database"}));
        let plugin = json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": url,
            "username": desk.database.administrator(), "password": "none is needed",
        });
        desk.admin("database/config/postgres", &plugin);
        desk.admin("database/roles/work", &json!({"db_name": "postgres", "creation_statements": made, "default_ttl": "10m"}));
        desk
    }

    fn admin(&self, path: &str, body: &Value) {
        self.server.admin("POST", path, body).unwrap();
    }

    /// An identity, and leases of its tokens.
    async fn identity(&self, role: &str, grace: Duration) -> (Site, Identity, Leases) {
        let site = Site::new(self.server, role);
        let probe = Probe { path: PROBED.parse().unwrap(), max_latency: None };
        let through: turquoise::vault::Role = role.parse().unwrap();
        let printed = rules(&through, std::slice::from_ref(&probe), Privileges::OnlySelf).leasing(&[creds()]);
        self.server.write_policy(role, &printed.to_string()).unwrap();
        fs::write(site.folder().join("policy"), printed.to_string()).unwrap();
        let upstream = Upstream { timeout: policy().patience, ..Upstream::new([site.address.parse().unwrap()]) };
        let config = TokenConfig { probes: vec![probe], ..TokenConfig::new(upstream, through, site.secret_file()) };
        let provider = TokenProvider::new(config).unwrap();
        let dependents = provider.dependents();
        let opened = FileJournal::open(&site.journal()).unwrap();
        let store = FileSink::open(&site.sink(), Mode::PRIVATE).unwrap();
        let setup = Setup::new(provider, opened.journal, opened.history, store).unwrap();
        let identity = Identity::start(Setup { policy: counted(grace), ..setup }).await.unwrap();
        identity.credentials().ready().await.unwrap();
        let leases = dependents.leases(identity.credentials());
        (site, identity, leases)
    }

    /// How many users there are that the server has made.
    fn users(&self) -> String {
        let mut admin = Session::open(self.database.host(), self.database.administrator(), "");
        admin.run("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%'").unwrap()
    }
}

fn creds() -> Path {
    CREDS.parse().unwrap()
}

/// What the work of all has met with.
#[derive(Clone, Default)]
struct Tally {
    served: Arc<Mutex<usize>>,
    failed: Arc<Mutex<Vec<String>>>,
    done: Arc<AtomicBool>,
}

impl Tally {
    /// One statement.
    fn query(&self, session: &mut Session) {
        match session.run("SELECT motto FROM work") {
            Ok(found) if found == "never dark" => *self.served.lock().unwrap() += 1,
            Ok(other) | Err(other) => self.failed.lock().unwrap().push(other),
        }
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    fn served(&self) -> usize {
        *self.served.lock().unwrap()
    }

    /// Until so much more was served or failed.
    async fn passes(&self, more: usize) {
        let seen = || self.served() + self.failed.lock().unwrap().len();
        let goal = seen() + more;
        while seen() < goal {
            tokio::time::sleep(PACE).await;
        }
    }
}

/// As a program does it: a user of its own from each token, one statement after the other.
async fn work(leases: Leases, host: PathBuf, tally: Tally) {
    while !tally.is_done() {
        let mut lease = leases.take(&creds()).await.unwrap();
        let User { username, password } = lease.user().unwrap();
        let mut session = Session::open(&host, &username, password.expose_secret());
        {
            let mut due = pin!(lease.due());
            while !tally.is_done() && tokio::time::timeout(PACE, &mut due).await.is_err() {
                tally.query(&mut session);
            }
        }
        // What it had begun.
        tally.query(&mut session);
        drop(session);
        lease.release().await.unwrap();
    }
}

/// As a program does it that knows nothing of leases: its user is the first one's.
async fn careless(credentials: Credentials, address: String, host: PathBuf, tally: Tally) {
    let token = credentials.acquire().unwrap().secret().expose_secret().to_owned();
    let asked = move || Http::new(&address).get(CREDS, &token).unwrap();
    let (status, body) = tokio::task::spawn_blocking(asked).await.unwrap();
    assert_eq!(status, 200);
    let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
    let mut session = Session::open(&host, &text("username"), &text("password"));
    while !tally.is_done() {
        tally.query(&mut session);
        tokio::time::sleep(PACE).await;
    }
}

/// Listens until the round is over; who held the old one when it was to end, and why it was to.
async fn rotate(identity: &Identity) -> (Drained, Option<Holders>) {
    let mut progress = identity.progress();
    identity.rotate().await.unwrap();
    round(&mut progress).await
}

async fn round(progress: &mut Receiver<Progress>) -> (Drained, Option<Holders>) {
    let mut ended = None;
    loop {
        let Progress::Recorded(recorded) = progress.recv().await.unwrap() else { continue };
        match recorded.record.step {
            Step::RevokeIntent { drained, .. } => ended = Some((drained, recorded.holders.clone())),
            Step::Cleared => return ended.expect("a candidate was not abandoned"),
            _ => {}
        }
    }
}

/// By the server's own log: how many leases were revoked by their id, and which were not when the token that made them ended.
fn judge(server: &Server, tokens: &[Handle]) -> (usize, Vec<String>) {
    let log = fs::read_to_string(server.audit_log()).unwrap();
    let (mut living, mut revoked, mut torn) = (HashMap::<String, Vec<String>>::new(), 0, Vec::new());
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (path, caller) = (text("/request/path"), text("/request/client_token_accessor"));
        if line["type"] != "response" || line.get("error").is_some() {
            continue;
        }
        if path == CREDS && tokens.iter().any(|token| token.0 == caller) {
            living.entry(caller).or_default().push(text("/response/secret/lease_id"));
        } else if let Some(lease) = path.strip_prefix("sys/leases/revoke/") {
            for leases in living.values_mut() {
                let before = leases.len();
                leases.retain(|known| known != lease);
                revoked += before - leases.len();
            }
        } else if path == "auth/token/revoke-self" {
            torn.extend(living.remove(&caller).unwrap_or_default());
        }
    }
    (revoked, torn)
}

/// All tokens of an identity, by its journal.
fn tokens(site: &Site) -> Vec<Handle> {
    site.journalled().0.into_iter().filter_map(|entry| entry.handle).collect()
}

async fn no_statement_fails_while_the_token_of_its_user_is_rotated(desk: &Desk) {
    // Longer than the round: only work that has let go ends it.
    let (site, identity, leases) = desk.identity("leased", Duration::from_secs(20)).await;
    let tally = Tally::default();
    let host = || desk.database.host().to_owned();
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(leases.clone(), host(), tally.clone()))).collect();
    tally.passes(20).await;
    for _ in 0..ROTATIONS {
        let (drained, holders) = rotate(&identity).await;
        assert!(matches!(drained, Drained::Idle), "{drained:?}");
        assert_eq!(holders, None);
        tally.passes(20).await;
    }
    tally.done.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(*tally.failed.lock().unwrap(), [] as [String; 0], "of {}", tally.served());
    identity.stop().await;
    let (revoked, torn) = judge(desk.server, &tokens(&site));
    assert!(revoked >= WORKERS * (ROTATIONS + 1), "{revoked}");
    assert_eq!(torn, [] as [String; 0], "died with their token");
    assert_eq!(desk.users(), "0");
    assert_eq!(desk.server.live_tokens("leased").unwrap(), 1);
}

/// One that is kept, and one that was let go without a word.
async fn what_outlives_the_grace_is_named_and_revoked_one_by_one(desk: &Desk) {
    let (site, identity, leases) = desk.identity("overstayed", policy().grace).await;
    let mut kept = leases.take(&creds()).await.unwrap();
    drop(leases.take(&creds()).await.unwrap());
    assert_eq!(desk.users(), "2");
    let (drained, holders) = rotate(&identity).await;
    assert!(matches!(drained, Drained::Deadline), "{drained:?}");
    assert_eq!(holders.unwrap().to_string(), format!("{CREDS} 1, unnamed 0"));
    assert_eq!(kept.renew().await, Err(turquoise::vault::LeaseError::Over));
    kept.release().await.unwrap();
    assert_eq!(desk.users(), "0");
    identity.stop().await;
    assert_eq!(judge(desk.server, &tokens(&site)), (2, Vec::new()));
}

/// As the printed policy says: over these leases, by each line of it, and over no others.
async fn a_token_has_power_over_leases_of_its_paths_alone(desk: &Desk) {
    let (site, identity, leases) = desk.identity("narrow", policy().grace).await;
    desk.admin("database/roles/other", &desk.server.admin("GET", "database/roles/work", &Value::Null).unwrap()["data"]);
    let other = desk.server.admin("GET", "database/creds/other", &Value::Null).unwrap()["lease_id"].clone();
    let token = identity.credentials().acquire().unwrap().secret().expose_secret().to_owned();
    let http = Http::new(&site.address);
    for path in [format!("sys/leases/revoke/{}", other.as_str().unwrap()), format!("sys/leases/revoke/{CREDS}/1")] {
        assert_eq!(http.put(&path, &token, &json!({"lease_id": other})).unwrap().0, 403, "{path}");
    }
    let named = json!({"lease_id": other});
    desk.admin("sys/leases/lookup", &named);
    desk.admin("sys/leases/revoke", &named);

    let printed = fs::read_to_string(site.folder().join("policy")).unwrap();
    for verb in ["read", "renew", "revoke"] {
        let (mut kept, given_up) = (leases.take(&creds()).await.unwrap(), leases.take(&creds()).await.unwrap());
        let gap = |line: &&str| if verb == "read" { line.contains(&format!("\"{CREDS}\"")) } else { line.contains(verb) };
        let rest: Vec<_> = printed.lines().filter(|line| line.contains("auth/token") || !gap(line)).collect();
        assert_eq!(rest.len() + 1, printed.lines().count());
        desk.server.write_policy("narrow", &rest.join("\n")).unwrap();
        let works = [leases.take(&creds()).await.is_ok(), kept.renew().await.is_ok(), given_up.release().await.is_ok()];
        assert_eq!(works, [verb != "read", verb != "renew", verb != "revoke"]);
        desk.server.write_policy("narrow", &printed).unwrap();
    }
    rotate(&identity).await;
    assert_eq!(desk.users(), "0");
    identity.stop().await;
    assert_eq!(judge(desk.server, &tokens(&site)).1, [] as [String; 0]);
}

/// The tests above see what they are to see.
async fn without_leases_statements_fail_and_the_log_shows_why(desk: &Desk) {
    let (site, identity, _) = desk.identity("careless", policy().grace).await;
    let tally = Tally::default();
    let host = desk.database.host().to_owned();
    let worker = tokio::spawn(careless(identity.credentials(), site.address.clone(), host, tally.clone()));
    tally.passes(20).await;
    rotate(&identity).await;
    tally.passes(20).await;
    tally.done.store(true, Ordering::Relaxed);
    worker.await.unwrap();
    assert!(!tally.failed.lock().unwrap().is_empty());
    identity.stop().await;
    let (revoked, torn) = judge(desk.server, &tokens(&site));
    assert_eq!((revoked, torn.len()), (0, 1));
}

#[tokio::test]
async fn leases_are_let_go_before_their_token() {
    let desk = Desk::new().await;
    no_statement_fails_while_the_token_of_its_user_is_rotated(&desk).await;
    what_outlives_the_grace_is_named_and_revoked_one_by_one(&desk).await;
    a_token_has_power_over_leases_of_its_paths_alone(&desk).await;
    without_leases_statements_fail_and_the_log_shows_why(&desk).await;
}
