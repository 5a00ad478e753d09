//! What the passing of time, and everything that has come in, makes due.

use super::{Duty, Leave, Rotation, Wishes};
use crate::canary::{Judgement, Tally};
use crate::lease::Lease;
use crate::phase::{
    Abandoning, Arrival, Closing, Draining, End, Going, Issuing, Phase, Revoking, Rollback, Secret, Steady, Tryout, Vacant,
    Validating,
};
use crate::policy::Consumers;
use crate::record::{AbandonReason, AtStop, Drained, Proof, Step, StuckReason, Trigger, Via};
use crate::seed::SeededBug;
use crate::vocabulary::{Color, Generation, Instant, Life};

impl Rotation {
    /// Decides on the next step, if one is due. Never with an effect of the phase under way: its answer would be lost.
    pub(super) fn decide(&mut self) {
        if self.awaiting.is_some() || self.stalled || !self.may_write(self.now) || matches!(self.duty, Duty::Flying { .. }) {
            return;
        }
        if let Some(step) = self.break_glass() {
            return self.append(step);
        }
        if let Some(generation) = self.wishes.compromise {
            return self.append(Step::Compromised { generation });
        }
        let step = match self.fold.phase {
            Phase::Vacant(vacant) => self.arrive(vacant),
            Phase::Steady(steady) => self.leave(steady).or_else(|| self.begin(steady)).or_else(|| self.expired(self.fold.debt?)),
            Phase::Issuing(issuing) => self.call_off(issuing),
            Phase::Validating(validating) => self.judge(validating),
            Phase::Draining(draining) => self.drained(draining),
            Phase::Revoking(Revoking { going, .. }) | Phase::Abandoning(Abandoning { going, .. }) => {
                self.expired(going).or_else(|| self.owed(going))
            }
            // Its slot may be another's by now.
            Phase::Closing(Closing { going: Going { end: End::Clear, secret, .. }, .. }) => {
                (secret != Secret::Held).then_some(Step::Cleared)
            }
            Phase::Closing(Closing { going, .. }) => self.expired(going),
            Phase::NeedsOperator(_) => self.wishes.resolve.map(|resolution| Step::Resolved { resolution }),
            Phase::Stopped(_) => None,
        };
        if let Some(step) = step {
            self.append(step);
        }
    }

    fn arrive(&self, Vacant { stage }: Vacant) -> Option<Step> {
        match (stage, self.wishes.leave) {
            (Arrival::Clearing { mints: [None, None, None], .. }, _) => Some(Step::Cleared),
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
        if !self.has_place() {
            return None;
        }
        let covered = current.life.lb.since(self.now) >= self.policy.worst_validation();
        let covered = covered || self.policy.sown.is(SeededBug::BegunUncovered);
        let spent = self.hurried && current.renewal.is_none();
        if urgent || covered || spent || trigger == Trigger::Expiry {
            let trigger = if urgent || covered { trigger } else { Trigger::Expiry };
            let via = if urgent && self.policy.relogin.is_possible() { Via::Login } else { self.policy.mint };
            return Some(Step::IssueIntent { mint: self.fold.next_mint(current.mint.slot.other()), trigger, via });
        }
        self.hurried = true;
        self.lease_mut(current.mint.generation)?.renew_at = self.now;
        None
    }

    /// Whether another credential has a place: in its slot, and at the provider beside those that may live. None has as
    /// long as a mint is unresolved (S4).
    pub(super) fn has_place(&self) -> bool {
        self.fold.debt.is_none_or(|debt| {
            let placed = debt.secret == Secret::Named && debt.end != End::Clear && self.policy.most_live > 2;
            placed || self.policy.sown.is(SeededBug::DebtTakesNoPlace)
        })
    }

    /// When the current credential, which cannot be renewed as asked, has to be replaced.
    fn expiring(&self, current: Lease) -> Option<Instant> {
        let seen = current.capped && !self.policy.sown.is(SeededBug::CapNotSeen);
        seen.then(|| current.life.lb.before(self.policy.least_life()))
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
        let due = rotate_at.filter(|at| self.now >= self.paused.max(*at)).map(|_| Trigger::Schedule);
        let ending = self.expiring(current).filter(|at| self.now >= *at).map(|_| Trigger::Expiry);
        compromised.or(self.wishes.begin).or(ending).or(due)
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
        Some(self.abandon(reason, candidate.life.ub))
    }

    fn judge(&self, validating: Validating) -> Option<Step> {
        let Validating { candidate, until, passed, extending, .. } = validating;
        let ub = candidate.life.ub;
        if let Some(reason) = self.called_off(candidate.mint.generation) {
            return Some(self.abandon(reason, ub));
        }
        if let Some(Judgement::Failed(reason)) = self.judged().filter(|_| !self.policy.sown.is(SeededBug::CanaryNotHeard)) {
            return Some(self.abandon(reason, ub));
        }
        if !extending && passed >= self.probes_needed() && self.canary_passed() {
            return Some(Step::ExtendIntent);
        }
        let reason = if extending { AbandonReason::NotExtended } else { AbandonReason::TimedOut };
        (self.now >= until).then(|| self.abandon(reason, ub))
    }

    /// Work that tries the candidate may finish it within the grace, unless others know the candidate.
    pub(super) fn abandon(&self, reason: AbandonReason, ub: Instant) -> Step {
        let tried = matches!(self.fold.phase, Phase::Validating(Validating { tryout: Some(_), .. }));
        let hurry = reason == AbandonReason::Compromised || self.policy.sown.is(SeededBug::CanaryNotDrained);
        let held_until = (tried && !hurry).then(|| self.now + self.policy.grace);
        Step::AbandonIntent { reason, held_until, ub }
    }

    /// What the canary comes to, if one was opened.
    fn judged(&self) -> Option<Judgement> {
        match (self.fold.phase, self.policy.canary) {
            (Phase::Validating(Validating { tryout: Some(tryout), .. }), Some(trial)) => {
                Some(tryout.tally.judge(&trial, self.now >= tryout.until))
            }
            _ => None,
        }
    }

    fn canary_passed(&self) -> bool {
        self.is_urgent() || self.judged().is_none_or(|judged| judged == Judgement::Passed)
    }

    /// A canary is opened when every probe has passed, unless there is no time for it: with a current credential that is
    /// compromised, in doubt, or about to end (S7).
    pub(super) fn opens_canary(&self, passed: u16) -> Option<Tryout> {
        let Phase::Validating(Validating { current, tryout: None, .. }) = self.fold.phase else { return None };
        let trial = self.policy.canary?;
        let rest = trial.window.saturating_add(self.policy.patience.saturating_mul(2)).saturating_add(self.policy.grace);
        let time = current.life.lb >= self.now + rest && !current.suspect && !current.capped;
        let early = self.policy.sown.is(SeededBug::CanaryBeforeProbes);
        let proven = passed >= self.policy.probes || early;
        let calm = !self.fold.is_compromised(current.mint.generation) && self.wishes == Wishes::default();
        (time && proven && calm).then(|| Tryout { until: self.now + trial.window, tally: Tally::default() })
    }

    /// With a compromised credential serving, one probe must do.
    pub(super) fn probes_needed(&self) -> u16 {
        if self.is_urgent() { self.policy.probes.min(1) } else { self.policy.probes }
    }

    /// Whether what serves is compromised.
    fn is_urgent(&self) -> bool {
        self.fold.phase.current().is_some_and(|lease| self.fold.is_compromised(lease.mint.generation))
    }

    /// What a candidate that has passed everything becomes, unless it was called off in the meantime.
    pub(super) fn promote(&self, life: Life) -> Step {
        let reason = match self.fold.phase {
            Phase::Validating(Validating { candidate, .. }) => {
                let failed = match self.judged() {
                    Some(Judgement::Failed(reason)) => Some(reason),
                    _ => None,
                };
                self.called_off(candidate.mint.generation).or(failed)
            }
            _ => None,
        };
        reason.map_or(Step::Promoted { life }, |reason| self.abandon(reason, life.ub))
    }

    fn drained(&self, draining: Draining) -> Option<Step> {
        let Draining { current, retiring, deadline, idle, rollback, .. } = draining;
        let barred = self.is_barred(retiring.mint.generation);
        if let Some(Rollback { until, .. }) = rollback {
            return (barred || self.now >= until).then(|| self.no_way_back());
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
        } else if self.fold.is_compromised(current.mint.generation) {
            Drained::Overridden
        } else {
            return None;
        };
        Some(Step::RevokeIntent { drained, ub: retiring.life.ub })
    }

    /// The new one stays; if its secret is lost, an operator has to say again what becomes of the two.
    pub(super) fn no_way_back(&self) -> Step {
        if self.is_missing() && !self.policy.sown.is(SeededBug::FailedWayBackKept) {
            Step::Stuck { reason: StuckReason::CurrentMissing }
        } else {
            Step::RollbackFailed
        }
    }

    /// What is compromised, or about to be recorded as such, never becomes current again (rule 6).
    pub(super) fn is_barred(&self, generation: Generation) -> bool {
        let known = self.fold.is_compromised(generation) || self.wishes.compromise == Some(generation);
        known && !self.policy.sown.is(SeededBug::RollbackToCompromised)
    }

    /// What can be tried no more, or was tried often enough, is a debt from here on: the next round begins beside it if
    /// there is a place.
    fn owed(&self, going: Going) -> Option<Step> {
        let tries = match self.duty {
            Duty::Due { tries, .. } | Duty::Flying { tries, .. } => tries,
        };
        let hopeless = !self.can_reach(going.secret) || tries >= self.policy.tries_before_debt;
        let owed = hopeless && going.end != End::Clear && self.fold.debt.is_none();
        owed.then_some(Step::Owed { generation: going.mint.generation, secret: going.secret })
    }

    /// Every credential goes, the one that serves first.
    fn break_glass(&self) -> Option<Step> {
        if !self.wishes.glass {
            return None;
        }
        let phase = &self.fold.phase;
        let mut same = *phase;
        let unresolved = self.now + self.policy.delta + self.policy.longest_life();
        let other = match phase {
            Phase::Issuing(Issuing { issued: None, .. }) => unresolved,
            _ => same.second_mut().map(|lease| lease.life.ub).or(phase.going().map(|going| going.ub)).unwrap_or(self.now),
        };
        let ub = phase.current().map_or(other, |current| current.life.ub);
        Some(Step::Waived { ub, other })
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
            Phase::Steady(steady) => {
                self.next_begin(steady).into_iter().chain(self.fold.debt.and_then(|debt| self.end_of(debt))).min()
            }
            Phase::Validating(Validating { until, tryout: Some(tryout), extending: false, passed, .. })
                if passed >= self.probes_needed() =>
            {
                Some(until.min(tryout.until))
            }
            Phase::Validating(Validating { until, .. })
            | Phase::Draining(Draining { rollback: Some(Rollback { until, .. }), .. }) => Some(until),
            Phase::Draining(Draining { deadline, .. }) => deadline,
            Phase::NeedsOperator(_) | Phase::Stopped(_) => None,
            _ => self.fold.phase.going().and_then(|going| self.end_of(*going)),
        }
    }

    /// When it is dead by itself.
    fn end_of(&self, going: Going) -> Option<Instant> {
        (going.end != End::Clear).then(|| going.ub + self.policy.skew)
    }

    /// When a rotation, or the end, is due for which nothing else is waited for.
    fn next_begin(&self, Steady { current, rotate_at, cool_until }: Steady) -> Option<Instant> {
        if let Some(Leave { how, by, .. }) = self.wishes.leave {
            return by.filter(|_| how == AtStop::Revoke);
        }
        if self.hurried || !self.has_place() {
            return None;
        }
        let urgent = self.fold.is_compromised(current.mint.generation) || self.wishes.begin.is_some();
        let due = rotate_at.map(|at| at.max(self.paused)).into_iter().chain(self.expiring(current)).map(|at| at.max(cool_until));
        urgent.then_some(cool_until).into_iter().chain(due).min()
    }
}
