//! The provider behind the port.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use turquoise_runtime::core::{Generation, Mint};
use turquoise_runtime::port::{Contract, Credential, Ending, Handle, Limit, Listing, Lives, Minted, Observed, Provider, Reply};

use crate::config::{ConfigError, IamConfig};
use crate::failure::{Failure, answer};
use crate::key::Key;
use crate::keys::{Keys, Status};
use crate::reply::Listed;
use crate::sign::Caller;
use crate::source::Source;

/// A user has no more keys, active or not.
const MOST: u8 = 2;

/// How the handle begins that stands for a mint which has certainly made nothing. No key's id has a blank in it.
const NOTHING: &str = "nothing was made by ";

/// Rotates the access keys of one IAM user; see the crate's documentation.
///
/// The core's policy must have [`Contract::FOREVER`] as `full` and `probation`, the accessor privileges, `most_live` 2, and
/// probes that are spread over [`IamConfig::propagation`].
pub struct IamProvider {
    keys: Keys,
    source: Source,
    propagation: Duration,
    lingering: Duration,
    late: Duration,
    switched_off: Duration,
    spare: Duration,
    /// Since when this process has sent no mint, and a dead one before it can have sent none.
    quiet_since: Mutex<Instant>,
}

impl IamProvider {
    /// Takes a configuration; nothing is sent or read yet, but for certificates.
    pub fn new(config: IamConfig) -> Result<Self, ConfigError> {
        let keys = Keys::new(&config)?;
        let IamConfig { source, propagation, lingering, late, switched_off, spare, .. } = config;
        let quiet_since = Mutex::new(Instant::now());
        Ok(Self { keys, source, propagation, lingering, late, switched_off, spare, quiet_since })
    }

    async fn adopt(&self) -> Result<Minted, Failure> {
        let Key { id, secret } = self.source.key().await?;
        self.keys.identify(Caller { id: &id, secret: &secret }).await?;
        Ok(Minted { secret, handle: Handle(id), remaining: Contract::FOREVER })
    }

    async fn mint(&self, with: &Credential, mint: Mint) -> Result<Minted, Failure> {
        let (listed, now) = self.keys.list(with.into()).await.map_err(Failure::unasked)?;
        if let Some(foreign) = beside(&listed, with) {
            return Err(self.taken(foreign));
        }
        self.keys.mark(with.into(), mint.generation, now).await.map_err(Failure::unasked)?;
        self.sending();
        let made = self.keys.create(with.into()).await;
        let Key { id, secret } = match made {
            Err(failure) if failure.is("LimitExceeded") => {
                let (listed, _) = self.keys.list(with.into()).await.map_err(Failure::unasked)?;
                return Err(beside(&listed, with).map_or(failure, |foreign| self.taken(foreign)));
            }
            other => other?,
        };
        Ok(Minted { secret, handle: Handle(id), remaining: Contract::FOREVER })
    }

    fn taken(&self, Listed { id, active, .. }: &Listed) -> Failure {
        let (user, state) = (&self.keys.user, if *active { "active" } else { "inactive" });
        Failure::Unfit(format!(
            "the user {user} has another key, {id} ({state}), which is not ours and is left alone: delete it if nobody needs it"
        ))
    }

    fn sending(&self) {
        *self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether no mint that was sent can be applied any more.
    fn is_settled(&self, at: Instant) -> bool {
        at >= *self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) + self.late
    }

    /// Switches off, or on.
    async fn set(&self, target: &Credential, life: Duration, other: &Credential) -> Result<Duration, Failure> {
        if is_cut(life) {
            return self.cut(target, life, other).await;
        }
        let (listed, _) = self.keys.list(other.into()).await?;
        match listed.iter().find(|key| key.id == target.handle.0) {
            Some(key) if key.active => {}
            Some(key) => self.keys.switch(other.into(), &key.id, Status::Active).await?,
            None => return Err(Failure::Unfit(format!("there is no key {} any more", target.handle.0))),
        }
        Ok(Contract::FOREVER)
    }

    /// No end can be set, but the last part of a grace be one in which the key is off. It is asked for again until then.
    async fn cut(&self, target: &Credential, life: Duration, other: &Credential) -> Result<Duration, Failure> {
        if self.switched_off.is_zero() {
            return Ok(Contract::FOREVER);
        }
        if life > self.switched_off {
            return Err(Failure::Unavailable(format!("it is switched off {:?} before the end of its grace", self.switched_off)));
        }
        self.keys.switch(other.into(), &target.handle.0, Status::Inactive).await?;
        Ok(Contract::FOREVER)
    }

    async fn end(&self, target: &Credential, witness: &Credential, ending: Ending) -> Result<(), Failure> {
        if ending == Ending::Ordinary && !self.spare.is_zero() {
            self.spare(target, witness).await?;
        }
        self.keys.delete(witness.into(), &target.handle.0).await
    }

    /// A key that others used lately is not ended.
    async fn spare(&self, target: &Credential, witness: &Credential) -> Result<(), Failure> {
        let used = match self.keys.others_use(witness.into(), &target.handle.0).await {
            Err(failure) if failure.is("NoSuchEntity") => None,
            other => other?,
        };
        let ago = used.as_ref().and_then(|(at, _)| SystemTime::now().duration_since(*at).ok());
        match (used, ago) {
            (Some((at, service)), ago) if ago.is_none_or(|ago| ago < self.spare) => {
                let (id, at) = (&target.handle.0, humantime::format_rfc3339_seconds(at));
                Err(Failure::Unavailable(format!(
                    "{id} is still used, by {service} at {at}: find who uses it, it is ended after that"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Dead is what is not listed, and is refused itself.
    async fn look(&self, target: &Credential, witness: &Credential) -> Result<Observed, Failure> {
        let (listed, _) = self.keys.list(witness.into()).await?;
        if listed.iter().any(|key| key.id == target.handle.0) {
            return Ok(Observed::Alive(Contract::FOREVER));
        }
        match self.keys.identify(target.into()).await {
            Err(failure) if failure.is("InvalidClientTokenId") => Ok(Observed::Dead),
            Err(failure) => {
                Err(Failure::Unknown(format!("it is deleted, and whether it is still honoured is not known: {failure}")))
            }
            Ok(()) => Err(Failure::Unknown("it is deleted, and still honoured".to_owned())),
        }
    }

    async fn find(&self, lost: Generation, witness: &Credential) -> Result<Option<Handle>, Failure> {
        let asked = Instant::now();
        let marked = self.keys.marked(witness.into()).await?;
        let (listed, _) = self.keys.list(witness.into()).await?;
        let other = beside(&listed, witness);
        if let (Some(key), Some(mark)) = (other, marked)
            && mark.explains(lost, key.created, self.late)
            && self.keys.last_used(witness.into(), &key.id).await?.is_none()
        {
            return Ok(Some(Handle(key.id.clone())));
        }
        if let Some(key) = other {
            tracing::warn!(key = key.id, next = "delete it if nobody needs it", "another key of the user, which is not ours");
        }
        Ok(self.is_settled(asked).then(|| Handle(format!("{NOTHING}{lost}"))))
    }

    async fn end_named(&self, target: &Handle, with: &Credential) -> Result<(), Failure> {
        if *target == with.handle {
            return Err(Failure::Unfit("it is the key in use".to_owned()));
        }
        if is_nothing(target) { Ok(()) } else { self.keys.delete(with.into(), &target.0).await }
    }

    async fn look_named(&self, target: &Handle, witness: &Credential) -> Result<Observed, Failure> {
        if is_nothing(target) {
            return Ok(Observed::Dead);
        }
        let (listed, _) = self.keys.list(witness.into()).await?;
        let lives = listed.iter().any(|key| key.id == target.0);
        Ok(if lives { Observed::Alive(Contract::FOREVER) } else { Observed::Dead })
    }
}

/// The key beside this one.
fn beside<'a>(listed: &'a [Listed], own: &Credential) -> Option<&'a Listed> {
    listed.iter().find(|key| key.id != own.handle.0)
}

fn is_nothing(target: &Handle) -> bool {
    target.0.starts_with(NOTHING)
}

fn is_cut(life: Duration) -> bool {
    life < Contract::FOREVER / 2
}

impl Provider for IamProvider {
    fn contract(&self) -> Contract {
        Contract {
            live_at_once: Limit::AtMost(MOST),
            revocation: self.lingering,
            propagation: self.propagation,
            lives: Lives::UntilEnded,
            listing: Listing::Own,
            ..Contract::PROMPT
        }
    }

    /// Adopts the key of the source.
    async fn login(&self, _: Mint) -> Reply<Minted> {
        answer("adopting the key", self.adopt().await)
    }

    /// It lives until it is ended, whatever is asked.
    async fn issue(&self, with: &Credential, mint: Mint, _: Duration) -> Reply<Minted> {
        answer("making a key", self.mint(with, mint).await)
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        answer("trying the key", self.keys.probe(with.into()).await.map(|()| Contract::FOREVER))
    }

    /// A key that is switched off cannot do this, and one that is not needs nothing: it says that it is there.
    async fn set_life(&self, with: &Credential, _: Duration) -> Reply<Duration> {
        answer("trying the key", self.keys.identify(with.into()).await.map(|()| Contract::FOREVER))
    }

    async fn set_life_beside(&self, target: &Credential, life: Duration, other: &Credential) -> Reply<Duration> {
        let doing = if is_cut(life) { "switching the key off" } else { "seeing that the key is on" };
        answer(doing, self.set(target, life, other).await)
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        let ended = match self.keys.delete(with.into(), &with.handle.0).await {
            // Said of a key that is gone, but also of one that is new or switched off.
            Err(failure) if failure.is("InvalidClientTokenId") => Err(Failure::Unknown(failure.to_string())),
            other => other,
        };
        answer("deleting the key with itself", ended)
    }

    async fn revoke_beside(&self, target: &Credential, witness: &Credential, ending: Ending) -> Reply<()> {
        answer("deleting the key", self.end(target, witness, ending).await)
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        answer("looking whether the key is dead", self.look(target, witness).await)
    }

    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        answer("deleting the key that was lost", self.end_named(target, with).await)
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        answer("looking whether the lost key is dead", self.look_named(target, witness).await)
    }

    /// Needs the mark that [`issue`](Self::issue) leaves.
    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        answer("looking for a key whose making was not answered", self.find(lost, witness).await)
    }
}
