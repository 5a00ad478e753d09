//! What is explored: the timing in ticks, and how much goes wrong at most.

use std::time::Duration;

use turquoise_core::{Consumers, Jitter, Policy};

/// One closed configuration: every state that is reachable within its budgets is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Its name.
    pub name: &'static str,
    /// The machine's policy; a tick is a millisecond.
    pub policy: Policy,
    /// How many times the process may die, at any instruction.
    pub crashes: u8,
    /// How many of these may happen, in sum: a request refused or not connected, a reply lost, a request delayed beyond
    /// the driver's patience, a candidate with too few rights, a write to the store that fails, a completion delivered twice.
    pub faults: u8,
    /// For how long at most a dead process stays down.
    pub downtime: u64,
    /// How many distinct states there are: a change is a change of the machine or of its world, and is reviewed.
    pub states: usize,
    /// How deep they go.
    pub depth: usize,
}

const fn ticks(n: u64) -> Duration {
    Duration::from_millis(n)
}

const POLICY: Policy = Policy {
    full: ticks(9),
    probation: ticks(5),
    login_life: ticks(9),
    period: None,
    probes: 1,
    probe_every: ticks(0),
    validate_for: ticks(1),
    grace: ticks(2),
    consumers: Consumers::Uncounted,
    evidence: ticks(2),
    patience: ticks(1),
    delta: ticks(2),
    skew: ticks(0),
    backoff: ticks(1),
    backoff_cap: ticks(1),
    jitter: Jitter::None,
    #[cfg(feature = "seeded-bugs")]
    bug: None,
};

/// Readers take the credential from the published file of the two-slot sink; the machine has no power over any credential
/// but through its own secret.
pub const SINK: Config = Config {
    name: "two-slot sink, self privileges",
    policy: POLICY,
    crashes: 1,
    faults: 1,
    downtime: 1,
    states: 126_354,
    depth: 84,
};
