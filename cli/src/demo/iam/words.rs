//! What is said of a key where a token does otherwise.

use turquoise::core::{AbandonReason, Drained, Proof, Step};

/// The words of a step, where they are other than a token's.
pub(crate) const fn words(step: Step) -> Option<&'static str> {
    Some(match step {
        Step::LoginIntent { .. } => "about to adopt the key in the profile",
        Step::LoggedIn { .. } => "STS knows it; it goes into its slot and the file",
        Step::IssueIntent { .. } => "to be made by the one that serves, beside itself",
        Step::IssueRefused => "no key was made",
        Step::Issued { .. } => "made: not known everywhere yet, and it never ends by itself",
        Step::Persisted => "safe on disk; now it must sign real reads, over all of its propagation",
        Step::ExtendIntent => "it passed every probe: it is looked for in the list",
        Step::Promoted { .. } => "it is there and active: new work uses it from here on",
        Step::ShortenIntent { .. } => "replaced in the file too; some time is left for old work",
        Step::RevokeIntent { drained: Drained::Idle, .. } => "no work holds it any more: the new one deletes it",
        Step::RevokeIntent { drained: Drained::Deadline, .. } => "its grace is over: the new one deletes it",
        Step::AbandonIntent { reason: AbandonReason::ProbeRefused, .. } => {
            "it is not honoured, although its propagation is over: deleted; the other serves on"
        }
        Step::Owed { .. } => "it is looked for in the list, and deleted when it is found",
        Step::Died { proof: Proof::Observed } => "IAM does not list it any more",
        _ => return None,
    })
}
