//! The judge's own books, kept of durable records and of what is sent, not by the code that is judged.

use turquoise_core::{Drained, Effect, Generation, PhaseKind, Policy, Record, Resolution, Step, StepKind, Trigger};

use super::{Process, World, is_local};
use crate::invariant::Invariant;

impl World {
    /// S10: no stretch of time sees more requests than the burst, and one for each interval in it.
    pub(super) fn meter(&mut self, effect: &Effect) {
        let Process::Up(machine) = &self.process else { return };
        let Some(budget) = machine.policy().budget.filter(|_| !is_local(effect)) else { return };
        self.ghost.sent[0] += 1;
        let mut sum = 0;
        for (ticks, sent) in (0u64..).zip(self.ghost.sent) {
            sum += u64::from(sent);
            let whole = u64::try_from(budget.every.as_millis()).unwrap_or(u64::MAX).max(1);
            if sum > u64::from(budget.burst) + ticks / whole {
                self.violate(Invariant::S10);
            }
        }
    }

    /// S7: a rotation that nothing hurries is begun only if what serves outlives its worst case.
    pub(super) fn judge_begin(&mut self, policy: &Policy, record: &Record) {
        let calm = matches!(record.step, Step::IssueIntent { trigger: Trigger::Schedule | Trigger::Operator, .. });
        let worst = policy.validate_for + 4 * policy.patience;
        let current = self.ghost.committed.and_then(|generation| self.alive(generation));
        if calm && current.is_some_and(|current| current.expires < self.now + worst) {
            self.violate(Invariant::S7);
        }
    }

    pub(crate) fn violate(&mut self, invariant: Invariant) {
        self.violated.get_or_insert(invariant);
    }

    /// What the judge keeps of a durable record.
    pub(super) fn note(&mut self, record: &Record) {
        let lost = self.journal.debt().is_some() && self.journal.phase().kind() == PhaseKind::Vacant;
        let ghost = &mut self.ghost;
        match record.step {
            Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => {
                (ghost.announced, ghost.spared, ghost.blamed) = (Some(mint.generation), None, None);
            }
            Step::Ready | Step::Promoted { .. } => {
                if ghost.blamed.is_some() && ghost.blamed == ghost.announced {
                    self.violated.get_or_insert(Invariant::R4);
                }
                ghost.previous = ghost.committed;
                ghost.committed = ghost.announced.take();
                ghost.deadline = None;
                ghost.waived = false;
            }
            Step::RolledBack { .. } => {
                if ghost.previous.is_some_and(|generation| ghost.compromised.contains(&generation)) {
                    self.violated.get_or_insert(Invariant::R6);
                }
                core::mem::swap(&mut ghost.previous, &mut ghost.committed);
                ghost.deadline = None;
            }
            Step::ShortenIntent { deadline } => ghost.deadline = Some(deadline),
            Step::Compromised { generation } => ghost.compromised.push(generation),
            Step::AbandonIntent { held_until, .. } => ghost.spared = held_until,
            Step::Owed { generation, .. } => {
                ghost.debts.push(generation);
                ghost.announced = None;
                (ghost.deadline, ghost.previous) = (None, None);
            }
            // Where nothing survives, all that may live is owed.
            Step::Recovered { .. } if lost => {
                let minting = self.flight.iter().filter_map(|request| super::provider::makes(&request.effect));
                let named = self.journal.debt().map(|debt| debt.mint.generation);
                ghost.debts.extend(self.live.iter().map(|credential| credential.generation).chain(minting).chain(named));
                ghost.debts.sort_unstable();
                ghost.debts.dedup();
                (ghost.committed, ghost.announced, ghost.previous, ghost.deadline) = (None, None, None, None);
            }
            Step::Waived { .. } => {
                (ghost.committed, ghost.waived, ghost.previous, ghost.deadline) = (None, true, None, None);
                (self.reader, self.work) = (None, None);
            }
            // The override: work that still holds it is named in the journal and left to fail.
            Step::RevokeIntent { drained: Drained::Overridden, .. } => {
                if !ghost.committed.is_some_and(|generation| ghost.compromised.contains(&generation)) {
                    self.violated.get_or_insert(Invariant::S2);
                }
                ghost.excused.extend(ghost.previous);
                self.work = self.work.filter(|held| Some(*held) != ghost.previous);
            }
            Step::RevokeIntent { .. } => self.work = self.work.filter(|held| Some(*held) != ghost.previous),
            Step::CloseIntent { .. } | Step::Resolved { resolution: Resolution::Forget } => {
                (ghost.committed, ghost.waived) = (None, true);
                self.reader = None;
            }
            Step::Died { .. } if self.journal.phase().kind() == PhaseKind::Steady => {
                let survives = ghost.debts.iter().any(|debt| self.live.iter().any(|credential| credential.generation == *debt));
                self.violated = self.violated.or(survives.then_some(Invariant::L2));
            }
            Step::IssueRefused | Step::LoginFailed { .. } | Step::Died { .. } => ghost.announced = None,
            Step::Cleared => (ghost.deadline, ghost.previous, ghost.spared, ghost.blamed) = (None, None, None, None),
            _ => {}
        }
        ghost.last = match (record.step.kind(), ghost.last) {
            (StepKind::Cleared, _) if self.journal.phase().kind() == PhaseKind::Closing => Some(StepKind::Waived),
            (StepKind::Ready | StepKind::Cleared | StepKind::IssueRefused | StepKind::LoginFailed | StepKind::Stopped, _) => None,
            (StepKind::Recovered, Some(before)) if precedes_the_commit_point(before) => Some(StepKind::AbandonIntent),
            (StepKind::Recovered, Some(StepKind::RollbackIntent)) => Some(StepKind::RollbackFailed),
            (StepKind::Recovered | StepKind::Compromised | StepKind::Stuck, before) => before,
            (StepKind::Owed, _) => Some(StepKind::Owed),
            (step, _) => Some(step),
        };
        self.forget_the_dead();
    }

    /// Nothing depends any more on what was true of a credential that nobody has or names.
    pub(super) fn forget_the_dead(&mut self) {
        let minting = |generation| self.flight.iter().any(|request| super::provider::makes(&request.effect) == Some(generation));
        let owed = self.journal.debt().map(|debt| debt.mint.generation);
        let mut debts = core::mem::take(&mut self.ghost.debts);
        debts.retain(|debt| self.alive(*debt).is_some() || minting(*debt) || owed == Some(*debt));
        self.ghost.debts = debts;
        let named = [self.ghost.committed, self.ghost.previous, self.ghost.announced, self.work, self.published];
        let reader = self.reader.as_ref().map(|reader| reader.holds);
        let known = |generation: &Generation| {
            named.contains(&Some(*generation)) || reader == Some(*generation) || self.find(*generation).is_some()
        };
        let (mut excused, mut compromised) = (self.ghost.excused.clone(), self.ghost.compromised.clone());
        excused.retain(known);
        compromised.retain(known);
        (self.ghost.excused, self.ghost.compromised) = (excused, compromised);
        self.ghost.slept = self.ghost.slept.filter(|_| self.ghost.slept == self.ghost.committed);
    }

    /// Whether nothing is promised yet, or others, or an operator's word, have ended a credential that served: nobody can
    /// keep such a one alive.
    #[must_use]
    pub fn is_pardoned(&self) -> bool {
        self.ghost.committed.is_none()
            || self.ghost.waived
            || self.disabled
            || !self.ghost.excused.is_empty()
            || !self.ghost.compromised.is_empty()
    }
}

const fn precedes_the_commit_point(step: StepKind) -> bool {
    matches!(step, StepKind::IssueIntent | StepKind::Issued | StepKind::Persisted | StepKind::ExtendIntent)
}
