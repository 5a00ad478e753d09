//! What a journal says, in little: where its older records are in an archive, the newer ones go on from here.

use crate::fold::Ledger;
use crate::lease::Lease;
use crate::phase::{Phase, Steady};
use crate::policy::Policy;
use crate::vocabulary::{BootId, Generation, Instant, Life, Lsn, Mint};

/// The meaning of all records up to one, at rest: one credential, nothing under way, nothing in doubt, nothing owed, nothing compromised.
///
/// It is a fold of records and nothing else: what a running machine has learnt beside them is not in it, so that a recovery
/// from it and the newer records is the recovery from all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The last record that it stands for.
    pub lsn: Lsn,
    /// The boot that its instants belong to.
    pub boot: BootId,
    /// When that record was decided on.
    pub at: Instant,
    /// Mints announced so far.
    pub mints: u32,
    /// Attempts that failed in a row.
    pub misses: u8,
    /// The credential that serves.
    pub current: Mint,
    /// Bounds on its life.
    pub life: Life,
    /// When it was to be renewed next.
    pub renew_at: Instant,
    /// Until when the provider's last acceptance of its secret counts as evidence.
    pub accepted_until: Instant,
    /// A change of its life whose outcome is unknown may still be applied until here …
    pub unsettled_until: Instant,
    /// … and give it life until here.
    pub unsettled_ub: Instant,
    /// When the next rotation is due.
    pub rotate_at: Option<Instant>,
    /// Until then nothing but an operator begins one.
    pub cool_until: Instant,
}

impl Ledger {
    /// What the records say, if they have come to rest; `at` is when the last one was decided on.
    #[must_use]
    pub fn checkpoint(&self, at: Instant, policy: &Policy) -> Option<Checkpoint> {
        // Every part is named: a new one has to be thought of here.
        let Self { phase, lsn, mints, incarnation, boot, misses, compromised: [None, None], debt: None } = *self else {
            return None;
        };
        let Phase::Steady(Steady { current, rotate_at, cool_until }) = phase else { return None };
        let Lease {
            mint,
            life,
            renew_at,
            accepted_until,
            renewal: None,
            failures: 0,
            suspect: false,
            capped: false,
            unsettled_until,
            unsettled_ub,
        } = current
        else {
            return None;
        };
        // After an operator's resolution no rotation is due until the next boot: that is left to the records.
        let at_rest = rotate_at.is_some() == policy.period.is_some();
        (at_rest && mint.generation.incarnation == incarnation).then_some(Checkpoint {
            lsn: Lsn(lsn),
            boot,
            at,
            mints,
            misses,
            current: mint,
            life,
            renew_at,
            accepted_until,
            unsettled_until,
            unsettled_ub,
            rotate_at,
            cool_until,
        })
    }

    /// A journal whose older records are in an archive. Under the policy that the checkpoint was made with it is the fold of
    /// those records; a period that was changed since counts from the checkpoint.
    #[must_use]
    pub fn from_checkpoint(checkpoint: &Checkpoint, policy: &Policy) -> Self {
        let Checkpoint { lsn, boot, at, mints, misses, current: mint, life, cool_until, .. } = *checkpoint;
        let current = Lease {
            mint,
            life,
            renew_at: checkpoint.renew_at,
            accepted_until: checkpoint.accepted_until,
            renewal: None,
            failures: 0,
            suspect: false,
            capped: false,
            unsettled_until: checkpoint.unsettled_until,
            unsettled_ub: checkpoint.unsettled_ub,
        };
        let due = policy.due(at);
        let rotate_at = due.map(|due| checkpoint.rotate_at.unwrap_or(due).min(due.max(cool_until)));
        let Generation { incarnation, .. } = mint.generation;
        let phase = Phase::Steady(Steady { current, rotate_at, cool_until });
        Self { phase, lsn: lsn.0, mints, incarnation, boot, misses, compromised: [None; 2], debt: None }
    }
}
