//! What varies from run to run, all of it drawn from the seed.

use std::time::Duration;

use turquoise_model::{Config, SINK};
use turquoise_runtime::core::{Budget, Consumers, Jitter, Policy, Privileges, Relogin, Shortage, Sown, Trial, Via, Writer};
use turquoise_runtime::port::Contract;

use crate::dice::Dice;

/// What is under way when a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    Login,
    Rotation,
    BadCandidate,
    LostMint,
    LostMintFound,
    Abort,
    Rollback,
    Compromise,
    CompromisedCandidate,
    CanaryPassed,
    CanaryRefused,
    Debt,
    Emergency,
    Replaced,
    Stuck,
    BreakGlass,
    StopKeep,
    StopRevoke,
}

impl Story {
    pub(crate) const ALL: [Self; 18] = [
        Self::Login,
        Self::Rotation,
        Self::BadCandidate,
        Self::LostMint,
        Self::LostMintFound,
        Self::Abort,
        Self::Rollback,
        Self::Compromise,
        Self::CompromisedCandidate,
        Self::CanaryPassed,
        Self::CanaryRefused,
        Self::Debt,
        Self::Emergency,
        Self::Replaced,
        Self::Stuck,
        Self::BreakGlass,
        Self::StopKeep,
        Self::StopRevoke,
    ];

    /// What it passes, or it is not that story.
    pub(crate) const fn hallmark(self) -> &'static str {
        match self {
            Self::Login => "after Ready",
            Self::Rotation | Self::CanaryPassed | Self::Emergency => "after Promoted",
            Self::BadCandidate | Self::LostMint | Self::Abort | Self::CanaryRefused => "after AbandonIntent",
            Self::LostMintFound => "after discover",
            Self::Rollback => "after RolledBack",
            Self::Compromise | Self::CompromisedCandidate => "after Compromised",
            Self::Debt => "after Owed",
            Self::Replaced => "after login",
            Self::Stuck => "after Resolved",
            Self::BreakGlass => "after Waived",
            Self::StopKeep => "after Stopped",
            Self::StopRevoke => "after CloseIntent",
        }
    }

    /// What it is about.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Login => "a first login",
            Self::Rotation => "a good rotation",
            Self::BadCandidate => "a candidate that cannot do its work",
            Self::LostMint => "a mint whose reply is lost, waited out",
            Self::LostMintFound => "a mint whose reply is lost, found and ended",
            Self::Abort => "an operator calls it off",
            Self::Rollback => "an operator wants the old one back",
            Self::Compromise => "others know the current one",
            Self::CompromisedCandidate => "others know the candidate",
            Self::CanaryPassed => "a canary that passes",
            Self::CanaryRefused => "a canary that is refused",
            Self::Debt => "an end that cannot be confirmed: a debt",
            Self::Emergency => "a current one that is renewed no more",
            Self::Replaced => "others revoke the current one: a login",
            Self::Stuck => "others revoke the current one: an operator",
            Self::BreakGlass => "the glass is broken",
            Self::StopKeep => "a stop that keeps, and a successor",
            Self::StopRevoke => "a stop that revokes, and a successor",
        }
    }
}

/// One run: the driver's policy, and how much goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
    pub(crate) contract: Contract,
    /// For so long things go wrong.
    pub(crate) trouble: Duration,
    /// In a thousand, for each: requests, places where the process may die, appends, writes to the store.
    pub(crate) wire: u64,
    pub(crate) crash: u64,
    pub(crate) disk: u64,
    /// What others do: in a thousand things that happen.
    pub(crate) others: u64,
    /// Instead of all that, one story, in which processes die exactly there: so many places after the story began, and then
    /// so many after the next process did.
    pub(crate) story: Option<Story>,
    pub(crate) deaths: [Option<usize>; 2],
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Seconds for what takes minutes and hours: the proportions are those of a real policy.
const POLICY: Policy = Policy {
    full: secs(60),
    probation: secs(20),
    login_life: secs(60),
    mint: Via::Current,
    relogin: Relogin::Impossible,
    privileges: Privileges::OnlySelf,
    period: None,
    probes: 2,
    probe_every: Duration::from_millis(200),
    validate_for: secs(5),
    canary: None,
    grace: secs(10),
    consumers: Consumers::Uncounted,
    evidence: secs(5),
    patience: secs(1),
    delta: secs(2),
    skew: Duration::from_millis(100),
    backoff: Duration::from_millis(100),
    backoff_cap: secs(1),
    jitter: Jitter::None,
    budget: None,
    most_live: 3,
    tries_before_debt: 3,
    writer: Writer::Lock,
    sown: Sown::NOTHING,
};

/// A renewal and a mint that are refused are tried again within `backoff_cap` for ever: what they leave must suffice for the
/// probe that tells that the credential is dead, which leaves three to others.
const BUDGET: Budget = Budget { every: Duration::from_millis(150), burst: 6 };

const CANARY: Trial =
    Trial { share: 5_000, window: secs(1), samples: 1, forgiven: 0, slower: 0, shortage: Shortage::ProbesSuffice };

impl Plan {
    /// A quiet world: nothing goes wrong.
    pub(crate) fn calm(seed: u64) -> Self {
        let contract = Contract { login_life: POLICY.login_life, ..Contract::PROMPT };
        Self {
            seed,
            policy: POLICY,
            contract,
            trouble: Duration::ZERO,
            wire: 0,
            crash: 0,
            disk: 0,
            others: 0,
            story: None,
            deaths: [None; 2],
        }
    }

    /// That of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, &[1]);
        let mut policy = POLICY;
        policy.consumers = dice.one(&[Consumers::Counted, Consumers::Counted, Consumers::Uncounted]);
        policy.canary = (policy.consumers == Consumers::Counted && dice.permille(500)).then_some(CANARY);
        policy.relogin = dice.one(&[Relogin::Possible, Relogin::Impossible]);
        policy.mint = if policy.relogin == Relogin::Possible { dice.one(&[Via::Current, Via::Login]) } else { Via::Current };
        policy.privileges = dice.one(&[Privileges::OnlySelf, Privileges::OnlySelf, Privileges::Accessor]);
        policy.period = dice.permille(300).then_some(secs(40));
        policy.grace = secs(4 + dice.below(7));
        policy.budget = dice.permille(300).then_some(BUDGET);
        policy.most_live = dice.one(&[2, 3]);
        let lags = dice.permille(300);
        let revocation = if lags { secs(2) } else { Duration::ZERO };
        Self {
            policy,
            contract: Contract { revocation, ..Self::calm(seed).contract },
            trouble: secs(15 + dice.below(40)),
            wire: dice.below(250),
            crash: dice.below(25),
            disk: dice.below(25),
            others: dice.one(&[0, 100, 250]),
            ..Self::calm(seed)
        }
    }

    /// A story, with the deaths in it.
    pub(crate) fn tells(story: Story, deaths: [Option<usize>; 2]) -> Self {
        let mut policy = POLICY;
        policy.grace = secs(4);
        let counted = matches!(story, Story::CanaryRefused | Story::CanaryPassed);
        policy.consumers = if counted { Consumers::Counted } else { Consumers::Uncounted };
        policy.canary = counted.then_some(Trial { share: 10_000, window: secs(3), ..CANARY });
        let logs_in = matches!(story, Story::Compromise | Story::Replaced | Story::BreakGlass);
        policy.relogin = if logs_in { Relogin::Possible } else { Relogin::Impossible };
        let named = matches!(story, Story::Debt | Story::LostMintFound);
        policy.privileges = if named { Privileges::Accessor } else { Privileges::OnlySelf };
        Self { policy, story: Some(story), deaths, ..Self::calm(0) }
    }

    /// The world of the model with this timing.
    pub(crate) const fn config(&self) -> Config {
        Config { name: "a driver", policy: self.policy, pins: None, ..SINK }
    }

    /// Whether a provider lags.
    pub(crate) const fn lags(&self) -> bool {
        !self.contract.revocation.is_zero()
    }
}
