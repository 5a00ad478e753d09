//! A small policy that tests vary.

use core::time::Duration;

use turquoise_core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};

pub(crate) const POLICY: Policy = Policy {
    full: Duration::from_mins(1),
    probation: Duration::from_secs(20),
    login_life: Duration::ZERO,
    mint: Via::Current,
    relogin: Relogin::Impossible,
    privileges: Privileges::OnlySelf,
    period: None,
    probes: 1,
    probe_every: Duration::ZERO,
    validate_for: Duration::from_secs(5),
    canary: None,
    grace: Duration::from_secs(5),
    consumers: Consumers::Uncounted,
    evidence: Duration::from_secs(5),
    patience: Duration::from_secs(1),
    delta: Duration::from_secs(1),
    skew: Duration::ZERO,
    backoff: Duration::from_hours(1),
    backoff_cap: Duration::from_hours(1),
    jitter: Jitter::None,
    budget: None,
    most_live: 3,
    tries_before_debt: 3,
    writer: Writer::Lock,
    sown: Sown::NOTHING,
};
