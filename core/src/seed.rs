//! Bugs sown on purpose, so that every check is seen to fail. The feature `seeded-bugs` lets a policy name one; without
//! it the question whether a bug is sown is answered `false` by the compiler, and nothing of them is left.

/// The bug that a policy sows: none, in every build that ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Sown(#[cfg(feature = "seeded-bugs")] Option<SeededBug>);

impl Sown {
    /// No bug.
    pub const NOTHING: Self = Self(
        #[cfg(feature = "seeded-bugs")]
        None,
    );

    /// This bug.
    #[cfg(feature = "seeded-bugs")]
    #[must_use]
    pub const fn bug(bug: SeededBug) -> Self {
        Self(Some(bug))
    }

    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn is(self, bug: SeededBug) -> bool {
        self.0 == Some(bug)
    }

    #[cfg(not(feature = "seeded-bugs"))]
    #[expect(clippy::unused_self, reason = "the other build asks it")]
    pub(crate) const fn is(self, _: SeededBug) -> bool {
        false
    }
}

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A bug that the machine can be asked to have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SeededBug {
            $($(#[$doc])* $name),*
        }

        impl SeededBug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

bugs! {
    /// The retiring credential is revoked as soon as the new one is published.
    RevokeBeforeDrain,
    /// An unknown issue is taken as refused: the machine mints again at once.
    UnknownTakenAsRefused,
    /// An extension whose outcome is unknown is taken as applied: the candidate serves on its probation.
    UnknownTakenAsApplied,
    /// Recovery serves the candidate of a rotation that was not yet committed.
    RecoveryServesCandidate,
    /// Recovery forgets the candidate of a rotation that was not yet committed.
    RecoveryForgetsCandidate,
    /// Recovery relies on the end of a retired credential's life as it was once recorded.
    RecoveryKeepsBounds,
    /// Completions are taken for the effect under way, whatever operation they name.
    NoCorrelation,
    /// An effect is performed before its record is durable.
    EffectBeforeIntent,
    /// A slot is cleared as soon as the revocation is answered.
    ClearedUnobserved,
    /// Abandoning revokes the current credential.
    AbandonRevokesCurrent,
    /// The life of a lost mint is counted from its sending, as if it could not be applied later.
    DeltaIgnored,
    /// Nothing is asked of the one that stays before the other one is ended.
    NoWitness,
    /// The retiring credential's life is cut to half of the grace.
    ShortenedTooFar,
    /// The retiring credential's life is cut before the new one is published.
    ShortenedBeforePublished,
    /// A candidate is taken as persisted whatever the store answers.
    PersistNotAwaited,
    /// A probe that is refused counts as one that passed.
    RefusedProbePasses,
    /// The current credential is renewed when it is dead.
    RenewedTooLate,
    /// The current credential is renewed to a probation.
    RenewedTooShort,
    /// A login whose outcome is unknown is repeated at once.
    LoginRepeatedBlindly,
    /// A stop forgets that a login may still be applied.
    StopForgetsLostLogin,
    /// Counts of programs that read the sink are taken for known.
    ReadersTakenAsCounted,
    /// A rollback makes the old credential current without extending it.
    RollbackNotExtended,
    /// A rollback to a compromised credential is done.
    RollbackToCompromised,
    /// The grace never ends by its deadline.
    DeadlineIgnored,
    /// A mint whose secret is lost is waited for, and never counted as dead.
    LostMintNeverConcluded,
    /// A credential that was observed dead is revoked and looked for once more.
    DeathNotBelieved,
    /// New work tries a candidate before its probes have passed.
    CanaryBeforeProbes,
    /// A candidate that work was refused with is promoted.
    CanaryNotHeard,
    /// A candidate is revoked while work that tried it still holds it.
    CanaryNotDrained,
    /// A rotation begins although the current credential's life does not cover it.
    BegunUncovered,
    /// That a credential cannot be renewed as asked is overlooked.
    CapNotSeen,
    /// The next round begins as if a debt took no place.
    DebtTakesNoPlace,
    /// Renewals are sent whatever the budget says.
    RenewalsUnmetered,
    /// A mint that is not found is taken as never made.
    NotFoundBelieved,
    /// After a gap the credential of before is served on.
    GapIgnored,
    /// What changes something is sent without a mandate.
    MandateIgnored,
    /// Where nothing survives, a new process owes nothing.
    NothingOwedAtStart,
    /// Where nothing survives, a new process logs in although a mint may still be under way.
    LoginBesideLostMint,
    /// Where several were lost at once, the end of one is taken for the end of all.
    SeveralTakenAsOne,
    /// A new process that finds the slot of the current credential empty forgets that it lives.
    LostSlotForgotten,
    /// When the old one cannot come back the new one stays, although its secret is lost.
    FailedWayBackKept,
    /// After a broken glass a login begins anew beside a secret that the journal does not know.
    LoginBesideStranger,
}
