//! What a provider promises, as data, and what the engine makes of it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use turquoise_core::{Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};

/// What a [`Provider`](crate::port::Provider) declares of the credentials that it makes. The conformance kit (feature
/// `conformance`) tests a provider against its own declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// How many credentials of one identity may live at once.
    pub live_at_once: Limit,
    /// How long after a revocation was answered the credential may still be accepted somewhere; zero if it never is.
    pub revocation: Duration,
    /// What the end of a credential means for those that were minted with it.
    pub siblings: Siblings,
    /// How long after a mint, or after its life was set, until a credential is accepted everywhere; zero if it is at once. So
    /// long a refused probe says nothing, and over so long the probes are spread.
    pub propagation: Duration,
    /// The longest life that a login gives, before it can be shortened: so long a login whose reply was lost may live on.
    /// Zero where a login makes nothing, but adopts what was handed to us.
    pub login_life: Duration,
    /// What ends the life of a credential.
    pub lives: Lives,
    /// How a credential is made beside another.
    pub candidates: Candidates,
    /// What happens when the same mint is asked for twice.
    pub minting: Minting,
    /// Whether it can say which credentials of an identity there are.
    pub listing: Listing,
    /// Whether a request of a holder that was replaced is turned away.
    pub fencing: Fencing,
}

/// How many credentials may live at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many. One more is refused, and none of the others ends for it.
    AtMost(u8),
    /// As many as anybody will ask for.
    None,
}

/// What the end of a credential means for those that were minted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siblings {
    /// Nothing.
    LiveOn,
    /// They end as well: nothing can be rotated without an outage.
    EndToo,
}

/// What ends the life of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    /// Its end, which is set as asked: what is lost ends by itself.
    AsAsked,
    /// Its end, which is set as asked when it is made and never after: to set it answers what is left. So a candidate is minted
    /// with all the life that it will have.
    AsMinted,
    /// Nothing but a revocation: each is answered to live [`Contract::FOREVER`], and a life that is cut is none the shorter. So
    /// what is lost must be found and ended, and a retiring credential outlives its grace if nobody is there to end it.
    UntilEnded,
}

/// How a credential is made beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// The one that serves mints it.
    Minted,
    /// By logging in once more, and in no other way.
    LoggedIn,
}

/// What happens when the same mint is asked for twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minting {
    /// Two credentials are made: a mint of unknown outcome is never repeated.
    MakesAnother,
    /// The second answer is the first credential.
    Idempotent,
}

/// Whether a provider can say which credentials of an identity there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It cannot, or only for whoever has power over others.
    None,
    /// It can.
    Own,
}

/// Whether a request of a holder that was replaced is turned away. No provider that is known does so: two processes on one
/// identity are kept apart by the journal's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fencing {
    /// It is not.
    None,
}

/// Why a provider's contract and a policy do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// There is never a green beside a blue.
    #[error("its provider lets {live} credential live at once, and a rotation needs two: change what the provider allows")]
    OneAtATime {
        /// As many as may live.
        live: u8,
    },
    /// The policy counts on more.
    #[error("the policy lets {policy} credentials live at once, and the provider {contract}: set `most_live` to that")]
    TooMany {
        /// The policy's number.
        policy: u8,
        /// The provider's.
        contract: u8,
    },
    /// To end the old one would end the new one.
    #[error("its provider ends what a credential has minted together with it: have it make credentials without a parent")]
    Cascades,
    /// A good candidate would be given up before it can pass.
    #[error("a new credential may take {propagation:?} to be accepted: make `validate_for` at least {needed:?}")]
    ValidationTooShort {
        /// As the provider declares.
        propagation: Duration,
        /// The least window: the propagation, and the probes after it.
        needed: Duration,
    },
    /// All probes would pass where the credential is known first.
    #[error("a new credential may take {propagation:?} to be accepted everywhere: spread the probes over that by `probe_every`")]
    ProbesTooClose {
        /// As the provider declares.
        propagation: Duration,
    },
    /// The policy counts on ends that never come.
    #[error("its credentials live until they are ended: set `full` and `probation` to `Contract::FOREVER`")]
    NeverEnd,
    /// What is lost would live on for ever.
    #[error("its credentials live until they are ended, those that are lost, too: set `privileges` to `Accessor`, to find them")]
    NeverFound,
    /// A login whose reply was lost would be counted as dead too early.
    #[error("a login gives up to {login_life:?}: set `login_life` to at least that")]
    LoginOutlives {
        /// As the provider declares.
        login_life: Duration,
    },
    /// Whatever was minted would be refused.
    #[error("its provider makes credentials by logging in alone: set `mint` to `Via::Login`")]
    OnlyLogsIn,
    /// A candidate would be too short-lived to be promoted.
    #[error("a credential never lives longer than it was minted for: make `probation` at least {needed:?}, or `full` shorter")]
    NeverExtended {
        /// The least life to be minted with: a full one and the time to validate it.
        needed: Duration,
    },
    /// There is no login to begin anew with.
    #[error(
        "nothing survives a crash, and its provider's login makes nothing: keep secrets in a sink or a sealed store, and set \
             `relogin` to what it can"
    )]
    NothingToBeginWith,
}

/// What a rotation needs, and one that is lost.
const MOST_LIVE: u8 = 3;

impl Contract {
    /// The life of what never ends by itself. It is a number as any other, so long that it is never over.
    pub const FOREVER: Duration = Duration::from_hours(1000 * 365 * 24);

    /// What most providers of bearer tokens with one node declare: nothing lags, nothing cascades, a login adopts.
    pub const PROMPT: Self = Self {
        live_at_once: Limit::None,
        revocation: Duration::ZERO,
        siblings: Siblings::LiveOn,
        propagation: Duration::ZERO,
        login_life: Duration::ZERO,
        lives: Lives::AsAsked,
        candidates: Candidates::Minted,
        minting: Minting::MakesAnother,
        listing: Listing::None,
        fencing: Fencing::None,
    };

    /// A policy that keeps the promise with this provider, where nothing else is asked for: a rotation a day, credentials that
    /// are renewed to an hour, half a second between three probes, no canary, five minutes of grace for readers that nobody
    /// counts, and power over nothing but the credential itself, unless it would live for ever.
    ///
    /// Where a login makes a credential, it can be repeated and is what mints; where it adopts, the current one mints. Waits
    /// after failures are spread by a seed drawn at random.
    #[must_use]
    pub fn policy(&self) -> Policy {
        const PROBES: u16 = 3;
        let adopts = self.login_life.is_zero();
        // From the first to the last it must have come to be known everywhere.
        let probe_every = Duration::from_millis(500).max(self.propagation / 2 + Duration::from_millis(1));
        let validate_for =
            self.propagation.saturating_add(probe_every * u32::from(PROBES)).saturating_add(Duration::from_secs(10));
        let endless = self.lives == Lives::UntilEnded;
        let lasting = |more: Duration| if endless { Self::FOREVER } else { validate_for.saturating_add(more) };
        let full = lasting(Duration::from_hours(1));
        let probation = match self.lives {
            // A full life, and the time to validate it.
            Lives::AsMinted => full.saturating_add(lasting(Duration::from_mins(1))),
            Lives::AsAsked | Lives::UntilEnded => lasting(Duration::from_mins(1)),
        };
        Policy {
            full,
            probation,
            login_life: self.login_life,
            mint: if adopts && self.candidates == Candidates::Minted { Via::Current } else { Via::Login },
            relogin: if adopts { Relogin::Impossible } else { Relogin::Possible },
            privileges: if endless { Privileges::Accessor } else { Privileges::OnlySelf },
            period: Some(validate_for.saturating_add(Duration::from_hours(24))),
            probes: PROBES,
            probe_every,
            validate_for,
            canary: None,
            grace: Duration::from_mins(5),
            consumers: Consumers::Uncounted,
            evidence: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            delta: Duration::from_secs(30),
            skew: Duration::from_secs(1),
            backoff: Duration::from_secs(1),
            backoff_cap: Duration::from_mins(1),
            jitter: Jitter::Full(RandomState::new().build_hasher().finish()),
            budget: None,
            most_live: match self.live_at_once {
                Limit::AtMost(live) => live.min(MOST_LIVE),
                Limit::None => MOST_LIVE,
            },
            tries_before_debt: 3,
            writer: Writer::Lock,
            sown: Sown::NOTHING,
        }
    }

    /// Whether the promise can be kept with this provider.
    pub fn check(&self, policy: &Policy) -> Result<(), ContractError> {
        if let Limit::AtMost(live) = self.live_at_once {
            if live < 2 {
                return Err(ContractError::OneAtATime { live });
            }
            if policy.most_live > live {
                return Err(ContractError::TooMany { policy: policy.most_live, contract: live });
            }
        }
        if self.siblings == Siblings::EndToo {
            return Err(ContractError::Cascades);
        }
        let probing = policy.probe_every.saturating_mul(policy.probes.into());
        let needed = self.propagation.saturating_add(probing);
        if policy.validate_for < needed {
            return Err(ContractError::ValidationTooShort { propagation: self.propagation, needed });
        }
        let spread = policy.probe_every.saturating_mul(policy.probes.saturating_sub(1).into());
        if spread < self.propagation {
            return Err(ContractError::ProbesTooClose { propagation: self.propagation });
        }
        if self.candidates == Candidates::LoggedIn && policy.mint != Via::Login {
            return Err(ContractError::OnlyLogsIn);
        }
        let needed = policy.full.saturating_add(policy.worst_validation());
        if self.lives == Lives::AsMinted && policy.probation < needed {
            return Err(ContractError::NeverExtended { needed });
        }
        if self.lives == Lives::UntilEnded {
            if policy.full != Self::FOREVER || policy.probation != Self::FOREVER {
                return Err(ContractError::NeverEnd);
            }
            if policy.privileges != Privileges::Accessor {
                return Err(ContractError::NeverFound);
            }
        }
        if policy.relogin == Relogin::EachStart && self.login_life.is_zero() {
            return Err(ContractError::NothingToBeginWith);
        }
        if policy.login_life < self.login_life {
            return Err(ContractError::LoginOutlives { login_life: self.login_life });
        }
        Ok(())
    }
}
