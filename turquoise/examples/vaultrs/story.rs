//! A server, an identity that rotates, and readers that know nothing of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use turquoise::core::{Consumers, Policy};
use turquoise::journal::FileJournal;
use turquoise::port::Contract;
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{LoginConfig, LoginProvider, Probe, RotatingClient, Upstream};
use turquoise::vaultrs::kv2;
use turquoise::{Identity, Setup};

use crate::rounds::{Fault, rotate};
use crate::scene::Scene;

const READERS: usize = 4;
/// From the end of a read to the next, of each reader.
const PACE: Duration = Duration::from_millis(10);

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
    let scene = Scene::set().await?;
    let upstream = Upstream::new([scene.address().parse()?]);
    let identity = identity(upstream.clone(), &scene).await?;
    identity.credentials().ready().await?;

    let client = Arc::new(RotatingClient::new(&upstream, identity.credentials())?);
    let (reads, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> =
        (0..READERS).map(|_| tokio::spawn(read(Arc::clone(&client), Arc::clone(&reads), Arc::clone(&done)))).collect();
    rotate(&identity, rotations).await?;
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await??;
    }
    let alive = scene.alive()?;
    identity.stop().await;
    Ok(Told { rotations, reads: reads.load(Ordering::Relaxed), alive })
}

/// Nothing here but `vaultrs`, and a client acquired for each call.
async fn read(client: Arc<RotatingClient>, reads: Arc<AtomicU64>, done: Arc<AtomicBool>) -> Result<(), Fault> {
    while !done.load(Ordering::Relaxed) {
        let secret: HashMap<String, String> = kv2::read(&client.acquire()?, "secret", "app").await?;
        assert_eq!(secret["motto"], "never dark");
        reads.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

async fn identity(upstream: Upstream, scene: &Scene) -> Result<Identity, Fault> {
    let policy = policy();
    let probes = vec![Probe { path: "secret/data/app".parse()?, max_latency: None }];
    let config = LoginConfig { probes, login_life: policy.login_life, ..LoginConfig::new(upstream, scene.app_role()) };
    let opened = FileJournal::open(&scene.path("journal"))?;
    let store = FileSink::open(&scene.path("token"), Mode::PRIVATE)?;
    let setup = Setup::new(LoginProvider::new(config)?, opened.journal, opened.history, store)?;
    Ok(Identity::start(Setup { policy, ..setup }).await?)
}

/// Short enough to be watched.
pub(crate) fn policy() -> Policy {
    Policy {
        period: None,
        probes: 2,
        probe_every: Duration::from_millis(20),
        // The readers all use the handle: the old token goes when the last of its reads is over.
        consumers: Consumers::Counted,
        ..Contract { login_life: Duration::from_mins(5), ..Contract::PROMPT }.policy()
    }
}
