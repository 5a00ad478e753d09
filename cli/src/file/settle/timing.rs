//! How long things take, as the file says, and the policy that this gives.

use std::time::Duration;

use turquoise::core::{Budget, Consumers, Jitter, Policy, Privileges, Relogin, Sown, Via, Writer};
use turquoise::port::Contract;

use super::super::plan::{Provider, Survivor};
use super::super::schedule::Schedule;
use super::super::value::show_duration;
use super::method::Way;
use super::{Settler, Stanza};

const PROBES: u16 = 3;

/// Which provider a rotation has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Login,
    Token,
    SecretId,
    Keys,
}

/// How long things take.
pub(super) struct Timing {
    pub(super) kind: Kind,
    /// How often; or when.
    every: Duration,
    pub(super) schedule: Option<Schedule>,
    /// Of what serves; of a secret id, when it is made.
    life: Duration,
    pub(super) validate_for: Duration,
    grace: Duration,
    pub(super) patience: Duration,
    /// Until a new key is known everywhere.
    pub(super) propagation: Duration,
    backoff: Duration,
    backoff_cap: Duration,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Login => "vault-login",
            Self::Token => "vault-token",
            Self::SecretId => "approle-secret-id",
            Self::Keys => "aws-iam",
        }
    }

    const fn life(self) -> Duration {
        match self {
            Self::Login | Self::Token => Duration::from_hours(1),
            Self::SecretId => Duration::from_hours(72),
            Self::Keys => Contract::FOREVER,
        }
    }
}

impl<'a> Settler<'a, '_> {
    /// What a crash leaves behind may live no longer than the cap, which a key sets.
    pub(super) fn timing(
        &mut self,
        rotation: &Stanza<'a>,
        way: &Way<'a>,
        kind: Kind,
        cap: Option<(Duration, &'static str)>,
    ) -> Timing {
        let is_keys = kind == Kind::Keys;
        let schedule = self.schedule(rotation);
        let every = if schedule.is_some() { Duration::ZERO } else { self.duration(rotation, "every", Duration::from_hours(12)) };
        let longest = cap.map_or(Duration::MAX, |(longest, _)| longest);
        let life = if is_keys { kind.life() } else { self.duration(rotation, "life", kind.life().min(longest)) };
        if let Some((_, key)) = cap.filter(|_| life > longest) {
            let remedy = format!("make it at most {}, or leave it out", show_duration(longest));
            self.fault::<()>(rotation.at("life"), &format!("`life` is longer than `{key}` allows"), remedy);
        }
        let propagation = if is_keys { self.duration(rotation, "propagation", Duration::from_secs(15)) } else { Duration::ZERO };
        let validation = Duration::from_secs(if is_keys { 90 } else { 30 });
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(30));
        Timing {
            kind,
            every,
            schedule,
            life,
            propagation,
            validate_for: self.duration(rotation, "validate_for", validation),
            grace: self.duration(rotation, "grace", Duration::from_mins(10)),
            patience: self.duration(rotation, "timeout", Duration::from_secs(10)),
            backoff: if is_keys { first } else { self.duration(&way.stanza, "min_backoff", first) },
            backoff_cap: if is_keys { longest } else { self.duration(&way.stanza, "max_backoff", longest) },
        }
    }
}

impl<'a> Settler<'a, '_> {
    fn schedule(&mut self, rotation: &Stanza<'a>) -> Option<Schedule> {
        let Some(text) = self.text(rotation, "schedule", None) else {
            if rotation.item("window").is_some() {
                let remedy = "write schedule = \"0 3 * * *\", or remove it";
                return self.fault(rotation.at("window"), "`window` is of a `schedule`", remedy);
            }
            return None;
        };
        if rotation.item("every").is_some() {
            let remedy = "keep `every` or `schedule`";
            return self.fault(rotation.at("every"), "it is said twice when a rotation is due", remedy);
        }
        let window = self.duration(rotation, "window", Duration::from_hours(1));
        match text.parse::<Schedule>() {
            Ok(schedule) => Some(schedule.within(window)),
            Err(why) => self.fault(rotation.at("schedule"), "`schedule` cannot be used", why.to_string()),
        }
    }

    /// Whether there is time for each rotation: a whole one from each to the next, and for a secret id, which is never renewed,
    /// half of its life.
    pub(super) fn spaced(&mut self, rotation: &Stanza<'a>, timing: &Timing, policy: &Policy) -> Option<()> {
        let (key, longest) = match &timing.schedule {
            None => ("every", timing.every),
            Some(schedule) => {
                let (least, longest) = schedule.spacing();
                let needed = policy.worst_rotation();
                if least < needed {
                    let what = format!(
                        "`schedule` gives a rotation {} where it may take {}",
                        show_duration(least),
                        show_duration(needed)
                    );
                    return self.fault(rotation.at("schedule"), &what, "have it come less often, or make `grace` shorter");
                }
                if schedule.window + needed > least {
                    let remedy = format!("make it at most {}", show_duration(least.saturating_sub(needed)));
                    return self.fault(rotation.at("window"), "`window` reaches into the next one", remedy);
                }
                ("schedule", longest)
            }
        };
        if timing.kind == Kind::SecretId && longest * 2 > timing.life {
            let remedy = format!("make it at least {}, or rotate more often", show_duration(longest * 2));
            return self.fault(rotation.at("life"), &format!("`life` is less than twice `{key}`"), remedy);
        }
        Some(())
    }
}

impl Timing {
    /// So long a candidate needs at most until it is extended, and a second because servers count in whole ones.
    pub(super) fn probation(&self) -> Duration {
        Duration::from_secs((self.validate_for + self.patience * 4).as_secs() + 2)
    }

    pub(super) fn policy(&self, provider: &Provider, store: &Survivor) -> Policy {
        let tokens = Policy {
            full: self.life,
            probation: self.probation(),
            login_life: Duration::ZERO,
            mint: Via::Current,
            relogin: Relogin::Impossible,
            privileges: Privileges::OnlySelf,
            period: self.schedule.is_none().then_some(self.every),
            probes: PROBES,
            probe_every: (self.validate_for / 8).min(Duration::from_secs(1)),
            validate_for: self.validate_for,
            canary: None,
            grace: self.grace,
            consumers: Consumers::Uncounted,
            evidence: self.patience * 3,
            patience: self.patience,
            delta: self.patience * 3,
            skew: Duration::from_secs(2),
            backoff: self.backoff,
            backoff_cap: self.backoff_cap,
            // Drawn anew when a run begins.
            jitter: Jitter::None,
            budget: Some(Budget { every: Duration::from_millis(50), burst: 20 }),
            most_live: 3,
            tries_before_debt: 3,
            writer: Writer::Lock,
            sown: Sown::NOTHING,
        };
        match provider {
            Provider::Token(_) => tokens,
            Provider::Login(config) => {
                let relogin = if *store == Survivor::Bootstrap { Relogin::EachStart } else { Relogin::Possible };
                Policy { login_life: config.login_life, mint: Via::Login, relogin, ..tokens }
            }
            // It never lives longer than it was made to, and of that this is what is left for certain when it serves. One whose
            // making was not answered is looked for.
            Provider::SecretId(_) => {
                let full = self.life.saturating_sub(tokens.worst_validation() + Duration::from_secs(2));
                Policy { full, probation: self.life, privileges: Privileges::Accessor, ..tokens }
            }
            Provider::Keys(_) => Policy {
                full: Contract::FOREVER,
                probation: Contract::FOREVER,
                privileges: Privileges::Accessor,
                probe_every: tokens.probe_every.max(self.propagation / 2 + Duration::from_millis(1)),
                most_live: 2,
                ..tokens
            },
        }
    }
}
