//! The specification as data: which step is legal in which phase, where it leads and what it announces.
//!
//! The machine takes no step that is not a row here, and neither does a journal that is replayed; the documentation and
//! the coverage of the checks are made from the same rows.

use crate::phase::Phase;
use crate::record::Step;

/// The names of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseKind {
    /// [`Phase::Vacant`]
    Vacant,
    /// [`Phase::Steady`]
    Steady,
    /// [`Phase::Issuing`]
    Issuing,
    /// [`Phase::Validating`]
    Validating,
    /// [`Phase::Draining`]
    Draining,
    /// [`Phase::Revoking`]
    Revoking,
    /// [`Phase::Abandoning`]
    Abandoning,
    /// [`Phase::NeedsOperator`]
    NeedsOperator,
    /// [`Phase::Closing`]
    Closing,
    /// [`Phase::Stopped`]
    Stopped,
}

/// The names of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum StepKind {
    Recovered,
    LoginIntent,
    LoginFailed,
    LoggedIn,
    Ready,
    IssueIntent,
    IssueRefused,
    Issued,
    Persisted,
    ExtendIntent,
    Promoted,
    ShortenIntent,
    RollbackIntent,
    RollbackFailed,
    RolledBack,
    Compromised,
    RevokeIntent,
    AbandonIntent,
    Owed,
    Waived,
    Died,
    Cleared,
    Stuck,
    Resolved,
    CloseIntent,
    Stopped,
}

impl Phase {
    /// The phase's name.
    #[must_use]
    pub const fn kind(&self) -> PhaseKind {
        match self {
            Self::Vacant(_) => PhaseKind::Vacant,
            Self::Steady(_) => PhaseKind::Steady,
            Self::Issuing(_) => PhaseKind::Issuing,
            Self::Validating(_) => PhaseKind::Validating,
            Self::Draining(_) => PhaseKind::Draining,
            Self::Revoking(_) => PhaseKind::Revoking,
            Self::Abandoning(_) => PhaseKind::Abandoning,
            Self::NeedsOperator(_) => PhaseKind::NeedsOperator,
            Self::Closing(_) => PhaseKind::Closing,
            Self::Stopped(_) => PhaseKind::Stopped,
        }
    }
}

impl Step {
    /// The step's name.
    #[must_use]
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::Recovered { .. } => StepKind::Recovered,
            Self::LoginIntent { .. } => StepKind::LoginIntent,
            Self::LoginFailed { .. } => StepKind::LoginFailed,
            Self::LoggedIn { .. } => StepKind::LoggedIn,
            Self::Ready => StepKind::Ready,
            Self::IssueIntent { .. } => StepKind::IssueIntent,
            Self::IssueRefused => StepKind::IssueRefused,
            Self::Issued { .. } => StepKind::Issued,
            Self::Persisted => StepKind::Persisted,
            Self::ExtendIntent => StepKind::ExtendIntent,
            Self::Promoted { .. } => StepKind::Promoted,
            Self::ShortenIntent { .. } => StepKind::ShortenIntent,
            Self::RevokeIntent { .. } => StepKind::RevokeIntent,
            Self::AbandonIntent { .. } => StepKind::AbandonIntent,
            Self::Owed { .. } => StepKind::Owed,
            Self::Waived { .. } => StepKind::Waived,
            Self::Died { .. } => StepKind::Died,
            Self::Cleared => StepKind::Cleared,
            Self::Stuck { .. } => StepKind::Stuck,
            Self::RollbackIntent => StepKind::RollbackIntent,
            Self::RollbackFailed => StepKind::RollbackFailed,
            Self::RolledBack { .. } => StepKind::RolledBack,
            Self::Compromised { .. } => StepKind::Compromised,
            Self::Resolved { .. } => StepKind::Resolved,
            Self::CloseIntent { .. } => StepKind::CloseIntent,
            Self::Stopped { .. } => StepKind::Stopped,
        }
    }
}

/// One row of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transition {
    /// The phase it leaves.
    pub from: PhaseKind,
    /// The step that is recorded.
    pub step: StepKind,
    /// The phase it leads to.
    pub to: PhaseKind,
    /// The effects that this record announces.
    pub announces: &'static str,
    /// When it is taken.
    pub when: &'static str,
}

macro_rules! transitions {
    ($($from:ident --$step:ident--> $to:ident, [$announces:literal], $when:literal;)*) => {
        &[$(Transition {
            from: PhaseKind::$from, step: StepKind::$step, to: PhaseKind::$to, announces: $announces, when: $when,
        }),*]
    };
}

/// Every legal transition.
pub const TRANSITIONS: &[Transition] = transitions! {
    Vacant --LoginIntent--> Vacant, ["login"], "a login is due";
    Vacant --LoginFailed--> Vacant, [""], "it was refused, its outcome is unknown, or its secret was lost";
    Vacant --LoggedIn--> Vacant, ["persist, publish"], "it gave a credential";
    Vacant --Ready--> Steady, [""], "the credential is persisted and published";
    Vacant --Compromised--> Vacant, [""], "an operator says so, of the credential that has just come";
    Vacant --Cleared--> Vacant, [""], "the slot of the credential that an operator gave up is empty";
    Vacant --Stopped--> Stopped, [""], "the process is asked to end";
    Vacant --Recovered--> Vacant, [""], "a new process; a secret that is in its slot is kept";
    Vacant --Recovered--> NeedsOperator, [""], "a new process finds a secret that the journal does not know";

    Steady --IssueIntent--> Issuing, ["issue or login"], "a rotation is due or asked for and the current one's life covers it, or it can no longer be renewed";
    Steady --Died--> Steady, ["clear"], "the death of a debt is observed, or its life is over for certain";
    Steady --Cleared--> Steady, [""], "the debt's slot is empty";
    Steady --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    Steady --Compromised--> Steady, [""], "an operator says so: a rotation begins at once";
    Steady --Stuck--> NeedsOperator, [""], "the provider refuses the current secret, and no login can give another";
    Steady --CloseIntent--> Closing, ["revoke, clear"], "the process is asked to end and to leave nothing";
    Steady --Stopped--> Stopped, [""], "the process is asked to end and to keep";
    Steady --Recovered--> Steady, [""], "a new process";
    Steady --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";
    Steady --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    Issuing --IssueRefused--> Steady, [""], "the provider would not mint";
    Issuing --Issued--> Issuing, ["persist"], "the candidate exists, on probation";
    Issuing --Persisted--> Validating, [""], "its secret is in its slot";
    Issuing --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    Issuing --Compromised--> Issuing, [""], "an operator says so, of the current one or of the candidate";
    Issuing --AbandonIntent--> Abandoning, ["revoke, clear"], "the outcome is unknown, the secret could not be persisted, or it is called off";
    Issuing --Recovered--> Abandoning, ["revoke, clear"], "a new process: the candidate may exist";
    Issuing --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";
    Issuing --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    Validating --ExtendIntent--> Validating, ["extend"], "every probe has passed";
    Validating --Promoted--> Draining, ["publish"], "it is extended, as read back: the commit point";
    Validating --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    Validating --Compromised--> Validating, [""], "an operator says so, of the current one or of the candidate";
    Validating --AbandonIntent--> Abandoning, ["revoke, clear"], "a probe, the canary or the extension failed, the window closed, or it is called off";
    Validating --Recovered--> Abandoning, ["revoke, clear"], "a new process: the candidate was not yet promoted";
    Validating --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";
    Validating --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    Draining --ShortenIntent--> Draining, ["shorten"], "the new one is published: the grace begins";
    Draining --RollbackIntent--> Draining, ["extend"], "an operator wants the old one back";
    Draining --RollbackFailed--> Draining, ["publish, shorten"], "it could not be extended or probed: the new one stays";
    Draining --Stuck--> NeedsOperator, [""], "the old one could not become current again, and the secret of the new one is lost";
    Draining --RolledBack--> Draining, ["publish"], "the old one is extended and probed: the commit point of a rollback";
    Draining --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    Draining --Compromised--> Draining, [""], "an operator says so, of the new one or of the old one";
    Draining --RevokeIntent--> Revoking, ["revoke, clear"], "nobody holds the old one, the grace is over, or one of the two is compromised";
    Draining --Recovered--> Draining, ["publish, shorten"], "a new process serves what was promoted";
    Draining --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";
    Draining --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    Revoking --Died--> Revoking, ["clear"], "its death is observed, or its life is over for certain";
    Revoking --Cleared--> Steady, [""], "its slot is empty";
    Revoking --Owed--> Steady, [""], "its end cannot be confirmed now: it becomes a debt";
    Revoking --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    Revoking --Compromised--> Revoking, [""], "an operator says so, of the current one";
    Revoking --Stuck--> NeedsOperator, [""], "the provider refuses the current secret";
    Revoking --Recovered--> Revoking, ["revoke, clear"], "a new process goes on";
    Revoking --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";
    Revoking --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    Abandoning --Died--> Abandoning, ["clear"], "its death is observed, or its life is over for certain";
    Abandoning --Cleared--> Steady, [""], "its slot is empty";
    Abandoning --Owed--> Steady, [""], "its end cannot be confirmed now: it becomes a debt";
    Abandoning --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    Abandoning --Compromised--> Abandoning, [""], "an operator says so, of the current one";
    Abandoning --Stuck--> NeedsOperator, [""], "the provider refuses the current secret";
    Abandoning --Recovered--> Abandoning, ["revoke, clear"], "a new process goes on";
    Abandoning --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";
    Abandoning --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    NeedsOperator --Resolved--> Steady, [""], "an operator keeps the current credential";
    NeedsOperator --Resolved--> Draining, ["publish, shorten, or extend"], "an operator keeps the current credential, or goes back to the old one if the current one is lost";
    NeedsOperator --Resolved--> Revoking, ["revoke, clear"], "an operator keeps the current credential";
    NeedsOperator --Resolved--> Abandoning, ["revoke, clear"], "an operator keeps the current credential";
    NeedsOperator --Resolved--> Vacant, ["clear"], "an operator gives the current credential up";
    NeedsOperator --Waived--> Closing, ["revoke, clear"], "an operator breaks the glass";
    NeedsOperator --Compromised--> NeedsOperator, [""], "an operator says so";
    NeedsOperator --Recovered--> NeedsOperator, [""], "a new process";
    NeedsOperator --Recovered--> Vacant, [""], "a new process, where nothing was to survive: all that there was is owed";

    Closing --Compromised--> Closing, [""], "an operator said so before the end began";
    Closing --Died--> Closing, ["clear"], "it answered its own revocation, or its life is over for certain";
    Closing --Cleared--> Closing, ["revoke, clear"], "its slot is empty, and another one has to go";
    Closing --Cleared--> Stopped, [""], "its slot is empty, and nothing is to be left";
    Closing --Cleared--> Vacant, [""], "its slot is empty, and a login begins anew";
    Closing --Cleared--> NeedsOperator, [""], "its slot is empty, a login would begin anew, and a process has found a secret that the journal does not know";
    Closing --Recovered--> Closing, ["revoke, clear"], "a new process goes on";

    Stopped --Compromised--> Stopped, [""], "an operator said so before the stop: a successor rotates at once";
    Stopped --Recovered--> Steady, [""], "a successor takes over what was kept";
    Stopped --Recovered--> Vacant, [""], "a successor begins anew";
    Stopped --Recovered--> NeedsOperator, [""], "a successor finds other secrets than the journal";
};

/// The row of a step from one phase to another.
pub(crate) fn row(from: PhaseKind, step: StepKind, to: PhaseKind) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|t| t.from == from && t.step == step && t.to == to)
}

/// The steps that are legal in a phase.
pub fn legal_steps(from: PhaseKind) -> impl Iterator<Item = StepKind> {
    TRANSITIONS.iter().filter(move |t| t.from == from).map(|t| t.step)
}
