//! The names and instants in a machine's state, for whoever explores it: a walk over all of them, by which two states
//! that differ only in names can be made equal. Running a rotation needs none of this.

use crate::canary::Tally;
use crate::fold::Ledger;
use crate::lease::Lease;
use crate::message::Effect;
use crate::phase::{Arrival, Closing, Going, Phase, Rest, Validating};
use crate::record::{Record, Step};
use crate::vocabulary::{BootId, Generation, Held, Instant, Mint, OpId};

/// Rewrites what a walk meets.
pub trait Rewrite {
    /// The name of a mint.
    fn generation(&mut self, generation: &mut Generation);
    /// A boot.
    fn boot(&mut self, boot: &mut BootId);
    /// A credential's names and instants: usually [`Lease::rewrite`].
    fn lease(&mut self, lease: &mut Lease);
    /// The name of an operation.
    fn op(&mut self, op: &mut OpId);
    /// An instant that matters until it has passed: all that lie in the past are alike.
    fn deadline(&mut self, at: &mut Instant);
    /// An instant that matters for as long as the clock skew after it has passed.
    fn bound(&mut self, at: &mut Instant);
    /// An instant in the past that something is counted from.
    fn origin(&mut self, at: &mut Instant);
    /// How many mints and records there were.
    fn counters(&mut self, mints: &mut u32, records: &mut u64);
    /// How often something failed in a row: it sets how long the machine waits.
    fn failures(&mut self, failures: &mut u8);
    /// How often an effect was tried in a row: it sets how long the machine waits, and for persisting when it gives up.
    fn tries(&mut self, tries: &mut u8);
    /// How a canary went so far.
    fn tally(&mut self, tally: &mut Tally);
    /// The operation that comes next.
    fn next_op(&mut self, next: &mut u64);
}

fn mint(mint: &mut Mint, to: &mut dyn Rewrite) {
    to.generation(&mut mint.generation);
}

fn going(going: &mut Going, to: &mut dyn Rewrite) {
    mint(&mut going.mint, to);
    to.bound(&mut going.ub);
    going.held.iter_mut().for_each(|until| to.deadline(until));
}

fn held(held: &mut Held, to: &mut dyn Rewrite) {
    held.blue.iter_mut().chain(held.green.iter_mut()).for_each(|generation| to.generation(generation));
}

impl Lease {
    /// Walks over every name and instant.
    pub fn rewrite(&mut self, to: &mut dyn Rewrite) {
        mint(&mut self.mint, to);
        to.deadline(&mut self.life.lb);
        to.bound(&mut self.life.ub);
        to.deadline(&mut self.renew_at);
        to.deadline(&mut self.accepted_until);
        to.deadline(&mut self.unsettled_until);
        to.bound(&mut self.unsettled_ub);
        to.failures(&mut self.failures);
        if let Some(flight) = &mut self.renewal {
            to.op(&mut flight.op);
            to.origin(&mut flight.sent);
        }
    }
}

fn phase(phase: &mut Phase, to: &mut dyn Rewrite) {
    match phase {
        Phase::Vacant(vacant) => match &mut vacant.stage {
            Arrival::Waiting { not_before } => to.deadline(not_before),
            Arrival::LoggingIn { mint: m } => mint(m, to),
            Arrival::Clearing { mints, not_before } => {
                mints.iter_mut().flatten().for_each(|m| mint(m, to));
                to.deadline(not_before);
            }
            Arrival::Settling { .. } => {}
        },
        Phase::Steady(steady) => {
            to.deadline(&mut steady.cool_until);
            steady.rotate_at.iter_mut().for_each(|at| to.deadline(at));
        }
        Phase::Issuing(issuing) => mint(&mut issuing.mint, to),
        Phase::Validating(Validating { until, tryout, .. }) => {
            to.deadline(until);
            if let Some(tryout) = tryout {
                to.deadline(&mut tryout.until);
                to.tally(&mut tryout.tally);
            }
        }
        Phase::Draining(draining) => {
            draining.deadline.iter_mut().for_each(|at| to.deadline(at));
            draining.rollback.iter_mut().for_each(|rollback| to.deadline(&mut rollback.until));
        }
        Phase::NeedsOperator(stuck) => {
            to.deadline(&mut stuck.not_before);
            if let Rest::Draining { deadline: Some(at), .. } = &mut stuck.rest {
                to.deadline(at);
            }
        }
        Phase::Stopped(stopped) => to.deadline(&mut stopped.not_before),
        Phase::Closing(Closing { next, .. }) => next.iter_mut().for_each(|next| going(next, to)),
        Phase::Revoking(_) | Phase::Abandoning(_) => {}
    }
    if let Some(ending) = phase.going_mut() {
        going(ending, to);
    }
    if let Some(current) = phase.current_mut() {
        to.lease(current);
    }
    if let Some(second) = phase.second_mut() {
        to.lease(second);
    }
}

impl Ledger {
    /// Walks over every name and instant.
    pub fn rewrite(&mut self, to: &mut dyn Rewrite) {
        phase(&mut self.phase, to);
        to.boot(&mut self.boot);
        to.counters(&mut self.mints, &mut self.lsn);
        self.debt.iter_mut().for_each(|debt| going(debt, to));
        to.failures(&mut self.misses);
        self.compromised.iter_mut().flatten().for_each(|generation| to.generation(generation));
    }
}

impl Record {
    /// Walks over every name and instant.
    pub fn rewrite(&mut self, to: &mut dyn Rewrite) {
        to.origin(&mut self.at);
        to.boot(&mut self.boot);
        match &mut self.step {
            Step::Recovered { held: h } => held(h, to),
            Step::LoginIntent { mint: m } | Step::IssueIntent { mint: m, .. } => mint(m, to),
            Step::LoginFailed { not_before: at } | Step::ShortenIntent { deadline: at } => to.deadline(at),
            Step::LoggedIn { life } | Step::Issued { life } | Step::Promoted { life } | Step::RolledBack { life } => {
                to.deadline(&mut life.lb);
                to.bound(&mut life.ub);
            }
            Step::RevokeIntent { ub, .. } | Step::CloseIntent { ub } => to.bound(ub),
            Step::AbandonIntent { ub, held_until, .. } => {
                to.bound(ub);
                if let Some(until) = held_until {
                    to.deadline(until);
                }
            }
            Step::Waived { ub, other } => {
                to.bound(ub);
                to.bound(other);
            }
            Step::Compromised { generation } | Step::Owed { generation, .. } => to.generation(generation),
            Step::Ready
            | Step::IssueRefused
            | Step::Persisted
            | Step::ExtendIntent
            | Step::Died { .. }
            | Step::Cleared
            | Step::Stuck { .. }
            | Step::RollbackIntent
            | Step::RollbackFailed
            | Step::Resolved { .. }
            | Step::Stopped { .. } => {}
        }
    }
}

impl Effect {
    /// Walks over every name and instant.
    pub fn rewrite(&mut self, to: &mut dyn Rewrite) {
        match self {
            Effect::Login { mint: m } | Effect::Persist(m) | Effect::Publish(m) | Effect::Clear(m) => mint(m, to),
            Effect::Issue { mint: m, by, .. } => {
                mint(m, to);
                to.generation(by);
            }
            Effect::Probe(generation) | Effect::Renew { generation, .. } | Effect::Extend { generation, .. } => {
                to.generation(generation);
            }
            Effect::Revoke { generation, witness } => {
                to.generation(generation);
                if let Some(witness) = witness {
                    to.generation(&mut witness.by);
                    to.deadline(&mut witness.valid_until);
                }
            }
            Effect::Shorten { generation, witness, .. }
            | Effect::Observe { generation, witness }
            | Effect::Discover { generation, witness } => {
                to.generation(generation);
                to.generation(&mut witness.by);
                to.deadline(&mut witness.valid_until);
            }
        }
    }
}
