//! A small world in memory: a provider, a journal and a store on one log, a clock on Tokio's paused time, and faults by script.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::future::pending;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::sync::{Notify, broadcast};
use tokio::time::{self, Instant};
use turquoise_runtime::core::{
    self, BootId, Consumers, Generation, Jitter, Mint, PhaseKind, Policy, Privileges, Relogin, Sown, Step, StepKind, Trial, Via,
    Writer,
};
use turquoise_runtime::memory::WhenLockingFails;
use turquoise_runtime::port::{
    Base, Compacted, Contract, Credential, Entry, Handle, History, Journal, Minted, NoStore, NotCompacted, NotDurable, Observed,
    Provider, Reason, Reply, Store, StoreError,
};
use turquoise_runtime::{Clock, Identity, Load, Progress, Recorded, Setup, StartError};

/// In every secret, and nowhere else.
pub(crate) const CANARY: &str = "s3cr3t";

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn policy(consumers: Consumers) -> Policy {
    Policy {
        full: secs(60),
        probation: secs(20),
        login_life: secs(60),
        mint: Via::Current,
        relogin: Relogin::Impossible,
        privileges: Privileges::OnlySelf,
        period: None,
        probes: 2,
        probe_every: Duration::from_millis(200),
        validate_for: secs(5),
        canary: None,
        grace: secs(10),
        consumers,
        evidence: secs(5),
        patience: secs(1),
        delta: secs(2),
        skew: Duration::from_millis(100),
        backoff: Duration::from_millis(100),
        backoff_cap: secs(1),
        jitter: Jitter::None,
        budget: None,
        most_live: 3,
        tries_before_debt: 3,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    }
}

/// How a call to the provider goes wrong, every time until it is healed.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Refuse,
    LoseReply,
    Hang,
    /// Too many were asked for: so long nobody is to ask.
    Throttle(Duration),
}

/// Where the process dies: all it does from then on has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// As soon as this record is durable.
    After(u64),
    /// Just before this record would be.
    Before(u64),
}

#[derive(Clone)]
struct Slot {
    mint: Mint,
    handle: Handle,
    secret: String,
}

/// What all share, and what survives a crash.
pub(crate) struct World {
    start: Instant,
    /// Secrets that the provider knows, and when they end.
    tokens: BTreeMap<String, Instant>,
    /// Those that nobody can keep alive: others ended them, or an operator closed the identity.
    excused: BTreeSet<String>,
    slots: BTreeMap<core::Color, Slot>,
    published: Option<String>,
    pub(crate) entries: Vec<Entry>,
    /// What stands for the first of them, as the journal has it.
    pub(crate) base: Option<Base>,
    /// What was asked of whom, in order.
    pub(crate) log: Vec<(Duration, String)>,
    /// What must not be, and was.
    pub(crate) violations: Vec<String>,
    faults: BTreeMap<(&'static str, u32), Fault>,
    /// How every other call goes wrong.
    pub(crate) outage: Option<Fault>,
    pub(crate) disk_full: bool,
    disk_hangs: bool,
    crash: Option<Crash>,
    /// Counts the processes: only the latest has an effect.
    process: u32,
    pub(crate) journals_open: u32,
}

impl World {
    fn live(&self, secret: &str) -> bool {
        self.tokens.get(secret).is_some_and(|end| Instant::now() < *end)
    }

    pub(crate) fn living(&self) -> usize {
        self.tokens.keys().filter(|secret| self.live(secret)).count()
    }

    /// Notes a call, and whether it was announced (S3) and finds readers with a secret that works (S1).
    fn note(&mut self, verb: &'static str, what: &str) {
        self.log.push((self.start.elapsed(), format!("{verb} {what}")));
        let mut steps = self.entries.iter().rev().map(|entry| entry.record.step.kind());
        let last = steps.find(|step| *step != StepKind::Compromised);
        let announced = match last {
            None => verb == "record",
            Some(last) => match verb {
                "login" => matches!(last, StepKind::LoginIntent | StepKind::IssueIntent),
                "issue" => matches!(last, StepKind::IssueIntent),
                "persist" => matches!(last, StepKind::LoggedIn | StepKind::Issued),
                "publish" => {
                    matches!(last, StepKind::LoggedIn | StepKind::Promoted | StepKind::RolledBack | StepKind::Recovered)
                }
                "revoke" => {
                    matches!(last, StepKind::RevokeIntent | StepKind::AbandonIntent | StepKind::CloseIntent | StepKind::Recovered)
                }
                "clear" => matches!(last, StepKind::Died | StepKind::Resolved | StepKind::Recovered),
                _ => true,
            },
        };
        if !announced {
            self.violations.push(format!("{verb} {what} after {last:?}"));
        }
        if self.published.as_ref().is_some_and(|secret| !self.live(secret) && !self.excused.contains(secret)) {
            self.violations.push(format!("at {verb} {what} the published secret is dead"));
        }
    }

    /// What a journal that begins anew wherever it may still holds.
    fn history(&self) -> History {
        let stands_for = self.base.as_ref().map_or(0, |base| base.checkpoint.lsn.0);
        let entries = self.entries.iter().filter(|entry| entry.record.lsn.0 > stands_for).cloned().collect();
        History { base: self.base.clone(), entries }
    }

    /// Whether an operator has durably ended the identity.
    fn closing(&self) -> bool {
        let mut steps = self.entries.iter().rev().map(|entry| entry.record.step.kind());
        steps.find(|step| matches!(step, StepKind::Ready | StepKind::CloseIntent)) == Some(StepKind::CloseIntent)
    }

    fn mint(&mut self, mint: Mint, life: Duration) -> Reply<Minted> {
        let number = mint.generation.number;
        let secret = format!("{CANARY}-{number}-{}", self.process);
        self.tokens.insert(secret.clone(), Instant::now() + life);
        Reply::Applied(Minted { secret: secret.into(), handle: Handle(format!("accessor-{number}")), remaining: life })
    }

    fn remaining(&self, secret: &str) -> Duration {
        self.tokens.get(secret).map_or(Duration::ZERO, |end| end.duration_since(Instant::now()))
    }
}

/// The hands of one process on the world.
#[derive(Clone)]
pub(crate) struct Sim {
    world: Arc<Mutex<World>>,
    pub(crate) crashed: Arc<Notify>,
    disk: Arc<Condvar>,
    /// A write has met a disk that hangs.
    pub(crate) disk_met: Arc<Notify>,
    process: u32,
    /// What the next process thinks of logins …
    pub(crate) relogin: Relogin,
    pub(crate) canary: Option<Trial>,
    /// Its store keeps nothing.
    pub(crate) nothing_survives: bool,
    /// How far the wall clock has run ahead.
    pub(crate) drift: Arc<Mutex<Duration>>,
    /// … of what it may do with a name alone …
    pub(crate) privileges: Privileges,
    /// What the provider declares, a login's life apart.
    pub(crate) contract: Contract,
    /// … and of secrets that cannot be locked.
    pub(crate) memory: WhenLockingFails,
    /// What it shares with others.
    pub(crate) load: Load,
    pub(crate) jitter: Jitter,
}

impl Sim {
    pub(crate) fn new() -> Self {
        let world = World {
            start: Instant::now(),
            tokens: BTreeMap::new(),
            excused: BTreeSet::new(),
            slots: BTreeMap::new(),
            published: None,
            entries: Vec::new(),
            base: None,
            log: Vec::new(),
            violations: Vec::new(),
            faults: BTreeMap::new(),
            outage: None,
            disk_full: false,
            disk_hangs: false,
            crash: None,
            process: 0,
            journals_open: 0,
        };
        let world = Arc::new(Mutex::new(world));
        Self {
            world,
            crashed: Arc::default(),
            disk: Arc::default(),
            disk_met: Arc::default(),
            process: 0,
            relogin: Relogin::Impossible,
            canary: None,
            nothing_survives: false,
            drift: Arc::default(),
            privileges: Privileges::OnlySelf,
            contract: Contract::PROMPT,
            memory: WhenLockingFails::Refuse,
            load: Load::unlimited(),
            jitter: Jitter::None,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panics while it holds the world")
    }

    /// A new process on the same world.
    pub(crate) async fn start(&mut self, consumers: Consumers) -> Identity {
        self.try_start(consumers).await.expect("the world is sound")
    }

    pub(crate) async fn try_start(&mut self, consumers: Consumers) -> Result<Identity, StartError> {
        let (process, history, all) = {
            let mut world = self.world();
            world.process += 1;
            world.crash = None;
            world.journals_open += 1;
            (world.process, world.history(), History::from(world.entries.clone()))
        };
        self.process = process;
        let (journal, clock) = (SimJournal(self.clone()), Box::new(PausedClock(self.world().start, Arc::clone(&self.drift))));
        let policy = Policy {
            relogin: self.relogin,
            privileges: self.privileges,
            canary: self.canary,
            jitter: self.jitter,
            ..policy(consumers)
        };
        let replay = |history: &History| history.replay(&policy, 0, clock.boot(), clock.now());
        assert_eq!(replay(&history), replay(&all), "a journal that began anew says what all its entries say");
        let (memory, load, provider) = (self.memory, self.load.clone(), self.clone());
        if self.nothing_survives {
            return Identity::start(Setup { policy, provider, journal, history, store: NoStore, clock, memory, load }).await;
        }
        Identity::start(Setup { policy, provider, journal, history, store: self.clone(), clock, memory, load }).await
    }

    /// A process that has logged in.
    pub(crate) async fn ready(&mut self, consumers: Consumers) -> Identity {
        let identity = self.start(consumers).await;
        until(&mut identity.progress(), StepKind::Ready).await;
        identity
    }

    pub(crate) fn fault(&self, verb: &'static str, number: u32, fault: Fault) {
        self.world().faults.insert((verb, number), fault);
    }

    /// Others end the credential with this number.
    pub(crate) fn take_away(&self, number: u32) {
        let mut world = self.world();
        let theirs = format!("{CANARY}-{number}-");
        let taken: Vec<_> = world.tokens.keys().filter(|secret| secret.starts_with(&theirs)).cloned().collect();
        assert!(!taken.is_empty(), "there is something to take away");
        for secret in taken {
            world.tokens.remove(&secret);
            world.excused.insert(secret);
        }
    }

    pub(crate) fn crash_at(&self, crash: Crash) {
        self.world().crash = Some(crash);
    }

    pub(crate) fn hang_disk(&self, hangs: Hangs) {
        self.world().disk_hangs = hangs == Hangs::Yes;
        self.disk.notify_all();
    }

    /// The log from here on, without times.
    pub(crate) fn log_from(&self, start: usize) -> Vec<String> {
        self.world().log[start..].iter().map(|(_, call)| call.clone()).collect()
    }

    pub(crate) fn asked(&self, call: &str) -> Vec<Duration> {
        self.world().log.iter().filter(|(_, logged)| logged == call).map(|(at, _)| *at).collect()
    }

    /// Steady, one live credential, in its slot and published, and nothing ever was as it must not be.
    pub(crate) fn assert_quiet(&self, identity: &Identity, context: &str) {
        let status = identity.status();
        let world = self.world();
        assert_eq!(world.violations, [] as [String; 0], "{context}");
        assert_eq!((status.phase, status.second, world.living()), (PhaseKind::Steady, None, 1), "{context}");
        let slots: Vec<&str> = world.slots.values().map(|slot| slot.secret.as_str()).collect();
        assert_eq!(slots, [world.published.as_deref().expect("something is published")], "{context}");
        let guard = identity.credentials().acquire().expect("a steady identity serves");
        assert_eq!(Some(guard.mint()), status.current, "{context}");
        assert_eq!(Some(guard.secret().expose_secret()), world.published.as_deref(), "{context}");
    }

    /// What lives, what is in the slots, and how many journals are open.
    pub(crate) fn left(&self) -> (usize, usize, u32) {
        let world = self.world();
        (world.living(), world.slots.len(), world.journals_open)
    }

    /// Whether new work gets a credential that the provider accepts.
    pub(crate) fn serves(&self, identity: &Identity) -> bool {
        let guard = identity.credentials().acquire();
        guard.is_ok_and(|guard| self.world().live(guard.secret().expose_secret()))
    }

    fn dead(&self) -> bool {
        self.world().process != self.process
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        mint: Mint,
        what: &str,
        with: Option<&Credential>,
        apply: impl FnOnce(&mut World) -> Reply<T>,
    ) -> Reply<T> {
        if self.dead() {
            pending::<()>().await;
        }
        let fault = {
            let mut world = self.world();
            world.note(verb, what);
            let fault = world.faults.get(&(verb, mint.generation.number)).copied().or(world.outage);
            let accepted = with.is_none_or(|with| world.live(with.secret.expose_secret()));
            match fault {
                None if accepted => return apply(&mut world),
                Some(Fault::LoseReply) => drop(apply(&mut world)),
                _ => {}
            }
            fault
        };
        match fault {
            Some(Fault::Hang) => pending().await,
            Some(Fault::LoseReply) => Reply::Unknown(Reason("connection reset by peer".to_owned())),
            Some(Fault::Refuse) => Reply::Refused(Reason("permission denied".to_owned())),
            Some(Fault::Throttle(wait)) => {
                Reply::Throttled { reason: Reason("rate limit quota exceeded".to_owned()), retry_after: Some(wait) }
            }
            None => Reply::Refused(Reason("bad token".to_owned())),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hangs {
    Yes,
    No,
}

fn number(mint: Mint) -> String {
    mint.generation.number.to_string()
}

fn secret_of(credential: &Credential) -> String {
    credential.secret.expose_secret().to_owned()
}

impl Provider for Sim {
    fn contract(&self) -> Contract {
        Contract { login_life: secs(60), ..self.contract }
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        self.call("login", mint, &number(mint), None, |world| world.mint(mint, secs(60))).await
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        self.call("issue", mint, &number(mint), Some(with), |world| world.mint(mint, life)).await
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        let secret = secret_of(with);
        let apply = |world: &mut World| Reply::Applied(world.remaining(&secret));
        self.call("probe", with.mint, &number(with.mint), Some(with), apply).await
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        let (secret, what) = (secret_of(with), format!("{} to {}s", number(with.mint), life.as_secs()));
        let apply = |world: &mut World| {
            world.tokens.insert(secret, Instant::now() + life);
            Reply::Applied(life)
        };
        self.call("live", with.mint, &what, Some(with), apply).await
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        let secret = secret_of(with);
        let apply = |world: &mut World| {
            world.tokens.remove(&secret);
            if world.closing() {
                world.excused.insert(secret);
            }
            Reply::Applied(())
        };
        self.call("revoke", with.mint, &number(with.mint), None, apply).await
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        let secret = secret_of(target);
        let apply = |world: &mut World| {
            let alive = world.live(&secret).then(|| Observed::Alive(world.remaining(&secret)));
            Reply::Applied(alive.unwrap_or(Observed::Dead))
        };
        self.call("observe", target.mint, &number(target.mint), Some(witness), apply).await
    }

    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        let theirs = secrets_named(target);
        let apply = |world: &mut World| {
            world.tokens.retain(|secret, _| !secret.starts_with(&theirs));
            Reply::Applied(())
        };
        self.call("revoke", with.mint, &target.0, Some(with), apply).await
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        let theirs = secrets_named(target);
        let apply = |world: &mut World| {
            let found = world.tokens.keys().find(|secret| secret.starts_with(&theirs) && world.live(secret));
            Reply::Applied(found.map_or(Observed::Dead, |secret| Observed::Alive(world.remaining(secret))))
        };
        self.call("observe", witness.mint, &target.0, Some(witness), apply).await
    }

    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        let handle = Handle(format!("accessor-{}", lost.number));
        let theirs = secrets_named(&handle);
        let apply =
            |world: &mut World| Reply::Applied(world.tokens.keys().any(|secret| secret.starts_with(&theirs)).then_some(handle));
        self.call("discover", witness.mint, &lost.number.to_string(), Some(witness), apply).await
    }
}

/// How the secrets begin that an accessor names.
fn secrets_named(handle: &Handle) -> String {
    format!("{}-", handle.0.replace("accessor", CANARY))
}

impl Store for Sim {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        let credential = |slot: Slot| Credential { mint: slot.mint, handle: slot.handle, secret: slot.secret.into() };
        Ok(self.world().slots.values().cloned().map(credential).collect())
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.write("persist", credential.mint, |world| {
            let (mint, handle) = (credential.mint, credential.handle.clone());
            world.slots.insert(mint.slot, Slot { mint, handle, secret: secret_of(credential) });
        })
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.write("publish", credential.mint, |world| world.published = Some(secret_of(credential)))
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.write("clear", mint, |world| {
            if world.slots.remove(&mint.slot).is_some_and(|slot| slot.mint != mint) {
                world.violations.push(format!("{mint:?} cleared a slot that another one is in"));
            }
        })
    }
}

impl Sim {
    fn write(&self, verb: &'static str, mint: Mint, apply: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        if self.dead() {
            return Err(StoreError("the process is dead".to_owned()));
        }
        let mut world = self.world();
        world.note(verb, &number(mint));
        apply(&mut world);
        Ok(())
    }
}

pub(crate) struct SimJournal(Sim);

impl Journal for SimJournal {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        let Self(sim) = self;
        if sim.world().disk_hangs {
            sim.disk_met.notify_one();
        }
        let mut world = sim.disk.wait_while(sim.world(), |world| world.disk_hangs).expect("nobody panics with the world");
        let lsn = entry.record.lsn.0;
        let alive = world.process == sim.process;
        if alive && world.crash == Some(Crash::Before(lsn)) {
            world.process += 1;
            sim.crashed.notify_one();
        }
        if world.disk_full || world.process != sim.process {
            return Err(NotDurable("no space left on device".to_owned()));
        }
        let mut what = format!("{:?}", entry.record.step.kind());
        if let Some(handle) = &entry.handle {
            write!(what, " {}", handle.0).expect("a string takes everything");
        }
        world.note("record", &what);
        world.entries.push(entry.clone());
        if world.crash == Some(Crash::After(lsn)) {
            world.process += 1;
            sim.crashed.notify_one();
        }
        Ok(())
    }

    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        let Self(sim) = self;
        let mut world = sim.world();
        let last = world.entries.last().map(|entry| entry.record.lsn);
        if world.process != sim.process || last != Some(base.checkpoint.lsn) {
            return Ok(None);
        }
        world.base = Some(base.clone());
        Ok(Some(Compacted { archive: format!("the first {}", base.checkpoint.lsn.0), removed: Vec::new() }))
    }
}

impl Drop for SimJournal {
    fn drop(&mut self) {
        self.0.world().journals_open -= 1;
    }
}

struct PausedClock(Instant, Arc<Mutex<Duration>>);

impl Clock for PausedClock {
    fn drift(&self) -> Duration {
        *self.1.lock().expect("no test panics while it holds the clock")
    }

    fn now(&self) -> core::Instant {
        core::Instant(u64::try_from(self.0.elapsed().as_millis()).expect("no test lasts that long"))
    }

    fn boot(&self) -> BootId {
        BootId(7)
    }
}

/// Waits for a record of this kind.
pub(crate) async fn until(progress: &mut broadcast::Receiver<Progress>, kind: StepKind) -> Recorded {
    loop {
        if let Progress::Recorded(recorded) = next(progress).await
            && recorded.record.step.kind() == kind
        {
            return *recorded;
        }
    }
}

/// Rotates, and waits for the end of the round.
pub(crate) async fn rotate(identity: &Identity) -> Vec<Step> {
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    let mut steps = Vec::new();
    loop {
        match next(&mut progress).await {
            Progress::Recorded(recorded) => {
                steps.push(recorded.record.step);
                if recorded.phase.kind() == PhaseKind::Steady && recorded.debt.is_none() {
                    return steps;
                }
            }
            Progress::Noticed { event, reason } => panic!("{event:?}: {reason:?}"),
        }
    }
}

/// What happens next, within five minutes.
pub(crate) async fn next(progress: &mut broadcast::Receiver<Progress>) -> Progress {
    let next = time::timeout(secs(300), progress.recv()).await.expect("something happens");
    next.expect("the driver runs, and a test keeps up")
}
