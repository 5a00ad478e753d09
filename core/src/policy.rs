//! How long things take. Every duration is counted on the driver's clock.

use core::fmt;
use core::time::Duration;

use crate::budget::Budget;
use crate::canary::Trial;
use crate::record::Via;
use crate::seed::Sown;
use crate::vocabulary::Instant;

/// The timing of one identity's rotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The life that a serving credential is given and renewed to.
    pub full: Duration,
    /// The life that a candidate is minted with. A candidate that is lost dies by itself within it.
    pub probation: Duration,
    /// How long a credential made by a login that is lost may live; zero where a login only adopts.
    pub login_life: Duration,
    /// What mints a candidate when nothing is wrong.
    pub mint: Via,
    /// Whether a login can be repeated: then it replaces a current credential that is lost, and mints when the current
    /// one is compromised.
    pub relogin: Relogin,
    /// What power we have over credentials whose secret is lost.
    pub privileges: Privileges,
    /// From one rotation's end to the beginning of the next, or less with jitter, which has each identity rotate at a moment of
    /// its own in every period; `None` rotates only when asked.
    pub period: Option<Duration>,
    /// Successful probes in a row that a candidate must show.
    pub probes: u16,
    /// From one probe's success to the next probe.
    pub probe_every: Duration,
    /// The window in which all probes must have passed, extension included.
    pub validate_for: Duration,
    /// How new work tries the candidate after its probes; `None`: not at all.
    pub canary: Option<Trial>,
    /// From the publishing of the new credential to the revocation of the old one, if work still holds it.
    pub grace: Duration,
    /// Whether every consumer is counted.
    pub consumers: Consumers,
    /// How long a proof that a secret is accepted counts as a [`Witness`](crate::Witness).
    pub evidence: Duration,
    /// The driver's limit for one effect: each is completed within it.
    pub patience: Duration,
    /// Δ: a request may be applied until so long after it was sent, and not from then on, whatever became of its sender.
    pub delta: Duration,
    /// Added to an upper bound before death is concluded from time alone.
    pub skew: Duration,
    /// The first wait after a failure; it doubles with each further one.
    pub backoff: Duration,
    /// The longest wait after a failure.
    pub backoff_cap: Duration,
    /// How waits after failures, renewals and rotations are spread.
    pub jitter: Jitter,
    /// The ceiling on requests to the provider; `None`: the driver has one.
    pub budget: Option<Budget>,
    /// So many credentials of this identity may live at once, as the provider's contract says; at least 2.
    pub most_live: u8,
    /// An end that could not be confirmed in so many tries becomes a debt, and the round is over.
    pub tries_before_debt: u8,
    /// What keeps a second process from rotating the same identity (S8).
    pub writer: Writer,
    /// A bug that the checks must see: [`Sown::NOTHING`].
    pub sown: Sown,
}

/// Whether a login can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relogin {
    /// It can: the login's own secret may be used again.
    Possible,
    /// It can, and nothing else outlives the process: a start that finds no secret owes whatever the journal speaks of, and logs
    /// in anew. What a crash leaves behind lives for as long as it was given: give it little.
    EachStart,
    /// It cannot: the first credential was handed to us, or its secret was good for one use.
    Impossible,
}

impl Relogin {
    /// Whether a login can give another credential.
    #[must_use]
    pub const fn is_possible(self) -> bool {
        !matches!(self, Self::Impossible)
    }
}

/// What power we have over credentials whose secret is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privileges {
    /// None (recommended): a credential ends itself, or its life does.
    OnlySelf,
    /// Any credential can be ended by its handle, others' too.
    Accessor,
}

/// What keeps a second process from rotating the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// The journal's lock, on one host: it lasts as long as the process.
    Lock,
    /// A lease that a coordinator grants and that runs out: nothing that changes anything is sent, and nothing but a
    /// recovery recorded, outside of the mandate that was told last.
    Mandate,
}

/// How consumers take the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consumers {
    /// All through the handle: when none holds the retiring one, the grace is over.
    Counted,
    /// Some read a file: only the deadline ends the grace.
    Uncounted,
}

/// How requests are spread, so that a fleet that began as one does not go on as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// Not at all (for exploration): a credential is renewed at half of its life, and rotated when the period is over.
    None,
    /// From this seed, which should tell the identity and its host from all others and be the same after each start.
    ///
    /// A wait after a failure is drawn anew each time, after the cap, between nothing and the whole of it. Renewals and
    /// rotations each have a *moment* that is the identity's own and comes again in every period of the clock, so that
    /// neither a start nor an outage that many share brings them together again.
    Full(u64),
}

impl Jitter {
    /// Where in each `period` the identity's own moment lies: less than a period, in whole milliseconds; zero without jitter.
    #[must_use]
    pub fn phase(self, period: Duration) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Full(seed) => {
                let period = millis(period).max(1);
                Duration::from_millis(scramble(seed ^ period) % period)
            }
        }
    }

    /// The identity's last own moment after `now` and no later than `latest`, if there is one.
    fn moment(self, now: Instant, latest: Instant, period: Duration) -> Option<Instant> {
        let late = latest.0.checked_sub(millis(self.phase(period)))? % millis(period).max(1);
        let moment = Instant(latest.0 - late);
        (moment > now && self != Self::None).then_some(moment)
    }
}

/// Saturates.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Why a policy cannot keep the promise (S7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// A duration that must not be zero is.
    Zero(&'static str),
    /// Evidence must outlast the request that makes it and the one that uses it.
    EvidenceTooShort {
        /// The least that would do.
        needed: Duration,
    },
    /// All probes and the canary's window must fit into the validation.
    ValidationTooShort {
        /// The least window that would do.
        needed: Duration,
    },
    /// The budget does not give the requests of a validation in its time, or nothing beside tries that fail.
    BudgetTooSmall {
        /// The longest interval between requests that would do.
        longest: Duration,
    },
    /// Fewer than two credentials may live at once: no rotation is possible.
    OneAtATime,
    /// The probation must outlast validation, persisting and extension.
    ProbationTooShort {
        /// The least probation that would do.
        needed: Duration,
    },
    /// The full life must outlast a whole rotation, and twice that leave room for renewals that fail.
    FullTooShort {
        /// The least life that would do.
        needed: Duration,
    },
    /// A rotation and its grace must be over before the next one begins.
    PeriodTooShort {
        /// The least period that would do.
        needed: Duration,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(name) => write!(f, "{name} is zero: give it a duration"),
            Self::EvidenceTooShort { needed } => {
                write!(f, "evidence is older than it may be before it can be used: let it count for at least {needed:?}")
            }
            Self::ValidationTooShort { needed } => {
                write!(f, "the validation is too short for its probes and its canary: make it at least {needed:?}")
            }
            Self::BudgetTooSmall { longest } => {
                write!(
                    f,
                    "the budget starves a validation, or the probe after tries that fail: let it give one at least every {longest:?}"
                )
            }
            Self::OneAtATime => {
                f.write_str("the provider lets only one credential live at a time: nothing can be rotated without a gap")
            }
            Self::ProbationTooShort { needed } => {
                write!(f, "probation is too short to validate and extend a candidate in: make it at least {needed:?}")
            }
            Self::FullTooShort { needed } => {
                write!(f, "the full life is too short for a rotation with retries: make it at least {needed:?}")
            }
            Self::PeriodTooShort { needed } => {
                write!(f, "the period is shorter than a rotation with its grace: make it at least {needed:?}")
            }
        }
    }
}

impl core::error::Error for PolicyError {}

impl Policy {
    /// The longest life that any effect gives: what may still be applied after a crash gives no more.
    pub(crate) fn longest_life(&self) -> Duration {
        self.full.max(self.probation).max(self.login_life)
    }

    /// How long to wait after so many failures in a row.
    pub(crate) fn wait(&self, failures: u8, now: Instant) -> Duration {
        let factor = 1u32.checked_shl(failures.into()).unwrap_or(u32::MAX);
        let longest = self.backoff.saturating_mul(factor).min(self.backoff_cap.max(self.backoff));
        match self.jitter {
            Jitter::None => longest,
            Jitter::Full(seed) => Duration::from_millis(1 + scramble(seed ^ now.0) % millis(longest).max(1)),
        }
    }

    /// When a credential is renewed that certainly lives so long: at half of its life, the rest is for tries that fail. With
    /// jitter a third must do for them; what lives too short for the identity's own moment to come by then is renewed at one
    /// that is drawn, after a third of its life at the earliest.
    pub(crate) fn renewal(&self, now: Instant, life: Duration) -> Instant {
        let Jitter::Full(seed) = self.jitter else { return now + life / 2 };
        let third = life / 3;
        let own = self.jitter.moment(now, now + third * 2, self.full / 5 * 3);
        own.unwrap_or_else(|| now + third + Duration::from_millis(scramble(seed ^ now.0) % millis(third).max(1)))
    }

    /// When the rotation after one that ended at `at` is due, if there are any that nobody asks for.
    pub(crate) fn due(&self, at: Instant) -> Option<Instant> {
        let period = self.period?;
        let latest = at + period;
        Some(self.jitter.moment(at, latest, period).unwrap_or(latest))
    }

    /// The time that the probes and the canary take if nothing fails.
    fn shortest_validation(&self) -> Duration {
        let probing = self.probe_every.saturating_mul(u32::from(self.probes.saturating_sub(1)));
        probing.saturating_add(self.canary.map_or(Duration::ZERO, |trial| trial.window))
    }

    /// The certain life below which a credential that cannot be renewed further must be replaced: a whole rotation, and
    /// two tries that fail.
    #[must_use]
    pub fn least_life(&self) -> Duration {
        self.worst_rotation().saturating_add(self.patience.saturating_add(self.backoff).saturating_mul(2))
    }

    /// The longest time from the announcement of a mint to the commit point, a failed persist and extension included.
    #[must_use]
    pub fn worst_validation(&self) -> Duration {
        self.validate_for.saturating_add(self.patience.saturating_mul(4))
    }

    /// The longest time from the announcement of a mint to the end of the grace.
    #[must_use]
    pub fn worst_rotation(&self) -> Duration {
        self.worst_validation().saturating_add(self.patience.saturating_mul(2)).saturating_add(self.grace)
    }

    /// Whether this policy can keep the promise.
    pub fn check(&self) -> Result<(), PolicyError> {
        for (name, value) in [
            ("full", self.full),
            ("probation", self.probation),
            ("validate_for", self.validate_for),
            ("evidence", self.evidence),
            ("patience", self.patience),
            ("backoff", self.backoff),
        ] {
            if value.is_zero() {
                return Err(PolicyError::Zero(name));
            }
        }
        if self.most_live < 2 {
            return Err(PolicyError::OneAtATime);
        }
        let needed = self.shortest_validation();
        if self.validate_for < needed {
            return Err(PolicyError::ValidationTooShort { needed });
        }
        let longest = self.longest_pause();
        if self.budget.is_some_and(|budget| budget.burst == 0 || budget.every > longest) {
            return Err(PolicyError::BudgetTooSmall { longest });
        }
        let needed = self.patience.saturating_mul(2);
        if self.evidence < needed {
            return Err(PolicyError::EvidenceTooShort { needed });
        }
        if self.probation < self.worst_validation() {
            return Err(PolicyError::ProbationTooShort { needed: self.worst_validation() });
        }
        let retries = self.patience.saturating_add(self.backoff).saturating_mul(2);
        let needed = retries.saturating_add(self.worst_validation());
        if self.full < needed {
            return Err(PolicyError::FullTooShort { needed });
        }
        match self.period {
            Some(period) if period < self.worst_rotation() => Err(PolicyError::PeriodTooShort { needed: self.worst_rotation() }),
            _ => Ok(()),
        }
    }

    /// How far apart a budget may give requests. A validation must find them in its time; and the probe that would find a dead
    /// credential comes after renewals and mints, each of which, while it fails, is tried twice in `backoff_cap` on average: it
    /// has a third of the budget.
    fn longest_pause(&self) -> Duration {
        let validation = self.validate_for / (u32::from(self.probes) + 3);
        match self.jitter {
            Jitter::None => validation,
            Jitter::Full(_) => validation.min(self.backoff_cap / 6),
        }
    }
}

/// A bijection that leaves no pattern (the finaliser of splitmix64).
const fn scramble(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
