//! What the machine makes of the answers.

use core::time::Duration;

use super::{Duty, Rotation};
use crate::fold::fresh;
use crate::lease::{Flight, Lease};
use crate::message::{Applied, Effect, Outcome, Refusal};
use crate::phase::{Abandoning, Arrival, Draining, End, Going, Issuing, Phase, Revoking, Secret, Vacant, Validating};
use crate::record::{AbandonReason, Proof, Step, StuckReason, Trigger, Via};
use crate::seed::SeededBug;
use crate::vocabulary::{Generation, Instant, Mint, OpId};

/// Persisting a candidate is tried so often before the candidate is abandoned.
const PERSIST_TRIES: u8 = 3;

impl Rotation {
    pub(super) fn completed(&mut self, op: OpId, outcome: Outcome) {
        if let Some(flight) = self.renewal_of(op) {
            return self.renewed(flight, outcome);
        }
        let Duty::Flying { sent, tries, effect, .. } = self.duty else { return };
        self.duty = Duty::Due { at: self.now, tries };
        let step = match effect {
            Effect::Login { .. } if matches!(self.fold.phase, Phase::Issuing(_)) => Some(self.issued(sent, outcome)),
            Effect::Login { .. } => Some(self.logged_in(sent, outcome)),
            Effect::Persist(_) => self.persisted(outcome),
            Effect::Issue { .. } => Some(self.issued(sent, outcome)),
            Effect::Probe(generation) => self.probed(generation, op, sent, outcome),
            Effect::Extend { generation, life } => self.extended(generation, Flight { op, sent, life }, outcome),
            Effect::Publish(_) => self.published(outcome),
            Effect::Shorten { generation, life, .. } => self.shortened(generation, Flight { op, sent, life }, outcome),
            Effect::Revoke { .. } => self.revoked(outcome),
            Effect::Observe { .. } => self.observed(outcome),
            Effect::Discover { .. } => self.discovered(outcome),
            Effect::Clear(mint) => self.cleared(mint, outcome),
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
                let generation = lease.mint.generation;
                self.accepted_anew(flight.op, generation);
                // Time was lost after it was sent: its answer says nothing, and another one is due at once.
                if let Some(lease) = self.fold.phase.current_mut().filter(|_| current && self.woken.is_some()) {
                    lease.renew_at = now;
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
                let repeated = self.policy.sown.is(SeededBug::LoginRepeatedBlindly);
                let dead = if repeated { sent } else { sent + self.policy.delta + self.policy.login_life };
                Step::LoginFailed { not_before: dead.max(self.now + wait) }
            }
        }
    }

    fn persisted(&mut self, outcome: Outcome) -> Option<Step> {
        let tries = match self.duty {
            Duty::Due { tries, .. } | Duty::Flying { tries, .. } => tries,
        };
        let done = outcome == Outcome::Applied(Applied::Done) || self.policy.sown.is(SeededBug::PersistNotAwaited);
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
                let ub = candidate.life.ub;
                Some(self.abandon(AbandonReason::NotPersisted, ub))
            }
            _ => self.retry(),
        }
    }

    fn issued(&self, sent: Instant, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => Step::Issued { life: fresh(sent, self.now, remaining) },
            Outcome::NotApplied(_) => Step::IssueRefused,
            Outcome::Unknown if self.policy.sown.is(SeededBug::UnknownTakenAsRefused) => Step::IssueRefused,
            Outcome::Applied(_) | Outcome::Unknown => {
                let longest = match self.fold.phase {
                    Phase::Issuing(Issuing { via: Via::Login, .. }) => self.policy.login_life,
                    _ => self.policy.probation,
                };
                let ignored = self.policy.sown.is(SeededBug::DeltaIgnored);
                let delta = if ignored { Duration::ZERO } else { self.policy.delta };
                self.abandon(AbandonReason::MintLost, sent + delta + longest)
            }
        }
    }

    fn probed(&mut self, generation: Generation, op: OpId, sent: Instant, outcome: Outcome) -> Option<Step> {
        let (now, policy) = (self.now, self.policy);
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => {
                self.lease_mut(generation)?.seen(sent, now, remaining, &policy);
                self.accepted_anew(op, generation);
                self.accepted(generation)
            }
            Outcome::NotApplied(Refusal::Refused) if policy.sown.is(SeededBug::RefusedProbePasses) => self.accepted(generation),
            Outcome::NotApplied(refusal @ (Refusal::Refused | Refusal::NoSecret)) => self.rejected(refusal),
            _ => {
                if let Phase::Validating(validating) = &mut self.fold.phase {
                    validating.passed = 0;
                }
                self.retry()
            }
        }
    }

    /// A probe was accepted.
    fn accepted(&mut self, generation: Generation) -> Option<Step> {
        let barred = self.is_barred(generation);
        match &mut self.fold.phase {
            Phase::Validating(validating) => {
                validating.passed = validating.passed.saturating_add(1);
                let passed = validating.passed;
                self.duty = Duty::Due { at: self.now + self.policy.probe_every, tries: 0 };
                let opened = self.opens_canary(passed);
                if let Phase::Validating(Validating { tryout, .. }) = &mut self.fold.phase {
                    *tryout = tryout.or(opened);
                }
                None
            }
            // With a rollback under way nothing but the old one is probed.
            Phase::Draining(Draining { retiring, rollback: Some(_), .. }) => {
                Some(if barred { self.no_way_back() } else { Step::RolledBack { life: retiring.life } })
            }
            _ => None,
        }
    }

    /// A probe was refused: the candidate is bad, or the old one cannot come back, or the current one is no witness.
    fn rejected(&mut self, refusal: Refusal) -> Option<Step> {
        let missing = refusal == Refusal::NoSecret;
        let reason = if missing { StuckReason::CurrentMissing } else { StuckReason::CurrentRefused };
        match &mut self.fold.phase {
            Phase::Validating(Validating { candidate, .. }) => {
                let ub = candidate.life.ub;
                Some(self.abandon(AbandonReason::ProbeRefused, ub))
            }
            Phase::Draining(Draining { rollback: Some(_), .. }) => Some(self.no_way_back()),
            // The grace goes on: it is the revocation that needs a witness.
            Phase::Draining(_) => self.retry(),
            // Another login is the remedy, and it begins in Steady.
            Phase::Revoking(Revoking { going, .. }) | Phase::Abandoning(Abandoning { going, .. })
                if self.policy.relogin.is_possible() && self.fold.debt.is_none() =>
            {
                let Going { mint, secret, .. } = *going;
                self.wishes.begin = Some(Trigger::Lost);
                Some(Step::Owed { generation: mint.generation, secret })
            }
            Phase::Steady(_) if self.policy.relogin.is_possible() => {
                self.wishes.begin = self.wishes.begin.or(Some(Trigger::Lost));
                self.retry()
            }
            _ => Some(Step::Stuck { reason }),
        }
    }

    /// An extension that does not come to a full life would make a current credential that cannot be kept.
    fn extended(&mut self, generation: Generation, flight: Flight, outcome: Outcome) -> Option<Step> {
        let (now, policy) = (self.now, self.policy);
        let believed = outcome == Outcome::Unknown && policy.sown.is(SeededBug::UnknownTakenAsApplied);
        let outcome = if believed { Outcome::Applied(Applied::Alive { remaining: flight.life }) } else { outcome };
        let candidate = self.lease_mut(generation)?;
        match outcome {
            Outcome::Applied(Applied::Alive { remaining }) => {
                candidate.changed(flight, now, remaining, &policy);
                let life = candidate.life;
                let enough = remaining.saturating_add(policy.patience) >= policy.full;
                if let Phase::Draining(Draining { rollback: Some(rollback), .. }) = &mut self.fold.phase {
                    rollback.extended = enough;
                    return if enough { None } else { Some(self.no_way_back()) };
                }
                let short = self.abandon(AbandonReason::NotExtended, life.ub);
                Some(if enough { self.promote(life) } else { short })
            }
            Outcome::NotApplied(Refusal::Refused | Refusal::NoSecret) => {
                let ub = candidate.life.ub;
                let rolling_back = matches!(self.fold.phase, Phase::Draining(_));
                let not_extended = self.abandon(AbandonReason::NotExtended, ub);
                Some(if rolling_back { self.no_way_back() } else { not_extended })
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
            Phase::Draining(Draining { retiring, .. }) => Some(Step::ShortenIntent { deadline: self.end_of_grace(retiring) }),
            _ => None,
        }
    }

    /// What cannot be renewed any more gives no longer grace than its life allows (S7).
    fn end_of_grace(&self, retiring: Lease) -> Instant {
        let deadline = self.now + self.policy.grace;
        if retiring.capped { deadline.min(retiring.life.lb.max(self.now)) } else { deadline }
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

    /// However a revocation was answered, it is no proof: the next thing is to look. Only the last credential's own word
    /// has to do.
    fn revoked(&mut self, outcome: Outcome) -> Option<Step> {
        let last = matches!(self.fold.phase, Phase::Closing(_));
        if self.policy.sown.is(SeededBug::ClearedUnobserved) {
            return Some(Step::Died { proof: Proof::Observed });
        }
        if last && outcome == Outcome::Applied(Applied::Done) {
            return Some(Step::Died { proof: Proof::Answered });
        }
        self.forget_secret(outcome);
        let going = self.ending_mut()?;
        if last {
            return self.retry();
        }
        going.end = End::Observe;
        None
    }

    /// Without its secret a credential can no longer end itself. What a debt holds is on record, and changes only there.
    fn forget_secret(&mut self, outcome: Outcome) {
        if outcome == Outcome::NotApplied(Refusal::NoSecret)
            && let Some(going) = self.fold.phase.going_mut()
        {
            going.secret = Secret::Named;
        }
    }

    fn observed(&mut self, outcome: Outcome) -> Option<Step> {
        let policy = self.policy;
        let never = self.now + policy.full;
        self.forget_secret(outcome);
        self.doubt_witness(outcome);
        let going = self.ending_mut()?;
        match outcome {
            Outcome::Applied(Applied::Dead) if policy.sown.is(SeededBug::DeathNotBelieved) => {
                (going.end, going.ub) = (End::Revoke, never);
            }
            Outcome::Applied(Applied::Dead) => return Some(Step::Died { proof: Proof::Observed }),
            Outcome::Applied(_) => going.end = End::Revoke,
            Outcome::NotApplied(_) | Outcome::Unknown => {}
        }
        self.retry()
    }

    /// Who was refused a look may be accepted no more: that it was a moment ago is evidence no longer.
    fn doubt_witness(&mut self, outcome: Outcome) {
        let now = self.now;
        if outcome == Outcome::NotApplied(Refusal::Refused)
            && let Some(current) = self.fold.phase.current_mut()
        {
            current.accepted_until = now;
        }
    }

    /// A mint without answer was looked for. That it is not there says nothing: it may yet come.
    fn discovered(&mut self, outcome: Outcome) -> Option<Step> {
        self.doubt_witness(outcome);
        let believed = self.policy.sown.is(SeededBug::NotFoundBelieved);
        match outcome {
            Outcome::Applied(Applied::Done) => self.ending_mut()?.secret = Secret::Named,
            Outcome::Applied(Applied::Dead) if believed => return Some(Step::Died { proof: Proof::Observed }),
            _ => return self.retry(),
        }
        None
    }

    fn cleared(&mut self, mint: Mint, outcome: Outcome) -> Option<Step> {
        if outcome != Outcome::Applied(Applied::Done) {
            return self.retry();
        }
        if let Phase::Vacant(Vacant { stage: Arrival::Clearing { mints, .. } }) = &mut self.fold.phase {
            mints.iter_mut().filter(|left| **left == Some(mint)).for_each(|left| *left = None);
            return None;
        }
        Some(Step::Cleared)
    }
}
