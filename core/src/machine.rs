//! The machine: inputs in, outputs out, and one timer.

use core::fmt;

use crate::fold::{Ledger, RecoverError, fresh, missing};
use crate::lease::{Flight, Lease};
use crate::message::{Applied, Effect, Event, Input, Outcome, Output, Refusal};
use crate::normal::Rewrite;
use crate::phase::{Abandoning, Arrival, Draining, End, Going, Issuing, Phase, Revoking, Secret, Steady, Vacant, Validating};
use crate::policy::{Consumers, Policy};
use crate::record::{AbandonReason, Drained, Proof, Record, Step, StuckReason, Trigger};
use crate::seed::SeededBug;
use crate::transition::PhaseKind;
use crate::vocabulary::{BootId, Color, Generation, Held, Instant, Lsn, Mint, OpId};

/// Persisting a candidate is tried so often before the candidate is abandoned.
const PERSIST_TRIES: u8 = 3;

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
    /// A rotation that was asked for and has not begun.
    asked: Option<Trigger>,
    /// What new work was last told to use.
    served: Option<Generation>,
    /// The journal calls it current, but its secret is gone: it cannot be served.
    missing: Option<Generation>,
    /// A rotation that is due has had the current credential renewed first.
    hurried: bool,
    light: Light,
    stalled: bool,
    notices: Notices,
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
    /// Only the retiring generation of a draining rotation can become idle.
    NotRetiring {
        /// The one that is retiring.
        retiring: Option<Generation>,
    },
    /// A rotation begins only from `Steady`, and only once.
    CannotBegin {
        /// The phase that the rotation is in.
        phase: PhaseKind,
    },
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock { latest } => write!(f, "time ran backwards: the latest instant was {}", latest.0),
            Self::Acknowledgement { awaited: Some(lsn) } => write!(f, "the record that waits is {}", lsn.0),
            Self::Acknowledgement { awaited: None } => f.write_str("no record waits"),
            Self::StaleCompletion { op } => write!(f, "{op} is not under way: the completion is late or a duplicate"),
            Self::NotRetiring { retiring: Some(generation) } => write!(f, "the retiring generation is {generation}"),
            Self::NotRetiring { retiring: None } => f.write_str("no generation is retiring"),
            Self::CannotBegin { phase } => {
                write!(f, "a rotation is under way or asked for (phase {phase:?}): wait until it is over")
            }
        }
    }
}

impl core::error::Error for Illegal {}

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
            asked: None,
            served: None,
            hurried: false,
            light: Light::Unknown,
            stalled: false,
            notices: Notices::default(),
            fold,
        };
        if fold.lsn == 0 {
            machine.decide();
        } else {
            let doubt = |lease: &mut Lease| *lease = lease.recovered(now, policy.full, &policy);
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
            Input::Idle(_) => {
                if let Phase::Draining(draining) = &mut self.fold.phase {
                    draining.idle = true;
                }
            }
            Input::Begin => self.asked = Some(Trigger::Operator),
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
        if let Some(generation) = self.serving().filter(|generation| self.served != Some(*generation)) {
            self.served = Some(generation);
            return Some(Output::Serve(generation));
        }
        if core::mem::take(&mut self.notices.dark) {
            return Some(Output::Notify(Event::Dark));
        }
        if core::mem::take(&mut self.notices.stalled) {
            return Some(Output::Notify(Event::Stalled));
        }
        if let Some(awaiting) = &mut self.awaiting
            && !awaiting.emitted
        {
            awaiting.emitted = true;
            let record = awaiting.record;
            if self.policy.has_bug(SeededBug::EffectBeforeIntent) {
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
        let renewals = self.renewing().into_iter().flatten().filter(|lease| lease.renewal.is_none()).map(|lease| lease.renew_at);
        let darkness = phase.current().filter(|_| self.light == Light::Lit).map(|lease| lease.life.lb);
        let own = if self.awaiting.is_some() || self.stalled {
            [None, None]
        } else {
            match self.duty {
                Duty::Due { .. } => [self.wanted().map(|_| self.duty_at()), self.deadline()],
                Duty::Flying { .. } => [None, None],
            }
        };
        renewals.chain(darkness).chain(own.into_iter().flatten()).min()
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

    /// Whether a rotation was asked for and waits for the current credential's renewal.
    #[must_use]
    pub const fn asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The credential that new work is to be given.
    #[must_use]
    pub fn serving(&self) -> Option<Generation> {
        self.fold.phase.current().map(|lease| lease.mint.generation).filter(|generation| self.missing != Some(*generation))
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
        self.served.iter_mut().chain(self.missing.iter_mut()).for_each(|generation| to.generation(generation));
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
                    Duty::Flying { op: flying, .. } => flying == op || self.policy.has_bug(SeededBug::NoCorrelation),
                    Duty::Due { .. } => false,
                };
                if flying || self.renewal_of(op).is_some() { Ok(()) } else { Err(Illegal::StaleCompletion { op }) }
            }
            Input::Idle(generation) => {
                let retiring = match self.fold.phase {
                    Phase::Draining(Draining { retiring, .. }) => Some(retiring.mint.generation),
                    _ => None,
                };
                if retiring == Some(generation) { Ok(()) } else { Err(Illegal::NotRetiring { retiring }) }
            }
            Input::Begin => {
                let free = matches!(self.fold.phase, Phase::Steady(_)) && self.asked.is_none() && self.awaiting.is_none();
                if free && !self.stalled { Ok(()) } else { Err(Illegal::CannotBegin { phase: self.fold.phase.kind() }) }
            }
            Input::Timeout => Ok(()),
        }
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
        self.duty = Duty::Due { at: self.now, tries: 0 };
        self.asked = None;
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

    fn leases_mut(&mut self) -> [Option<&mut Lease>; 2] {
        match &mut self.fold.phase {
            Phase::Draining(Draining { current, retiring, .. }) => [Some(current), Some(retiring)],
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

    /// What the passing of time, or everything that has come in, makes due. Never with an effect of the phase under way.
    fn decide(&mut self) {
        if self.awaiting.is_some() || self.stalled || matches!(self.duty, Duty::Flying { .. }) {
            return;
        }
        let step = match self.fold.phase {
            Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } }) if self.now >= not_before => {
                Some(Step::LoginIntent { mint: self.fold.next_mint(Color::Blue) })
            }
            Phase::Steady(steady) => self.begin(steady),
            Phase::Validating(validating) => self.judge(validating),
            Phase::Draining(draining) => self.drained(draining),
            Phase::Revoking(Revoking { going, .. }) | Phase::Abandoning(Abandoning { going, .. }) => self.expired(going),
            _ => None,
        };
        if let Some(step) = step {
            self.append(step);
        }
    }

    /// A rotation begins only if the current credential's certain life covers it (S7); else it is renewed first. One that
    /// cannot be renewed far enough is near its end: to rotate is then the only remedy.
    fn begin(&mut self, Steady { current, rotate_at }: Steady) -> Option<Step> {
        let due = rotate_at.filter(|at| self.now >= *at).map(|_| Trigger::Schedule);
        let trigger = self.asked.or(due)?;
        let covered = current.life.lb.since(self.now) >= self.policy.worst_validation();
        if covered || (self.hurried && current.renewal.is_none()) {
            return Some(Step::IssueIntent { mint: self.fold.next_mint(current.mint.slot.other()), trigger });
        }
        self.hurried = true;
        self.lease_mut(current.mint.generation)?.renew_at = self.now;
        None
    }

    fn judge(&self, validating: Validating) -> Option<Step> {
        let Validating { candidate, until, passed, extending, .. } = validating;
        if !extending && passed >= self.policy.probes {
            return Some(Step::ExtendIntent);
        }
        let reason = if extending { AbandonReason::NotExtended } else { AbandonReason::TimedOut };
        (self.now >= until).then_some(Step::AbandonIntent { reason, ub: candidate.life.ub })
    }

    fn drained(&self, draining: Draining) -> Option<Step> {
        let Draining { retiring, deadline, idle, .. } = draining;
        let deadline = deadline?;
        let idle = idle && self.policy.consumers == Consumers::Counted;
        let drained = if idle || self.policy.has_bug(SeededBug::RevokeBeforeDrain) {
            Drained::Idle
        } else if self.now >= deadline {
            Drained::Deadline
        } else {
            return None;
        };
        Some(Step::RevokeIntent { drained, ub: retiring.life.ub })
    }

    fn expired(&self, going: Going) -> Option<Step> {
        let over = going.end != End::Clear && self.now >= going.ub + self.policy.skew;
        over.then_some(Step::Died { proof: Proof::Expired })
    }

    /// When time alone makes a step due.
    fn deadline(&self) -> Option<Instant> {
        match self.fold.phase {
            Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } }) => Some(not_before),
            Phase::Steady(Steady { rotate_at, .. }) => rotate_at.filter(|_| !self.hurried),
            Phase::Validating(Validating { until, .. }) => Some(until),
            Phase::Draining(Draining { deadline, .. }) => deadline,
            _ => self.fold.phase.going().filter(|going| going.end != End::Clear).map(|going| going.ub + self.policy.skew),
        }
    }

    /// The leases that the phase keeps alive.
    fn renewing(&self) -> [Option<Lease>; 2] {
        let retiring = match self.fold.phase {
            Phase::Draining(Draining { retiring, deadline: None, .. }) => Some(retiring),
            _ => None,
        };
        [self.fold.phase.current().copied(), retiring]
    }

    fn renewal_of(&self, op: OpId) -> Option<Flight> {
        let mut phase = self.fold.phase;
        let flight = |lease: &mut Lease| lease.renewal.filter(|flight| flight.op == op);
        phase.current_mut().and_then(flight).or_else(|| phase.second_mut().and_then(flight))
    }

    fn start_renewal(&mut self) -> Option<Output> {
        let lease = self.renewing().into_iter().flatten().find(|lease| lease.renewal.is_none() && self.now >= lease.renew_at)?;
        let (generation, life) = (lease.mint.generation, self.policy.full);
        let op = self.new_op();
        let flight = Flight { op, sent: self.now, life };
        let policy = self.policy;
        let lease = self.lease_mut(generation)?;
        lease.renewal = Some(flight);
        lease.sending(flight, &policy);
        Some(Output::Perform { op, effect: Effect::Renew { generation, life } })
    }

    fn start_duty(&mut self) -> Option<Output> {
        let Duty::Due { tries, .. } = self.duty else { return None };
        if self.awaiting.is_some() || self.stalled || self.now < self.duty_at() {
            return None;
        }
        let effect = self.wanted()?;
        let (op, sent) = (self.new_op(), self.now);
        if let Effect::Extend { generation, life } | Effect::Shorten { generation, life, .. } = effect {
            let policy = self.policy;
            self.lease_mut(generation)?.sending(Flight { op, sent, life }, &policy);
        }
        self.duty = Duty::Flying { op, sent, tries, effect };
        Some(Output::Perform { op, effect })
    }

    /// When the duty may start: not before its back-off is over, and a life is shortened only when no longer one can
    /// still arrive.
    fn duty_at(&self) -> Instant {
        let at = match self.duty {
            Duty::Due { at, .. } => at,
            Duty::Flying { sent, .. } => sent,
        };
        match self.fold.phase {
            Phase::Draining(Draining { retiring, deadline: Some(_), shortened: false, .. }) => at.max(retiring.unsettled_until),
            _ => at,
        }
    }

    /// The effect that the phase needs next.
    fn wanted(&self) -> Option<Effect> {
        match self.fold.phase {
            Phase::Vacant(Vacant { stage }) => match stage {
                Arrival::Waiting { .. } => None,
                Arrival::LoggingIn { mint } => Some(Effect::Login { mint }),
                Arrival::Settling { lease, persisted: false } => Some(Effect::Persist(lease.mint)),
                Arrival::Settling { lease, persisted: true } => Some(Effect::Publish(lease.mint)),
            },
            Phase::Steady(Steady { current, .. }) => current.suspect.then_some(Effect::Probe(current.mint.generation)),
            Phase::Issuing(Issuing { current, mint, issued: None }) => {
                Some(Effect::Issue { mint, by: current.mint.generation, life: self.policy.probation })
            }
            Phase::Issuing(Issuing { mint, .. }) => Some(Effect::Persist(mint)),
            Phase::Validating(Validating { candidate, extending, .. }) => {
                let generation = candidate.mint.generation;
                Some(if extending { Effect::Extend { generation, life: self.policy.full } } else { Effect::Probe(generation) })
            }
            Phase::Draining(draining) => self.wanted_in_draining(draining),
            Phase::Revoking(Revoking { current, going, .. }) => self.wanted_end(current, going),
            Phase::Abandoning(Abandoning { current, going, .. }) => {
                let going = if self.policy.has_bug(SeededBug::AbandonRevokesCurrent) && going.end == End::Revoke {
                    Going { mint: current.mint, ..going }
                } else {
                    going
                };
                self.wanted_end(current, going)
            }
            Phase::NeedsOperator(_) => None,
        }
    }

    fn wanted_in_draining(&self, draining: Draining) -> Option<Effect> {
        let Draining { current, retiring, deadline, shortened, .. } = draining;
        let Some(deadline) = deadline else { return Some(Effect::Publish(current.mint)) };
        let life = deadline.since(self.now);
        if shortened || life.is_zero() || retiring.renewal.is_some() {
            return None;
        }
        let generation = retiring.mint.generation;
        Some(match current.witness(self.now) {
            Some(witness) => Effect::Shorten { generation, life, witness },
            None => Effect::Probe(current.mint.generation),
        })
    }

    /// Nothing is ended without fresh evidence that what stays behind is accepted.
    fn wanted_end(&self, current: Lease, going: Going) -> Option<Effect> {
        let Going { mint: Mint { generation, .. }, secret, end, .. } = going;
        if end == End::Clear {
            return Some(Effect::Clear(going.mint));
        }
        if secret == Secret::Lost {
            return None;
        }
        Some(match (current.witness(self.now), end) {
            (None, _) => Effect::Probe(current.mint.generation),
            (Some(witness), End::Observe) => Effect::Observe { generation, witness },
            (Some(witness), _) => Effect::Revoke { generation, witness },
        })
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

    fn completed(&mut self, op: OpId, outcome: Outcome) {
        if let Some(flight) = self.renewal_of(op) {
            return self.renewed(flight, outcome);
        }
        let Duty::Flying { sent, tries, effect, .. } = self.duty else { return };
        self.duty = Duty::Due { at: self.now, tries };
        let step = match effect {
            Effect::Login { .. } => Some(self.logged_in(sent, outcome)),
            Effect::Persist(_) => self.persisted(outcome),
            Effect::Issue { .. } => Some(self.issued(sent, outcome)),
            Effect::Probe(generation) => self.probed(generation, sent, outcome),
            Effect::Extend { generation, life } => self.extended(generation, Flight { op, sent, life }, outcome),
            Effect::Publish(_) => self.published(outcome),
            Effect::Shorten { generation, life, .. } => self.shortened(generation, Flight { op, sent, life }, outcome),
            Effect::Revoke { .. } => self.revoked(outcome),
            Effect::Observe { .. } => self.observed(outcome),
            Effect::Clear(_) => self.cleared(outcome),
            Effect::Renew { .. } => None,
        };
        if let Some(step) = step {
            self.append(step);
        }
    }

    /// Tries the same again later.
    fn retry(&mut self) -> Option<Step> {
        if let Duty::Due { tries, .. } = self.duty {
            self.duty = Duty::Due { at: self.now + self.policy.wait(tries, self.now), tries: tries.saturating_add(1) };
        }
        None
    }

    fn renewed(&mut self, flight: Flight, outcome: Outcome) {
        let (now, policy) = (self.now, self.policy);
        let flying = |lease: &&mut Lease| lease.renewal == Some(flight);
        let phase = &mut self.fold.phase;
        let current = phase.current_mut().as_ref().is_some_and(flying);
        let Some(lease) = (if current { phase.current_mut() } else { phase.second_mut() }) else { return };
        lease.renewal = None;
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => {
                lease.changed(flight, now, remaining, &policy);
                if lease.renew_at <= now {
                    lease.retry_renewal(now, &policy);
                }
                return;
            }
            Outcome::NotApplied(Refusal::Refused) => lease.suspect = true,
            Outcome::NotApplied(_) => {}
            Outcome::Applied(_) | Outcome::Unknown => lease.unsettled(flight, &policy),
        }
        lease.retry_renewal(now, &policy);
    }

    fn logged_in(&self, sent: Instant, outcome: Outcome) -> Step {
        let wait = self.policy.wait(self.fold.misses, self.now);
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => Step::LoggedIn { life: fresh(sent, self.now, remaining) },
            Outcome::NotApplied(_) => Step::LoginFailed { not_before: self.now + wait },
            Outcome::Applied(_) | Outcome::Unknown => {
                let dead = sent + self.policy.delta + self.policy.login_life;
                Step::LoginFailed { not_before: dead.max(self.now + wait) }
            }
        }
    }

    fn persisted(&mut self, outcome: Outcome) -> Option<Step> {
        let tries = match self.duty {
            Duty::Due { tries, .. } | Duty::Flying { tries, .. } => tries,
        };
        let done = outcome == Outcome::Applied(Applied::Done);
        let lost = outcome == Outcome::NotApplied(Refusal::NoSecret);
        match &mut self.fold.phase {
            Phase::Vacant(Vacant { stage: Arrival::Settling { persisted, lease } }) => {
                if lost {
                    return Some(Step::LoginFailed { not_before: lease.life.ub });
                }
                *persisted = done;
                if done { None } else { self.retry() }
            }
            Phase::Issuing(_) if done => Some(Step::Persisted),
            Phase::Issuing(Issuing { issued: Some(candidate), .. }) if lost || tries + 1 >= PERSIST_TRIES => {
                Some(Step::AbandonIntent { reason: AbandonReason::NotPersisted, ub: candidate.life.ub })
            }
            _ => self.retry(),
        }
    }

    fn issued(&self, sent: Instant, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => Step::Issued { life: fresh(sent, self.now, remaining) },
            Outcome::NotApplied(_) => Step::IssueRefused,
            Outcome::Unknown if self.policy.has_bug(SeededBug::UnknownTakenAsRefused) => Step::IssueRefused,
            Outcome::Applied(_) | Outcome::Unknown => {
                let ub = sent + self.policy.delta + self.policy.probation;
                Step::AbandonIntent { reason: AbandonReason::MintLost, ub }
            }
        }
    }

    fn probed(&mut self, generation: Generation, sent: Instant, outcome: Outcome) -> Option<Step> {
        let (now, policy) = (self.now, self.policy);
        let is_current = self.fold.phase.current().is_some_and(|lease| lease.mint.generation == generation);
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => {
                self.lease_mut(generation)?.seen(sent, now, remaining, &policy);
                if let Phase::Validating(validating) = &mut self.fold.phase {
                    validating.passed += 1;
                    self.duty = Duty::Due { at: now + policy.probe_every, tries: 0 };
                }
                None
            }
            Outcome::NotApplied(refusal @ (Refusal::Refused | Refusal::NoSecret)) if is_current => {
                let missing = refusal == Refusal::NoSecret;
                Some(Step::Stuck { reason: if missing { StuckReason::CurrentMissing } else { StuckReason::CurrentRefused } })
            }
            Outcome::NotApplied(Refusal::Refused | Refusal::NoSecret) => {
                let ub = self.lease_mut(generation)?.life.ub;
                Some(Step::AbandonIntent { reason: AbandonReason::ProbeRefused, ub })
            }
            _ => {
                if let Phase::Validating(validating) = &mut self.fold.phase {
                    validating.passed = 0;
                }
                self.retry()
            }
        }
    }

    /// An extension that does not come to a full life would make a current credential that cannot be kept.
    fn extended(&mut self, generation: Generation, flight: Flight, outcome: Outcome) -> Option<Step> {
        let (now, policy) = (self.now, self.policy);
        let believed = outcome == Outcome::Unknown && policy.has_bug(SeededBug::UnknownTakenAsApplied);
        let outcome = if believed { Outcome::Applied(Applied::Alive { remaining: flight.life }) } else { outcome };
        let candidate = self.lease_mut(generation)?;
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => {
                candidate.changed(flight, now, remaining, &policy);
                let life = candidate.life;
                let enough = remaining + policy.patience >= policy.full;
                let short = Step::AbandonIntent { reason: AbandonReason::NotExtended, ub: life.ub };
                Some(if enough { Step::Promoted { life } } else { short })
            }
            Outcome::NotApplied(Refusal::Refused | Refusal::NoSecret) => {
                Some(Step::AbandonIntent { reason: AbandonReason::NotExtended, ub: candidate.life.ub })
            }
            Outcome::NotApplied(Refusal::Unavailable) => self.retry(),
            Outcome::Applied(_) | Outcome::Unknown => {
                candidate.unsettled(flight, &policy);
                self.retry()
            }
        }
    }

    fn published(&mut self, outcome: Outcome) -> Option<Step> {
        if outcome != Outcome::Applied(Applied::Done) {
            return self.retry();
        }
        match self.fold.phase {
            Phase::Vacant(_) => Some(Step::Ready),
            _ => Some(Step::ShortenIntent { deadline: self.now + self.policy.grace }),
        }
    }

    /// A refusal is no reason to wait: the old one is dead already, or keeps the life it has.
    fn shortened(&mut self, generation: Generation, flight: Flight, outcome: Outcome) -> Option<Step> {
        let (now, policy) = (self.now, self.policy);
        let retiring = self.lease_mut(generation)?;
        let settled = match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => {
                retiring.changed(flight, now, remaining, &policy);
                true
            }
            Outcome::NotApplied(refusal) => refusal != Refusal::Unavailable,
            Outcome::Applied(_) | Outcome::Unknown => {
                retiring.unsettled(flight, &policy);
                false
            }
        };
        if let Phase::Draining(draining) = &mut self.fold.phase {
            draining.shortened = settled;
        }
        if settled { None } else { self.retry() }
    }

    /// However a revocation was answered, it is no proof: the next thing is to look.
    fn revoked(&mut self, outcome: Outcome) -> Option<Step> {
        if self.policy.has_bug(SeededBug::ClearedUnobserved) {
            return Some(Step::Died { proof: Proof::Observed });
        }
        if let Some(going) = self.fold.phase.going_mut() {
            going.end = End::Observe;
            if outcome == Outcome::NotApplied(Refusal::NoSecret) {
                going.secret = Secret::Lost;
            }
        }
        None
    }

    fn observed(&mut self, outcome: Outcome) -> Option<Step> {
        match outcome {
            Outcome::Applied(Applied::Dead) => return Some(Step::Died { proof: Proof::Observed }),
            Outcome::Applied(_) => {
                if let Some(going) = self.fold.phase.going_mut() {
                    going.end = End::Revoke;
                }
            }
            Outcome::NotApplied(Refusal::NoSecret) => {
                if let Some(going) = self.fold.phase.going_mut() {
                    going.secret = Secret::Lost;
                }
            }
            Outcome::NotApplied(_) | Outcome::Unknown => {}
        }
        self.retry()
    }

    fn cleared(&mut self, outcome: Outcome) -> Option<Step> {
        if outcome == Outcome::Applied(Applied::Done) { Some(Step::Cleared) } else { self.retry() }
    }
}
