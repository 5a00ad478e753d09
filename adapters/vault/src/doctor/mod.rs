//! A look before the leap: whether a server lets a rotation do all that it must, tried with credentials that are thrown away.
//!
//! Nothing that anybody uses is changed: what is renewed, cut and ended was made for that. If this process dies over it, that
//! lives for a probation; a login for what its role gives; and in one moment for the life that a rotation needs, which is tried on
//! one of them and taken away by the next request. What is found missing is named by its line in [`policy`](crate::policy()).
//!
//! Of other people's tokens none is looked at, even where the accessor privileges would allow it: to look at one that is just
//! being made kills it.

mod exam;
mod login;
mod report;
mod secret_id;
mod token;

use std::time::Duration;

use turquoise_runtime::core::Privileges;

use crate::config::TokenConfig;
use crate::login::LoginConfig;
use crate::name::Path;
use crate::secret_id::SecretIdConfig;
use crate::server::ConfigError;

pub use report::{Finding, Outcome, Report, Verdict};

/// What a rotation is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The first life of a candidate, and of all that is thrown away. The core's policy has it as `probation`.
    pub probation: Duration,
    /// What a credential must be able to live, from when it is made: the period of the rotation and the grace after it. Of a
    /// secret id, whose life is set once, twice that.
    pub life: Duration,
    /// What power there is over tokens that were lost. An AppRole's secret ids need none.
    pub privileges: Privileges,
    /// From one rotation to the next.
    pub every: Duration,
    /// Where programs take leases with a token. One is taken of each, and ended; of an AppRole's secret ids there are none.
    pub leases: &'a [Path],
}

/// Whether `stop` has come true is asked before each request; then what was made is ended, and no more is tried.
pub async fn token(config: TokenConfig, plan: Plan<'_>, stop: impl FnMut() -> bool + Send) -> Result<Report, ConfigError> {
    token::examine(config, plan, stop).await
}

/// As [`token`]. Costs two logins, three with the accessor privileges. Where logging in means to adopt a token, that is looked up
/// and tried on the probes, and not changed.
pub async fn login(config: LoginConfig, plan: Plan<'_>, stop: impl FnMut() -> bool + Send) -> Result<Report, ConfigError> {
    login::examine(config, plan, stop).await
}

/// As [`token`]. Costs three logins, four if the tokens are to be ended that a secret id was used for.
pub async fn secret_id(config: SecretIdConfig, plan: Plan<'_>, stop: impl FnMut() -> bool + Send) -> Result<Report, ConfigError> {
    secret_id::examine(config, plan, stop).await
}
