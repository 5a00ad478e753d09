//! Effects, done through the ports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use turquoise_core::{Applied, Effect, Generation, Mint, Outcome, Refusal, Step};
use turquoise_memory::{LockError, WhenLockingFails};

use crate::load::{Metered, NotSent, Permit, Urgency};
use crate::port::{Base, Credential, Ending, Entry, Handle, History, Journal, Minted, Observed, Provider, Reason, Reply, Store};
use crate::tell;

/// The secrets that the phase mentions, in locked memory as far as that is to be had. What is removed is wiped once no call
/// and no guard holds it any more.
#[derive(Clone)]
pub(crate) struct Secrets {
    held: HashMap<Generation, Arc<Credential>>,
    /// What names those whose secret may have been lost with another process. Empty where nothing may be done with a name.
    names: Arc<HashMap<Generation, Handle>>,
    memory: WhenLockingFails,
}

impl Secrets {
    /// Takes what a store has kept. That there is room for one more is seen now, and not when one is made.
    pub(crate) fn load(
        memory: WhenLockingFails,
        kept: Vec<Credential>,
        names: HashMap<Generation, Handle>,
    ) -> Result<Self, LockError> {
        let mut secrets = Self { held: HashMap::new(), names: Arc::new(names), memory };
        for credential in kept {
            let secret = memory.room()?.hold(credential.secret)?;
            secrets.insert(Credential { secret, ..credential });
        }
        memory.room()?;
        Ok(secrets)
    }

    pub(crate) fn insert(&mut self, credential: Credential) {
        self.held.insert(credential.mint.generation, Arc::new(credential));
    }

    pub(crate) fn find(&self, generation: Generation) -> Option<&Arc<Credential>> {
        self.held.get(&generation)
    }

    /// What names one whose secret is lost.
    fn name(&self, generation: Generation) -> Option<&Handle> {
        self.names.get(&generation)
    }

    /// Keeps what names one whose secret is lost.
    pub(crate) fn learn(&mut self, generation: Generation, handle: Handle) {
        Arc::make_mut(&mut self.names).insert(generation, handle);
    }

    /// Keeps these, and lets go of the others.
    pub(crate) fn retain(&mut self, mentioned: &[Option<Mint>]) {
        self.held.retain(|_, credential| mentioned.contains(&Some(credential.mint)));
    }
}

/// What names each credential that was made, by the journal.
pub(crate) fn names(history: &History) -> HashMap<Generation, Handle> {
    let mut coming = None;
    let base = history.base.as_ref().and_then(|base| Some((base.checkpoint.current.generation, base.handle.clone()?)));
    let mut names = HashMap::from_iter(base);
    for entry in &history.entries {
        if let Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } = entry.record.step {
            coming = Some(mint.generation);
        }
        names.extend(coming.zip(entry.handle.clone()));
    }
    names
}

/// How an effect or an append ended.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// In whose words, unless it was simply done.
    pub(crate) reason: Option<Reason>,
    /// What a login or a mint gave.
    pub(crate) minted: Option<Credential>,
    /// What was found of a mint whose answer was lost.
    pub(crate) named: Option<(Generation, Handle)>,
    /// How long the provider wants to be left alone.
    rest: Option<Duration>,
}

impl Ended {
    const fn new(outcome: Outcome, reason: Option<Reason>) -> Self {
        Self { outcome, reason, minted: None, named: None, rest: None }
    }

    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, Some(Reason(reason.into())))
    }

    fn no_secret() -> Self {
        let reason = Reason("its secret is not in memory: a crash or a lost reply took it".to_owned());
        Self::new(Outcome::NotApplied(Refusal::NoSecret), Some(reason))
    }

    fn unavailable(reason: Reason) -> Self {
        Self::new(Outcome::NotApplied(Refusal::Unavailable), Some(reason))
    }

    fn not_sent(why: NotSent) -> Self {
        Self::unavailable(Reason(why.to_string()))
    }

    fn reply<T>(reply: Reply<T>, applied: impl FnOnce(T) -> Applied) -> Self {
        match reply {
            Reply::Applied(what) => Self::new(Outcome::Applied(applied(what)), None),
            Reply::Refused(reason) => Self::new(Outcome::NotApplied(Refusal::Refused), Some(reason)),
            Reply::Unavailable(reason) => Self::unavailable(reason),
            Reply::Throttled { reason, retry_after } => Self { rest: retry_after, ..Self::unavailable(reason) },
            Reply::Unknown(reason) => Self::new(Outcome::Unknown, Some(reason)),
        }
    }

    fn life(reply: Reply<Duration>) -> Self {
        Self::reply(reply, |remaining| Applied::Alive { remaining })
    }

    /// Has room for the secret first, so that nothing is made that there is no room for.
    ///
    /// What is handed over a second time is no second credential: to end one of the two would be to end both.
    async fn minted(secrets: &Secrets, mint: Mint, asking: impl Future<Output = Reply<Minted>>) -> Self {
        let room = match secrets.memory.room() {
            Ok(room) => room,
            Err(why) => return Self::life(Reply::Unavailable(Reason(why.to_string()))),
        };
        let Minted { secret, handle, remaining } = match asking.await {
            Reply::Applied(minted) => minted,
            other => return Self::reply(other, |minted| Applied::Alive { remaining: minted.remaining }),
        };
        if secrets.held.values().any(|held| held.handle == handle) {
            let why = format!("{} is what is held already, not another one: hand over or mint a new one", handle.0);
            return Self::life(Reply::Refused(Reason(why)));
        }
        match room.hold(secret) {
            Ok(secret) => {
                let outcome = Outcome::Applied(Applied::Alive { remaining });
                Self { minted: Some(Credential { mint, handle, secret }), ..Self::new(outcome, None) }
            }
            // It was made, and its secret is gone: as if the reply had been lost.
            Err(why) => Self::unknown(why.to_string()),
        }
    }

    fn discovered(lost: Generation, reply: Reply<Option<Handle>>) -> Self {
        let mut named = None;
        let ended = Self::reply(reply, |found| match found {
            Some(handle) => {
                named = Some((lost, handle));
                Applied::Done
            }
            None => Applied::Dead,
        });
        Self { named, ..ended }
    }

    /// A disk that failed may have written all the same.
    fn written<T>(result: Result<T, impl ToString>) -> Self {
        match result {
            Ok(_) => Self::new(Outcome::Applied(Applied::Done), None),
            Err(error) => Self::unknown(error.to_string()),
        }
    }
}

/// Whether an effect goes to the store, where it blocks, instead of to the provider.
pub(crate) const fn is_stored(effect: &Effect) -> bool {
    matches!(effect, Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_))
}

/// What a call to the provider is made in view of.
#[derive(Clone, Copy)]
pub(crate) struct Situation {
    /// What serves.
    pub(crate) serving: Option<Generation>,
    /// Of the credential that is to end, if one is.
    pub(crate) ending: Ending,
}

/// Asks the provider within the patience, for at most half of which it waits for a permit. What is no longer in time by then, for
/// the machine that it runs on slept, is not sent: it was decided on what was known before. Dropped, it leaves the outcome unknown.
pub(crate) async fn ask<P: Provider>(
    provider: &Metered<P>,
    urgency: Urgency,
    patience: Duration,
    effect: Effect,
    secrets: &Secrets,
    situation: Situation,
    in_time: impl Fn() -> bool,
) -> Ended {
    let began = Instant::now();
    let permit = match provider.permit(urgency, began + patience / 2).await {
        Ok(permit) if in_time() => permit,
        Ok(_) => return Ended::not_sent(NotSent::Slept),
        Err(why) => return Ended::not_sent(why),
    };
    let answer = timeout_at(began + patience, ask_with(permit, effect, secrets, situation)).await;
    let ended = answer.unwrap_or_else(|_| Some(Ended::unknown(format!("no answer within {patience:?}"))));
    let ended = ended.unwrap_or_else(Ended::no_secret);
    if let Some(wait) = ended.rest {
        provider.rest(wait);
    }
    ended
}

async fn ask_with<P: Provider>(
    permit: Permit<'_, P>,
    effect: Effect,
    secrets: &Secrets,
    Situation { serving, ending }: Situation,
) -> Option<Ended> {
    let provider = permit.provider();
    Some(match effect {
        Effect::Login { mint } => Ended::minted(secrets, mint, provider.login(mint)).await,
        Effect::Issue { mint, by, life } => Ended::minted(secrets, mint, provider.issue(secrets.find(by)?, mint, life)).await,
        Effect::Probe(generation) => Ended::life(provider.probe(secrets.find(generation)?).await),
        Effect::Renew { generation, life } | Effect::Extend { generation, life } | Effect::Shorten { generation, life, .. } => {
            let target = secrets.find(generation)?;
            let other = serving.filter(|serving| *serving != generation).and_then(|serving| secrets.find(serving));
            Ended::life(match other {
                Some(other) => provider.set_life_beside(target, life, other).await,
                None => provider.set_life(target, life).await,
            })
        }
        Effect::Revoke { generation, witness } => {
            let witness = witness.and_then(|witness| secrets.find(witness.by()));
            let reply = match (secrets.find(generation), witness) {
                (Some(target), Some(witness)) => provider.revoke_beside(target, witness, ending).await,
                (Some(last), None) => provider.revoke(last).await,
                (None, witness) => provider.revoke_named(secrets.name(generation)?, witness?).await,
            };
            Ended::reply(reply, |()| Applied::Done)
        }
        Effect::Observe { generation, witness } => {
            let witness = secrets.find(witness.by())?;
            let reply = match secrets.find(generation) {
                Some(target) => provider.observe(target, witness).await,
                None => provider.observe_named(secrets.name(generation)?, witness).await,
            };
            Ended::reply(reply, |observed| match observed {
                Observed::Alive(remaining) => Applied::Alive { remaining },
                Observed::Dead => Applied::Dead,
            })
        }
        Effect::Discover { generation, witness } => {
            Ended::discovered(generation, provider.discover(generation, secrets.find(witness.by())?).await)
        }
        Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) => return None,
    })
}

/// Writes to the store. Blocks.
pub(crate) fn keep(store: &Mutex<impl Store>, effect: Effect, secrets: &Secrets) -> Ended {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    let secret = |mint: Mint| secrets.find(mint.generation);
    let written = match effect {
        Effect::Persist(mint) => secret(mint).map(|credential| store.persist(credential)),
        Effect::Publish(mint) => secret(mint).map(|credential| store.publish(credential)),
        Effect::Clear(mint) => Some(store.clear(mint)),
        _ => None,
    };
    written.map_or_else(Ended::no_secret, Ended::written)
}

/// Appends to the journal. Blocks.
pub(crate) fn append(journal: &Mutex<impl Journal>, entry: &Entry) -> Ended {
    Ended::written(journal.lock().unwrap_or_else(PoisonError::into_inner).append(entry))
}

/// Lets the journal begin anew, if it is long enough for that. Blocks.
pub(crate) fn compact(journal: &Mutex<impl Journal>, base: &Base) -> Ended {
    let compacted = journal.lock().unwrap_or_else(PoisonError::into_inner).compact(base);
    tell::compacted(&compacted);
    Ended::written(compacted)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use turquoise_core::Color;

    use super::*;

    fn minted(handle: &str) -> Reply<Minted> {
        let remaining = Duration::from_secs(9);
        Reply::Applied(Minted { secret: "x".into(), handle: Handle(handle.to_owned()), remaining })
    }

    #[tokio::test]
    async fn what_is_held_already_is_no_second_credential() {
        let mint = |number| Mint { generation: Generation { incarnation: 1, number }, slot: Color::Blue };
        let kept = vec![Credential { mint: mint(1), handle: Handle("one".to_owned()), secret: "x".into() }];
        let secrets = Secrets::load(WhenLockingFails::Warn, kept, HashMap::new()).expect("it only warns");
        let again = Ended::minted(&secrets, mint(2), ready(minted("one"))).await;
        assert_eq!(again.outcome, Outcome::NotApplied(Refusal::Refused));
        assert!(again.minted.is_none());
        assert!(Ended::minted(&secrets, mint(2), ready(minted("two"))).await.minted.is_some());
    }
}
