//! What an identity of these tests rotates.

use std::time::Duration;

use clap::ValueEnum;
use turquoise::core::{Policy, Privileges, Relogin, Via};

use crate::policy;

/// What is rotated, and how the next one is come by. Each by a provider of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A token: the current one mints the next, through a token role.
    #[default]
    Token,
    /// A token: the next one comes by logging in again with an AppRole, which is mounted by the role's name.
    Login,
    /// The secret id of such an AppRole.
    SecretId,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Token, Self::Login, Self::SecretId];

    /// How it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Login => "login",
            Self::SecretId => "secret-id",
        }
    }

    /// The timing of its identities: [`policy`], as far as its provider can keep to that.
    #[must_use]
    pub const fn policy(self) -> Policy {
        let policy = policy();
        match self {
            Self::Token => policy,
            Self::Login => Policy { mint: Via::Login, relogin: Relogin::Possible, login_life: policy.probation, ..policy },
            // Its life is set when it is made and never again. What a crash leaves of a mint is found by listing, and ended; one
            // that was never made is waited out for as long as it would have lived.
            Self::SecretId => Policy {
                full: Duration::from_secs(20),
                probation: Duration::from_secs(36),
                privileges: Privileges::Accessor,
                ..policy
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timing_keeps_the_promise() {
        for kind in Kind::ALL {
            assert_eq!(kind.policy().check(), Ok(()), "{kind:?}");
            assert_eq!(Kind::from_str(kind.word(), false), Ok(kind));
        }
    }
}
