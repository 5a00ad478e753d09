//! The journal's meaning: a pure fold of records into a phase. The running machine moves by the same function as a
//! recovering one, and only when a record is durable, so that there is nothing that a crash could make different.

use core::time::Duration;

use crate::lease::Lease;
use crate::phase::{
    Abandoning, AfterEnd, Arrival, Closing, Draining, End, Going, Issuing, NeedsOperator, Phase, Rest, Revoking, Rollback,
    Secret, Steady, Stopped, Vacant, Validating,
};
use crate::policy::{Policy, Relogin};
use crate::record::{AbandonReason, AtStop, Proof, Record, Resolution, Step, StuckReason, Via};
use crate::seed::SeededBug;
use crate::transition::{PhaseKind, StepKind, legal_steps, row};
use crate::vocabulary::{BootId, Color, Generation, Held, Instant, Life, Mint};

/// What a journal says: the fold of its records. It stands for them wherever they are not needed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub(crate) phase: Phase,
    /// Records so far.
    pub(crate) lsn: u64,
    /// Mints announced so far.
    pub(crate) mints: u32,
    pub(crate) incarnation: u32,
    pub(crate) boot: BootId,
    /// Attempts that failed in a row: they slow the next one down.
    pub(crate) misses: u8,
    /// Credentials that others know, as long as they are of any concern.
    pub(crate) compromised: [Option<Generation>; 2],
    /// A credential whose end could not be confirmed, and that is still to be ended.
    pub(crate) debt: Option<Going>,
}

/// Why a journal cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoverError {
    /// A record is missing or out of order.
    Gap {
        /// The position that should have come.
        expected: u64,
        /// The position that came.
        found: u64,
    },
    /// A step that is not legal where it stands.
    IllegalStep {
        /// Its position.
        lsn: u64,
        /// The phase that the records before it lead to.
        phase: PhaseKind,
        /// The step.
        step: StepKind,
    },
    /// The journal is empty, but secrets survive: it was lost, and to begin anew would forget live credentials.
    JournalLost,
}

impl core::fmt::Display for RecoverError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Gap { expected, found } => {
                write!(f, "the journal goes from record {} to record {found}: restore the missing ones", expected - 1)
            }
            Self::IllegalStep { lsn, phase, step } => {
                write!(f, "record {lsn} of the journal is {step:?}, but in phase {phase:?} only these may come:")?;
                legal_steps(*phase).try_for_each(|legal| write!(f, " {legal:?}"))
            }
            Self::JournalLost => f.write_str(
                "the journal is empty, but the survivor store holds secrets: restore the journal, or move the secrets away \
                 after you have revoked them",
            ),
        }
    }
}

impl core::error::Error for RecoverError {}

/// The step does not fit the stage that the phase is in.
struct Misfit;

impl Ledger {
    /// An empty journal, whose generations will bear `incarnation` (draw it at random).
    #[must_use]
    pub const fn new(incarnation: u32, boot: BootId, now: Instant) -> Self {
        let phase = Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before: now } });
        Self { phase, lsn: 0, mints: 0, incarnation, boot, misses: 0, compromised: [None; 2], debt: None }
    }

    /// The mint that would be announced next, in this slot.
    pub(crate) const fn next_mint(&self, slot: Color) -> Mint {
        Mint { generation: Generation { incarnation: self.incarnation, number: self.mints + 1 }, slot }
    }

    /// The phase that the records lead to. What it says of lives is what was recorded, not what is.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether nothing is recorded yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lsn == 0
    }

    /// The boot that its instants belong to.
    #[must_use]
    pub const fn boot(&self) -> BootId {
        self.boot
    }

    /// Takes one durable record.
    ///
    /// # Errors
    ///
    /// A record that does not follow; nothing is changed.
    pub fn apply(&mut self, record: &Record, policy: &Policy) -> Result<(), RecoverError> {
        let Record { lsn, boot, at, step } = *record;
        if lsn.0 != self.lsn + 1 {
            return Err(RecoverError::Gap { expected: self.lsn + 1, found: lsn.0 });
        }
        let illegal = RecoverError::IllegalStep { lsn: lsn.0, phase: self.phase.kind(), step: step.kind() };
        let same_boot = boot == self.boot;
        let next = match step {
            Step::Recovered { held } if self.is_bereft(held, policy) => Ok(self.bereft(at, same_boot, policy)),
            Step::Recovered { held } => Ok((
                self.recovered(held, at, same_boot, policy),
                self.debt.map(|debt| resumed_end(debt, held, at, same_boot, policy)),
            )),
            _ if !same_boot && self.lsn > 0 => Err(Misfit),
            _ => self.next(step, at, policy),
        };
        let (next, debt) = next.map_err(|Misfit| illegal)?;
        row(self.phase.kind(), step.kind(), next.kind()).ok_or(illegal)?;
        self.phase = next;
        self.debt = debt;
        self.lsn = lsn.0;
        self.boot = boot;
        self.count(step);
        self.mark(step);
        Ok(())
    }

    /// A credential whose end could not be confirmed yet: the rounds go on beside it.
    #[must_use]
    pub const fn debt(&self) -> Option<&Going> {
        self.debt.as_ref()
    }

    /// Whether an operator said that others know its secret.
    #[must_use]
    pub fn is_compromised(&self, generation: Generation) -> bool {
        self.compromised.contains(&Some(generation))
    }

    /// Whether an operator may resolve a contradiction so: to keep, there must be a current credential whose secret is at hand,
    /// or an old one to go back to that nobody else knows (rule 6).
    pub(crate) fn is_resolvable(&self, resolution: Resolution) -> bool {
        let Phase::NeedsOperator(NeedsOperator { current, rest, reason, .. }) = self.phase else { return false };
        let usable = match rest {
            _ if reason != StuckReason::CurrentMissing => true,
            Rest::Draining { retiring, .. } => !self.is_compromised(retiring.mint.generation),
            _ => false,
        };
        resolution == Resolution::Forget || current.is_some() && usable
    }

    /// Remembers a compromise for as long as its credential is named in the phase.
    fn mark(&mut self, step: Step) {
        if let Step::Compromised { generation } = step
            && let Some(free) = self.compromised.iter_mut().find(|marked| marked.is_none())
        {
            *free = Some(generation);
        }
        let phase = self.phase;
        self.compromised = self.compromised.map(|marked| marked.filter(|generation| phase.names(*generation)));
    }

    /// Whether a generation is the one that must be announced next: none is used twice.
    const fn is_next(&self, generation: Generation) -> bool {
        let same = self.mints == 0 || generation.incarnation == self.incarnation;
        same && generation.number == self.mints + 1
    }

    fn count(&mut self, step: Step) {
        match step {
            Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => {
                self.mints = mint.generation.number;
                self.incarnation = mint.generation.incarnation;
            }
            Step::LoginFailed { .. } | Step::IssueRefused | Step::AbandonIntent { .. } => {
                self.misses = self.misses.saturating_add(1);
            }
            Step::Ready | Step::Promoted { .. } => self.misses = 0,
            _ => {}
        }
    }

    /// The phase and the debt after a step.
    fn next(&self, step: Step, at: Instant, policy: &Policy) -> Result<(Phase, Option<Going>), Misfit> {
        let (phase, debt) = (self.phase, self.debt);
        match (phase, step) {
            (Phase::Revoking(Revoking { current, going, .. }), Step::Owed { generation, secret })
                if debt.is_none() && is_owed(going, generation) =>
            {
                Ok((steady(current, at, policy), Some(Going { secret, ..going })))
            }
            (Phase::Abandoning(Abandoning { current, going, .. }), Step::Owed { generation, secret })
                if debt.is_none() && is_owed(going, generation) =>
            {
                Ok((self.steady_after_miss(current, at, policy), Some(Going { secret, ..going })))
            }
            (Phase::Steady(_), Step::Died { proof }) => {
                let debt = died(debt.ok_or(Misfit)?, proof)?;
                // Without its secret there is nothing of it in its slot.
                Ok((phase, Some(debt).filter(|debt| debt.secret == Secret::Held)))
            }
            (Phase::Steady(_), Step::Cleared) => match debt {
                Some(Going { end: End::Clear, .. }) => Ok((phase, None)),
                _ => Err(Misfit),
            },
            (Phase::Closing(closing), Step::Cleared) => after_last(closing, debt, at),
            (_, Step::Resolved { resolution: Resolution::Forget }) => Ok((self.next_phase(step, at, policy)?, None)),
            (_, Step::Waived { ub, other }) => Ok((self.waived(ub, other)?, debt)),
            _ => Ok((self.next_phase(step, at, policy)?, debt)),
        }
    }

    fn next_phase(&self, step: Step, at: Instant, policy: &Policy) -> Result<Phase, Misfit> {
        if let Step::Compromised { generation } = step {
            return if self.phase.names(generation) && !self.is_compromised(generation) { Ok(self.phase) } else { Err(Misfit) };
        }
        if let Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } = step
            && !self.is_next(mint.generation)
        {
            return Err(Misfit);
        }
        match self.phase {
            Phase::Vacant(vacant) => after_vacant(vacant, step, at, policy),
            Phase::Steady(steady) => after_steady(steady, step, at),
            Phase::Issuing(issuing) => self.after_issuing(issuing, step, at, policy),
            Phase::Validating(validating) => after_validating(validating, step, at),
            Phase::Draining(draining) => after_draining(draining, step, at, policy),
            Phase::Revoking(revoking) => after_revoking(revoking, step, at, policy),
            Phase::Abandoning(abandoning) => self.after_abandoning(abandoning, step, at, policy),
            Phase::NeedsOperator(stuck) => match step {
                Step::Resolved { resolution } if self.is_resolvable(resolution) => {
                    resolved(stuck, resolution, self.debt, at, policy)
                }
                _ => Err(Misfit),
            },
            Phase::Closing(closing) => after_closing(closing, step),
            Phase::Stopped(_) => Err(Misfit),
        }
    }

    fn after_issuing(&self, issuing: Issuing, step: Step, at: Instant, policy: &Policy) -> Result<Phase, Misfit> {
        let Issuing { current, mint, issued, .. } = issuing;
        match (step, issued) {
            (Step::IssueRefused, None) => Ok(self.steady_after_miss(current, at, policy)),
            (Step::Issued { life }, None) => {
                Ok(Phase::Issuing(Issuing { issued: Some(Lease::new(mint, life, at, policy)), ..issuing }))
            }
            (Step::Persisted, Some(candidate)) => {
                let until = at + policy.validate_for;
                Ok(Phase::Validating(Validating { current, candidate, until, passed: 0, tryout: None, extending: false }))
            }
            (Step::AbandonIntent { reason, ub, .. }, _) => {
                let secret = if issued.is_some() { Secret::Held } else { Secret::Lost };
                Ok(abandoning(current, Going::new(mint, ub, secret), reason))
            }
            _ => Err(Misfit),
        }
    }

    fn after_abandoning(&self, abandoning: Abandoning, step: Step, at: Instant, policy: &Policy) -> Result<Phase, Misfit> {
        let Abandoning { current, going, .. } = abandoning;
        match step {
            Step::Died { proof } => Ok(Phase::Abandoning(Abandoning { going: died(going, proof)?, ..abandoning })),
            Step::Cleared if going.end == End::Clear => Ok(self.steady_after_miss(current, at, policy)),
            Step::Stuck { reason: why } => Ok(stuck(current, Rest::Abandoning { going, reason: abandoning.reason }, at, why)),
            _ => Err(Misfit),
        }
    }

    /// The glass is broken: all that there is goes, what serves first.
    fn waived(&self, ub: Instant, other: Instant) -> Result<Phase, Misfit> {
        let current = self.phase.current().map(|lease| Going::new(lease.mint, ub, Secret::Held));
        let held = |lease: Lease| Some(Going::new(lease.mint, other, Secret::Held));
        let second = match self.phase {
            Phase::Issuing(Issuing { mint, issued, .. }) => {
                let secret = if issued.is_some() { Secret::Held } else { Secret::Lost };
                Some(Going::new(mint, other, secret))
            }
            Phase::Validating(Validating { candidate, .. }) => held(candidate),
            Phase::Draining(Draining { retiring, .. })
            | Phase::NeedsOperator(NeedsOperator { rest: Rest::Draining { retiring, .. }, .. }) => held(retiring),
            _ => self.phase.going().copied(),
        };
        let going = current.or(second).ok_or(Misfit)?;
        let next = second.filter(|second| second.mint != going.mint);
        Ok(Phase::Closing(Closing { going, next, then: AfterEnd::LogIn }))
    }

    /// The cool-down grows with every attempt that fails, and gives no rotation that nobody asked for.
    fn steady_after_miss(&self, current: Lease, at: Instant, policy: &Policy) -> Phase {
        let cool_until = at + policy.wait(self.misses, at);
        Phase::Steady(Steady { current, rotate_at: policy.period.map(|_| cool_until), cool_until })
    }

    /// A new process. What was in doubt is taken as possibly applied; instants of another boot mean nothing.
    fn recovered(&self, held: Held, at: Instant, same_boot: bool, policy: &Policy) -> Phase {
        if let Some(reason) = contradiction(&self.phase, self.debt, held) {
            // A slot that lost the current one is no more to be explained by what has come into it.
            let reason = match self.phase {
                Phase::NeedsOperator(NeedsOperator { reason: before, .. }) if reason == StuckReason::Stranger => before,
                _ => reason,
            };
            return self.contradicted(held, at, same_boot, policy, reason);
        }
        self.resumed(held, at, same_boot, policy)
    }

    /// Whether a new process has nothing of what the journal speaks of, and was to expect that.
    fn is_bereft(&self, held: Held, policy: &Policy) -> bool {
        let ended = matches!(self.phase, Phase::Closing(_));
        policy.relogin == Relogin::EachStart && held == Held::default() && !ended
    }

    /// All that there was is owed, and a login begins anew: at once, unless a mint may still be under way (S4).
    fn bereft(&self, at: Instant, same_boot: bool, policy: &Policy) -> (Phase, Option<Going>) {
        let settled = at + policy.delta;
        let minting = match self.phase {
            Phase::Issuing(Issuing { mint, issued: None, .. }) | Phase::Vacant(Vacant { stage: Arrival::LoggingIn { mint } }) => {
                Some(mint)
            }
            _ => None,
        };
        let owed = self.phase.going().copied().into_iter().chain(self.debt).filter(|going| going.end != End::Clear);
        let mut same = self.phase;
        let second = same.second_mut().map(|lease| lease.mint);
        let leases = self.phase.current().map(|lease| lease.mint).into_iter().chain(second);
        let mut lost = leases.chain(owed.clone().map(|going| going.mint)).chain(minting);
        let unresolved = minting.is_some() || owed.clone().any(|going| going.secret == Secret::Lost);
        let several = owed.clone().any(|going| going.secret == Secret::Several);
        let debt = lost.next().map(|mint| {
            let several = (several || lost.next().is_some()) && !policy.sown.is(SeededBug::SeveralTakenAsOne);
            let secret = match (several, unresolved) {
                (true, _) => Secret::Several,
                (false, true) => Secret::Lost,
                (false, false) => Secret::Named,
            };
            Going::new(mint, settled + policy.longest_life(), secret)
        });
        let waits = match self.phase {
            Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } | Arrival::Clearing { not_before, .. } })
            | Phase::Stopped(Stopped { not_before, .. })
            | Phase::NeedsOperator(NeedsOperator { not_before, .. }) => {
                if same_boot {
                    not_before
                } else {
                    settled + policy.login_life
                }
            }
            _ => at,
        };
        let waiting = unresolved && !policy.sown.is(SeededBug::LoginBesideLostMint);
        let not_before = if waiting { settled } else { at }.max(waits);
        let debt = debt.filter(|_| !policy.sown.is(SeededBug::NothingOwedAtStart));
        (Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } }), debt)
    }

    /// What was under way is kept for the operator, as a recovery would have resumed it.
    ///
    /// A current one that is lost while the old one is not is remembered: to keep is then to roll back.
    fn contradicted(&self, held: Held, at: Instant, same_boot: bool, policy: &Policy, reason: StuckReason) -> Phase {
        let resumed = self.resumed(held, at, same_boot, policy);
        let rest = match resumed {
            Phase::Draining(Draining { retiring, deadline, .. }) => Rest::Draining { retiring, deadline },
            Phase::Revoking(Revoking { going, drained, .. }) => Rest::Revoking { going, drained },
            Phase::Abandoning(Abandoning { going, reason, .. }) => Rest::Abandoning { going, reason },
            Phase::NeedsOperator(NeedsOperator { rest, .. }) => rest,
            // It never served, and what never served can be given up.
            Phase::Vacant(Vacant { stage: Arrival::Settling { lease, .. } }) => {
                let going = Going::new(lease.mint, lease.life.ub, Secret::Held);
                Rest::Abandoning { going, reason: AbandonReason::Interrupted }
            }
            _ => Rest::Nothing,
        };
        let not_before = match resumed {
            Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } })
            | Phase::NeedsOperator(NeedsOperator { not_before, .. }) => not_before,
            _ => at,
        };
        let forgotten = policy.sown.is(SeededBug::LostSlotForgotten);
        let current = resumed.current().filter(|lease| !forgotten || held.has(lease.mint)).copied();
        Phase::NeedsOperator(NeedsOperator { current, rest, not_before, reason })
    }

    fn resumed(&self, held: Held, at: Instant, same_boot: bool, policy: &Policy) -> Phase {
        let renewed = |lease: Lease| lease.recovered(at, same_boot, policy);
        let secret = |mint, otherwise| if held.has(mint) { Secret::Held } else { otherwise };
        let lost = |mint, longest: Duration, otherwise| Going::new(mint, at + policy.delta + longest, secret(mint, otherwise));
        let going_on = |going: Going| resumed_end(going, held, at, same_boot, policy);
        match self.phase {
            Phase::Vacant(vacant) => Phase::Vacant(recovered_vacant(vacant, held, at, same_boot, policy)),
            Phase::Steady(Steady { current, rotate_at, cool_until }) => {
                let rotate_at = if same_boot { rotate_at } else { policy.due(at) };
                let cool_until = if same_boot { cool_until } else { at };
                Phase::Steady(Steady { current: renewed(current), rotate_at, cool_until })
            }
            Phase::Issuing(Issuing { current, .. }) | Phase::Validating(Validating { current, .. })
                if policy.sown.is(SeededBug::RecoveryForgetsCandidate) =>
            {
                steady(renewed(current), at, policy)
            }
            Phase::Issuing(Issuing { current, mint, via, issued }) => {
                let longest = if via == Via::Login { policy.login_life } else { policy.probation };
                let (otherwise, reason) = match issued {
                    Some(_) => (Secret::Named, AbandonReason::Interrupted),
                    None => (Secret::Lost, AbandonReason::MintLost),
                };
                abandoning(renewed(current), lost(mint, longest, otherwise), reason)
            }
            Phase::Validating(Validating { candidate, .. }) if policy.sown.is(SeededBug::RecoveryServesCandidate) => {
                steady(renewed(candidate), at, policy)
            }
            Phase::Validating(Validating { current, candidate, extending, .. }) => {
                let longest = if extending { policy.longest_life() } else { policy.probation.max(policy.login_life) };
                abandoning(renewed(current), lost(candidate.mint, longest, Secret::Named), AbandonReason::Interrupted)
            }
            Phase::Draining(Draining { current, retiring, deadline, .. }) => Phase::Draining(Draining {
                current: renewed(current),
                retiring: renewed(retiring),
                deadline: if same_boot { deadline } else { deadline.map(|_| at + policy.grace) },
                shortened: false,
                idle: true,
                rollback: None,
            }),
            Phase::Revoking(Revoking { current, going, drained }) => {
                Phase::Revoking(Revoking { current: renewed(current), going: going_on(going), drained })
            }
            Phase::Abandoning(Abandoning { current, going, reason }) => abandoning(renewed(current), going_on(going), reason),
            Phase::NeedsOperator(NeedsOperator { current, rest, not_before, reason }) => {
                let rest = match rest {
                    Rest::Nothing => Rest::Nothing,
                    Rest::Draining { retiring, deadline } => {
                        let deadline = if same_boot { deadline } else { deadline.map(|_| at + policy.grace) };
                        Rest::Draining { retiring: renewed(retiring), deadline }
                    }
                    Rest::Revoking { going, drained } => Rest::Revoking { going: going_on(going), drained },
                    Rest::Abandoning { going, reason } => Rest::Abandoning { going: going_on(going), reason },
                };
                let not_before = if same_boot { not_before } else { at + policy.delta + policy.login_life };
                Phase::NeedsOperator(NeedsOperator { current: current.map(renewed), rest, not_before, reason })
            }
            Phase::Closing(Closing { going, next, then }) => {
                // They may have been renewed after their end was recorded.
                let longest = at + policy.delta + policy.longest_life();
                let renewed_since = |going| {
                    let going = going_on(going);
                    Going { ub: going.ub.max(longest), ..going }
                };
                let then = match then {
                    AfterEnd::Stop => AfterEnd::Stop,
                    _ if is_strange(&self.phase, self.debt, held) && !policy.sown.is(SeededBug::LoginBesideStranger) => {
                        AfterEnd::Ask
                    }
                    _ => AfterEnd::LogIn,
                };
                Phase::Closing(Closing { going: renewed_since(going), next: next.map(renewed_since), then })
            }
            Phase::Stopped(Stopped { kept: Some(current), .. }) => steady(renewed(current), at, policy),
            Phase::Stopped(Stopped { kept: None, not_before }) => {
                let vacant = Vacant { stage: Arrival::Waiting { not_before } };
                Phase::Vacant(recovered_vacant(vacant, held, at, same_boot, policy))
            }
        }
    }
}

fn after_vacant(vacant: Vacant, step: Step, at: Instant, policy: &Policy) -> Result<Phase, Misfit> {
    let stage = match (step, vacant.stage) {
        (Step::LoginIntent { mint }, Arrival::Waiting { .. }) => Arrival::LoggingIn { mint },
        (Step::LoginFailed { not_before }, Arrival::LoggingIn { .. } | Arrival::Settling { .. }) => {
            Arrival::Waiting { not_before }
        }
        (Step::LoggedIn { life }, Arrival::LoggingIn { mint }) => {
            Arrival::Settling { lease: Lease::new(mint, life, at, policy), persisted: false }
        }
        (Step::Cleared, Arrival::Clearing { not_before, .. }) => Arrival::Waiting { not_before },
        (Step::Stopped { .. }, Arrival::Waiting { not_before }) => {
            let not_before = if policy.sown.is(SeededBug::StopForgetsLostLogin) { at } else { not_before };
            return Ok(Phase::Stopped(Stopped { kept: None, not_before }));
        }
        (Step::Ready, Arrival::Settling { lease, .. }) => {
            return Ok(steady(lease, at, policy));
        }
        _ => return Err(Misfit),
    };
    Ok(Phase::Vacant(Vacant { stage }))
}

fn after_steady(steady: Steady, step: Step, at: Instant) -> Result<Phase, Misfit> {
    let Steady { current, .. } = steady;
    match step {
        Step::IssueIntent { mint, via, .. } if mint.slot != current.mint.slot => {
            Ok(Phase::Issuing(Issuing { current, mint, via, issued: None }))
        }
        Step::CloseIntent { ub } => {
            let going = Going::new(current.mint, ub, Secret::Held);
            Ok(Phase::Closing(Closing { going, next: None, then: AfterEnd::Stop }))
        }
        Step::Stopped { how: AtStop::Keep } => Ok(Phase::Stopped(Stopped { kept: Some(current), not_before: at })),
        Step::Stuck { reason } => Ok(stuck(current, Rest::Nothing, at, reason)),
        _ => Err(Misfit),
    }
}

fn after_validating(validating: Validating, step: Step, at: Instant) -> Result<Phase, Misfit> {
    let Validating { current, candidate, extending, .. } = validating;
    match step {
        Step::ExtendIntent if !extending => Ok(Phase::Validating(Validating { extending: true, ..validating })),
        Step::Promoted { life } if extending => {
            let current_now = Lease { life, ..candidate };
            Ok(Phase::Draining(Draining {
                current: current_now,
                retiring: Lease { accepted_until: at, ..current },
                deadline: None,
                shortened: false,
                idle: false,
                rollback: None,
            }))
        }
        Step::AbandonIntent { reason, ub, held_until } => {
            Ok(abandoning(current, Going { held: held_until, ..Going::new(candidate.mint, ub, Secret::Held) }, reason))
        }
        _ => Err(Misfit),
    }
}

fn after_draining(draining: Draining, step: Step, at: Instant, policy: &Policy) -> Result<Phase, Misfit> {
    let Draining { current, retiring, deadline, rollback, .. } = draining;
    let draining = match (step, deadline, rollback) {
        (Step::ShortenIntent { deadline }, None, None) => {
            Draining { retiring: Lease { renew_at: at, ..retiring }, deadline: Some(deadline), ..draining }
        }
        (Step::RollbackIntent, _, None) => Draining { rollback: Some(way_back(retiring, at, policy)), ..draining },
        (Step::RollbackFailed, _, Some(_)) => Draining { rollback: None, shortened: false, ..draining },
        (Step::RolledBack { life }, _, Some(_)) => Draining {
            current: Lease { life, ..retiring },
            retiring: Lease { accepted_until: at, ..current },
            deadline: None,
            shortened: false,
            idle: false,
            rollback: None,
        },
        (Step::RevokeIntent { drained, ub }, Some(_), None) => {
            let going = Going::new(retiring.mint, ub, Secret::Held);
            return Ok(Phase::Revoking(Revoking { current, going, drained }));
        }
        (Step::Stuck { reason: reason @ StuckReason::CurrentMissing }, _, Some(_)) => {
            return Ok(stuck(current, Rest::Draining { retiring, deadline }, at, reason));
        }
        _ => return Err(Misfit),
    };
    Ok(Phase::Draining(draining))
}

/// The old one is extended only when no other change of its life can still arrive.
fn way_back(retiring: Lease, at: Instant, policy: &Policy) -> Rollback {
    Rollback { until: at.max(retiring.unsettled_until) + policy.validate_for, extended: false }
}

/// An operator resolves a contradiction: what was under way goes on, or all is given up.
fn resolved(
    stuck: NeedsOperator,
    resolution: Resolution,
    debt: Option<Going>,
    at: Instant,
    policy: &Policy,
) -> Result<Phase, Misfit> {
    let NeedsOperator { current, rest, not_before, reason } = stuck;
    match (resolution, current) {
        (Resolution::Keep, None) => Err(Misfit),
        (Resolution::Keep, Some(current)) => {
            let current = Lease { suspect: true, renew_at: at, ..current };
            Ok(match rest {
                Rest::Nothing => Phase::Steady(Steady { current, rotate_at: None, cool_until: at }),
                Rest::Draining { retiring, deadline } => {
                    let back = way_back(retiring, at, policy);
                    let rollback = Some(back).filter(|_| reason == StuckReason::CurrentMissing);
                    Phase::Draining(Draining { current, retiring, deadline, shortened: false, idle: false, rollback })
                }
                Rest::Revoking { going, drained } => Phase::Revoking(Revoking { current, going, drained }),
                Rest::Abandoning { going, reason } => abandoning(current, going, reason),
            })
        }
        (Resolution::Forget, current) => {
            let mints = [current.map(|lease| lease.mint), rest.mint(), debt.map(|debt| debt.mint)];
            // A mint that is unresolved stays so, whatever an operator says (S4).
            let going = match rest {
                Rest::Revoking { going, .. } | Rest::Abandoning { going, .. } => Some(going),
                Rest::Nothing | Rest::Draining { .. } => None,
            };
            let unresolved = |going: &Going| matches!(going.secret, Secret::Lost | Secret::Several) && going.end != End::Clear;
            let lost = [going, debt].into_iter().flatten().filter(unresolved).map(|going| going.ub + policy.skew);
            let not_before = lost.fold(not_before, Instant::max);
            Ok(Phase::Vacant(Vacant { stage: Arrival::Clearing { mints, not_before } }))
        }
    }
}

fn after_closing(closing: Closing, step: Step) -> Result<Phase, Misfit> {
    match step {
        Step::Died { proof } => Ok(Phase::Closing(Closing { going: died(closing.going, proof)?, ..closing })),
        _ => Err(Misfit),
    }
}

/// One of the last credentials is gone: the next one goes, then the debt, then it is over.
fn after_last(closing: Closing, debt: Option<Going>, at: Instant) -> Result<(Phase, Option<Going>), Misfit> {
    let Closing { going, next, then } = closing;
    if going.end != End::Clear {
        return Err(Misfit);
    }
    let goes = |going| Phase::Closing(Closing { going, next: None, then });
    Ok(match (next, debt, then) {
        (Some(next), debt, _) => (goes(next), debt),
        (None, Some(debt), _) => (goes(debt), None),
        (None, None, AfterEnd::Stop) => (Phase::Stopped(Stopped { kept: None, not_before: at }), None),
        (None, None, AfterEnd::Ask) => {
            let reason = StuckReason::Stranger;
            (Phase::NeedsOperator(NeedsOperator { current: None, rest: Rest::Nothing, not_before: at, reason }), None)
        }
        (None, None, AfterEnd::LogIn) => (Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before: at } }), None),
    })
}

/// Whether a going credential may become this debt.
fn is_owed(going: Going, generation: Generation) -> bool {
    going.mint.generation == generation && going.end != End::Clear
}

/// The end of a credential as a new process finds it.
fn resumed_end(going: Going, held: Held, at: Instant, same_boot: bool, policy: &Policy) -> Going {
    let secret = match going.secret {
        _ if held.has(going.mint) => Secret::Held,
        Secret::Lost | Secret::Several => going.secret,
        Secret::Held | Secret::Named => Secret::Named,
    };
    Going {
        ub: if same_boot { going.ub } else { at + policy.delta + policy.longest_life() },
        secret,
        // What tried it was work of the process that is gone.
        held: None,
        ..going
    }
}

fn after_revoking(revoking: Revoking, step: Step, at: Instant, policy: &Policy) -> Result<Phase, Misfit> {
    let Revoking { current, going, .. } = revoking;
    match step {
        Step::Died { proof } => Ok(Phase::Revoking(Revoking { going: died(going, proof)?, ..revoking })),
        Step::Cleared if going.end == End::Clear => Ok(steady(current, at, policy)),
        Step::Stuck { reason } => Ok(stuck(current, Rest::Revoking { going, drained: revoking.drained }, at, reason)),
        _ => Err(Misfit),
    }
}

fn recovered_vacant(vacant: Vacant, held: Held, at: Instant, same_boot: bool, policy: &Policy) -> Vacant {
    let lost = Arrival::Waiting { not_before: at + policy.delta + policy.login_life };
    let stage = match vacant.stage {
        Arrival::Settling { lease, .. } if held.has(lease.mint) => {
            Arrival::Settling { lease: lease.recovered(at, same_boot, policy), persisted: true }
        }
        Arrival::Waiting { not_before } if same_boot => Arrival::Waiting { not_before },
        Arrival::Clearing { mints, not_before } => {
            let not_before = if same_boot { not_before } else { at + policy.delta + policy.login_life };
            Arrival::Clearing { mints, not_before }
        }
        _ => lost,
    };
    Vacant { stage }
}

/// What in the survivor store contradicts the journal.
fn contradiction(phase: &Phase, debt: Option<Going>, held: Held) -> Option<StuckReason> {
    // What is being closed needs nobody: it ends, or its life does.
    if let Phase::Closing(_) = phase {
        return None;
    }
    if phase.current().is_some_and(|lease| !held.has(lease.mint)) {
        return Some(StuckReason::CurrentMissing);
    }
    is_strange(phase, debt, held).then_some(StuckReason::Stranger)
}

/// Whether the survivor store holds a secret that the journal does not know.
fn is_strange(phase: &Phase, debt: Option<Going>, held: Held) -> bool {
    let known = |mint| phase.knows(mint) || debt.is_some_and(|debt| debt.mint == mint);
    [Color::Blue, Color::Green].iter().any(|&slot| held.slot(slot).is_some_and(|generation| !known(Mint { generation, slot })))
}

/// The current credential of this phase, if the survivor store has lost it.
pub(crate) fn missing(phase: &Phase, held: Held) -> Option<Generation> {
    phase.current().filter(|lease| !held.has(lease.mint)).map(|lease| lease.mint.generation)
}

/// A round is over: the period begins.
fn steady(current: Lease, at: Instant, policy: &Policy) -> Phase {
    Phase::Steady(Steady { current, rotate_at: policy.due(at), cool_until: at })
}

const fn abandoning(current: Lease, going: Going, reason: AbandonReason) -> Phase {
    Phase::Abandoning(Abandoning { current, going, reason })
}

const fn stuck(current: Lease, rest: Rest, at: Instant, reason: StuckReason) -> Phase {
    Phase::NeedsOperator(NeedsOperator { current: Some(current), rest, not_before: at, reason })
}

fn died(going: Going, _: Proof) -> Result<Going, Misfit> {
    if going.end == End::Clear { Err(Misfit) } else { Ok(Going { end: End::Clear, ..going }) }
}

/// What a credential that was just made has to live.
pub(crate) fn fresh(sent: Instant, now: Instant, remaining: Duration) -> Life {
    Life { lb: sent + remaining, ub: now + remaining }
}
