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
        let refused = Outcome::NotApplied(Refusal::Refused);
        if secret_for(config, effect).and_then(|generation| self.alive(generation)).is_some_and(|credential| credential.lost) {
            return Outcome::NotApplied(Refusal::NoSecret);
        }
        if self.disabled {
            if let Effect::Renew { generation, .. } = *effect
                && let Some(i) = self.find(generation)
            {
                self.live[i].starved = true;
            }
            return refused;
        }
        match *effect {
            Effect::Login { mint } => self.mint(mint, config.policy.login_life, useless),
            Effect::Issue { mint, by, life } => match self.accept(config, by) {
                None => refused,
                Some(_) => self.mint(mint, life, useless),
            },
            Effect::Probe(generation) => match self.accept(config, generation) {
                Some(i) if !self.live[i].useless => {
                    let enough = u8::try_from(config.policy.probes).unwrap_or(u8::MAX);
                    self.live[i].proven = (self.live[i].proven + 1).min(enough);
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => refused,
            },
            Effect::Renew { generation, life }
            | Effect::Extend { generation, life }
            | Effect::Shorten { generation, life, .. } => {
                let Some(i) = self.accept(config, generation) else { return refused };
                let lies = config.broken == Some(Assumption::AnswersAreTrue);
                let asked = self.now + life / if lies { 3 } else { 1 };
                let credential = &mut self.live[i];
                credential.starved = false;
                credential.expires = if credential.capped { asked.min(credential.expires) } else { asked };
                let remaining = if lies { life } else { credential.expires.since(self.now) };
                Outcome::Applied(Applied::Alive { remaining })
            }
            Effect::Revoke { generation, .. } => match self.find(generation) {
                Some(i) => {
                    self.live.remove(i);
                    if config.broken == Some(Assumption::SiblingsAreOrphans) {
                        self.live.retain(|credential| credential.generation < generation);
                    }
                    Outcome::Applied(Applied::Done)
                }
                None => Outcome::Unknown,
            },
            Effect::Observe { generation, witness } => match (self.accept(config, witness.by()), self.find(generation)) {
                (None, _) => refused,
                (_, Some(i)) if config.broken != Some(Assumption::DeadIsDead) => {
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => Outcome::Applied(Applied::Dead),
            },
            Effect::Discover { generation, witness } => match (self.accept(config, witness.by()), self.find(generation)) {
                (None, _) => refused,
                (_, Some(_)) => Outcome::Applied(Applied::Done),
                _ => Outcome::Applied(Applied::Dead),
            },
            Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) => Outcome::Unknown,
        }
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

/// Whose secret an effect needs.
const fn secret_for(config: &Config, effect: &Effect) -> Option<Generation> {
    match (effect, config.policy.privileges) {
        (Effect::Revoke { witness: Some(witness), .. }, Privileges::Accessor)
        | (Effect::Observe { witness, .. } | Effect::Discover { witness, .. }, _) => Some(witness.by()),
        (
            Effect::Issue { by: generation, .. }
            | Effect::Probe(generation)
            | Effect::Renew { generation, .. }
            | Effect::Extend { generation, .. }
            | Effect::Shorten { generation, .. }
            | Effect::Revoke { generation, .. },
            _,
        ) => Some(*generation),
        _ => None,
    }
}

/// What an effect makes.
pub(super) const fn makes(effect: &Effect) -> Option<Generation> {
    match effect {
        Effect::Login { mint } | Effect::Issue { mint, .. } => Some(mint.generation),
        _ => None,
    }
}
