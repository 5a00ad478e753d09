//! The names and instants in a machine's state, for whoever explores it: a walk over all of them, by which two states
//! that differ only in names can be made equal. Running a rotation needs none of this.

use crate::fold::Fold;
use crate::lease::Lease;
use crate::message::Effect;
use crate::phase::{Arrival, Phase};
use crate::record::{Record, Step};
use crate::vocabulary::{Generation, Held, Instant, Mint, OpId};

/// Rewrites what a walk meets.
pub trait Rewrite {
    /// The name of a mint.
    fn generation(&mut self, generation: &mut Generation);
    /// The name of an operation.
    fn op(&mut self, op: &mut OpId);
    /// An instant that matters until it has passed: all that lie in the past are alike.
    fn deadline(&mut self, at: &mut Instant);
    /// An instant that matters for as long as the clock skew after it has passed.
    fn bound(&mut self, at: &mut Instant);
    /// An instant in the past that something is counted from.
    fn origin(&mut self, at: &mut Instant);
    /// How many mints, operations and records there were.
    fn counters(&mut self, mints: &mut u32, ops: &mut u64, lsn: &mut u64);
}

pub(crate) fn mint(mint: &mut Mint, to: &mut dyn Rewrite) {
    to.generation(&mut mint.generation);
}

pub(crate) fn held(held: &mut Held, to: &mut dyn Rewrite) {
    held.blue.iter_mut().chain(held.green.iter_mut()).for_each(|generation| to.generation(generation));
}

pub(crate) fn lease(lease: &mut Lease, to: &mut dyn Rewrite) {
    mint(&mut lease.mint, to);
    to.deadline(&mut lease.life.lb);
    to.bound(&mut lease.life.ub);
    to.deadline(&mut lease.renew_at);
    to.deadline(&mut lease.accepted_until);
    to.deadline(&mut lease.unsettled_until);
    to.bound(&mut lease.unsettled_ub);
    if let Some(flight) = &mut lease.renewal {
        to.op(&mut flight.op);
        to.origin(&mut flight.sent);
    }
}

pub(crate) fn fold(fold: &mut Fold, to: &mut dyn Rewrite) {
    match &mut fold.phase {
        Phase::Vacant(vacant) => match &mut vacant.stage {
            Arrival::Waiting { not_before } => to.deadline(not_before),
            Arrival::LoggingIn { mint: m } => mint(m, to),
            Arrival::Settling { .. } => {}
        },
        Phase::Steady(steady) => steady.rotate_at.iter_mut().for_each(|at| to.deadline(at)),
        Phase::Issuing(issuing) => mint(&mut issuing.mint, to),
        Phase::Validating(validating) => to.deadline(&mut validating.until),
        Phase::Draining(draining) => draining.deadline.iter_mut().for_each(|at| to.deadline(at)),
        Phase::Revoking(_) | Phase::Abandoning(_) | Phase::NeedsOperator(_) => {}
    }
    if let Some(going) = fold.phase.going_mut() {
        mint(&mut going.mint, to);
        to.bound(&mut going.ub);
    }
    if let Some(current) = fold.phase.current_mut() {
        lease(current, to);
    }
    if let Some(second) = fold.phase.second_mut() {
        lease(second, to);
    }
}

pub(crate) fn record(record: &mut Record, to: &mut dyn Rewrite) {
    to.origin(&mut record.at);
    match &mut record.step {
        Step::Recovered { held: h } => held(h, to),
        Step::LoginIntent { mint: m } | Step::IssueIntent { mint: m, .. } => mint(m, to),
        Step::LoginFailed { not_before: at } | Step::ShortenIntent { deadline: at } => to.deadline(at),
        Step::LoggedIn { life } | Step::Issued { life } | Step::Promoted { life } => {
            to.deadline(&mut life.lb);
            to.bound(&mut life.ub);
        }
        Step::RevokeIntent { ub, .. } | Step::AbandonIntent { ub, .. } => to.bound(ub),
        Step::Ready
        | Step::IssueRefused
        | Step::Persisted
        | Step::ExtendIntent
        | Step::Died { .. }
        | Step::Cleared
        | Step::Stuck { .. } => {}
    }
}

pub(crate) fn effect(effect: &mut Effect, to: &mut dyn Rewrite) {
    match effect {
        Effect::Login { mint: m } | Effect::Persist(m) | Effect::Publish(m) | Effect::Clear(m) => mint(m, to),
        Effect::Issue { mint: m, by, .. } => {
            mint(m, to);
            to.generation(by);
        }
        Effect::Probe(generation) | Effect::Renew { generation, .. } | Effect::Extend { generation, .. } => {
            to.generation(generation);
        }
        Effect::Shorten { generation, witness, .. }
        | Effect::Revoke { generation, witness }
        | Effect::Observe { generation, witness } => {
            to.generation(generation);
            to.generation(&mut witness.by);
            to.deadline(&mut witness.valid_until);
        }
    }
}
