//! All rotations of this process: begun together, watched, and ended together.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use turquoise::aws_iam;
use turquoise::core::{AtStop, Budget, Jitter, PhaseKind, Policy};
use turquoise::journal::OpenError;
use turquoise::vault::{self, Dependents};
use turquoise::{BootClock, Clock as _, Identity, Load, ShutdownError, StartError};

use crate::container::{self, NotOpen};
use crate::file::{Rotation, Schedule};
use crate::pause::Paused;
use crate::sidecar::{NotBegun, Parts, begin};
use crate::swap::Provided;

/// So long a rotation under way may take to end before the process does; a successor goes on with what is left.
const LEAVE: Duration = Duration::from_secs(3);
/// What all rotations together ask of one provider: so many calls at once, and one more in each interval.
const CEILING: Budget = Budget { every: Duration::from_millis(50), burst: 20 };

/// How often the calendar is looked at.
const NAP: Duration = Duration::from_secs(10);

/// All rotations of this process.
pub(crate) struct Fleet {
    pub(crate) members: Vec<Member>,
    loads: Loads,
    happened: mpsc::UnboundedReceiver<Happened>,
    tell: mpsc::UnboundedSender<Happened>,
}

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
        let mut fleet = Self { members: Vec::new(), loads: Loads::new(), happened, tell };
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
        if let Some(schedule) = rotation.schedule.clone() {
            let jitter = Jitter::Full(seed(&rotation.journal));
            watch.spawn(keep_to(schedule, jitter, Arc::downgrade(&identity)).instrument(span));
        }
        let opened = open(rotation, &identity, &mut watch).await;
        let (name, rotation) = (rotation.name.clone(), rotation.clone());
        self.members.push(Member { name, identity, policy, rotation, provider, is_serving: false, watch });
        opened
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

    /// What happens next: the name of a rotation that has ended by itself, or nothing when one more of them serves.
    pub(crate) async fn next(&mut self) -> Option<String> {
        match self.happened.recv().await {
            Some(Happened::Serving(name)) => {
                self.members.iter_mut().filter(|member| member.name == name).for_each(|member| member.is_serving = true);
                None
            }
            Some(Happened::Ended(name)) => Some(name),
            // We hold an end of it ourselves.
            None => None,
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

    /// Takes over what can change while they run; answers what cannot, and was not.
    pub(crate) fn reload(&mut self, rotations: &[Rotation]) -> Vec<String> {
        let mut waiting = Vec::new();
        for member in &mut self.members {
            match rotations.iter().find(|rotation| rotation.name == member.name) {
                None => waiting.push(format!("rotation {} is in the file no more", member.name)),
                Some(rotation) => waiting.extend(member.reload(rotation).err()),
            }
        }
        let is_new = |rotation: &&Rotation| self.members.iter().all(|member| member.name != rotation.name);
        waiting.extend(rotations.iter().filter(is_new).map(|rotation| format!("rotation {} is new", rotation.name)));
        waiting
    }

    /// Ends them all as each is to be ended, or all of them in one way. What takes longer than it may, or is hurried, leaves the
    /// rest to a successor, as a crash would.
    pub(crate) async fn leave(self, how: Option<AtStop>, hurry: impl Future<Output = ()>) -> Result<(), Left> {
        let (hurried, hurrying) = tokio::sync::watch::channel(false);
        let mut leaving = JoinSet::new();
        for member in self.members {
            leaving.spawn(member.leave(how, hurrying.clone()));
        }
        tokio::pin!(hurry);
        let mut worst = Ok(());
        loop {
            tokio::select! {
                left = leaving.join_next() => match left {
                    None => return worst,
                    Some(Ok(Err(Left::Debt(..)))) if matches!(worst, Err(Left::Stuck(_))) => {}
                    Some(Ok(Err(why))) => worst = Err(why),
                    Some(_) => {}
                },
                () = &mut hurry, if !*hurried.borrow() => {
                    hurried.send_replace(true);
                }
            }
        }
    }
}

impl Loads {
    pub(crate) fn new() -> Self {
        Self { vault: Load::new(CEILING), aws: Load::new(CEILING) }
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

    async fn leave(self, how: Option<AtStop>, mut hurried: tokio::sync::watch::Receiver<bool>) -> Result<(), Left> {
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

/// Asks for a rotation whenever the calendar says so.
async fn keep_to(schedule: Schedule, jitter: Jitter, identity: Weak<Identity>) {
    while let Some(moment) = schedule.next(SystemTime::now(), jitter) {
        // Timers stand still while the machine is suspended, and the calendar does not.
        while let Ok(left) = moment.duration_since(SystemTime::now()) {
            tokio::time::sleep(left.clamp(Duration::from_millis(1), NAP)).await;
        }
        let Some(identity) = identity.upgrade() else { return };
        if identity.status().paused.is_some() {
            tracing::info!("a rotation is due by the schedule, and is not begun: it is paused");
            continue;
        }
        tracing::info!("a rotation is due by the schedule");
        if let Err(why) = identity.rotate().await {
            tracing::warn!(%why, next = "rotate by hand, or wait for the next one", "the schedule's rotation was not begun");
        }
    }
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
