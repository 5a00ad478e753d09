//! What the machine asks for: the one effect that the phase needs next, and beside it the renewals.

use super::{Duty, Rotation};
use crate::lease::{Flight, Lease};
use crate::message::{Effect, Output};
use crate::phase::{
    Abandoning, Arrival, Closing, Draining, End, Going, Issuing, Phase, Revoking, Rollback, Secret, Steady, Vacant, Validating,
};
use crate::policy::Privileges;
use crate::record::Via;
use crate::seed::SeededBug;
use crate::vocabulary::{Instant, Mint};

impl Rotation {
    pub(super) fn start_renewal(&mut self) -> Option<Output> {
        let due = |(rank, lease): (usize, Option<Lease>)| {
            lease.filter(|lease| self.renewal_at(rank, *lease).is_some_and(|at| self.now >= at))
        };
        let lease = self.renewing().into_iter().enumerate().find_map(due)?;
        let short = self.policy.sown.is(SeededBug::RenewedTooShort);
        let generation = lease.mint.generation;
        let longest = self.policy.full.max(lease.life.lb.since(self.now));
        let life = if short { self.policy.probation / 3 } else { longest };
        let op = self.new_op();
        if !self.policy.sown.is(SeededBug::RenewalsUnmetered) {
            self.spend();
        }
        let flight = Flight { op, sent: self.now, life };
        let policy = self.policy;
        let lease = self.lease_mut(generation)?;
        lease.renewal = Some(flight);
        lease.sending(flight, &policy);
        Some(Output::Perform { op, effect: Effect::Renew { generation, life } })
    }

    pub(super) fn start_duty(&mut self) -> Option<Output> {
        let Duty::Due { tries, .. } = self.duty else { return None };
        if self.awaiting.is_some() || self.stalled || !self.may_write(self.now) || self.now < self.duty_at() {
            return None;
        }
        let effect = self.wanted()?;
        if priority(&effect).is_some() {
            self.spend();
        }
        let (op, sent) = (self.new_op(), self.now);
        if let Effect::Extend { generation, life } | Effect::Shorten { generation, life, .. } = effect {
            let policy = self.policy;
            self.lease_mut(generation)?.sending(Flight { op, sent, life }, &policy);
        }
        self.duty = Duty::Flying { op, sent, tries, effect };
        Some(Output::Perform { op, effect })
    }

    /// One request of the budget is used up.
    fn spend(&mut self) {
        if let Some(budget) = &self.policy.budget {
            self.bucket.take(budget, self.now);
        }
    }

    /// When the budget lets a request go that leaves so many for what is more important (S10).
    fn affordable(&self, reserve: u16) -> Instant {
        self.policy.budget.map_or(Instant::default(), |budget| self.bucket.ready(&budget, reserve))
    }

    /// When a renewal is to be sent: of the current credential before anything else, of the retiring one after a mint.
    pub(super) fn renewal_at(&self, rank: usize, lease: Lease) -> Option<Instant> {
        let reserve = if rank == 0 { 0 } else { 2 };
        let at = lease.renew_at.max(self.affordable(reserve));
        (lease.renewal.is_none() && self.may_write(at)).then_some(at)
    }

    /// When the duty may start: not before its back-off is over, and the retiring credential's life is changed only when
    /// no other change of it can still arrive.
    pub(super) fn duty_at(&self) -> Instant {
        let at = match self.duty {
            Duty::Due { at, .. } => at,
            Duty::Flying { sent, .. } => sent,
        };
        let at = match self.fold.phase {
            Phase::Draining(
                Draining { retiring, rollback: Some(Rollback { extended: false, .. }), .. }
                | Draining { retiring, deadline: Some(_), shortened: false, rollback: None, .. },
            ) => at.max(retiring.unsettled_until),
            Phase::Abandoning(Abandoning { going: Going { held: Some(until), end: End::Revoke, .. }, .. }) => at.max(until),
            _ => at,
        };
        match self.wanted().as_ref().and_then(priority) {
            Some(reserve) => at.max(self.affordable(reserve)),
            None => at,
        }
    }

    /// The effect that the phase needs next.
    pub(super) fn wanted(&self) -> Option<Effect> {
        match self.fold.phase {
            Phase::Vacant(Vacant { stage }) => match stage {
                Arrival::Waiting { .. } => None,
                Arrival::Clearing { mints: [first, second, third], .. } => first.or(second).or(third).map(Effect::Clear),
                Arrival::LoggingIn { mint } => Some(Effect::Login { mint }),
                Arrival::Settling { lease, persisted: false } => Some(Effect::Persist(lease.mint)),
                Arrival::Settling { lease, persisted: true } => Some(Effect::Publish(lease.mint)),
            },
            Phase::Steady(Steady { current, .. })
                if current.suspect && !self.fold.debt.is_some_and(|debt| debt.end == End::Clear) =>
            {
                Some(Effect::Probe(current.mint.generation))
            }
            Phase::Steady(Steady { current, .. }) => self.wanted_end(current, self.fold.debt?),
            Phase::Issuing(Issuing { mint, via: Via::Login, issued: None, .. }) => Some(Effect::Login { mint }),
            Phase::Issuing(Issuing { current, mint, via: Via::Current, issued: None }) => {
                Some(Effect::Issue { mint, by: current.mint.generation, life: self.policy.probation })
            }
            Phase::Issuing(Issuing { mint, .. }) => Some(Effect::Persist(mint)),
            Phase::Validating(Validating { candidate, extending, passed, .. }) => {
                let generation = candidate.mint.generation;
                if extending {
                    Some(Effect::Extend { generation, life: self.policy.full })
                } else {
                    (passed < self.probes_needed()).then_some(Effect::Probe(generation))
                }
            }
            Phase::Draining(draining) => self.wanted_in_draining(draining),
            Phase::Revoking(Revoking { current, going, .. }) => self.wanted_end(current, going),
            Phase::Abandoning(Abandoning { current, mut going, .. }) => {
                if self.policy.sown.is(SeededBug::AbandonRevokesCurrent) && going.end == End::Revoke {
                    going.mint = current.mint;
                }
                self.wanted_end(current, going)
            }
            Phase::Closing(Closing { going, .. }) => self.wanted_last(going),
            Phase::NeedsOperator(_) | Phase::Stopped(_) => None,
        }
    }

    fn wanted_in_draining(&self, draining: Draining) -> Option<Effect> {
        let Draining { current, retiring, deadline, shortened, rollback, .. } = draining;
        let generation = retiring.mint.generation;
        match (rollback, deadline) {
            (Some(_), _) if retiring.renewal.is_some() => None,
            (Some(Rollback { extended: false, .. }), _) if !self.policy.sown.is(SeededBug::RollbackNotExtended) => {
                Some(Effect::Extend { generation, life: self.policy.full })
            }
            (Some(_), _) => Some(Effect::Probe(generation)),
            (None, None) => Some(Effect::Publish(current.mint)),
            (None, Some(deadline)) => {
                let life = deadline.since(self.now) / if self.policy.sown.is(SeededBug::ShortenedTooFar) { 2 } else { 1 };
                if shortened || life.is_zero() || retiring.renewal.is_some() {
                    return None;
                }
                Some(match current.witness(self.now) {
                    Some(witness) => Effect::Shorten { generation, life, witness },
                    None => Effect::Probe(current.mint.generation),
                })
            }
        }
    }

    /// Nothing is ended without fresh evidence that what stays behind is accepted.
    fn wanted_end(&self, current: Lease, going: Going) -> Option<Effect> {
        let Going { mint: Mint { generation, .. }, secret, end, .. } = going;
        if end == End::Clear {
            return Some(Effect::Clear(going.mint));
        }
        let finds = secret == Secret::Lost && self.policy.privileges == Privileges::Accessor;
        if !finds && !self.can_reach(secret) {
            return None;
        }
        let witness = if self.policy.sown.is(SeededBug::NoWitness) { Some(current.forged()) } else { current.witness(self.now) };
        Some(match (witness, end) {
            (None, _) => Effect::Probe(current.mint.generation),
            (Some(witness), _) if finds => Effect::Discover { generation, witness },
            (Some(witness), End::Observe) => Effect::Observe { generation, witness },
            (Some(witness), _) => Effect::Revoke { generation, witness: Some(witness) },
        })
    }

    /// The last credential ends itself, and nobody is left to look.
    fn wanted_last(&self, going: Going) -> Option<Effect> {
        let Going { mint, secret, end, .. } = going;
        if end == End::Clear {
            return Some(Effect::Clear(mint));
        }
        self.can_reach(secret).then_some(Effect::Revoke { generation: mint.generation, witness: None })
    }

    pub(super) fn can_reach(&self, secret: Secret) -> bool {
        match secret {
            Secret::Held => true,
            Secret::Named => self.policy.privileges == Privileges::Accessor,
            Secret::Lost | Secret::Several => false,
        }
    }
}

/// How many requests an effect leaves for more important ones (S10); nothing for those that do not reach the provider.
const fn priority(effect: &Effect) -> Option<u16> {
    match effect {
        Effect::Renew { .. } => Some(0),
        Effect::Login { .. } | Effect::Issue { .. } => Some(1),
        Effect::Extend { .. } | Effect::Shorten { .. } => Some(2),
        Effect::Probe(_) | Effect::Observe { .. } | Effect::Discover { .. } => Some(3),
        Effect::Revoke { .. } => Some(4),
        Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) => None,
    }
}
