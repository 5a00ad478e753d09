//! What is said over the admin socket, as both sides have it. `docs/admin.md` describes it to others.

use serde::{Deserialize, Serialize};

/// An instant, for a person and for a program that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// RFC 3339, in UTC.
    pub(crate) at: String,
    /// Seconds from when it was said until then; negative if it is over.
    pub(crate) in_seconds: f64,
}

/// One of an identity's credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Its name in the journal and the log.
    pub(crate) generation: String,
    /// `blue` or `green`.
    pub(crate) slot: String,
    /// `current`, `candidate`, `retiring` or `going`.
    pub(crate) role: String,
    /// How much work of this process holds it, what hangs from it included.
    pub(crate) in_flight: usize,
    /// What hangs from it, as far as it was made through this process.
    pub(crate) dependents: Hanging,
    /// When it became current, if this process has seen that.
    pub(crate) since: Option<String>,
    /// Until when it certainly lives; of one that is going, when it is dead by itself.
    pub(crate) expires: Option<Moment>,
}

/// What was made with a credential and lives: it ends with it at the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hanging {
    pub(crate) leases: usize,
    /// Tokens that are its children.
    pub(crate) children: usize,
}

/// A credential of an earlier round whose end is not confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Owed {
    pub(crate) generation: String,
    pub(crate) slot: String,
    /// When it is dead by itself.
    pub(crate) dead_by: Option<Moment>,
}

/// How rotations of this process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ends {
    pub(crate) succeeded: u64,
    pub(crate) abandoned: u64,
    pub(crate) refused: u64,
    pub(crate) rolled_back: u64,
}

/// Where an identity stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    /// By the names of the specification.
    pub(crate) phase: String,
    /// Why new work is given nothing, if that is so.
    pub(crate) not_serving: Option<String>,
    pub(crate) current: Option<Held>,
    /// The other credential of the rotation.
    pub(crate) second: Option<Held>,
    pub(crate) debt: Option<Owed>,
    pub(crate) next_rotation: Option<Moment>,
    /// Until when nothing begins because it is due.
    pub(crate) paused: Option<Moment>,
    pub(crate) grace_ends: Option<Moment>,
    /// Why an operator is needed, if that is so.
    pub(crate) needs_operator: Option<String>,
    /// Whether the journal failed: only renewal goes on until a restart.
    pub(crate) stalled: bool,
    /// Whether the task that rotates is there.
    pub(crate) alive: bool,
    /// Why something last went wrong, in the provider's or the disk's words.
    pub(crate) reason: Option<String>,
    pub(crate) rotations: Ends,
    /// When a credential last became current, if this process has seen that.
    pub(crate) last_success: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standings {
    pub(crate) identities: Vec<Standing>,
}

/// A calendar, in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scheduled {
    /// As the file has it.
    pub(crate) calendar: String,
    /// So long after what it says at most, in seconds.
    pub(crate) window: f64,
}

/// What is to come of an identity. All durations in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) provider: String,
    /// From one rotation to the next at the latest, unless a calendar says when; nothing rotates by itself without either.
    pub(crate) every: Option<f64>,
    pub(crate) schedule: Option<Scheduled>,
    pub(crate) next_rotation: Option<Moment>,
    /// The life that the serving credential is renewed to.
    pub(crate) life: f64,
    pub(crate) validate_for: f64,
    pub(crate) grace: f64,
    /// The longest time from a mint to the end of the grace.
    pub(crate) longest_rotation: f64,
    /// An outage of the provider that begins now and lasts so long ends nothing.
    pub(crate) survives_now: f64,
    /// … and one that begins at any time, if the credential can be renewed.
    pub(crate) survives_any_time: Option<f64>,
    /// Why a rotation would not begin if it were asked for now.
    pub(crate) refused: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plans {
    pub(crate) identities: Vec<Planned>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Happened {
    /// Counts what this process has told, from 1.
    pub(crate) seq: u64,
    pub(crate) identity: String,
    pub(crate) at: String,
    /// The record by the names of the specification, or `Dark`, `Stalled`, `Ended`.
    pub(crate) step: String,
    /// The phase after it.
    pub(crate) phase: String,
    /// What it is about.
    pub(crate) generation: Option<String>,
    pub(crate) slot: Option<String>,
    /// In plain words.
    pub(crate) words: String,
    /// In the provider's or the disk's words.
    pub(crate) reason: Option<String>,
}

/// What happened since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Since {
    pub(crate) events: Vec<Happened>,
    /// What to ask for next as `after`.
    pub(crate) after: u64,
    /// Some between were forgotten: too many happened since.
    pub(crate) missed: bool,
}

/// Something that was asked for will be tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    /// What comes of it is told after this one.
    pub(crate) after: u64,
}

/// The body of `local-token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overlap {
    /// So many seconds the one that was until now is taken as well.
    pub(crate) overlap: u64,
}

/// There is another local token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replaced {
    /// Where it is.
    pub(crate) file: String,
    /// Until when the one before it is taken.
    pub(crate) old_until: Moment,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Complaint {
    pub(crate) error: String,
}

/// The body of `compromise`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compromise {
    /// Which; without it the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<String>,
}

/// The body of `break-glass`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlass {
    /// `revoke-first`, by which who asks says that they know what it means.
    pub(crate) confirm: String,
    /// Even where no login gives another credential afterwards.
    #[serde(default)]
    pub(crate) even_without_login: bool,
}

/// The body of `pause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// For so many seconds from now.
    pub(crate) seconds: u64,
}

/// The word that breaks the glass.
pub(crate) const REVOKE_FIRST: &str = "revoke-first";

/// The body of `resolve`: what to do with the credential that the journal calls current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Resolve {
    Keep(String),
    Forget(String),
}
