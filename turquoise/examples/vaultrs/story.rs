//! A server, an identity that rotates, and readers that know nothing of it.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use turquoise::core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Step, Via, Writer};
use turquoise::journal::FileJournal;
use turquoise::memory::WhenLockingFails;
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{LoginConfig, LoginProvider, Method, Probe, RotatingClient, Upstream, login_policy};
use turquoise::vaultrs::kv2;
use turquoise::{BootClock, Identity, Load, Progress, Setup};
use turquoise_openbao::{AdminError, Binary, Options, Server};

pub(crate) type Fault = Box<dyn Error + Send + Sync>;

const READERS: usize = 4;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Told {
    /// Rotations that were promoted and are over.
    pub(crate) rotations: u64,
    /// Reads that succeeded, with one token or another.
    pub(crate) reads: u64,
    /// How many tokens live in the end, by the server's own count.
    pub(crate) alive: usize,
}

/// Rotates so often while readers read.
pub(crate) async fn story(rotations: u64) -> Result<Told, Fault> {
    let folder = tempfile::tempdir()?;
    let server =
        tokio::task::spawn_blocking(|| Ok::<_, Fault>(Server::start(&Binary::obtain(|_| ())?, Options::default())?)).await??;
    let method = prepare(&server, folder.path())?;
    let upstream = Upstream::new([server.address().parse()?]);
    let identity = identity(upstream.clone(), method, folder.path()).await?;
    let mut progress = identity.progress();
    identity.credentials().ready().await?;

    let client = Arc::new(RotatingClient::new(&upstream, identity.credentials())?);
    let (reads, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> =
        (0..READERS).map(|_| tokio::spawn(read(Arc::clone(&client), Arc::clone(&reads), Arc::clone(&done)))).collect();
    for _ in 0..rotations {
        identity.rotate().await?;
        rotated(&mut progress).await?;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await??;
    }
    let alive = alive(&server)?;
    identity.stop().await;
    Ok(Told { rotations, reads: reads.load(Ordering::Relaxed), alive })
}

/// Nothing here but `vaultrs`, and a client acquired for each call.
async fn read(client: Arc<RotatingClient>, reads: Arc<AtomicU64>, done: Arc<AtomicBool>) -> Result<(), Fault> {
    while !done.load(Ordering::Relaxed) {
        let secret: HashMap<String, String> = kv2::read(&client.acquire()?, "secret", "app").await?;
        assert_eq!(secret["motto"], "never dark");
        reads.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Waits for the end of a round, and that it was promoted.
async fn rotated(progress: &mut tokio::sync::broadcast::Receiver<Progress>) -> Result<(), Fault> {
    let mut promoted = false;
    loop {
        let Progress::Recorded(recorded) = progress.recv().await? else { continue };
        match recorded.record.step {
            Step::Promoted { .. } => promoted = true,
            Step::Cleared if promoted => return Ok(()),
            Step::Cleared => return Err(format!("the candidate was abandoned: {:?}", recorded.reason).into()),
            _ => {}
        }
    }
}

/// A secret, and an AppRole that may read it.
fn prepare(server: &Server, folder: &Path) -> Result<Method, Fault> {
    let (role_id_file, secret_id_file) = (folder.join("role-id"), folder.join("secret-id"));
    let (mount, role) = ("approle".parse()?, Some("app".parse()?));
    let method =
        Method::AppRole { mount, role_id_file: role_id_file.clone(), secret_id_file: Some(secret_id_file.clone()), role };
    server.enable_kv()?;
    server.write_secret("app", &json!({"motto": "never dark"}))?;
    server.write_policy("app", &login_policy(&method, &[probe()?]))?;
    server.admin("POST", "sys/auth/approle", &json!({"type": "approle"}))?;
    let rules = json!({"token_policies": ["app"], "token_no_default_policy": true, "token_ttl": "5m"});
    server.admin("POST", "auth/approle/role/app", &rules)?;
    let text = |reply: &Value, field: &str| reply["data"][field].as_str().unwrap_or_default().to_owned();
    fs::write(role_id_file, text(&server.admin("GET", "auth/approle/role/app/role-id", &Value::Null)?, "role_id"))?;
    fs::write(secret_id_file, text(&server.admin("POST", "auth/approle/role/app/secret-id", &json!({}))?, "secret_id"))?;
    Ok(method)
}

fn probe() -> Result<Probe, Fault> {
    Ok(Probe { path: "secret/data/app".parse()?, max_latency: None })
}

async fn identity(upstream: Upstream, method: Method, folder: &Path) -> Result<Identity, Fault> {
    let policy = policy();
    let opened = FileJournal::open(&folder.join("journal"))?;
    let login_life = policy.login_life;
    let config = LoginConfig { probes: vec![probe()?], login_life, ..LoginConfig::new(upstream, method) };
    let setup = Setup {
        policy,
        provider: LoginProvider::new(config)?,
        journal: opened.journal,
        history: opened.history,
        store: FileSink::open(&folder.join("token"), Mode::PRIVATE)?,
        clock: Box::new(BootClock::new()?),
        memory: WhenLockingFails::Warn,
        load: Load::unlimited(),
    };
    Ok(Identity::start(setup).await?)
}

/// Short enough to be watched.
pub(crate) fn policy() -> Policy {
    Policy {
        mint: Via::Login,
        relogin: Relogin::Possible,
        privileges: Privileges::OnlySelf,
        full: Duration::from_mins(2),
        probation: Duration::from_secs(30),
        login_life: Duration::from_mins(5),
        period: None,
        probes: 2,
        probe_every: Duration::from_millis(20),
        validate_for: Duration::from_secs(10),
        canary: None,
        grace: Duration::from_millis(2500),
        // The readers all use the handle: the old token goes when the last of its reads is over.
        consumers: Consumers::Counted,
        evidence: Duration::from_secs(15),
        patience: Duration::from_secs(5),
        delta: Duration::from_secs(5),
        skew: Duration::from_secs(1),
        backoff: Duration::from_millis(250),
        backoff_cap: Duration::from_secs(2),
        jitter: Jitter::None,
        budget: None,
        most_live: 3,
        tries_before_debt: 3,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    }
}

fn alive(server: &Server) -> Result<usize, Fault> {
    match server.admin("LIST", "sys/leases/lookup/auth/approle/login", &Value::Null) {
        Ok(reply) => Ok(reply["data"]["keys"].as_array().map_or(0, Vec::len)),
        Err(AdminError::Refused { status: 404, .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
