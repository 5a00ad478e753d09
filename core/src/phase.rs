//! The phases of a rotation: one struct each, with what that phase needs and nothing else.

use crate::lease::Lease;
use crate::record::{AbandonReason, Drained, StuckReason};
use crate::vocabulary::{Instant, Mint};

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is known: a login is next.
    Vacant(Vacant),
    /// One credential, renewed.
    Steady(Steady),
    /// The candidate is being minted and persisted.
    Issuing(Issuing),
    /// The candidate is being tried and extended, while the current one serves.
    Validating(Validating),
    /// The candidate has become current; the old one finishes its work.
    Draining(Draining),
    /// The old one is being ended.
    Revoking(Revoking),
    /// The candidate is being ended; the current one never stopped serving.
    Abandoning(Abandoning),
    /// The world contradicts the journal: the current one is renewed, nothing is destroyed.
    NeedsOperator(NeedsOperator),
}

/// No credential yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vacant {
    /// How far the first one is.
    pub stage: Arrival,
}

/// How the first credential comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The next login waits until then.
    Waiting {
        /// Not before.
        not_before: Instant,
    },
    /// A login is announced.
    LoggingIn {
        /// What it makes.
        mint: Mint,
    },
    /// The credential is there and has to be persisted, then published.
    Settling {
        /// The credential.
        lease: Lease,
        /// Whether its secret is in its slot.
        persisted: bool,
    },
}

/// One credential serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Steady {
    /// It.
    pub current: Lease,
    /// When the next rotation is due.
    pub rotate_at: Option<Instant>,
}

/// A candidate is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issuing {
    /// What serves.
    pub current: Lease,
    /// What is being made.
    pub mint: Mint,
    /// The candidate, once it is there and only its persisting is left.
    pub issued: Option<Lease>,
}

/// A candidate is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validating {
    /// What serves.
    pub current: Lease,
    /// What is tried.
    pub candidate: Lease,
    /// By then it must be validated and extended.
    pub until: Instant,
    /// Probes passed so far; all of them once the extension is announced.
    pub passed: u16,
    /// Whether the extension is announced.
    pub extending: bool,
}

/// The grace of the old credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draining {
    /// The new one: it serves.
    pub current: Lease,
    /// The old one.
    pub retiring: Lease,
    /// When the grace ends; `None` until the new one is published.
    pub deadline: Option<Instant>,
    /// Whether the old one's life is cut to the deadline.
    pub shortened: bool,
    /// Whether no counted work holds the old one.
    pub idle: bool,
}

/// The old credential goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revoking {
    /// What serves.
    pub current: Lease,
    /// What goes.
    pub going: Going,
    /// What permits it.
    pub drained: Drained,
}

/// The candidate goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Abandoning {
    /// What serves.
    pub current: Lease,
    /// What goes.
    pub going: Going,
    /// Why.
    pub reason: AbandonReason,
}

/// A credential that has to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Going {
    /// Which.
    pub mint: Mint,
    /// From then on, plus the clock skew, it is dead by itself.
    pub ub: Instant,
    /// Whether we hold its secret: without it, it can only be waited for.
    pub secret: Secret,
    /// How far it is.
    pub end: End,
}

/// Whether a secret is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Secret {
    /// In memory, and in its slot or on the way there.
    Held,
    /// A reply or a crash took it.
    Lost,
}

/// How far the end of a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Next it is revoked.
    Revoke,
    /// Next it is observed.
    Observe,
    /// It is dead; its slot is to be cleared.
    Clear,
}

/// Waiting for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NeedsOperator {
    /// What serves, if anything does.
    pub current: Option<Lease>,
    /// Why.
    pub reason: StuckReason,
}

impl Phase {
    /// The credential that new work is given.
    #[must_use]
    pub const fn current(&self) -> Option<&Lease> {
        match self {
            Self::Vacant(_) => None,
            Self::Steady(Steady { current, .. })
            | Self::Issuing(Issuing { current, .. })
            | Self::Validating(Validating { current, .. })
            | Self::Draining(Draining { current, .. })
            | Self::Revoking(Revoking { current, .. })
            | Self::Abandoning(Abandoning { current, .. }) => Some(current),
            Self::NeedsOperator(NeedsOperator { current, .. }) => current.as_ref(),
        }
    }

    pub(crate) const fn current_mut(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Vacant(_) => None,
            Self::Steady(Steady { current, .. })
            | Self::Issuing(Issuing { current, .. })
            | Self::Validating(Validating { current, .. })
            | Self::Draining(Draining { current, .. })
            | Self::Revoking(Revoking { current, .. })
            | Self::Abandoning(Abandoning { current, .. }) => Some(current),
            Self::NeedsOperator(NeedsOperator { current, .. }) => current.as_mut(),
        }
    }

    /// The credential beside the current one, as far as the machine tends its life.
    pub(crate) const fn second_mut(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Vacant(Vacant { stage: Arrival::Settling { lease, .. } }) => Some(lease),
            Self::Issuing(Issuing { issued, .. }) => issued.as_mut(),
            Self::Validating(Validating { candidate, .. }) => Some(candidate),
            Self::Draining(Draining { retiring, .. }) => Some(retiring),
            _ => None,
        }
    }

    pub(crate) const fn going_mut(&mut self) -> Option<&mut Going> {
        match self {
            Self::Revoking(Revoking { going, .. }) | Self::Abandoning(Abandoning { going, .. }) => Some(going),
            _ => None,
        }
    }

    /// The credential that has to die, where there is one.
    #[must_use]
    pub const fn going(&self) -> Option<&Going> {
        match self {
            Self::Revoking(Revoking { going, .. }) | Self::Abandoning(Abandoning { going, .. }) => Some(going),
            _ => None,
        }
    }
}
