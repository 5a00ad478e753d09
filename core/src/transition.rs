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
    RevokeIntent,
    AbandonIntent,
    Died,
    Cleared,
    Stuck,
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
            Self::Died { .. } => StepKind::Died,
            Self::Cleared => StepKind::Cleared,
            Self::Stuck { .. } => StepKind::Stuck,
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
    Vacant --Recovered--> Vacant, [""], "a new process; a secret that is in its slot is kept";
    Vacant --Recovered--> NeedsOperator, [""], "a new process finds a secret that the journal does not know";

    Steady --IssueIntent--> Issuing, ["issue"], "a rotation is due or asked for, and the current one's life covers it";
    Steady --Stuck--> NeedsOperator, [""], "the provider refuses the current secret";
    Steady --Recovered--> Steady, [""], "a new process";
    Steady --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";

    Issuing --IssueRefused--> Steady, [""], "the provider would not mint";
    Issuing --Issued--> Issuing, ["persist"], "the candidate exists, on probation";
    Issuing --Persisted--> Validating, [""], "its secret is in its slot";
    Issuing --AbandonIntent--> Abandoning, ["revoke, clear"], "the outcome is unknown, or the secret could not be persisted";
    Issuing --Recovered--> Abandoning, ["revoke, clear"], "a new process: the candidate may exist";
    Issuing --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";

    Validating --ExtendIntent--> Validating, ["extend"], "every probe has passed";
    Validating --Promoted--> Draining, ["publish"], "it is extended, as read back: the commit point";
    Validating --AbandonIntent--> Abandoning, ["revoke, clear"], "a probe or the extension was refused, or the window closed";
    Validating --Recovered--> Abandoning, ["revoke, clear"], "a new process: the candidate was not yet promoted";
    Validating --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";

    Draining --ShortenIntent--> Draining, ["shorten"], "the new one is published: the grace begins";
    Draining --RevokeIntent--> Revoking, ["revoke, clear"], "nobody holds the old one, or the grace is over";
    Draining --Stuck--> NeedsOperator, [""], "the provider refuses the current secret";
    Draining --Recovered--> Draining, ["publish, shorten"], "a new process serves what was promoted";
    Draining --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";

    Revoking --Died--> Revoking, ["clear"], "its death is observed, or its life is over for certain";
    Revoking --Cleared--> Steady, [""], "its slot is empty";
    Revoking --Stuck--> NeedsOperator, [""], "the provider refuses the current secret";
    Revoking --Recovered--> Revoking, ["revoke, clear"], "a new process goes on";
    Revoking --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";

    Abandoning --Died--> Abandoning, ["clear"], "its death is observed, or its life is over for certain";
    Abandoning --Cleared--> Steady, [""], "its slot is empty";
    Abandoning --Stuck--> NeedsOperator, [""], "the provider refuses the current secret";
    Abandoning --Recovered--> Abandoning, ["revoke, clear"], "a new process goes on";
    Abandoning --Recovered--> NeedsOperator, [""], "a new process finds other secrets than the journal";

    NeedsOperator --Recovered--> NeedsOperator, [""], "a new process";
};

/// The row of a step from one phase to another.
pub(crate) fn row(from: PhaseKind, step: StepKind, to: PhaseKind) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|t| t.from == from && t.step == step && t.to == to)
}

/// The steps that are legal in a phase.
pub fn legal_steps(from: PhaseKind) -> impl Iterator<Item = StepKind> {
    TRANSITIONS.iter().filter(move |t| t.from == from).map(|t| t.step)
}
