//! A transition in plain words.

use serde::{Deserialize, Serialize};
use turquoise::core::{AbandonReason, AtStop, Drained, Event, PhaseKind, Proof, Resolution, Step, StepKind, StuckReason, Via};
use turquoise::port::{Reason, label};
use turquoise::{Progress, Recorded};

use super::iam;
use super::site::Provider;

/// Something that a rotation did, as it is shown, and as one process tells it to another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The name of the step, for the story to wait for.
    pub(crate) step: String,
    /// The token that it is about, by its slot and number.
    pub(crate) label: String,
    /// The phase that it led to.
    pub(crate) phase: String,
    /// What happened …
    pub(crate) words: String,
    /// … and the server's own words, if a refusal led to it.
    pub(crate) reason: Option<String>,
}

impl Told {
    /// In the words for a token.
    pub(crate) fn of(progress: Progress) -> Self {
        Self::by(Provider::VaultToken, progress)
    }

    /// In the words for what this provider makes.
    pub(crate) fn by(provider: Provider, progress: Progress) -> Self {
        match progress {
            Progress::Recorded(recorded) => Self::recorded(*recorded, provider),
            Progress::Noticed { event, reason } => Self {
                step: format!("{event:?}"),
                label: String::new(),
                phase: String::new(),
                words: noticed(event).to_owned(),
                reason: reason.map(|Reason(words)| words),
            },
        }
    }

    fn recorded(Recorded { record, phase, current, second, reason, .. }: Recorded, provider: Provider) -> Self {
        let about =
            if matches!(record.step, Step::Promoted { .. } | Step::RolledBack { .. }) { current } else { second.or(current) };
        Self {
            step: format!("{:?}", record.step.kind()),
            label: about.map(label).unwrap_or_default(),
            phase: format!("{:?}", phase.kind()),
            words: in_words(record.step, phase.kind(), provider),
            reason: reason.map(|Reason(words)| words),
        }
    }

    /// Whether it is this step.
    pub(crate) fn is(&self, step: StepKind) -> bool {
        self.step == format!("{step:?}")
    }
}

const fn noticed(event: Event) -> &'static str {
    match event {
        Event::Dark => "the token that serves may be dead: no renewal was confirmed in time",
        Event::Stalled => "the journal cannot be written: nothing is changed at the server any more",
    }
}

fn in_words(step: Step, phase: PhaseKind, provider: Provider) -> String {
    let other = match provider {
        Provider::VaultToken => None,
        Provider::AwsIam => iam::words(step),
    };
    other.map_or_else(|| words(step, phase), str::to_owned)
}

fn words(step: Step, phase: PhaseKind) -> String {
    let words = match step {
        Step::Recovered { .. } if phase == PhaseKind::Abandoning => "a crash cut it short: discarded; the other serves on",
        Step::Recovered { .. } => "a new process takes over what the journal and the slots hold",
        Step::LoginIntent { .. } => "the first token is asked for",
        Step::LoginFailed { .. } => "the token cannot be had yet",
        Step::LoggedIn { .. } => "the server accepts it; it goes into its slot and the file",
        Step::Ready => "published: work may begin",
        Step::IssueIntent { via: Via::Current, .. } => "to be minted by the one that serves, as its sibling",
        Step::IssueIntent { via: Via::Login, .. } => "to be had by a login",
        Step::IssueRefused => "the server would not mint",
        Step::Issued { .. } => "minted with a short life: it is on probation",
        Step::Persisted => "safe on disk; now it must do real reads, before any work",
        Step::ExtendIntent => "it passed every probe, and asks for a full life",
        Step::Promoted { .. } => "its full life is confirmed: new work uses it from here on",
        Step::ShortenIntent { .. } => "replaced in the file too; a short life is left for old work",
        Step::RollbackIntent => "an operator wants it back: it asks for a full life",
        Step::RollbackFailed => "it cannot come back: the new one stays",
        Step::RolledBack { .. } => "it lives and passed a probe: new work uses it again from here on",
        Step::Compromised { generation } => return format!("an operator says that others know token {}", generation.number),
        Step::RevokeIntent { drained: Drained::Idle, .. } => "no work holds it any more: it ends itself",
        Step::RevokeIntent { drained: Drained::Deadline, .. } => "its grace is over: it ends itself",
        Step::RevokeIntent { drained: Drained::Compromised, .. } => "others know it: it ends itself, without a grace",
        Step::RevokeIntent { drained: Drained::Overridden, .. } => {
            "the one that serves is known to others: it ends itself to make room"
        }
        Step::Owed { .. } => "its end cannot be confirmed yet: it is tried on",
        Step::Waived { .. } => "an operator broke the glass: everything ends first",
        Step::AbandonIntent { reason, .. } => return format!("{}: discarded; the other serves on", abandoned(reason)),
        Step::Died { proof: Proof::Observed } => "the server confirms that it is dead",
        Step::Died { proof: Proof::Expired } => "its life is over",
        Step::Died { proof: Proof::Answered } => "the server says that it ended itself",
        Step::Cleared if phase == PhaseKind::Stopped => "nothing is left that lives",
        Step::Cleared if phase == PhaseKind::Vacant => "what was given up is out of its slot",
        Step::Cleared => "the only one left",
        Step::Stuck { reason } => return format!("an operator is needed: {}", stuck(reason)),
        Step::Resolved { resolution: Resolution::Keep } => "an operator keeps it",
        Step::Resolved { resolution: Resolution::Forget } => "an operator gave it up: a login is next",
        Step::CloseIntent { .. } => "the last one: it ends itself",
        Step::Stopped { how: AtStop::Keep } => "kept for a successor",
        Step::Stopped { how: AtStop::Revoke } => "there is nothing to end",
    };
    words.to_owned()
}

const fn abandoned(reason: AbandonReason) -> &'static str {
    match reason {
        AbandonReason::MintLost => "nobody knows whether it exists",
        AbandonReason::Interrupted => "a crash cut it short",
        AbandonReason::NotPersisted => "it cannot be kept on disk",
        AbandonReason::ProbeRefused => "it may not do the read",
        AbandonReason::TimedOut => "it did not pass in time",
        AbandonReason::CanaryRefused => "work was refused with it",
        AbandonReason::CanarySlow => "work was too slow with it",
        AbandonReason::CanaryTooFew => "too little work tried it",
        AbandonReason::NotExtended => "it gets no full life",
        AbandonReason::Aborted => "an operator called it off",
        AbandonReason::Compromised => "others know it",
    }
}

const fn stuck(reason: StuckReason) -> &'static str {
    match reason {
        StuckReason::CurrentRefused => "the server refuses the token that serves",
        StuckReason::CurrentMissing => "the token that serves is not in its slot",
        StuckReason::Stranger => "a slot holds a token that the journal does not know",
    }
}
