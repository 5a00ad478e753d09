//! The phases of a rotation: one struct each, with what that phase needs and nothing else.

use crate::canary::Tally;
use crate::lease::Lease;
use crate::record::{AbandonReason, Drained, StuckReason, Via};
use crate::vocabulary::{Generation, Instant, Mint};

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
    /// The last credential is being ended; nothing serves any more.
    Closing(Closing),
    /// The process has ended as it was asked to.
    Stopped(Stopped),
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
    /// An operator gave up what there was: these slots are to be cleared first.
    Clearing {
        /// What was in them.
        mints: [Option<Mint>; 3],
        /// The next login waits until then.
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
    /// Until then nothing but an operator begins one: the last attempt failed.
    pub cool_until: Instant,
}

/// A candidate is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issuing {
    /// What serves.
    pub current: Lease,
    /// What is being made.
    pub mint: Mint,
    /// What makes it.
    pub via: Via,
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
    /// How new work fares with it, once it is tried by some.
    pub tryout: Option<Tryout>,
    /// Whether the extension is announced.
    pub extending: bool,
}

/// The canary of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tryout {
    /// When it is judged at the latest.
    pub until: Instant,
    /// How it went so far.
    pub tally: Tally,
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
    /// How far a rollback is, if one is under way.
    pub rollback: Option<Rollback>,
}

/// The way back to the old credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rollback {
    /// By then it must be extended and probed.
    pub until: Instant,
    /// Whether it is extended: next it is probed.
    pub extended: bool,
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
    /// Work that tried it may hold it until then.
    pub held: Option<Instant>,
    /// How far it is.
    pub end: End,
}

impl Going {
    pub(crate) const fn new(mint: Mint, ub: Instant, secret: Secret) -> Self {
        Self { mint, ub, secret, held: None, end: End::Revoke }
    }
}

/// Whether a secret is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Secret {
    /// In memory, and in its slot or on the way there.
    Held,
    /// A crash took it, but its handle is in the journal: with the accessor privileges it can still be ended.
    Named,
    /// A reply or a crash took it, and nobody knows its handle.
    Lost,
    /// A crash took it and others with it, where nothing survives: what is said of one of them holds of all.
    Several,
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

/// The last credential goes, and whatever lives beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Closing {
    /// What goes now.
    pub going: Going,
    /// What goes then.
    pub next: Option<Going>,
    /// What comes after that.
    pub then: AfterEnd,
}

/// What comes after the last credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AfterEnd {
    /// The process stops.
    Stop,
    /// A login begins anew: the glass was broken.
    LogIn,
    /// An operator is asked first: a new process has found a secret that the journal does not know.
    Ask,
}

/// Nothing more is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stopped {
    /// What was kept for a successor.
    pub kept: Option<Lease>,
    /// A successor that finds nothing logs in no sooner: the outcome of a login may still be unknown.
    pub not_before: Instant,
}

/// Waiting for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NeedsOperator {
    /// What is current, if anything is: what serves, unless its secret is missing.
    pub current: Option<Lease>,
    /// What else there is.
    pub rest: Rest,
    /// A login, if it comes to that, waits until then: the outcome of another one may still be unknown.
    pub not_before: Instant,
    /// Why.
    pub reason: StuckReason,
}

/// What was under way beside the current credential when a contradiction was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// The grace of the retiring credential.
    Draining {
        /// It.
        retiring: Lease,
        /// When its grace ends.
        deadline: Option<Instant>,
    },
    /// The end of a retired credential.
    Revoking {
        /// It.
        going: Going,
        /// What permits it.
        drained: Drained,
    },
    /// The end of a candidate.
    Abandoning {
        /// It.
        going: Going,
        /// Why.
        reason: AbandonReason,
    },
}

impl Rest {
    /// Which credential that is.
    #[must_use]
    pub const fn mint(&self) -> Option<Mint> {
        match self {
            Self::Nothing => None,
            Self::Draining { retiring, .. } => Some(retiring.mint),
            Self::Revoking { going, .. } | Self::Abandoning { going, .. } => Some(going.mint),
        }
    }
}

impl Phase {
    /// The credential that new work is given.
    #[must_use]
    pub const fn current(&self) -> Option<&Lease> {
        match self {
            Self::Vacant(_) | Self::Closing(_) => None,
            Self::Steady(Steady { current, .. })
            | Self::Issuing(Issuing { current, .. })
            | Self::Validating(Validating { current, .. })
            | Self::Draining(Draining { current, .. })
            | Self::Revoking(Revoking { current, .. })
            | Self::Abandoning(Abandoning { current, .. }) => Some(current),
            Self::NeedsOperator(NeedsOperator { current, .. }) | Self::Stopped(Stopped { kept: current, .. }) => current.as_ref(),
        }
    }

    pub(crate) const fn current_mut(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Vacant(_) | Self::Closing(_) => None,
            Self::Steady(Steady { current, .. })
            | Self::Issuing(Issuing { current, .. })
            | Self::Validating(Validating { current, .. })
            | Self::Draining(Draining { current, .. })
            | Self::Revoking(Revoking { current, .. })
            | Self::Abandoning(Abandoning { current, .. }) => Some(current),
            Self::NeedsOperator(NeedsOperator { current, .. }) | Self::Stopped(Stopped { kept: current, .. }) => current.as_mut(),
        }
    }

    /// The credential beside the current one, as far as the machine tends its life.
    pub(crate) const fn second_mut(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Vacant(Vacant { stage: Arrival::Settling { lease, .. } }) => Some(lease),
            Self::Issuing(Issuing { issued, .. }) => issued.as_mut(),
            Self::Validating(Validating { candidate, .. }) => Some(candidate),
            Self::Draining(Draining { retiring, .. })
            | Self::NeedsOperator(NeedsOperator { rest: Rest::Draining { retiring, .. }, .. }) => Some(retiring),
            _ => None,
        }
    }

    pub(crate) const fn going_mut(&mut self) -> Option<&mut Going> {
        match self {
            Self::Revoking(Revoking { going, .. })
            | Self::Abandoning(Abandoning { going, .. })
            | Self::Closing(Closing { going, .. })
            | Self::NeedsOperator(NeedsOperator {
                rest: Rest::Revoking { going, .. } | Rest::Abandoning { going, .. }, ..
            }) => Some(going),
            _ => None,
        }
    }

    /// The credential that has to die, where there is one.
    #[must_use]
    pub const fn going(&self) -> Option<&Going> {
        match self {
            Self::Revoking(Revoking { going, .. })
            | Self::Abandoning(Abandoning { going, .. })
            | Self::Closing(Closing { going, .. })
            | Self::NeedsOperator(NeedsOperator {
                rest: Rest::Revoking { going, .. } | Rest::Abandoning { going, .. }, ..
            }) => Some(going),
            _ => None,
        }
    }

    /// Whether there is a glass to break: a credential that serves or goes, and no end of all of them yet.
    pub(crate) fn is_breakable(&self) -> bool {
        let over = matches!(self, Self::Vacant(_) | Self::Closing(_) | Self::Stopped(_));
        !over && self.mints().iter().any(Option::is_some)
    }

    /// Every mint that the phase speaks of, except one that nobody has seen yet.
    pub(crate) fn mints(&self) -> [Option<Mint>; 3] {
        let mut same = *self;
        let second = same.second_mut().map(|lease| lease.mint);
        let third = match self {
            Self::Vacant(Vacant { stage: Arrival::Clearing { mints, .. } }) => return *mints,
            Self::Closing(Closing { going, next, .. }) => return [None, next.map(|going| going.mint), Some(going.mint)],
            _ => self.going().map(|going| going.mint),
        };
        [self.current().map(|lease| lease.mint), second, third]
    }

    /// Whether this mint is one that the phase accounts for.
    pub(crate) fn knows(&self, mint: Mint) -> bool {
        self.mints().contains(&Some(mint))
    }

    /// Whether this generation is current, candidate, retiring or going.
    pub(crate) fn names(&self, generation: Generation) -> bool {
        let minting = match self {
            Self::Issuing(Issuing { mint, .. }) => Some(*mint),
            _ => None,
        };
        self.mints().into_iter().chain([minting]).flatten().any(|mint| mint.generation == generation)
    }
}
