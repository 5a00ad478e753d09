//! The machine: inputs in, outputs out, and one timer. What it decides is in `decide`, what it then asks for in
//! `effect`, what it makes of the answers in `outcome`.

mod decide;
mod effect;
mod outcome;

use core::fmt;
use core::time::Duration;

use crate::budget::{Bucket, Budget};
use crate::canary::Verdict;
use crate::fold::{Ledger, RecoverError, missing};
use crate::lease::{Flight, Lease};
use crate::message::{Canary, Certainty, Effect, Event, Input, Output, Serving};
use crate::normal::Rewrite;
use crate::phase::{Abandoning, Closing, Draining, Going, NeedsOperator, Phase, Rest, Steady, Validating};
use crate::policy::{Policy, Relogin, Writer};
use crate::record::{AtStop, Record, Resolution, Step, StuckReason, Trigger};
use crate::seed::SeededBug;
use crate::transition::PhaseKind;
use crate::vocabulary::{BootId, Generation, Held, Instant, Lsn, OpId};

/// The rotation of one identity's credential: pure, without clock, randomness, allocation or secrets.
///
/// # The loop
///
/// 1. [`recover`](Self::recover) from the records of the journal (none, the first time) and the content of the survivor store.
/// 2. Drain [`poll_output`](Self::poll_output) until it is `None`, acting on each output in order.
/// 3. Wait for what comes first: an acknowledgement of the journal, the completion of an effect, a request of an
///    operator, idleness of a generation, or the instant of [`poll_timeout`](Self::poll_timeout).
/// 4. Give it to [`handle`](Self::handle), and go on with 2.
///
/// Between 2 and 4 no more time may pass than the policy's margins allow: a machine that is not run cannot renew.
///
/// # The order that makes it safe
///
/// The phase moves only when the record of a step is durable, and effects follow from the phase. So an effect never
/// precedes its announcement (S3), and the state after a crash is the fold of what is in the journal, by the same code.
/// While a record waits for the disk, or an effect of the phase for its answer, nothing else is decided; only renewals
/// and probes go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rotation {
    policy: Policy,
    fold: Ledger,
    now: Instant,
    next_op: u64,
    awaiting: Option<Awaiting>,
    duty: Duty,
    wishes: Wishes,
    /// What new work was last told to use.
    served: Option<Serving>,
    /// The journal calls it current, but its secret is gone: it cannot be served.
    missing: Option<Generation>,
    /// A rotation that is due has had the current credential renewed first.
    hurried: bool,
    light: Light,
    /// Time was lost: nothing is served before the provider has accepted what serves anew.
    woken: Option<Woken>,
    /// Until then this process alone may write, where a coordinator says so.
    mandate: Option<Instant>,
    /// Until then no rotation begins because one is due.
    paused: Instant,
    bucket: Bucket,
    stalled: bool,
    notices: Notices,
}

/// What was asked for and is not yet on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
struct Wishes {
    begin: Option<Trigger>,
    abort: bool,
    rollback: bool,
    compromise: Option<Generation>,
    resolve: Option<Resolution>,
    glass: bool,
    leave: Option<Leave>,
}

/// The process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Leave {
    how: AtStop,
    /// Work may hold the last credential until then; set when new work is no longer given it.
    by: Option<Instant>,
    /// No counted work holds it.
    idle: bool,
}

/// What was under way when time was lost: its answers say nothing of what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Woken {
    before: [Option<OpId>; 3],
    /// What the provider has accepted since, and what does not serve yet.
    accepted: Option<Generation>,
}

/// Whether the current credential certainly lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Light {
    /// Not confirmed since the process began.
    Unknown,
    Lit,
    Dark,
}

/// Events that were not yet told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
struct Notices {
    dark: bool,
    stalled: bool,
}

/// A record on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Awaiting {
    record: Record,
    emitted: bool,
}

/// The one effect that the phase itself wants. Renewals run beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Duty {
    Due { at: Instant, tries: u8 },
    Flying { op: OpId, sent: Instant, tries: u8, effect: Effect },
}

/// An input that is not legal here. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Illegal {
    /// Time ran backwards.
    Clock {
        /// The latest instant seen.
        latest: Instant,
    },
    /// No record is waiting at this position.
    Acknowledgement {
        /// The one that is.
        awaited: Option<Lsn>,
    },
    /// A late or duplicate completion (S9).
    StaleCompletion {
        /// The operation that is not under way.
        op: OpId,
    },
    /// Only a credential that new work no longer gets can become idle.
    NotIdle {
        /// The one that can, if any.
        going: Option<Generation>,
    },
    /// The journal is not known to be durable: nothing that is asked for could be recorded. Restart the process.
    Stalled,
    /// This cannot be asked for in this phase, or was asked for already.
    NotHere {
        /// What was asked for.
        asked: &'static str,
        /// The phase that the rotation is in.
        phase: PhaseKind,
        /// When it is legal.
        legal: &'static str,
    },
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock { latest } => write!(f, "time ran backwards: the latest instant was {}", latest.0),
            Self::Acknowledgement { awaited: Some(lsn) } => write!(f, "the record that waits is {}", lsn.0),
            Self::Acknowledgement { awaited: None } => f.write_str("no record waits"),
            Self::StaleCompletion { op } => write!(f, "{op} is not under way: the completion is late or a duplicate"),
            Self::NotIdle { going: Some(generation) } => write!(f, "only generation {generation} can become idle"),
            Self::NotIdle { going: None } => f.write_str("new work still gets every generation"),
            Self::Stalled => {
                f.write_str("the journal takes no more records: only time and completions are legal until a restart")
            }
            Self::NotHere { asked, phase, legal } => write!(f, "cannot {asked} in phase {phase:?}: {legal}"),
        }
    }
}

impl core::error::Error for Illegal {}

impl Notices {
    const fn next(&mut self) -> Option<Event> {
        if core::mem::replace(&mut self.dark, false) {
            return Some(Event::Dark);
        }
        if core::mem::replace(&mut self.stalled, false) { Some(Event::Stalled) } else { None }
    }
}

impl Rotation {
    /// Rebuilds the machine from its journal: `records` from the first one on, and what the survivor store holds.
    ///
    /// Without records a new journal begins, whose generations bear `incarnation` (draw it at random). Recovering twice
    /// is the same as once (S5).
    ///
    /// # Errors
    ///
    /// Records that do not follow from each other, and secrets without a journal: nothing may be done then.
    pub fn recover(
        policy: Policy,
        incarnation: u32,
        boot: BootId,
        now: Instant,
        records: impl IntoIterator<Item = Record>,
        held: Held,
    ) -> Result<Self, RecoverError> {
        let mut ledger = Ledger::new(incarnation, boot, now);
        for record in records {
            ledger.apply(&record, &policy)?;
        }
        Self::resume(policy, ledger, boot, now, held)
    }

    /// [`recover`](Self::recover) from records that are folded already.
    ///
    /// # Errors
    ///
    /// Secrets without a journal.
    pub fn resume(policy: Policy, fold: Ledger, boot: BootId, now: Instant, held: Held) -> Result<Self, RecoverError> {
        if fold.lsn == 0 && held != Held::default() {
            return Err(RecoverError::JournalLost);
        }
        let mut machine = Self {
            policy,
            missing: missing(&fold.phase, held),
            now,
            next_op: 1,
            awaiting: None,
            duty: Duty::Due { at: now, tries: 0 },
            wishes: Wishes::default(),
            served: None,
            hurried: false,
            light: Light::Unknown,
            woken: None,
            mandate: None,
            paused: Instant::default(),
            bucket: Bucket::empty(&policy.budget.unwrap_or(Budget::NONE), now),
            stalled: false,
            notices: Notices::default(),
            fold,
        };
        if fold.lsn == 0 {
            machine.decide();
        } else {
            let same_boot = boot == fold.boot;
            let doubt = |lease: &mut Lease| *lease = lease.recovered(now, same_boot, &policy);
            machine.fold.phase.current_mut().into_iter().for_each(doubt);
            machine.fold.phase.second_mut().into_iter().for_each(doubt);
            machine.append_in(boot, Step::Recovered { held });
        }
        Ok(machine)
    }

    /// Tells the machine what happened. The only mutator beside [`poll_output`](Self::poll_output).
    ///
    /// # Errors
    ///
    /// An input that is not legal here: the error says what was, and nothing is changed.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), Illegal> {
        if now < self.now {
            return Err(Illegal::Clock { latest: self.now });
        }
        self.legal(input)?;
        self.now = now;
        match input {
            Input::Durable(_) => self.durable(),
            Input::NotDurable(_) => {
                self.stalled = true;
                self.notices.stalled = true;
            }
            Input::Completed { op, outcome } => self.completed(op, outcome),
            Input::Idle(_) => self.idle(),
            Input::Begin => self.wishes.begin = Some(Trigger::Operator),
            Input::Abort => {
                self.wishes.abort = self.wishes.begin.take().is_none();
                self.hurried = false;
            }
            Input::Rollback => self.wishes.rollback = true,
            Input::Compromise(generation) => self.wishes.compromise = Some(generation),
            Input::Sample { generation, verdict } => self.sampled(generation, verdict),
            Input::Gap => self.doubt(),
            Input::Mandate(until) => self.mandate = Some(until),
            Input::Pause(until) => self.paused = until,
            Input::Retry => self.hasten(),
            Input::BreakGlass(_) => self.wishes.glass = true,
            Input::Resolve(resolution) => self.wishes.resolve = Some(resolution),
            Input::Shutdown(how) => {
                self.wishes.leave = Some(Leave { how, by: None, idle: false });
            }
            Input::Timeout => {}
        }
        self.watch_for_darkness();
        self.decide();
        Ok(())
    }

    /// The next thing that the machine wants done. Drain it after [`recover`](Self::recover) and after every
    /// [`handle`](Self::handle).
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        let serving = self.serving().map(|current| Serving { current, canary: self.canary() });
        if serving != self.served {
            self.served = serving;
            return Some(serving.map_or(Output::Withdraw, Output::Serve));
        }
        if let Some(event) = self.notices.next() {
            return Some(Output::Notify(event));
        }
        if let Some(awaiting) = &mut self.awaiting
            && !awaiting.emitted
        {
            awaiting.emitted = true;
            let record = awaiting.record;
            if self.policy.sown.is(SeededBug::EffectBeforeIntent) {
                self.durable();
            }
            return Some(Output::Append(record));
        }
        self.start_renewal().or_else(|| self.start_duty())
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`] if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phase = &self.fold.phase;
        let renewals = self.renewing().into_iter().enumerate().filter_map(|(rank, lease)| self.renewal_at(rank, lease?));
        let watched = self.light == Light::Lit && !self.has_ended();
        let darkness = phase.current().filter(|_| watched).map(|lease| lease.life.lb);
        let own = if self.awaiting.is_some() || self.stalled {
            [None, None]
        } else {
            match self.duty {
                Duty::Due { .. } => [self.wanted().map(|_| self.duty_at()), self.deadline()],
                Duty::Flying { .. } => [None, None],
            }
        };
        let own = own.into_iter().flatten().filter(|at| self.may_write(*at));
        renewals.chain(darkness).chain(own).min()
    }

    /// The phase, with what the machine knows of each credential.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.fold.phase
    }

    /// The policy that the machine was made with.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether a record could not be made durable: then only a restart goes on.
    #[must_use]
    pub const fn stalled(&self) -> bool {
        self.stalled
    }

    /// A credential whose end could not be confirmed yet, if there is one.
    #[must_use]
    pub const fn debt(&self) -> Option<&Going> {
        self.fold.debt()
    }

    /// Whether time was lost and the provider has not yet accepted what serves anew.
    #[must_use]
    pub const fn is_waking(&self) -> bool {
        self.woken.is_some()
    }

    /// Until when no rotation begins because one is due, if an operator wants that.
    #[must_use]
    pub fn paused(&self) -> Option<Instant> {
        Some(self.paused).filter(|until| *until > self.now)
    }

    /// Whether something was asked for that is not yet on record.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.wishes != Wishes::default()
    }

    /// Whether an operator said that others know this secret.
    #[must_use]
    pub fn is_compromised(&self, generation: Generation) -> bool {
        self.fold.is_compromised(generation)
    }

    /// The credential that new work is to be given.
    #[must_use]
    pub fn serving(&self) -> Option<Generation> {
        if self.is_closing() || self.woken.is_some() {
            return None;
        }
        let gone = matches!(self.fold.phase, Phase::NeedsOperator(NeedsOperator { reason: StuckReason::CurrentMissing, .. }));
        let current = self.fold.phase.current().filter(|_| !gone).map(|lease| lease.mint.generation);
        current.filter(|_| !self.is_missing())
    }

    /// The candidate, while a share of new work tries it.
    #[must_use]
    pub fn canary(&self) -> Option<Canary> {
        let Phase::Validating(Validating { candidate, passed, tryout: Some(_), .. }) = self.fold.phase else {
            return None;
        };
        let going = self.awaiting.is_some_and(|awaiting| matches!(awaiting.record.step, Step::AbandonIntent { .. }));
        let share = self.policy.canary?.share;
        let proven = passed >= self.probes_needed() || self.policy.sown.is(SeededBug::CanaryBeforeProbes);
        (!going && proven && self.serving().is_some()).then_some(Canary { candidate: candidate.mint.generation, share })
    }

    /// Walks over every name and instant in the state.
    pub fn rewrite(&mut self, to: &mut dyn Rewrite) {
        self.fold.rewrite(to);
        to.next_op(&mut self.next_op);
        if let Some(awaiting) = &mut self.awaiting {
            awaiting.record.rewrite(to);
            awaiting.record.lsn = Lsn(self.fold.lsn + 1);
        }
        match &mut self.duty {
            Duty::Due { at, tries } => {
                to.tries(tries);
                to.deadline(at);
            }
            Duty::Flying { op, sent, tries, effect } => {
                to.tries(tries);
                to.op(op);
                to.origin(sent);
                effect.rewrite(to);
            }
        }
        self.wishes.compromise.iter_mut().for_each(|generation| to.generation(generation));
        self.wishes.leave.iter_mut().flat_map(|leave| &mut leave.by).for_each(|by| to.deadline(by));
        if let Some(served) = &mut self.served {
            to.generation(&mut served.current);
            served.canary.iter_mut().for_each(|canary| to.generation(&mut canary.candidate));
        }
        self.missing.iter_mut().for_each(|generation| to.generation(generation));
        if let Some(woken) = &mut self.woken {
            woken.before.iter_mut().flatten().for_each(|op| to.op(op));
            woken.accepted.iter_mut().for_each(|generation| to.generation(generation));
        }
        self.mandate.iter_mut().for_each(|until| to.deadline(until));
        to.deadline(&mut self.paused);
        to.deadline(self.bucket.full_at());
        to.deadline(&mut self.now);
    }

    /// The record that is on its way to the disk.
    #[must_use]
    pub fn awaited(&self) -> Option<&Record> {
        self.awaiting.as_ref().map(|awaiting| &awaiting.record)
    }

    fn legal(&self, input: Input) -> Result<(), Illegal> {
        match input {
            Input::Durable(lsn) | Input::NotDurable(lsn) => {
                let awaited = self.awaiting.filter(|a| a.emitted && !self.stalled).map(|a| a.record.lsn);
                if awaited == Some(lsn) { Ok(()) } else { Err(Illegal::Acknowledgement { awaited }) }
            }
            Input::Completed { op, .. } => {
                let flying = match self.duty {
                    Duty::Flying { op: flying, .. } => flying == op || self.policy.sown.is(SeededBug::NoCorrelation),
                    Duty::Due { .. } => false,
                };
                if flying || self.renewal_of(op).is_some() { Ok(()) } else { Err(Illegal::StaleCompletion { op }) }
            }
            Input::Idle(generation) => {
                let going = match self.fold.phase {
                    Phase::Draining(Draining { retiring, .. }) => Some(retiring.mint.generation),
                    Phase::Steady(Steady { current, .. }) if self.is_closing() => Some(current.mint.generation),
                    Phase::Abandoning(Abandoning { going: Going { mint, held: Some(_), .. }, .. }) => Some(mint.generation),
                    _ => None,
                };
                if going == Some(generation) { Ok(()) } else { Err(Illegal::NotIdle { going }) }
            }
            _ => self.legal_wish(input),
        }
    }

    /// Whether an operator may ask for this here.
    fn legal_wish(&self, input: Input) -> Result<(), Illegal> {
        if self.stalled && !matches!(input, Input::Timeout | Input::Gap | Input::Mandate(_) | Input::Pause(_)) {
            return Err(Illegal::Stalled);
        }
        let phase = &self.fold.phase;
        let wishes = &self.wishes;
        let committing = self.awaiting.is_some_and(|awaiting| matches!(awaiting.record.step, Step::Promoted { .. }));
        let (legal, asked, when) = match input {
            Input::Begin => {
                let free = wishes.begin.is_none() && wishes.leave.is_none() && self.awaiting.is_none();
                (free && matches!(phase, Phase::Steady(_)), "begin", "only in Steady, once")
            }
            Input::Abort => {
                let begun = matches!(phase, Phase::Issuing(_) | Phase::Validating(_)) && !committing && !wishes.abort;
                let waiting = matches!(phase, Phase::Steady(_)) && wishes.begin.is_some() && self.awaiting.is_none();
                (begun || waiting, "abort", "only before the commit point of a rotation; after it, roll back")
            }
            Input::Rollback => {
                let old = match phase {
                    Phase::Draining(Draining { retiring, rollback: None, .. }) => Some(retiring.mint.generation),
                    _ => None,
                };
                let back = old.is_some_and(|generation| !self.is_barred(generation)) && self.awaiting.is_none();
                (
                    back && !wishes.rollback,
                    "roll back",
                    "only in Draining, before the revocation, and only to what is not compromised",
                )
            }
            Input::Compromise(generation) => {
                let news = phase.names(generation) && !self.fold.is_compromised(generation) && wishes.compromise.is_none();
                (news && !self.is_over(), "mark as compromised", "only a credential of this rotation, once")
            }
            Input::Sample { generation, .. } => {
                let on = matches!(phase, Phase::Validating(Validating { current, candidate, tryout: Some(_), .. })
                    if [current, candidate].iter().any(|lease| lease.mint.generation == generation));
                (on, "report on a canary", "only while one is open, of the candidate or of the current credential")
            }
            Input::BreakGlass(certainty) => {
                let next = certainty == Certainty::Confirmed || self.policy.relogin.is_possible();
                let legal = "only where there is a credential, once, and confirmed if no login gives another one";
                (next && phase.is_breakable() && !wishes.glass, "break the glass", legal)
            }
            Input::Resolve(resolution) => {
                let possible = self.fold.is_resolvable(resolution) && wishes.resolve.is_none();
                (
                    possible,
                    "resolve",
                    "only in NeedsOperator; to keep, there must be a credential whose secret is at hand, and the old one must not be compromised if it is that",
                )
            }
            Input::Retry => {
                let waits = matches!(self.duty, Duty::Due { .. }) && self.awaiting.is_none();
                let legal = "only while the end of a credential waits to be tried again, and something can be tried";
                (waits && self.ending().is_some() && self.wanted().is_some(), "try again", legal)
            }
            Input::Shutdown(how) => {
                let over = self.is_over() || matches!(phase, Phase::NeedsOperator(_));
                let kept = how == AtStop::Revoke || self.policy.relogin != Relogin::EachStart;
                let legal = "only once, and not while an operator is needed; to keep, something must survive";
                (!over && kept && wishes.leave.is_none(), "shut down", legal)
            }
            _ => (true, "", ""),
        };
        if legal { Ok(()) } else { Err(Illegal::NotHere { asked, phase: phase.kind(), legal: when }) }
    }

    /// Whether the identity is being closed, or the process has ended.
    const fn is_over(&self) -> bool {
        matches!(self.fold.phase, Phase::Closing(_) | Phase::Stopped(_))
    }

    /// Whether this process has nothing more to do; a successor that has not yet begun has.
    const fn has_ended(&self) -> bool {
        matches!(self.fold.phase, Phase::Stopped(_)) && self.awaiting.is_none()
    }

    /// Whether new work is turned away, because the last credential is to go.
    fn is_closing(&self) -> bool {
        matches!(self.fold.phase, Phase::Steady(_)) && self.wishes.leave.is_some_and(|leave| leave.how == AtStop::Revoke)
    }

    const fn idle(&mut self) {
        if let Phase::Draining(draining) = &mut self.fold.phase {
            draining.idle = true;
        } else if let Phase::Abandoning(abandoning) = &mut self.fold.phase {
            abandoning.going.held = None;
        } else if let Some(leave) = &mut self.wishes.leave {
            leave.idle = true;
        }
    }

    /// A report on the canary.
    fn sampled(&mut self, generation: Generation, verdict: Verdict) {
        if let Phase::Validating(Validating { candidate, tryout: Some(tryout), .. }) = &mut self.fold.phase {
            if candidate.mint.generation == generation {
                tryout.tally.count(verdict);
            } else {
                tryout.tally.count_base(verdict);
            }
        }
    }

    /// Time was lost: what is certain now is only what the provider says from here on.
    fn doubt(&mut self) {
        let now = self.now;
        if self.policy.sown.is(SeededBug::GapIgnored) {
            return;
        }
        let renewals = self.renewing().map(|lease| lease.and_then(|lease| lease.renewal).map(|flight| flight.op));
        let duty = match self.duty {
            Duty::Flying { op, .. } => Some(op),
            Duty::Due { .. } => None,
        };
        self.woken = self.fold.phase.current().map(|_| Woken { before: [renewals[0], renewals[1], duty], accepted: None });
        self.light = Light::Unknown;
        self.fold.phase.current_mut().into_iter().for_each(|lease| lease.doubt(now));
        self.fold.phase.second_mut().into_iter().for_each(|lease| lease.doubt(now));
        if let Phase::Validating(validating) = &mut self.fold.phase {
            validating.passed = 0;
        }
    }

    /// The provider has accepted a secret. Asked after the time was lost, it says that this may serve.
    pub(super) fn accepted_anew(&mut self, op: OpId, generation: Generation) {
        if let Some(woken) = self.woken.as_mut().filter(|woken| !woken.before.contains(&Some(op))) {
            woken.accepted = Some(generation);
            self.wake();
        }
    }

    /// What was lost with the time matters no more when what serves was accepted since, or nothing does.
    fn wake(&mut self) {
        let phase = self.fold.phase;
        let current = phase.current().map(|lease| lease.mint.generation);
        self.woken = self.woken.filter(|woken| current.is_some() && woken.accepted != current);
        if let Some(woken) = &mut self.woken {
            woken.accepted = woken.accepted.filter(|accepted| phase.names(*accepted));
        }
    }

    /// Whether anything may be sent then that changes something, or recorded.
    fn may_write(&self, at: Instant) -> bool {
        let mandated = self.mandate.is_some_and(|until| at.max(self.now) < until);
        self.policy.writer == Writer::Lock || mandated || self.policy.sown.is(SeededBug::MandateIgnored)
    }

    /// What was asked for and can no longer be done is forgotten.
    fn forget_wishes(&mut self, step: Step) {
        let phase = &self.fold.phase;
        let wishes = &mut self.wishes;
        wishes.begin = wishes.begin.filter(|_| matches!(phase, Phase::Steady(_)));
        wishes.abort &= matches!(phase, Phase::Issuing(_) | Phase::Validating(_));
        wishes.rollback &= matches!(phase, Phase::Draining(Draining { rollback: None, .. })) && step != Step::RollbackFailed;
        wishes.compromise =
            wishes.compromise.filter(|generation| phase.names(*generation) && !self.fold.is_compromised(*generation));
        wishes.resolve = wishes.resolve.filter(|resolution| self.fold.is_resolvable(*resolution));
        wishes.glass &= phase.is_breakable();
        wishes.leave = wishes.leave.filter(|_| !matches!(phase, Phase::Closing(_) | Phase::Stopped(_) | Phase::NeedsOperator(_)));
    }

    /// The record that was waited for is durable: the phase moves.
    fn durable(&mut self) {
        let Some(Awaiting { record, .. }) = self.awaiting.take() else { return };
        let alive = self.leases_mut().map(Option::<&mut Lease>::copied);
        let applied = self.fold.apply(&record, &self.policy);
        debug_assert!(applied.is_ok(), "the machine decided on a step that is no row of the table: {record:?}");
        if matches!(record.step, Step::Recovered { .. }) {
            // What this process has learnt while the record was on its way is newer than what the record means.
            for lease in alive.into_iter().flatten() {
                if let Some(same) = self.lease_mut(lease.mint.generation) {
                    *same = lease;
                }
            }
        }
        if let Phase::Closing(closing) = &mut self.fold.phase {
            // They were renewed while the record was on its way.
            let Closing { going, next, .. } = closing;
            for going in Some(going).into_iter().chain(next) {
                let ub = alive.into_iter().flatten().find(|lease| lease.mint == going.mint).map(|lease| lease.life.ub);
                going.ub = going.ub.max(ub.unwrap_or_default());
            }
        }
        let owed = matches!(record.step, Step::Owed { .. });
        let rest = if owed { self.policy.wait(self.policy.tries_before_debt, self.now) } else { Duration::ZERO };
        self.duty = Duty::Due { at: self.now + rest, tries: 0 };
        self.forget_wishes(record.step);
        self.wake();
        self.hurried = false;
    }

    /// Says once that the current credential may be dead: when its certain life is over, or, after a restart, when the
    /// first renewal has failed.
    fn watch_for_darkness(&mut self) {
        let Some(current) = self.fold.phase.current() else { return };
        let dark = match self.light {
            _ if self.now < current.life.lb => false,
            Light::Unknown if current.failures == 0 => return,
            Light::Unknown | Light::Lit => {
                self.notices.dark = true;
                true
            }
            Light::Dark => true,
        };
        self.light = if dark { Light::Dark } else { Light::Lit };
    }

    /// What waits to be tried again waits no longer.
    fn hasten(&mut self) {
        if let Duty::Due { at, .. } = &mut self.duty {
            *at = (*at).min(self.now);
        }
    }

    /// The credential that is being ended, as in [`Self::ending_mut`].
    fn ending(&self) -> Option<&Going> {
        match &self.fold.phase {
            Phase::Steady(_) => self.fold.debt(),
            phase => phase.going(),
        }
    }

    /// The credential that is being ended: that of the phase, or the debt while the phase has nothing to end.
    fn ending_mut(&mut self) -> Option<&mut Going> {
        match self.fold.phase {
            Phase::Steady(_) => self.fold.debt.as_mut(),
            _ => self.fold.phase.going_mut(),
        }
    }

    fn leases_mut(&mut self) -> [Option<&mut Lease>; 2] {
        match &mut self.fold.phase {
            Phase::Draining(Draining { current, retiring, .. }) => [Some(current), Some(retiring)],
            Phase::NeedsOperator(NeedsOperator { current, rest: Rest::Draining { retiring, .. }, .. }) => {
                [current.as_mut(), Some(retiring)]
            }
            phase => [phase.current_mut(), None],
        }
    }

    fn append(&mut self, step: Step) {
        self.append_in(self.fold.boot, step);
    }

    fn append_in(&mut self, boot: BootId, step: Step) {
        let record = Record { lsn: Lsn(self.fold.lsn + 1), boot, at: self.now, step };
        self.awaiting = Some(Awaiting { record, emitted: false });
    }

    /// The leases that the phase keeps alive.
    fn renewing(&self) -> [Option<Lease>; 2] {
        if self.has_ended() || self.is_bereft() {
            return [None, None];
        }
        let retiring = match self.fold.phase {
            Phase::Draining(Draining { retiring, deadline: None, .. }) => Some(retiring),
            // What others know is not kept alive for an operator who may come late.
            Phase::NeedsOperator(NeedsOperator { rest: Rest::Draining { retiring, deadline: None }, .. }) => {
                Some(retiring).filter(|old| !self.fold.is_compromised(old.mint.generation))
            }
            _ => None,
        };
        [self.fold.phase.current().filter(|_| !self.is_missing()).copied(), retiring]
    }

    /// Whether this process has none of the secrets that the journal speaks of, and says so with its first record.
    fn is_bereft(&self) -> bool {
        self.is_missing() && self.policy.relogin == Relogin::EachStart
    }

    /// Whether the survivor store had nothing of the current credential when this process began.
    fn is_missing(&self) -> bool {
        self.fold.phase.current().is_some_and(|current| self.missing == Some(current.mint.generation))
    }

    fn renewal_of(&self, op: OpId) -> Option<Flight> {
        let mut phase = self.fold.phase;
        let flight = |lease: &mut Lease| lease.renewal.filter(|flight| flight.op == op);
        phase.current_mut().and_then(flight).or_else(|| phase.second_mut().and_then(flight))
    }

    const fn new_op(&mut self) -> OpId {
        let op = OpId(self.next_op);
        self.next_op += 1;
        op
    }

    fn lease_mut(&mut self, generation: Generation) -> Option<&mut Lease> {
        if self.fold.phase.current().is_some_and(|lease| lease.mint.generation == generation) {
            return self.fold.phase.current_mut();
        }
        self.fold.phase.second_mut().filter(|lease| lease.mint.generation == generation)
    }
}
