//! What the provider and the survivor store do.

use std::time::Duration;

use turquoise_core::{Applied, Color, Effect, Generation, Mint, Outcome, Privileges, Refusal};

use super::{Credential, World};
use crate::config::{Assumption, Config};

impl World {
    /// What the provider, or the survivor store, does.
    pub(super) fn apply(&mut self, config: &Config, effect: &Effect, useless: bool) -> Outcome {
        match *effect {
            Effect::Persist(mint) => self.persist(config, mint),
            Effect::Publish(mint) if self.slots.slot(mint.slot) != Some(mint.generation) => {
                Outcome::NotApplied(Refusal::NoSecret)
            }
            Effect::Publish(mint) => {
                self.publish(config, mint.generation);
                Outcome::Applied(Applied::Done)
            }
            Effect::Clear(mint) if self.slots.slot(mint.slot).is_some_and(|other| other != mint.generation) => {
                Outcome::NotApplied(Refusal::Unavailable)
            }
            Effect::Clear(mint) => {
                self.set_slot(mint.slot, None);
                Outcome::Applied(Applied::Done)
            }
            _ => self.provide(config, effect, useless),
        }
    }

    pub(super) fn persist(&mut self, config: &Config, mint: Mint) -> Outcome {
        match self.slots.slot(mint.slot) {
            Some(other) if other != mint.generation => Outcome::NotApplied(Refusal::Unavailable),
            _ => {
                if config.broken != Some(Assumption::PersistedIsDurable) {
                    self.set_slot(mint.slot, Some(mint.generation));
                }
                Outcome::Applied(Applied::Done)
            }
        }
    }

    /// What the provider does.
    pub(super) fn provide(&mut self, config: &Config, effect: &Effect, useless: bool) -> Outcome {
        let Some(ask) = Ask::of(config, effect) else { return Outcome::Unknown };
        if ask.secret().and_then(|generation| self.alive(generation)).is_some_and(|credential| credential.lost) {
            return Outcome::NotApplied(Refusal::NoSecret);
        }
        if self.disabled
            && let Effect::Renew { generation, .. } = *effect
        {
            self.starve(generation);
        }
        self.grant(config, ask, useless)
    }

    /// It is not the driver's fault if this one ends: it was refused a renewal.
    pub(super) fn starve(&mut self, generation: Generation) {
        if let Some(i) = self.find(generation) {
            self.live[i].starved = true;
        }
    }

    /// What the provider makes of a request that has come to it.
    pub(super) fn grant(&mut self, config: &Config, ask: Ask, useless: bool) -> Outcome {
        let refused = Outcome::NotApplied(Refusal::Refused);
        if self.disabled {
            return refused;
        }
        match ask {
            Ask::Login { mint } => self.mint(mint, config.policy.login_life, useless),
            Ask::Issue { mint, by, life } => match self.accept(config, by) {
                None => refused,
                Some(_) => self.mint(mint, life, useless),
            },
            Ask::Probe(generation) => match self.accept(config, generation) {
                Some(i) if !self.live[i].useless => {
                    let enough = u8::try_from(config.policy.probes).unwrap_or(u8::MAX);
                    self.live[i].proven = (self.live[i].proven + 1).min(enough);
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => refused,
            },
            Ask::SetLife { generation, life } => {
                let Some(i) = self.accept(config, generation) else { return refused };
                let lies = config.broken == Some(Assumption::AnswersAreTrue);
                let asked = self.now + life / if lies { 3 } else { 1 };
                let credential = &mut self.live[i];
                // What gets no more life is not helped by this.
                credential.starved &= credential.capped;
                credential.expires = if credential.capped { asked.min(credential.expires) } else { asked };
                let remaining = if lies { life } else { credential.expires.since(self.now) };
                Outcome::Applied(Applied::Alive { remaining })
            }
            Ask::Revoke(generation) | Ask::RevokeNamed { generation, .. } => match self.find(generation) {
                Some(i) => {
                    self.live.remove(i);
                    if config.broken == Some(Assumption::SiblingsAreOrphans) {
                        self.live.retain(|credential| credential.generation < generation);
                    }
                    Outcome::Applied(Applied::Done)
                }
                None => Outcome::Unknown,
            },
            Ask::Observe { generation, by } => match (self.accept(config, by), self.find(generation)) {
                (None, _) => refused,
                (_, Some(i)) if config.broken != Some(Assumption::DeadIsDead) => {
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => Outcome::Applied(Applied::Dead),
            },
            Ask::Discover { generation, by } => match (self.accept(config, by), self.find(generation)) {
                (None, _) => refused,
                (_, Some(_)) => Outcome::Applied(Applied::Done),
                _ => Outcome::Applied(Applied::Dead),
            },
        }
    }

    /// What a node says that lags: that it is done, and that what is dead lives.
    pub(super) const fn lagging(ask: Ask) -> Outcome {
        let remaining = Duration::from_millis(1);
        Outcome::Applied(if matches!(ask, Ask::Probe(_)) { Applied::Alive { remaining } } else { Applied::Done })
    }

    /// The provider accepts a secret, if its credential lives.
    pub(super) fn accept(&mut self, config: &Config, generation: Generation) -> Option<usize> {
        let i = self.find(generation)?;
        self.live[i].accepted = self.now + config.policy.evidence;
        Some(i)
    }

    pub(super) fn mint(&mut self, mint: Mint, life: Duration, useless: bool) -> Outcome {
        let expires = self.now + life;
        let credential = Credential {
            generation: mint.generation,
            expires,
            useless,
            proven: 0,
            served: false,
            capped: false,
            lost: false,
            starved: false,
            accepted: self.now,
        };
        self.live.push(credential);
        self.live.sort_by_key(|credential| credential.generation);
        Outcome::Applied(Applied::Alive { remaining: life })
    }

    pub(super) fn find(&self, generation: Generation) -> Option<usize> {
        self.live.iter().position(|credential| credential.generation == generation)
    }

    /// Whether a mint is under way that may still be applied.
    pub(crate) fn is_minting(&self) -> bool {
        self.flight.iter().any(|request| !request.swallowed && makes(&request.effect).is_some())
    }

    /// The credential, if it lives.
    #[must_use]
    pub fn alive(&self, generation: Generation) -> Option<&Credential> {
        self.find(generation).map(|i| &self.live[i])
    }

    pub(super) const fn set_slot(&mut self, slot: Color, content: Option<Generation>) {
        match slot {
            Color::Blue => self.slots.blue = content,
            Color::Green => self.slots.green = content,
        }
    }
}

/// What is asked of the provider, and with whose secret: all that it can see of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A login.
    Login {
        /// What the result is to be called.
        mint: Mint,
    },
    /// A sibling.
    Issue {
        /// What the result is to be called.
        mint: Mint,
        /// Who asks.
        by: Generation,
        /// Its first life.
        life: Duration,
    },
    /// Whether this one is accepted.
    Probe(Generation),
    /// So much life for this one, more or less than it has.
    SetLife {
        /// Which.
        generation: Generation,
        /// From now on.
        life: Duration,
    },
    /// The end of this one, by itself.
    Revoke(Generation),
    /// The end of this one, by another.
    RevokeNamed {
        /// Which.
        generation: Generation,
        /// Who asks.
        by: Generation,
    },
    /// Whether this one lives.
    Observe {
        /// Which.
        generation: Generation,
        /// Who asks.
        by: Generation,
    },
    /// Whether this one was made.
    Discover {
        /// Which.
        generation: Generation,
        /// Who asks.
        by: Generation,
    },
}

impl Ask {
    /// What the provider sees of an effect; nothing of those that go to the survivor store.
    pub(super) const fn of(config: &Config, effect: &Effect) -> Option<Self> {
        Some(match *effect {
            Effect::Login { mint } => Self::Login { mint },
            Effect::Issue { mint, by, life } => Self::Issue { mint, by, life },
            Effect::Probe(generation) => Self::Probe(generation),
            Effect::Renew { generation, life }
            | Effect::Extend { generation, life }
            | Effect::Shorten { generation, life, .. } => Self::SetLife { generation, life },
            Effect::Revoke { generation, witness } => match (witness, config.policy.privileges) {
                (Some(witness), Privileges::Accessor) => Self::RevokeNamed { generation, by: witness.by() },
                _ => Self::Revoke(generation),
            },
            Effect::Observe { generation, witness } => Self::Observe { generation, by: witness.by() },
            Effect::Discover { generation, witness } => Self::Discover { generation, by: witness.by() },
            Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) => return None,
        })
    }

    /// What it makes.
    #[must_use]
    pub const fn makes(self) -> Option<Mint> {
        match self {
            Self::Login { mint } | Self::Issue { mint, .. } => Some(mint),
            _ => None,
        }
    }

    /// Whose secret it needs.
    #[must_use]
    pub const fn secret(self) -> Option<Generation> {
        match self {
            Self::Login { .. } => None,
            Self::Issue { by, .. } | Self::RevokeNamed { by, .. } | Self::Observe { by, .. } | Self::Discover { by, .. } => {
                Some(by)
            }
            Self::Probe(generation) | Self::SetLife { generation, .. } | Self::Revoke(generation) => Some(generation),
        }
    }
}

/// What an effect makes.
pub(super) const fn makes(effect: &Effect) -> Option<Generation> {
    match effect {
        Effect::Login { mint } | Effect::Issue { mint, .. } => Some(mint.generation),
        _ => None,
    }
}
