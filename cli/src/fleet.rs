//! All rotations of this process: begun together, watched, and ended together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;
use turquoise::aws_iam;
use turquoise::core::{AtStop, Budget, Jitter, PhaseKind, Policy, Relogin};
use turquoise::journal::OpenError;
use turquoise::vault::{self, Dependents};
use turquoise::{BootClock, Clock as _, Identity, Load, ShutdownError, StartError};

use crate::admin::Facts;
use crate::calendar::{self, Calendar};
use crate::container::{self, NotOpen};
use crate::file::{self, Rotation};
use crate::pause::Paused;
use crate::sidecar::{NotBegun, Parts, begin};
use crate::swap::{self, Provided};

#[cfg(test)]
mod herd;

/// So long a rotation under way may take to end before the process does; a successor goes on with what is left.
const LEAVE: Duration = Duration::from_secs(3);
/// What all rotations together ask of one provider: so many calls at once, and one more in each interval.
const CEILING: Budget = Budget { every: Duration::from_millis(50), burst: 20 };

/// All rotations of this process.
pub(crate) struct Fleet {
    pub(crate) members: Vec<Member>,
    loads: Loads,
    happened: mpsc::UnboundedReceiver<Happened>,
    tell: mpsc::UnboundedSender<Happened>,
    /// Rotations that are in the file no more, while they stop.
    leaving: JoinSet<Gone>,
    /// What those still hold.
    parting: Vec<Rotation>,
    /// Whether all that leaves is to be quick about it.
    hurry: watch::Sender<bool>,
}

/// A rotation that has stopped, and how.
type Gone = (String, Result<(), Left>);

/// One rotation of this process.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) identity: Arc<Identity>,
    pub(crate) policy: Policy,
    /// As the file has it, the parts that are in effect.
    rotation: Rotation,
    provider: Provided,
    is_serving: bool,
    /// What looks at it meanwhile.
    watch: JoinSet<()>,
}

/// What a rotation does that its process has to know.
enum Happened {
    /// Its first credential is published.
    Serving(String),
    /// Its task is gone.
    Ended(String),
}

/// What becomes of a fleet while it runs.
pub(crate) enum Change {
    /// One more serves.
    Serving,
    /// This one has ended by itself.
    Ended(String),
    /// This one was in the file no more, and has stopped.
    Left(String),
}

/// Probes that are being tried. Dropped, they are called off.
pub(crate) struct Trials(JoinSet<(String, Result<(), String>)>);

/// Rotations whose new probes are not taken, and why.
pub(crate) type Untried = BTreeMap<String, String>;

/// What came of a file that was read again.
#[derive(Default)]
pub(crate) struct Reloaded {
    /// What needs a restart.
    pub(crate) waiting: Vec<String>,
    /// What failed.
    pub(crate) failed: Vec<String>,
    /// The rotations that are new.
    pub(crate) begun: Vec<String>,
}

/// What identities ask of one provider in common, with a ceiling for each.
#[derive(Clone)]
pub(crate) struct Loads {
    vault: Load,
    aws: Load,
}

/// Why a rotation is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// It was not begun.
    #[error(transparent)]
    NotBegun(#[from] NotBegun),
    /// What the file says of the server is not taken.
    #[error(transparent)]
    Vault(#[from] vault::ConfigError),
    /// What the file says of AWS is not taken.
    #[error(transparent)]
    Aws(#[from] aws_iam::ConfigError),
    /// Its endpoint.
    #[error(transparent)]
    Endpoint(#[from] NotOpen),
}

impl Failed {
    /// What the process ends with.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::NotBegun(NotBegun::Journal(OpenError::Locked { .. })) => 4,
            Self::NotBegun(NotBegun::Start(StartError::Contract(_))) => 13,
            Self::NotBegun(_) | Self::Vault(_) | Self::Aws(_) | Self::Endpoint(_) => 1,
        }
    }
}

/// How a fleet ended otherwise than well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Left {
    /// A credential that should be gone.
    #[error("rotation {0}: the credential could not be seen to end: {1}")]
    Debt(String, ShutdownError),
    /// It could not go on by itself.
    #[error("rotation {0} stopped where an operator is needed: the log says what for")]
    Stuck(String),
}

impl Fleet {
    /// Begins them all, or none.
    pub(crate) async fn begin(rotations: &[Rotation]) -> Result<Self, (String, Failed)> {
        let (tell, happened) = mpsc::unbounded_channel();
        let mut fleet = Self {
            members: Vec::new(),
            loads: Loads::new(),
            happened,
            tell,
            leaving: JoinSet::new(),
            parting: Vec::new(),
            hurry: watch::Sender::new(false),
        };
        for rotation in rotations {
            if let Err(why) = fleet.add(rotation).await {
                for Member { identity, mut watch, .. } in fleet.members {
                    watch.shutdown().await;
                    stop(identity).await;
                }
                return Err((rotation.name.clone(), why));
            }
        }
        Ok(fleet)
    }

    /// Begins one more.
    async fn add(&mut self, rotation: &Rotation) -> Result<(), Failed> {
        let policy = rotation.policy;
        let span = tracing::info_span!("identity", name = rotation.name);
        let (identity, provider) = self.loads.start(rotation, &policy).instrument(span.clone()).await?;
        stay_paused(&identity, &Paused::beside(&rotation.journal)).instrument(span.clone()).await;
        let identity = Arc::new(identity);
        let mut watch = self.watch(&rotation.name, &identity, span.clone());
        if let Err(why) = open(rotation, &identity, &mut watch).await {
            watch.shutdown().await;
            stop(identity).await;
            return Err(why);
        }
        if let Some(calendar) = calendar_of(rotation) {
            // Where each start logs in anew, what serves is new: nothing has to be made up for.
            let book = (policy.relogin != Relogin::EachStart).then(|| rotation.journal.with_extension("moment"));
            watch.spawn(calendar::keep(calendar, book, identity.operator()).instrument(span));
        }
        let (name, rotation) = (rotation.name.clone(), rotation.clone());
        self.members.push(Member { name, identity, policy, rotation, provider, is_serving: false, watch });
        Ok(())
    }

    fn watch(&self, name: &str, identity: &Arc<Identity>, span: tracing::Span) -> JoinSet<()> {
        let mut watch = JoinSet::new();
        let (tell, named, credentials) = (self.tell.clone(), name.to_owned(), identity.credentials());
        let serving = async move {
            if credentials.ready().await.is_ok() {
                tracing::info!("serving");
                // Nobody listens any more only when all ends.
                let _ = tell.send(Happened::Serving(named));
            }
        };
        watch.spawn(serving.instrument(span));
        let (tell, named, identity) = (self.tell.clone(), name.to_owned(), Arc::downgrade(identity));
        watch.spawn(async move {
            // Whoever lets it go has no need to be told.
            if let Some(ended) = identity.upgrade() {
                ended.ended().await;
                let _ = tell.send(Happened::Ended(named));
            }
        });
        watch
    }

    /// What happens next.
    pub(crate) async fn next(&mut self) -> Change {
        loop {
            let happened = tokio::select! {
                Some(Ok((name, left))) = self.leaving.join_next() => {
                    self.parting.retain(|rotation| rotation.name != name);
                    match left {
                        Ok(()) => tracing::info!(identity = name, "stopped, for it is in the file no more"),
                        Err(why) => {
                            let next = "put it back into the file and send SIGHUP, to have it seen to";
                            tracing::error!(identity = name, %why, next, "stopped, for it is in the file no more");
                        }
                    }
                    return Change::Left(name);
                }
                // We hold an end of it ourselves.
                Some(happened) = self.happened.recv() => happened,
            };
            match happened {
                Happened::Serving(name) => {
                    self.members.iter_mut().filter(|member| member.name == name).for_each(|member| member.is_serving = true);
                    return Change::Serving;
                }
                // One of this name that has left may have said so before.
                Happened::Ended(name) if self.members.iter().any(|member| member.name == name && !member.is_alive()) => {
                    return Change::Ended(name);
                }
                Happened::Ended(_) => {}
            }
        }
    }

    /// Whether the first credential of each is published.
    pub(crate) fn is_serving(&self) -> bool {
        self.members.iter().all(|member| member.is_serving)
    }

    /// Has logins tried again that were refused.
    pub(crate) fn retry(&self) {
        self.members.iter().for_each(|member| member.provider.retry());
    }

    /// Tries each probe that a file has anew on what serves: one that fails there would have every rotation abandoned.
    pub(crate) fn try_probes(&self, rotations: &[Rotation]) -> Trials {
        let mut trials = JoinSet::new();
        for member in &self.members {
            let Some(new) = rotations.iter().find(|rotation| rotation.name == member.name) else { continue };
            if member.rotation.provider.has_the_probes_of(&new.provider) {
                continue;
            }
            let (name, config, load) = (member.name.clone(), new.provider.clone(), self.loads.of(&new.provider));
            let (credentials, patience) = (member.identity.credentials(), new.policy.patience);
            trials.spawn(async move { (name, swap::tried(&config, &load, &credentials, patience).await) });
        }
        Trials(trials)
    }

    /// Takes over what can change while they run, but for rotations whose new probes have failed; has those stop that are in the
    /// file no more, unless this process needs them otherwise; and begins those that are new, whose names it answers. Of what
    /// cannot be, or fails, it tells, and everything else is done.
    pub(crate) async fn reload(&mut self, rotations: &[Rotation], needed: &BTreeSet<String>, failed: &Untried) -> Reloaded {
        let mut told = Reloaded::default();
        let (staying, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(|member| needed.contains(&member.name) || rotations.iter().any(|rotation| rotation.name == member.name));
        self.members = staying;
        for member in gone {
            tracing::info!(identity = member.name, "SIGHUP: it is in the file no more, and is stopped");
            self.parting.push(member.rotation.clone());
            let (name, hurried) = (member.name.clone(), self.hurry.subscribe());
            self.leaving.spawn(async move { (name, member.leave(None, hurried).await) });
        }
        for member in &mut self.members {
            let name = &member.name;
            match (rotations.iter().find(|rotation| rotation.name == *name), failed.get(name)) {
                (None, _) => {
                    told.waiting.push(format!("rotation {name} is in the file no more, and a program or a listener has it"));
                }
                (Some(_), Some(why)) => told.failed.push(format!("rotation {name} goes on as it was: {why}")),
                (Some(rotation), None) => told.waiting.extend(member.reload(rotation).err()),
            }
        }
        for rotation in rotations {
            if self.members.iter().any(|member| member.name == rotation.name) {
                continue;
            }
            let name = &rotation.name;
            let others = self.members.iter().map(|member| &member.rotation).chain(&self.parting);
            if let Some(other) = others.into_iter().find(|other| other.name == *name || other.shares_with(rotation)) {
                let other = &other.name;
                told.failed.push(format!("rotation {name} was not begun: {other} has its files still, until it has stopped"));
            } else if let Err(why) = self.add(rotation).await {
                told.failed.push(format!("rotation {name} was not begun: {why}"));
            } else {
                tracing::info!(identity = name, "SIGHUP: it is new, and begun");
                told.begun.push(name.clone());
            }
        }
        told
    }

    /// Ends them all as each is to be ended, or all of them in one way. What takes longer than it may, or is hurried, leaves the
    /// rest to a successor, as a crash would.
    pub(crate) async fn leave(self, how: Option<AtStop>, hurry: impl Future<Output = ()>) -> Result<(), Left> {
        let (hurried, mut leaving) = (self.hurry, self.leaving);
        for member in self.members {
            let (name, hurrying) = (member.name.clone(), hurried.subscribe());
            leaving.spawn(async move { (name, member.leave(how, hurrying).await) });
        }
        tokio::pin!(hurry);
        let mut worst = Ok(());
        loop {
            tokio::select! {
                left = leaving.join_next() => match left {
                    None => return worst,
                    Some(Ok((_, Err(Left::Debt(..))))) if matches!(worst, Err(Left::Stuck(_))) => {}
                    Some(Ok((_, Err(why)))) => worst = Err(why),
                    Some(_) => {}
                },
                () = &mut hurry, if !*hurried.borrow() => {
                    hurried.send_replace(true);
                }
            }
        }
    }
}

impl Trials {
    /// Waits until all are over. Cancel safe.
    pub(crate) async fn over(&mut self, failed: &mut Untried) {
        while let Some(tried) = self.0.join_next().await {
            if let Ok((name, Err(why))) = tried {
                failed.insert(name, why);
            }
        }
    }
}

impl Loads {
    pub(crate) fn new() -> Self {
        Self { vault: Load::new(CEILING), aws: Load::new(CEILING) }
    }

    /// What is asked of this provider is asked through.
    fn of(&self, provider: &file::Provider) -> Load {
        match provider {
            file::Provider::Keys(_) => self.aws.clone(),
            file::Provider::Login(_) | file::Provider::Token(_) | file::Provider::SecretId(_) => self.vault.clone(),
        }
    }

    /// Its provider, and all that is put together with it.
    pub(crate) async fn start(&self, rotation: &Rotation, policy: &Policy) -> Result<(Identity, Provided), Failed> {
        let Rotation { provider, journal, store, sinks, start_spread, .. } = rotation;
        let policy = Policy { jitter: Jitter::Full(seed(journal)), ..*policy };
        let load = |load: &Load| load.clone().start_spread(*start_spread);
        let (vault, aws) = (load(&self.vault), load(&self.aws));
        let provided = Provided::new(provider)?;
        let identity = match &provided {
            Provided::Login(swap) => begin(Parts { policy, provider: swap.clone(), journal, store, sinks, load: vault }).await,
            Provided::Token(swap) => begin(Parts { policy, provider: swap.clone(), journal, store, sinks, load: vault }).await,
            Provided::SecretId(swap) => begin(Parts { policy, provider: swap.clone(), journal, store, sinks, load: vault }).await,
            Provided::Keys(swap) => begin(Parts { policy, provider: swap.clone(), journal, store, sinks, load: aws }).await,
        };
        Ok((identity?, provided))
    }
}

impl Member {
    /// What is told of it to those who look.
    pub(crate) fn facts(&self) -> Facts {
        let Rotation { provider, journal, .. } = &self.rotation;
        // As the machine has it: an outage is survived from the latest moment of a renewal on.
        let policy = Policy { jitter: Jitter::Full(seed(journal)), ..self.policy };
        let (calendar, paused) = (calendar_of(&self.rotation), Paused::beside(journal));
        Facts { provider: provider.name().to_owned(), policy, calendar, paused }
    }

    fn is_alive(&self) -> bool {
        self.identity.operator().is_alive()
    }

    /// The list of what hangs from its tokens, if it has any.
    pub(crate) fn dependents(&self) -> Option<Dependents> {
        self.provider.dependents()
    }

    /// All of it that can change while it runs, or nothing of it and why.
    fn reload(&mut self, new: &Rotation) -> Result<(), String> {
        let Rotation { name, provider, policy, schedule, store, sinks, journal, container, .. } = &self.rotation;
        let changed = [
            ("its server, its user or its namespace", !provider.is_at_the_same_place(&new.provider)),
            ("its timing", *policy != new.policy || *schedule != new.schedule),
            ("its store", *store != new.store),
            ("what its sinks are", *sinks != new.sinks),
            ("its journal", *journal != new.journal),
            ("its endpoint", *container != new.container),
        ];
        if let Some((what, _)) = changed.into_iter().find(|(_, changed)| *changed) {
            return Err(format!("rotation {name}: {what} has changed"));
        }
        self.provider.replace(&new.provider).map_err(|why| format!("rotation {name}: {why}"))?;
        self.rotation = new.clone();
        Ok(())
    }

    async fn leave(self, how: Option<AtStop>, mut hurried: watch::Receiver<bool>) -> Result<(), Left> {
        let Self { name, identity, policy, rotation, mut watch, .. } = self;
        // Each holds the identity while it looks.
        watch.shutdown().await;
        let how = how.unwrap_or(rotation.on_stop);
        let within = match how {
            AtStop::Keep => LEAVE,
            AtStop::Revoke => policy.worst_rotation() + policy.grace,
        };
        tracing::info!(identity = name, ?how, ?within, "stopping");
        let ended = tokio::select! {
            ended = identity.shutdown(how, within) => ended,
            Ok(_) = hurried.wait_for(|hurried| *hurried) => Err(ShutdownError::Late { phase: identity.status().phase }),
        };
        let is_stuck = identity.status().phase == PhaseKind::NeedsOperator;
        stop(identity).await;
        match (ended, how) {
            _ if is_stuck => Err(Left::Stuck(name)),
            (Err(why), AtStop::Revoke) => Err(Left::Debt(name, why)),
            (Err(why), AtStop::Keep) => {
                tracing::info!(identity = name, %why, "stopped; a successor goes on from here");
                Ok(())
            }
            (Ok(()), _) => Ok(()),
        }
    }
}

/// Opens the endpoint of a rotation that has one; it is there as long as the rotation is watched.
async fn open(rotation: &Rotation, identity: &Identity, watch: &mut JoinSet<()>) -> Result<(), Failed> {
    if let Some(plan) = &rotation.container {
        let endpoint = container::open(plan, identity.credentials()).await?;
        tracing::info!(identity = rotation.name, address = %plan.address, "AWS clients are answered");
        watch.spawn(async {
            let _ = endpoint.serve().await;
        });
    }
    Ok(())
}

/// When it is due, if a calendar says so.
fn calendar_of(rotation: &Rotation) -> Option<Calendar> {
    let jitter = Jitter::Full(seed(&rotation.journal));
    rotation.schedule.clone().map(|schedule| Calendar { schedule, jitter })
}

/// What a process before this one was asked for.
async fn stay_paused(identity: &Identity, paused: &Paused) {
    let left = match paused.left(SystemTime::now()) {
        Ok(None) => return,
        Ok(Some(left)) => left,
        Err(why) => {
            let next = "turquoise pause again, or turquoise resume";
            return tracing::warn!(%why, next, "it cannot be read until when it is paused: it is not");
        }
    };
    let asked = match BootClock::new() {
        Ok(clock) => identity.pause(clock.now() + left).await.map_err(|why| why.to_string()),
        Err(why) => Err(why.to_string()),
    };
    match asked {
        Ok(()) => tracing::info!(seconds = left.as_secs(), "paused still: turquoise resume ends that"),
        Err(why) => tracing::warn!(why, "it is not paused as it was asked to be"),
    }
}

/// Ends it at once. Whoever else holds it lets it go by himself.
async fn stop(identity: Arc<Identity>) {
    if let Some(identity) = Arc::into_inner(identity) {
        identity.stop().await;
    }
}

/// Tells this identity and its host from all others, and is the same after each start.
fn seed(journal: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What one host lacks, or shares with its copies, another of these may have.
    for file in ["/etc/machine-id", "/proc/sys/kernel/hostname"] {
        fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    journal.hash(&mut hasher);
    hasher.finish()
}
