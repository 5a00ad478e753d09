//! What the journal holds. One record is one transition: enough to rebuild, to replay and to audit; no secret fits in it.

use crate::phase::Secret;
use crate::vocabulary::{BootId, Generation, Held, Instant, Life, Lsn, Mint};

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
        /// What began it.
        trigger: Trigger,
        /// What mints it.
        via: Via,
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
    /// An operator wants the old one back. Announces its extension to a full life.
    RollbackIntent,
    /// The old one could not be made current again: the new one stays.
    RollbackFailed,
    /// **The commit point of a rollback**: the old one is extended, probed and current again. Announces its publishing.
    RolledBack {
        /// How long it lives, as read back.
        life: Life,
    },
    /// An operator says that others know this secret: it is never made current again, and goes without a grace.
    Compromised {
        /// Which.
        generation: Generation,
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
        /// Work that tried it may hold it until then, if any did; this record is the override that ends the wait.
        held_until: Option<Instant>,
        /// From then on it is dead by itself.
        ub: Instant,
    },
    /// The end of the going credential could not be confirmed: it is a debt from here on, and the round is over.
    Owed {
        /// Which.
        generation: Generation,
        /// Whether its secret is at hand: then its slot is taken until it is dead.
        secret: Secret,
    },
    /// An operator ends every credential of the identity before there is another one: a waiver of S1 until the next one
    /// serves. Announces their revocation.
    Waived {
        /// From then on the current one is dead by itself.
        ub: Instant,
        /// And so is the one beside it, if there is one.
        other: Instant,
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
    /// An operator has spoken.
    Resolved {
        /// What to do.
        resolution: Resolution,
    },
    /// An operator ends the identity's last credential: a waiver of S1. Announces its revocation.
    CloseIntent {
        /// From then on it is dead by itself.
        ub: Instant,
    },
    /// The process ends; what it leaves behind is meant to be so.
    Stopped {
        /// What it leaves behind.
        how: AtStop,
    },
}

/// What mints a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The current credential.
    Current,
    /// A login.
    Login,
}

/// How an operator resolves a contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// The current credential is right: go on with it, after asking the provider.
    Keep,
    /// It is gone, whatever the provider says later: begin anew with a login.
    Forget,
}

/// What a process leaves behind when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AtStop {
    /// The current credential, for a successor.
    Keep,
    /// Nothing that lives.
    Revoke,
}

/// What began a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The period is over.
    Schedule,
    /// An operator asked.
    Operator,
    /// The current credential is compromised.
    Compromise,
    /// The current credential cannot be renewed far enough to outlive a rotation: an emergency.
    Expiry,
    /// The provider refuses the current credential, and a login can give another one.
    Lost,
}

/// Why the retiring credential may be revoked (S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drained {
    /// Every consumer is counted, and none holds it any more.
    Idle,
    /// The grace is over; the override is in the journal.
    Deadline,
    /// It is compromised: there is no grace.
    Compromised,
    /// The one that serves is compromised: the round has to end for the next one to begin.
    Overridden,
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
    /// Work was refused with it that the current one then served.
    CanaryRefused,
    /// Work took too long with it.
    CanarySlow,
    /// Too little work has tried it.
    CanaryTooFew,
    /// It could not be extended to a full life.
    NotExtended,
    /// An operator called it off.
    Aborted,
    /// It is compromised.
    Compromised,
}

/// How the death of a credential is known (L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// Another credential looked, on an up-to-date node, and it was gone.
    Observed,
    /// The upper bound of its life, and the clock skew on top, have passed.
    Expired,
    /// The last credential, which nobody is left to look for, answered its own revocation.
    Answered,
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
