//! The story of an access key.

mod proof;
mod scene;
pub(crate) mod sidecar;
mod story;
mod words;

use std::time::Duration;

use turquoise::aws_iam::{Endpoint, IamConfig, IamProvider, Probe, Scope, Source};
use turquoise::core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};
use turquoise::port::Contract;
use turquoise::sink::Form;

use super::site::Site;
use super::trouble::Trouble;

pub(crate) use story::tell;
pub(crate) use words::words;

/// Whose keys are rotated.
const USER: &str = "app";
/// The only profile in the published file, and in that of the first key.
pub(crate) const PROFILE: &str = "default";
/// What the load reads, and the probe: the list of the buckets.
pub(crate) const SCOPE: Scope<'_> = Scope { service: "s3", region: REGION };
const REGION: &str = "us-east-1";
/// How long a new key is unknown and a deleted one honoured, at the emulator …
const LAG: Duration = Duration::from_secs(1);
/// … and at most, as the provider declares.
const DECLARED: Duration = Duration::from_secs(2);

/// Where the load and the probe read.
pub(crate) fn read(address: &str) -> String {
    format!("{address}/")
}

pub(crate) fn form() -> Result<Form, Trouble> {
    let profile = PROFILE.parse().map_err(|why| Trouble::Local(format!("{why}")))?;
    Ok(Form::SharedCredentials { profile })
}

pub(crate) fn provider(site: &Site) -> Result<IamProvider, Trouble> {
    let source = Source::Profile { file: site.first(), profile: PROFILE.to_owned() };
    let endpoint = Endpoint { url: site.address.clone(), region: REGION.to_owned() };
    let (service, region) = (SCOPE.service.to_owned(), SCOPE.region.to_owned());
    let config = IamConfig {
        iam: endpoint.clone(),
        sts: endpoint,
        probes: vec![Probe { service, region, url: read(&site.address), max_latency: None }],
        propagation: DECLARED,
        lingering: DECLARED,
        late: DECLARED,
        // The load works with the old key to the end of its grace, as nothing tells it otherwise.
        spare: Duration::ZERO,
        ..IamConfig::new(USER.parse()?, source)
    };
    Ok(IamProvider::new(config)?)
}

/// Short enough to be watched.
pub(crate) const fn policy(seed: u64) -> Policy {
    Policy {
        // Keys never end, and what a crash leaves is ended by its name.
        full: Contract::FOREVER,
        probation: Contract::FOREVER,
        privileges: Privileges::Accessor,
        login_life: Duration::ZERO,
        mint: Via::Current,
        relogin: Relogin::Impossible,
        period: None,
        // Spread over the propagation.
        probes: 5,
        probe_every: Duration::from_millis(500),
        validate_for: Duration::from_secs(10),
        canary: None,
        grace: Duration::from_millis(2500),
        consumers: Consumers::Uncounted,
        evidence: Duration::from_secs(30),
        patience: Duration::from_secs(10),
        delta: DECLARED,
        skew: Duration::from_secs(1),
        backoff: Duration::from_millis(250),
        backoff_cap: Duration::from_secs(1),
        jitter: Jitter::Full(seed),
        budget: None,
        most_live: 2,
        tries_before_debt: 20,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    }
}
