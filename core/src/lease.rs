//! What the machine knows of one credential that may live: bounds on its life, and the renewal that keeps it alive.

use core::time::Duration;

use crate::message::Witness;
use crate::policy::Policy;
use crate::seed::SeededBug;
use crate::vocabulary::{Instant, Life, Mint, OpId};

/// A credential that may live, with what is certain about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which.
    pub mint: Mint,
    /// Bounds on its end.
    pub life: Life,
    /// When it is to be renewed next, where the phase keeps it alive.
    pub renew_at: Instant,
    /// Until when the provider's last acceptance of its secret counts as evidence.
    pub accepted_until: Instant,
    /// A renewal under way.
    pub renewal: Option<Flight>,
    /// Renewals that failed in a row.
    pub failures: u8,
    /// The provider refused to renew it: is it still accepted at all?
    pub suspect: bool,
    /// The provider gave it less life than was asked for, the last time.
    pub capped: bool,
    /// A change of its life whose outcome is unknown may still be applied until here …
    pub unsettled_until: Instant,
    /// … and give it life until here.
    pub unsettled_ub: Instant,
}

/// A change of a credential's life that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Which effect.
    pub op: OpId,
    /// When it was sent: the provider counts from no earlier.
    pub sent: Instant,
    /// The life that was asked for.
    pub life: Duration,
}

impl Lease {
    pub(crate) fn new(mint: Mint, life: Life, at: Instant, policy: &Policy) -> Self {
        let mut lease = Self {
            mint,
            life,
            renew_at: at,
            accepted_until: at,
            renewal: None,
            failures: 0,
            suspect: false,
            capped: false,
            unsettled_until: at,
            unsettled_ub: at,
        };
        lease.plan_renewal(at, policy);
        lease
    }

    /// Forgets what died with the process: nothing is relied on until the provider has been asked, and what was sent
    /// before the crash may still be applied. What was recorded in another boot says nothing of this boot's instants. Many that
    /// are started again together ask within their patience, as if the answer came late.
    pub(crate) fn recovered(mut self, at: Instant, same_boot: bool, policy: &Policy) -> Self {
        self.life.lb = at;
        if !policy.sown.is(SeededBug::RecoveryKeepsBounds) {
            let ub = at + policy.delta + policy.longest_life();
            self.life.ub = if same_boot { self.life.ub.max(ub) } else { ub };
        }
        self.renew_at = at + policy.jitter.phase(policy.patience);
        self.accepted_until = at;
        self.renewal = None;
        self.failures = 0;
        self.suspect = false;
        self.capped = false;
        self.unsettled_until = at + policy.delta;
        self.unsettled_ub = self.life.ub;
        self
    }

    /// Time was lost: nothing is relied on until the provider has been asked.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.life.lb = now;
        self.renew_at = now;
        self.accepted_until = now;
    }

    fn plan_renewal(&mut self, now: Instant, policy: &Policy) {
        let life = self.life.lb.since(now);
        let late = policy.sown.is(SeededBug::RenewedTooLate);
        self.renew_at = if late { self.life.lb.max(now) } else { policy.renewal(now, life) };
    }

    /// A witness without evidence, for the bug that wants one.
    pub(crate) const fn forged(&self) -> Witness {
        Witness { by: self.mint.generation, valid_until: self.accepted_until }
    }

    pub(crate) fn witness(&self, now: Instant) -> Option<Witness> {
        (now < self.accepted_until).then_some(Witness { by: self.mint.generation, valid_until: self.accepted_until })
    }

    /// The provider accepted the secret in answer to a request that was sent then.
    fn accept(&mut self, sent: Instant, policy: &Policy) {
        self.accepted_until = self.accepted_until.max(sent + policy.evidence);
        self.suspect = false;
    }

    /// A read said how long it lives. A renewal that overtook the answer makes it longer than that, never shorter.
    pub(crate) fn seen(&mut self, sent: Instant, now: Instant, remaining: Duration, policy: &Policy) {
        let lb = sent + remaining;
        self.life.lb = if self.renewal.is_some() { self.life.lb.max(lb) } else { lb };
        self.life.ub = self.life.ub.max(now + remaining);
        self.accept(sent, policy);
    }

    /// A change of its life goes out: whoever relies on its life counts on the shorter of both.
    pub(crate) fn sending(&mut self, flight: Flight, policy: &Policy) {
        self.life.lb = self.life.lb.min(flight.sent + flight.life);
        self.life.ub = self.life.ub.max(flight.sent + policy.delta + flight.life);
    }

    /// A change of its life was applied, and the answer says what it came to.
    pub(crate) fn changed(&mut self, flight: Flight, now: Instant, remaining: Duration, policy: &Policy) {
        self.life.lb = flight.sent + remaining;
        self.life.ub = now + remaining;
        if flight.sent < self.unsettled_until {
            self.life.ub = self.life.ub.max(self.unsettled_ub);
        }
        self.failures = 0;
        self.capped = remaining.saturating_add(policy.patience) < flight.life;
        self.accept(flight.sent, policy);
        self.plan_renewal(now, policy);
    }

    /// Nobody knows whether a change of its life was applied, or will be.
    pub(crate) fn unsettled(&mut self, flight: Flight, policy: &Policy) {
        self.unsettled_until = self.unsettled_until.max(flight.sent + policy.delta);
        self.unsettled_ub = self.unsettled_ub.max(flight.sent + policy.delta + flight.life);
    }

    pub(crate) fn retry_renewal(&mut self, now: Instant, policy: &Policy) {
        self.renew_at = now + policy.wait(self.failures, now);
        self.failures = self.failures.saturating_add(1);
    }
}
