//! The story of two tokens: one that a program rotates by itself, and one that a sidecar rotates for programs that know nothing
//! of it.

mod agent;
mod proof;
mod scene;
mod sidecar;
mod story;

use std::time::Duration;

use turquoise::core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};
use turquoise::vault::{ConfigError, Probe, Role, TokenConfig, TokenProvider, Upstream};

use super::site::Site;
use super::trouble::Trouble;

pub(crate) use story::tell;

/// The token role that the handle's tokens are minted through.
const ROLE: &str = "rot";
/// The AppRole that the sidecar logs in to.
const APP: &str = "app";
/// What the load reads, and the probes.
const SECRET: &str = "secret/data/app";
/// How long an old token is left to those that have it. Servers count a life in whole seconds, and ours is rounded up: a grace of
/// whole seconds would have the old token run out in the very moment in which it is told to end itself.
const GRACE: Duration = Duration::from_millis(2500);

/// Where the load reads, at the server or at what stands before it.
pub(crate) fn read(address: &str) -> String {
    format!("{address}/v1/{SECRET}")
}

/// What a candidate is tried on.
fn probe() -> Result<Probe, ConfigError> {
    Ok(Probe { path: SECRET.parse()?, max_latency: None })
}

pub(crate) fn provider(site: &Site, policy: &Policy) -> Result<TokenProvider, Trouble> {
    let role: Role = ROLE.parse()?;
    let mut config = TokenConfig::new(Upstream::new([site.address.parse()?]), role, site.first());
    config.probes = vec![probe()?];
    config.upstream.timeout = policy.patience;
    Ok(TokenProvider::new(config)?)
}

/// Of the handle's tokens. Short enough to be watched.
pub(crate) const fn policy(seed: u64) -> Policy {
    Policy {
        full: Duration::from_mins(1),
        probation: Duration::from_secs(20),
        login_life: Duration::ZERO,
        mint: Via::Current,
        // The first token was handed to us: nobody hands us a second one.
        relogin: Relogin::Impossible,
        privileges: Privileges::OnlySelf,
        period: None,
        probes: 3,
        probe_every: Duration::from_millis(500),
        validate_for: Duration::from_secs(6),
        canary: None,
        grace: GRACE,
        // All work goes through the handle, which knows when the last of it is done.
        consumers: Consumers::Counted,
        evidence: Duration::from_secs(10),
        patience: Duration::from_secs(3),
        delta: Duration::from_secs(5),
        skew: Duration::from_secs(1),
        backoff: Duration::from_millis(250),
        backoff_cap: Duration::from_secs(5),
        jitter: Jitter::Full(seed),
        budget: None,
        most_live: 3,
        tries_before_debt: 3,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    }
}
