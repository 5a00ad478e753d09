//! Whole-system tests against real servers.
//!
//! The tests are in `tests/system`: each starts processes of the program `agent`, which embeds the library as anybody would,
//! kills them at chosen places, and judges from outside, by what the server wrote into its audit log. What both sides have in
//! common is here: the timing, the places, and what an agent tells.

pub mod agent;
pub mod comparison;
mod kind;
mod point;
mod told;

use std::time::Duration;

use turquoise::core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};

pub use kind::Kind;
pub use point::{NoPoint, Place, Point, Side};
pub use told::{Command, Told};

/// What a candidate is tried on.
pub const PROBED: &str = "secret/data/app";

/// The timing of every identity in these tests: as short as whole seconds at the server and two slow cores allow.
///
/// A life is long enough that none is renewed within a rotation: only then have its calls an order that can be counted on.
#[must_use]
pub const fn policy() -> Policy {
    Policy {
        mint: Via::Current,
        relogin: Relogin::Impossible,
        privileges: Privileges::OnlySelf,
        full: Duration::from_mins(1),
        probation: Duration::from_secs(12),
        login_life: Duration::ZERO,
        period: None,
        probes: 2,
        probe_every: Duration::from_millis(50),
        validate_for: Duration::from_secs(4),
        canary: None,
        // Not of whole seconds: the old token would run out just when it is to end itself.
        grace: Duration::from_millis(1500),
        consumers: Consumers::Uncounted,
        evidence: Duration::from_secs(10),
        patience: Duration::from_secs(2),
        delta: Duration::from_secs(2),
        skew: Duration::from_secs(1),
        backoff: Duration::from_millis(100),
        backoff_cap: Duration::from_millis(500),
        jitter: Jitter::None,
        budget: None,
        most_live: 3,
        tries_before_debt: 3,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    }
}
