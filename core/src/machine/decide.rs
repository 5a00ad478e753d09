//! What the passing of time, and everything that has come in, makes due.

use super::{Duty, Leave, Rotation};
use crate::phase::{
    Abandoning, Arrival, Closing, Draining, End, Going, Issuing, NeedsOperator, Phase, Revoking, Rollback, Secret, Steady,
    Vacant, Validating,
};
use crate::policy::{Consumers, Relogin};
use crate::record::{AbandonReason, AtStop, Drained, Proof, Step, Trigger, Via};
use crate::seed::SeededBug;
use crate::vocabulary::{Color, Generation, Instant, Life};

impl Rotation {
    /// Decides on the next step, if one is due. Never with an effect of the phase under way: its answer would be lost.
    pub(super) fn decide(&mut self) {
        if self.awaiting.is_some() || self.stalled || matches!(self.duty, Duty::Flying { .. }) {
            return;
        }
        if let Some(generation) = self.wishes.compromise {
            return self.append(Step::Compromised { generation });
        }
        let step = match self.fold.phase {
            Phase::Vacant(vacant) => self.arrive(vacant),
            Phase::Steady(steady) => self.leave(steady).or_else(|| self.begin(steady)),
            Phase::Issuing(issuing) => self.call_off(issuing),
            Phase::Validating(validating) => self.judge(validating),
            Phase::Draining(draining) => self.drained(draining),
            Phase::Revoking(Revoking { going, .. })
            | Phase::Abandoning(Abandoning { going, .. })
            | Phase::Closing(Closing { going }) => self.expired(going),
            Phase::NeedsOperator(NeedsOperator { .. }) => self.wishes.resolve.map(|resolution| Step::Resolved { resolution }),
            Phase::Stopped(_) => None,
        };
        if let Some(step) = step {
            self.append(step);
        }
    }

    fn arrive(&self, Vacant { stage }: Vacant) -> Option<Step> {
        match (stage, self.wishes.leave) {
            (Arrival::Clearing { mints: [None, None], .. }, _) => Some(Step::Cleared),
            (Arrival::Waiting { .. }, Some(Leave { how, .. })) => Some(Step::Stopped { how }),
            (Arrival::Waiting { not_before }, None) if self.now >= not_before => {
                Some(Step::LoginIntent { mint: self.fold.next_mint(Color::Blue) })
            }
            _ => None,
        }
    }

    /// The process ends when a round is over; the last credential goes when its work is done.
    fn leave(&mut self, Steady { current, .. }: Steady) -> Option<Step> {
        let end_of_grace = self.now + self.policy.grace;
        let Leave { how, by, idle } = self.wishes.leave.as_mut()?;
        let (how, by, idle) = (*how, *by.get_or_insert(end_of_grace), *idle);
        let idle = idle && self.policy.consumers == Consumers::Counted;
        match how {
            AtStop::Keep => Some(Step::Stopped { how }),
            AtStop::Revoke => (idle || self.now >= by).then_some(Step::CloseIntent { ub: current.life.ub }),
        }
    }

    /// A rotation begins only if the current credential's certain life covers it (S7); else it is renewed first. One that
    /// cannot be renewed far enough is near its end, and so is one that is lost or compromised: to rotate is then the
    /// only remedy.
    fn begin(&mut self, steady: Steady) -> Option<Step> {
        let Steady { current, .. } = steady;
        if self.wishes.leave.is_some() {
            return None;
        }
        let trigger = self.trigger(steady)?;
        let urgent = matches!(trigger, Trigger::Compromise | Trigger::Lost);
        let covered = current.life.lb.since(self.now) >= self.policy.worst_validation();
        if urgent || covered || (self.hurried && current.renewal.is_none()) {
            let via = if urgent && self.policy.relogin == Relogin::Possible { Via::Login } else { self.policy.mint };
            return Some(Step::IssueIntent { mint: self.fold.next_mint(current.mint.slot.other()), trigger, via });
        }
        self.hurried = true;
        self.lease_mut(current.mint.generation)?.renew_at = self.now;
        None
    }

    /// What makes a rotation due, an operator first.
    fn trigger(&self, Steady { current, rotate_at, cool_until }: Steady) -> Option<Trigger> {
        if self.wishes.begin == Some(Trigger::Operator) {
            return self.wishes.begin;
        }
        if self.now < cool_until {
            return None;
        }
        let compromised = self.fold.is_compromised(current.mint.generation).then_some(Trigger::Compromise);
        let due = rotate_at.filter(|at| self.now >= *at).map(|_| Trigger::Schedule);
        compromised.or(self.wishes.begin).or(due)
    }

    /// A candidate that is no longer wanted.
    fn called_off(&self, candidate: Generation) -> Option<AbandonReason> {
        if self.fold.is_compromised(candidate) {
            return Some(AbandonReason::Compromised);
        }
        (self.wishes.abort || self.wishes.leave.is_some()).then_some(AbandonReason::Aborted)
    }

    fn call_off(&self, Issuing { mint, issued, .. }: Issuing) -> Option<Step> {
        // Before the mint has been sent nothing is there to end, and only an answer can tell whether it was sent.
        let candidate = issued?;
        let reason = self.called_off(mint.generation)?;
        Some(Step::AbandonIntent { reason, ub: candidate.life.ub })
    }

    fn judge(&self, validating: Validating) -> Option<Step> {
        let Validating { candidate, until, passed, extending, .. } = validating;
        let ub = candidate.life.ub;
        if let Some(reason) = self.called_off(candidate.mint.generation) {
            return Some(Step::AbandonIntent { reason, ub });
        }
        if !extending && passed >= self.probes_needed() {
            return Some(Step::ExtendIntent);
        }
        let reason = if extending { AbandonReason::NotExtended } else { AbandonReason::TimedOut };
        (self.now >= until).then_some(Step::AbandonIntent { reason, ub })
    }

    /// With a compromised credential serving, one probe must do.
    fn probes_needed(&self) -> u16 {
        let compromised = self.fold.phase.current().is_some_and(|lease| self.fold.is_compromised(lease.mint.generation));
        if compromised { self.policy.probes.min(1) } else { self.policy.probes }
    }

    /// What a candidate that has passed everything becomes, unless it was called off in the meantime.
    pub(super) fn promote(&self, life: Life) -> Step {
        let reason = match self.fold.phase {
            Phase::Validating(Validating { candidate, .. }) => self.called_off(candidate.mint.generation),
            _ => None,
        };
        reason.map_or(Step::Promoted { life }, |reason| Step::AbandonIntent { reason, ub: life.ub })
    }

    fn drained(&self, draining: Draining) -> Option<Step> {
        let Draining { retiring, deadline, idle, rollback, .. } = draining;
        let barred = self.is_barred(retiring.mint.generation);
        if let Some(Rollback { until, .. }) = rollback {
            return (barred || self.now >= until).then_some(Step::RollbackFailed);
        }
        if self.wishes.rollback && !barred {
            return Some(Step::RollbackIntent);
        }
        let early = self.policy.sown.is(SeededBug::ShortenedBeforePublished);
        if deadline.is_none() && early {
            return Some(Step::ShortenIntent { deadline: self.now + self.policy.grace });
        }
        let deadline = deadline?;
        let counted = self.policy.consumers == Consumers::Counted || self.policy.sown.is(SeededBug::ReadersTakenAsCounted);
        let idle = idle && counted;
        let drained = if self.fold.is_compromised(retiring.mint.generation) {
            Drained::Compromised
        } else if idle || self.policy.sown.is(SeededBug::RevokeBeforeDrain) {
            Drained::Idle
        } else if self.now >= deadline && !self.policy.sown.is(SeededBug::DeadlineIgnored) {
            Drained::Deadline
        } else {
            return None;
        };
        Some(Step::RevokeIntent { drained, ub: retiring.life.ub })
    }

    /// What is compromised, or about to be recorded as such, never becomes current again (rule 6).
    pub(super) fn is_barred(&self, generation: Generation) -> bool {
        let known = self.fold.is_compromised(generation) || self.wishes.compromise == Some(generation);
        known && !self.policy.sown.is(SeededBug::RollbackToCompromised)
    }

    fn expired(&self, going: Going) -> Option<Step> {
        let never = going.secret == Secret::Lost && self.policy.sown.is(SeededBug::LostMintNeverConcluded);
        let over = going.end != End::Clear && self.now >= going.ub + self.policy.skew && !never;
        over.then_some(Step::Died { proof: Proof::Expired })
    }

    /// When time alone makes a step due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.fold.phase {
            Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } }) => Some(not_before),
            Phase::Steady(steady) => self.next_begin(steady),
            Phase::Validating(Validating { until, .. })
            | Phase::Draining(Draining { rollback: Some(Rollback { until, .. }), .. }) => Some(until),
            Phase::Draining(Draining { deadline, .. }) => deadline,
            Phase::NeedsOperator(_) | Phase::Stopped(_) => None,
            _ => self.fold.phase.going().filter(|going| going.end != End::Clear).map(|going| going.ub + self.policy.skew),
        }
    }

    /// When a rotation, or the end, is due for which nothing else is waited for.
    fn next_begin(&self, Steady { current, rotate_at, cool_until }: Steady) -> Option<Instant> {
        if let Some(Leave { how, by, .. }) = self.wishes.leave {
            return by.filter(|_| how == AtStop::Revoke);
        }
        if self.hurried {
            return None;
        }
        let urgent = self.fold.is_compromised(current.mint.generation) || self.wishes.begin.is_some();
        let due = rotate_at.map(|at| at.max(cool_until));
        urgent.then_some(cool_until).into_iter().chain(due).min()
    }
}
