//! A transition in plain words.

use serde::{Deserialize, Serialize};
use turquoise::core::{AbandonReason, Drained, Event, PhaseKind, Proof, Step, StepKind, StuckReason};
use turquoise::port::{Reason, label};
use turquoise::{Progress, Recorded};

/// Something that a rotation did, as it is shown, and as one process tells it to another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The name of the step, for the story to wait for.
    step: String,
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
    pub(crate) fn of(progress: Progress) -> Self {
        match progress {
            Progress::Recorded(recorded) => Self::recorded(*recorded),
            Progress::Noticed { event, reason } => Self {
                step: format!("{event:?}"),
                label: String::new(),
                phase: String::new(),
                words: noticed(event).to_owned(),
                reason: reason.map(|Reason(words)| words),
            },
        }
    }

    fn recorded(Recorded { record, phase, current, second, reason, .. }: Recorded) -> Self {
        let about = if matches!(record.step, Step::Promoted { .. }) { current } else { second.or(current) };
        Self {
            step: format!("{:?}", record.step.kind()),
            label: about.map(label).unwrap_or_default(),
            phase: format!("{:?}", phase.kind()),
            words: words(record.step, phase.kind()),
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

fn words(step: Step, phase: PhaseKind) -> String {
    let words = match step {
        Step::Recovered { .. } if phase == PhaseKind::Abandoning => "a crash cut it short: discarded; the other serves on",
        Step::Recovered { .. } => "a new process takes over what the journal and the slots hold",
        Step::LoginIntent { .. } => "about to adopt the token in the file",
        Step::LoginFailed { .. } => "the token cannot be had yet",
        Step::LoggedIn { .. } => "the server accepts it; it goes into its slot and the file",
        Step::Ready => "published: work may begin",
        Step::IssueIntent { .. } => "to be minted by the one that serves, as its sibling",
        Step::IssueRefused => "the server would not mint",
        Step::Issued { .. } => "minted with a short life: it is on probation",
        Step::Persisted => "safe on disk; now it must do real reads, before any work",
        Step::ExtendIntent => "it passed every probe, and asks for a full life",
        Step::Promoted { .. } => "its full life is confirmed: new work uses it from here on",
        Step::ShortenIntent { .. } => "replaced in the file too; a short life is left for old work",
        Step::RevokeIntent { drained: Drained::Idle, .. } => "no work holds it any more: it ends itself",
        Step::RevokeIntent { drained: Drained::Deadline, .. } => "its grace is over: it ends itself",
        Step::AbandonIntent { reason, .. } => return format!("{}: discarded; the other serves on", abandoned(reason)),
        Step::Died { proof: Proof::Observed } => "the server confirms that it is dead",
        Step::Died { proof: Proof::Expired } => "its life is over",
        Step::Cleared => "the only one left",
        Step::Stuck { reason } => return format!("an operator is needed: {}", stuck(reason)),
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
        AbandonReason::NotExtended => "it gets no full life",
    }
}

const fn stuck(reason: StuckReason) -> &'static str {
    match reason {
        StuckReason::CurrentRefused => "the server refuses the token that serves",
        StuckReason::CurrentMissing => "the token that serves is not in its slot",
        StuckReason::Stranger => "a slot holds a token that the journal does not know",
    }
}
