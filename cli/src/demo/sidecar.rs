//! Who rotates: this process first, then one of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::broadcast;
use turquoise::core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, StepKind, Via, Writer};
use turquoise::sink::{Mode, Outlet};
use turquoise::vault::{Role, TokenConfig, TokenProvider, Upstream};
use turquoise::{Identity, Load, Progress};

use super::process::Process;
use super::scene::probe;
use super::show::{self, Show};
use super::told::Told;
use super::trouble::Trouble;
use crate::file::Survivor;
use crate::sidecar::{Parts, begin};

/// No step of a rotation takes longer to come, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a sidecar is told when it is to rotate.
const ROTATE: &str = "rotate";

/// Where everything is. No secret among it: those are in files.
#[derive(Clone, clap::Args)]
pub(crate) struct Site {
    /// The journal
    pub(crate) journal: PathBuf,
    /// The published file
    pub(crate) sink: PathBuf,
    /// The file that the first token comes in
    pub(crate) token_file: PathBuf,
    /// The server
    pub(crate) address: String,
    /// The role that tokens are minted through
    pub(crate) role: Role,
}

impl Site {
    fn args(&self) -> [OsString; 5] {
        let Self { journal, sink, token_file, address, role } = self.clone();
        [journal.into(), sink.into(), token_file.into(), address.into(), role.to_string().into()]
    }

    async fn start(&self) -> Result<(Identity, broadcast::Receiver<Progress>), Trouble> {
        let policy = policy()?;
        let mut config = TokenConfig::new(Upstream::new([self.address.parse()?]), self.role.clone(), &self.token_file);
        config.probes = vec![probe()?];
        config.upstream.timeout = policy.patience;
        let provider = TokenProvider::new(config)?;
        let sinks = [Outlet::new(&self.sink, Mode::PRIVATE)];
        let load = Load::unlimited().start_spread(Duration::ZERO);
        let identity =
            begin(Parts { policy, provider, journal: &self.journal, store: &Survivor::Sink, sinks: &sinks, load }).await?;
        let progress = identity.progress();
        Ok((identity, progress))
    }
}

/// Short enough to be watched.
pub(crate) fn policy() -> Result<Policy, Trouble> {
    let seed = getrandom::u64().map_err(|why| Trouble::Local(why.to_string()))?;
    Ok(Policy {
        full: Duration::from_mins(1),
        probation: Duration::from_secs(20),
        login_life: Duration::ZERO,
        mint: Via::Current,
        // The first token was handed to us: nobody hands us a second one.
        relogin: Relogin::Impossible,
        privileges: Privileges::OnlySelf,
        period: None,
        probes: 3,
        // Also the time in which the rotating process has to be killed between the minting and the switch.
        probe_every: Duration::from_millis(500),
        validate_for: Duration::from_secs(6),
        canary: None,
        // Servers count a life in whole seconds, and ours is rounded up: a grace of whole seconds would have the old token
        // run out in the very moment in which it is told to end itself.
        grace: Duration::from_millis(2500),
        consumers: Consumers::Uncounted,
        evidence: Duration::from_secs(10),
        patience: Duration::from_secs(3),
        delta: Duration::from_secs(5),
        skew: Duration::from_secs(1),
        backoff: Duration::from_millis(250),
        backoff_cap: Duration::from_secs(5),
        jitter: Jitter::Full(seed),
        budget: None,
        most_live: 3,
        tries_before_debt: 3,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    })
}

/// Something that rotates, wherever it runs.
pub(crate) trait Rotates {
    /// What it has done next; nothing more if it has ended.
    async fn told(&mut self) -> Result<Option<Told>, Trouble>;

    /// Shows what it does until it has done this.
    async fn until(&mut self, step: StepKind, show: &Show) -> Result<(), Trouble> {
        let follow = async {
            while let Some(told) = self.told().await? {
                show.step(&told)?;
                if told.is(StepKind::Stuck) {
                    return Err(Trouble::Provider(told.words));
                }
                if told.is(step) {
                    return Ok(());
                }
            }
            Err(Trouble::Local("the rotating process has ended by itself".to_owned()))
        };
        let late = |_| Trouble::Provider(format!("{step:?} was not reached within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, follow).await.map_err(late)?
    }
}

/// The rotation in this process.
pub(crate) struct Here {
    pub(crate) identity: Identity,
    progress: broadcast::Receiver<Progress>,
}

impl Here {
    pub(crate) async fn start(site: &Site) -> Result<Self, Trouble> {
        let (identity, progress) = site.start().await?;
        Ok(Self { identity, progress })
    }
}

impl Rotates for Here {
    async fn told(&mut self) -> Result<Option<Told>, Trouble> {
        match self.progress.recv().await {
            Ok(progress) => Ok(Some(Told::of(progress))),
            Err(broadcast::error::RecvError::Closed) => Ok(None),
            Err(lagged @ broadcast::error::RecvError::Lagged(_)) => Err(Trouble::Local(lagged.to_string())),
        }
    }
}

/// The rotation in a process of its own.
pub(crate) struct Sidecar(Process);

impl Sidecar {
    pub(crate) fn start(site: &Site) -> Result<Self, Trouble> {
        Process::start("demo-sidecar", site.args()).map(Self)
    }

    pub(crate) async fn rotate(&mut self) -> Result<(), Trouble> {
        self.0.say(ROTATE).await
    }

    pub(crate) async fn kill(self) -> Result<(), Trouble> {
        self.0.kill().await
    }

    pub(crate) async fn stop(self) -> Result<(), Trouble> {
        self.0.stop(|_: Told| {}).await
    }
}

impl Rotates for Sidecar {
    async fn told(&mut self) -> Result<Option<Told>, Trouble> {
        self.0.hear().await
    }
}

/// The process of its own: rotates when told to, tells what it does, and ends with its standard input.
pub(crate) fn run(site: &Site) -> ExitCode {
    super::child(async {
        let mut here = Here::start(site).await?;
        let mut commands = BufReader::new(tokio::io::stdin()).lines();
        loop {
            tokio::select! {
                command = commands.next_line() => match command?.as_deref() {
                    Some(ROTATE) => here.identity.rotate().await?,
                    Some(other) => return Err(Trouble::Local(format!("no such command: {other}"))),
                    None => break,
                },
                told = here.told() => match told? {
                    Some(told) => show::json(&told)?,
                    None => break,
                },
            }
        }
        here.identity.stop().await;
        Ok(())
    })
}
