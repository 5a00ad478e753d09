//! How many effects ended how: what a dashboard wants to know of the provider.

use turquoise_core::{Effect, Outcome};

/// Effects that have ended since the identity was started, by what they were and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls([[u64; 3]; NAMES.len()]);

const NAMES: [&str; 12] =
    ["login", "issue", "persist", "probe", "renew", "extend", "publish", "shorten", "revoke", "observe", "discover", "clear"];
const OUTCOMES: [&str; 3] = ["applied", "not_applied", "unknown"];

impl Calls {
    pub(crate) const fn count(&mut self, effect: &Effect, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Applied(_) => 0,
            Outcome::NotApplied(_) => 1,
            Outcome::Unknown => 2,
        };
        self.0[place(effect)][outcome] += 1;
    }

    /// Each kind of effect with each outcome: its name, `applied`, `not_applied` or `unknown`, and how many there were.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let names = NAMES.into_iter().zip(self.0);
        names.flat_map(|(name, counts)| OUTCOMES.into_iter().zip(counts).map(move |(outcome, count)| (name, outcome, count)))
    }
}

/// Where among the names.
const fn place(effect: &Effect) -> usize {
    match effect {
        Effect::Login { .. } => 0,
        Effect::Issue { .. } => 1,
        Effect::Persist(_) => 2,
        Effect::Probe(_) => 3,
        Effect::Renew { .. } => 4,
        Effect::Extend { .. } => 5,
        Effect::Publish(_) => 6,
        Effect::Shorten { .. } => 7,
        Effect::Revoke { .. } => 8,
        Effect::Observe { .. } => 9,
        Effect::Discover { .. } => 10,
        Effect::Clear(_) => 11,
    }
}
