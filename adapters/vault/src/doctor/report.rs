//! What a doctor tells.

use crate::policy::Rule;

/// What was found, in the order in which it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was tried, and what became of it.
    pub findings: Vec<Finding>,
    /// What was not looked at, and may yet defeat a rotation.
    pub unchecked: Vec<String>,
    /// What could not be cleaned up, by its accessor, and until when it lives.
    pub left: Vec<String>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What became of it.
    pub outcome: Outcome,
    /// Who tried it, or what was looked at.
    pub subject: &'static str,
    /// What was tried.
    pub what: &'static str,
    /// What is wrong with it, and what to do; empty if all is well.
    pub words: String,
    /// The line of the policy that it takes.
    pub line: Option<Rule>,
}

/// What became of something that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Good,
    /// A rotation works, but an operator should know something of it.
    Warning,
    /// The policy lacks the line.
    Missing,
    /// It would defeat a rotation.
    Unfit,
    /// The server did not answer, or not clearly.
    Failed,
    /// On this machine something is missing.
    Local,
    /// Not tried, since something else went wrong before.
    Skipped,
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A rotation has all that it needs.
    Fit,
    /// It would be refused: the policy or a role is to be changed.
    Unfit,
    /// Nobody knows: the server was not to be asked.
    Failed,
    /// Nobody knows: something is missing on this machine.
    Local,
}

impl Report {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |outcome| self.findings.iter().any(|finding| finding.outcome == outcome);
        if any(Outcome::Local) {
            Verdict::Local
        } else if any(Outcome::Failed) {
            Verdict::Failed
        } else if any(Outcome::Missing) || any(Outcome::Unfit) {
            Verdict::Unfit
        } else if any(Outcome::Skipped) {
            // Nothing is wrong so far: it was stopped.
            Verdict::Failed
        } else {
            Verdict::Fit
        }
    }

    /// The lines that the policy lacks, those included that a rotation can do without.
    pub fn missing(&self) -> impl Iterator<Item = &Rule> {
        let lacks = |finding: &&Finding| matches!(finding.outcome, Outcome::Missing | Outcome::Warning);
        self.findings.iter().filter(lacks).filter_map(|finding| finding.line.as_ref())
    }
}
