//! What an agent is told, and what it tells: lines on its standard input and output.

use serde::{Deserialize, Serialize};
use turquoise::port::Reason;
use turquoise::{Progress, Recorded};

/// Something that an agent is told to do. At the end of its input it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin a rotation.
    Rotate,
    /// Go on from where you are held.
    Release,
    /// Keep the credential, and end.
    Stop,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rotate, Self::Release, Self::Stop];

    /// The line that says so.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Release => "release",
            Self::Stop => "stop",
        }
    }
}

/// Something that an agent tells, as a line of JSON. No secret fits in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
pub enum Told {
    /// A record is durable, and the machine has moved.
    Record {
        /// Its place in the journal.
        lsn: u64,
        /// The name of its step.
        step: String,
        /// The name of the phase after it.
        phase: String,
        /// Whether a credential of an earlier round is still to be ended.
        owes: bool,
        /// The provider's words, if a setback led to it.
        reason: Option<String>,
    },
    /// Something that no record says.
    Event {
        /// Its name.
        event: String,
    },
    /// A call begins.
    Call {
        /// Its number in this process.
        number: u64,
        /// Its name.
        call: String,
    },
    /// The process stands still at the point that it was given.
    Held,
    /// No rotation was begun.
    Refused {
        /// Why.
        words: String,
    },
}

impl From<Progress> for Told {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Recorded(recorded) => {
                let Recorded { record, phase, debt, reason, .. } = *recorded;
                let (step, phase) = (format!("{:?}", record.step.kind()), format!("{:?}", phase.kind()));
                Self::Record { lsn: record.lsn.0, step, phase, owes: debt.is_some(), reason: reason.map(|Reason(words)| words) }
            }
            Progress::Noticed { event, .. } => Self::Event { event: format!("{event:?}") },
        }
    }
}
