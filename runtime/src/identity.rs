//! The public face of one identity: start, ask, watch, stop.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument as _;
use turquoise_core::{
    AtStop, Certainty, Event, Generation, Illegal, Input, Instant, Mint, Phase, PhaseKind, Policy, PolicyError, Privileges,
    Record, RecoverError, Relogin, Resolution, Rotation,
};
use turquoise_memory::{LockError, WhenLockingFails};

use crate::calls::Calls;
use crate::clock::{BootClock, Clock};
use crate::credentials::{Credentials, Switch};
use crate::driver::{Command, Driver, Face, Ports};
use crate::load::{Load, Metered};
use crate::operator::{Operator, Wish, ask, status};
use crate::perform::{Secrets, names};
use crate::port::{ContractError, Handle, History, Holders, Journal, Provider, Reason, Store, StoreError, held};
use crate::tell;

/// Progress that a receiver may leave unread before it misses some.
const BACKLOG: usize = 256;

/// One identity whose credential is kept alive and rotated by a task of its own.
///
/// Dropping it ends the task like [`stop`](Self::stop), in the background: the credential lives on for a successor.
///
/// # Cancel safety
///
/// To ask is to send: a future of [`rotate`](Self::rotate), [`abort`](Self::abort), [`rollback`](Self::rollback),
/// [`compromise`](Self::compromise), [`break_glass`](Self::break_glass), [`resolve`](Self::resolve) or
/// [`shutdown`](Self::shutdown) that is dropped before it was polled has asked for nothing; dropped later, what it asked for may
/// be done all the same, and whether it was refused is not known. So none of them is cancel safe. What becomes of it is told by
/// [`progress`](Self::progress) and [`status`](Self::status) all the same. Of the others each says what holds.
#[derive(Debug)]
pub struct Identity {
    commands: mpsc::Sender<Command>,
    credentials: Credentials,
    progress: broadcast::Sender<Progress>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

/// What an identity is made of: four things that there are no defaults for, and the rest as [`Setup::new`] has it. Change
/// a field, or give it with `..Setup::new(…)?` after it.
pub struct Setup<P, J, S> {
    /// The timing: at first what goes with the provider's contract ([`Contract::policy`](crate::port::Contract::policy)).
    pub policy: Policy,
    /// Where credentials come from.
    pub provider: P,
    /// The journal, open and locked …
    pub journal: J,
    /// … and everything that was found in it.
    pub history: History,
    /// Where secrets outlive the process.
    pub store: S,
    /// What time it is: [`BootClock`], except in tests.
    pub clock: Box<dyn Clock>,
    /// What to do with a secret when the system will not lock memory for it. It warns, unless you can rely on the limit: with
    /// refuse, an identity does not start where locking is not permitted, and makes no credential that it has no room for.
    pub memory: WhenLockingFails,
    /// How many calls to the provider it may make, together with all identities that are given a clone of this.
    pub load: Load,
}

impl<P: Provider, J: Journal, S: Store> Setup<P, J, S> {
    /// With the policy that the provider's contract gives, the kernel's clock, a warning where memory cannot be locked, and a
    /// [`Load`] of its own without a ceiling. Many on one provider should share one that has, and each have the policy's `jitter`
    /// from its own name: see [`jitter`](crate::jitter).
    ///
    /// # Errors
    ///
    /// [`StartError::Clock`].
    pub fn new(provider: P, journal: J, history: History, store: S) -> Result<Self, StartError> {
        let policy = provider.contract().policy();
        let clock = Box::new(BootClock::new().map_err(StartError::Clock)?);
        Ok(Self { policy, provider, journal, history, store, clock, memory: WhenLockingFails::Warn, load: Load::unlimited() })
    }
}

/// Why an identity could not start. Nothing was changed anywhere.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The timing cannot keep the promise.
    #[error("the policy cannot keep a credential alive: {0}")]
    Policy(#[from] PolicyError),
    /// The provider's contract and the policy do not go together.
    #[error("the policy cannot be kept with this provider: {0}")]
    Contract(#[from] ContractError),
    /// What the policy says of surviving is not what the store does.
    #[error(
        "the store keeps secrets and the policy says that nothing survives, or the other way round: a policy with \
             `relogin` at `EachStart` goes with `NoStore`, and with nothing else"
    )]
    Survival,
    /// The survivor store cannot be read: what it holds decides what may be done.
    #[error("the survivor store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The journal makes no sense, or was lost.
    #[error("{0}")]
    Recover(#[from] RecoverError),
    /// There is no locked memory for the secrets.
    #[error(transparent)]
    Memory(#[from] LockError),
    /// There is no clock that goes on while the machine sleeps.
    #[error("the id of this boot cannot be read: {0}; mount /proc, or bring a clock of your own")]
    Clock(#[source] io::Error),
    /// No random name for a new journal.
    #[error("the system gave no random number: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// Why something that was asked for is not done.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Not in this phase; it says what would be legal.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Nobody is there to do it.
    #[error("the identity has stopped: start it again")]
    Stopped,
}

/// Why a shutdown is not over.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    /// It was not begun.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It was begun and goes on.
    #[error("the shutdown is not over, in phase {phase:?}: wait for it, or stop at once and leave the rest to a successor")]
    Late {
        /// Where it stands.
        phase: PhaseKind,
    },
}

/// What happens, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A record has become durable, and what it means is so: after a promotion the new credential already serves.
    Recorded(Box<Recorded>),
    /// Something that no record says.
    Noticed {
        /// What.
        event: Event,
        /// In the provider's or the journal's words.
        reason: Option<Reason>,
    },
}

/// One durable step, and where it led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The step.
    pub record: Record,
    /// The phase after it.
    pub phase: Phase,
    /// What serves after it.
    pub current: Option<Mint>,
    /// The other credential of the rotation: coming, retiring or going.
    pub second: Option<Mint>,
    /// A credential of an earlier round whose end is not confirmed yet.
    pub debt: Option<Mint>,
    /// On `LoggedIn` and `Issued`: what names the new credential at its provider.
    pub handle: Option<Handle>,
    /// The provider's words, if a refusal or a lost reply led here.
    pub reason: Option<Reason>,
    /// Where a credential ends under work that holds it: that work.
    pub holders: Option<Holders>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the rotation stands.
    pub phase: PhaseKind,
    /// The same with all that the machine knows: how long each credential lives, as it was renewed last, and what is due when,
    /// in the time of the clock that the identity was set up with.
    pub state: Phase,
    /// What serves.
    pub current: Option<Mint>,
    /// How much work holds it.
    pub current_held: usize,
    /// The other credential of the rotation: coming, retiring or going.
    pub second: Option<Mint>,
    /// How much work holds that one.
    pub second_held: usize,
    /// A credential of an earlier round whose end is not confirmed yet.
    pub debt: Option<Mint>,
    /// When that one is dead by itself, the clocks' skew apart.
    pub debt_ends: Option<Instant>,
    /// Until when no rotation begins because one is due, if somebody wants that.
    pub paused: Option<Instant>,
    /// How the effects of this process ended.
    pub calls: Calls,
    /// Reports on canaries that were lost because too many came at once: what was reported stands for them.
    pub lost_reports: u64,
    /// Whether the journal failed: renewal goes on, anything else needs a restart.
    pub stalled: bool,
    /// Why something last went wrong, in the provider's or the disk's words.
    pub reason: Option<Reason>,
}

impl Identity {
    /// Loads the survivor store, recovers the machine from the journal and starts the task that runs it, within the
    /// caller's `tracing` span. Must be called within a Tokio runtime whose timer is enabled.
    ///
    /// Cancel safe: dropped before it ends, it has changed nothing, and the journal is closed; the store is let go when what
    /// was being read of it has been read.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; the journal is closed.
    pub async fn start<P: Provider, J: Journal, S: Store>(setup: Setup<P, J, S>) -> Result<Self, StartError> {
        let Setup { policy, provider, journal, history, mut store, clock, memory, load } = setup;
        policy.check()?;
        let contract = provider.contract();
        contract.check(&policy)?;
        if store.survives() == (policy.relogin == Relogin::EachStart) {
            return Err(StartError::Survival);
        }
        tell::contract(&contract);
        let loading = tokio::task::spawn_blocking(move || (store.load(), store)).await;
        let (loaded, store) = loading.map_err(|_| StoreError("reading it panicked".to_owned()))?;
        let loaded = loaded?;
        let ledger = history.replay(&policy, getrandom::u32()?, clock.boot(), clock.now())?;
        let machine = Rotation::resume(policy, ledger, clock.boot(), clock.now(), held(&loaded))?;

        let names = if policy.privileges == Privileges::Accessor { names(&history) } else { HashMap::new() };
        let secrets = Secrets::load(memory, loaded, names)?;
        let (commands, received) = mpsc::channel(1);
        let switch = Switch::new();
        let credentials = switch.credentials();
        let progress = broadcast::Sender::new(BACKLOG);
        let status = watch::Sender::new(Status::of(machine.phase()));
        let seen = status.subscribe();
        let ports = Ports {
            provider: Arc::new(Metered::new(provider, load)),
            journal: Arc::new(Mutex::new(journal)),
            store: Arc::new(Mutex::new(store)),
            clock: clock.into(),
        };
        let face = Face { switch, commands: received, progress: progress.clone(), status };
        let driver = Driver::new(machine, ledger, ports, secrets, face);
        let task = tokio::spawn(driver.run().in_current_span());
        Ok(Self { commands, credentials, progress, status: seen, task })
    }

    /// Where work takes the credential from.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// Asks for a rotation now.
    ///
    /// Like all that asks, it returns as soon as it is accepted, and nothing of it is on record then: a crash before that
    /// forgets it. [`progress`](Self::progress) tells how it goes on.
    ///
    /// Not cancel safe: dropped before it ends, what was asked for may be done all the same.
    ///
    /// # Errors
    ///
    /// Not now, or not any more: see [`AskError`].
    pub async fn rotate(&self) -> Result<(), AskError> {
        self.wish(Wish::Rotate).await
    }

    /// Calls off a rotation that is not yet committed: the candidate is ended, the current credential never notices.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn abort(&self) -> Result<(), AskError> {
        self.wish(Wish::Abort).await
    }

    /// Makes the retiring credential current again and retires the new one, within the grace. If the old one cannot be
    /// extended or does not pass a probe, the new one stays.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn rollback(&self) -> Result<(), AskError> {
        self.wish(Wish::Rollback).await
    }

    /// Says that others know the secret of this credential: it never becomes current again, and goes without a grace. The
    /// current one is replaced at once, by a login if the policy says that one can be repeated.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn compromise(&self, generation: Generation) -> Result<(), AskError> {
        self.wish(Wish::Compromise(generation)).await
    }

    /// Ends every credential of the identity *first* and only then logs in anew: nobody has one in between. For a leak that
    /// must be closed whatever it costs. [`Certainty::Confirmed`] does so even where no login gives another one.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn break_glass(&self, certainty: Certainty) -> Result<(), AskError> {
        self.wish(Wish::BreakGlass(certainty)).await
    }

    /// Goes on after a contradiction that needs an operator.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn resolve(&self, resolution: Resolution) -> Result<(), AskError> {
        self.wish(Wish::Resolve(resolution)).await
    }

    /// Until then, in the time of the clock that the identity was set up with, no rotation begins because one is due; what is
    /// urgent, or asked for, begins all the same. An instant that has passed ends a pause. It ends with this process: whoever
    /// wants it to outlast that asks the next one.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// Not any more: see [`AskError`].
    pub async fn pause(&self, until: Instant) -> Result<(), AskError> {
        self.wish(Wish::Pause(until)).await
    }

    /// Has the end of a credential that could not be ended yet tried again at once, whatever its back-off says.
    ///
    /// Not cancel safe, as [`rotate`](Self::rotate) is not.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn retry(&self) -> Result<(), AskError> {
        self.wish(Wish::Retry).await
    }

    /// Ends the identity in order, once the round is over, and waits for its end as long as `within`.
    ///
    /// With [`AtStop::Keep`] the credential is left for a successor, and nothing else is. With [`AtStop::Revoke`] new work
    /// gets none from now on ([`NotReady::Closing`](crate::NotReady::Closing)); the last credential ends when no work holds
    /// it any more, or after the policy's grace, and nothing is left that lives. Either is on record then, other than with
    /// [`stop`](Self::stop), which leaves things as they stand. When this returns without an error, the journal is closed.
    ///
    /// Not cancel safe: dropped before it ends, the shutdown goes on.
    ///
    /// # Errors
    ///
    /// It is refused, or takes longer and goes on: see [`ShutdownError`].
    pub async fn shutdown(&self, how: AtStop, within: Duration) -> Result<(), ShutdownError> {
        ask(&self.commands, Input::Shutdown(how)).await?;
        let ended = timeout(within, self.commands.closed()).await;
        match (ended, self.status.borrow().phase) {
            (Ok(()), PhaseKind::Stopped) => Ok(()),
            (Ok(()), _) => Err(AskError::Stopped.into()),
            (Err(_), phase) => Err(ShutdownError::Late { phase }),
        }
    }

    async fn wish(&self, wish: Wish) -> Result<(), AskError> {
        ask(&self.commands, wish.input()).await
    }

    /// What others may see of it and ask of it, who are not to keep it alive: an operator's socket.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator {
            commands: self.commands.downgrade(),
            credentials: self.credentials(),
            progress: self.progress.downgrade(),
            status: self.status.clone(),
        }
    }

    /// What happens from now on. A receiver that falls behind by more than 256 misses the oldest and is told so. To receive is
    /// cancel safe.
    #[must_use]
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Where the identity stands.
    #[must_use]
    pub fn status(&self) -> Status {
        status(&self.status, &self.credentials)
    }

    /// Waits until the task has ended, for whatever reason: after a shutdown that took longer than its caller waited, or by itself,
    /// which is a defect.
    ///
    /// Cancel safe: it changes nothing.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Ends the task at once and leaves everything as it stands for a successor: nothing is revoked, nothing recorded, and a
    /// rotation under way is cut short as by a crash. [`shutdown`](Self::shutdown) ends in order instead. Calls to the
    /// provider under way are dropped; a write to the journal or the store under way is waited for. When this returns, the
    /// journal is closed.
    ///
    /// A successor in the same process does not count the guards of this one: drop them before it rotates.
    ///
    /// Not cancel safe: dropped before it ends, the task ends all the same, in the background.
    pub async fn stop(self) {
        // Neither can fail but because the task has ended already.
        let _ = self.commands.send(Command::Stop).await;
        let _ = self.task.await;
    }
}

impl Status {
    pub(crate) fn of(phase: &Phase) -> Self {
        Self {
            phase: phase.kind(),
            state: *phase,
            current: phase.current().map(|lease| lease.mint),
            current_held: 0,
            second: second(phase),
            second_held: 0,
            debt: None,
            debt_ends: None,
            paused: None,
            calls: Calls::default(),
            lost_reports: 0,
            stalled: false,
            reason: None,
        }
    }
}

/// The credential that a phase mentions beside the current one.
pub(crate) fn second(phase: &Phase) -> Option<Mint> {
    use turquoise_core::{Arrival, Vacant};
    match *phase {
        Phase::Vacant(Vacant { stage: Arrival::LoggingIn { mint } }) => Some(mint),
        Phase::Vacant(Vacant { stage: Arrival::Settling { lease, .. } }) => Some(lease.mint),
        Phase::Issuing(issuing) => Some(issuing.mint),
        Phase::Validating(validating) => Some(validating.candidate.mint),
        Phase::Draining(draining) => Some(draining.retiring.mint),
        Phase::Revoking(revoking) => Some(revoking.going.mint),
        Phase::Abandoning(abandoning) => Some(abandoning.going.mint),
        Phase::NeedsOperator(stuck) => stuck.rest.mint(),
        Phase::Closing(closing) => Some(closing.going.mint),
        Phase::Vacant(_) | Phase::Steady(_) | Phase::Stopped(_) => None,
    }
}
