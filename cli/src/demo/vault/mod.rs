//! The story of a token.

mod proof;
mod scene;

use std::time::Duration;

use turquoise::core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};
use turquoise::vault::{ConfigError, Probe, Role, TokenConfig, TokenProvider, Upstream};

use super::site::Site;
use super::trouble::Trouble;

pub(crate) use scene::Vault;

/// The role that tokens are minted through.
const ROLE: &str = "rot";
/// What the load reads, and the probe.
pub(crate) const SECRET: &str = "secret/data/app";

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

/// Short enough to be watched.
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
        // Also the time in which the rotating process has to be killed between the minting and the switch.
        probe_every: Duration::from_millis(500),
        validate_for: Duration::from_secs(6),
        canary: None,
        // Servers count a life in whole seconds, and ours is rounded up: a grace of whole seconds would have the old token
        // run out in the very moment in which it is told to end itself.
        grace: Duration::from_millis(2500),
        consumers: Consumers::Uncounted,
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
