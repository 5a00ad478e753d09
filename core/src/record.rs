//! What the journal holds. One record is one transition: enough to rebuild, to replay and to audit; no secret fits in it.

use crate::vocabulary::{BootId, Held, Instant, Life, Lsn, Mint};

/// One durable step of one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its place in the journal, without gaps.
    pub lsn: Lsn,
    /// The boot that `at` and the instants in `step` belong to.
    pub boot: BootId,
    /// When the machine decided on it.
    pub at: Instant,
    /// What was decided.
    pub step: Step,
}

/// What was decided. A step whose name ends in `Intent` announces an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A process took the journal over and found these secrets; all that was in doubt is from here on taken as possibly applied.
    Recovered {
        /// The survivor store as it was found.
        held: Held,
    },
    /// Announces a first login (or the adoption of a credential that was handed to us).
    LoginIntent {
        /// The generation that the login makes.
        mint: Mint,
    },
    /// The login was refused, or its outcome is unknown: no new one before this instant.
    LoginFailed {
        /// By then whatever the lost login made is dead, or may be counted as such.
        not_before: Instant,
    },
    /// The login gave a credential. Announces its persisting and its publishing.
    LoggedIn {
        /// How long it lives.
        life: Life,
    },
    /// The first credential is persisted and published: new work may begin.
    Ready,
    /// A rotation begins. Announces the minting of the candidate.
    IssueIntent {
        /// The generation that is to be minted, and its slot.
        mint: Mint,
        /// Who asked.
        trigger: Trigger,
    },
    /// The provider refused to mint: nothing was made.
    IssueRefused,
    /// The candidate exists, on probation. Announces its persisting.
    Issued {
        /// How long it lives unless it is extended.
        life: Life,
    },
    /// The candidate's secret is in its slot: validation begins.
    Persisted,
    /// The candidate passed every probe. Announces its extension to a full life.
    ExtendIntent,
    /// **The commit point**: the candidate is validated, extended and current. Announces its publishing.
    Promoted {
        /// How long it lives after the extension, as read back.
        life: Life,
    },
    /// The new current is published. Announces the shortening of the retiring one; work may hold it until the deadline,
    /// and this record is the override that ends the wait then.
    ShortenIntent {
        /// When the grace ends.
        deadline: Instant,
    },
    /// The retiring credential has to go. Announces its revocation.
    RevokeIntent {
        /// What permits it.
        drained: Drained,
        /// From then on it is dead by itself.
        ub: Instant,
    },
    /// The candidate has to go; the current one serves on. Announces the candidate's revocation.
    AbandonIntent {
        /// Why.
        reason: AbandonReason,
        /// From then on it is dead by itself.
        ub: Instant,
    },
    /// The going credential is dead at the provider. Announces the clearing of its slot.
    Died {
        /// How we know.
        proof: Proof,
    },
    /// The slot of the dead credential is empty: the round is over.
    Cleared,
    /// The world contradicts the journal: nothing is destroyed until an operator has spoken.
    Stuck {
        /// What contradicts it.
        reason: StuckReason,
    },
}

/// What began a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The period is over.
    Schedule,
    /// An operator asked.
    Operator,
}

/// Why the retiring credential may be revoked (S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drained {
    /// Every consumer is counted, and none holds it any more.
    Idle,
    /// The grace is over; the override is in the journal.
    Deadline,
}

/// Why a candidate never served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AbandonReason {
    /// Nobody knows whether the mint took place: its secret is lost.
    MintLost,
    /// A crash came before the commit point.
    Interrupted,
    /// Its secret could not be persisted.
    NotPersisted,
    /// A probe was refused.
    ProbeRefused,
    /// The validation window closed before every probe had passed.
    TimedOut,
    /// It could not be extended to a full life.
    NotExtended,
}

/// How the death of a credential is known (L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// Another credential looked, on an up-to-date node, and it was gone.
    Observed,
    /// The upper bound of its life, and the clock skew on top, have passed.
    Expired,
}

/// What only an operator can resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StuckReason {
    /// The provider refuses the secret that serves.
    CurrentRefused,
    /// The secret that the journal calls current is not in the survivor store.
    CurrentMissing,
    /// The survivor store holds a secret that the journal does not know.
    Stranger,
}
