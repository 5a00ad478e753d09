//! The ports: what the driver needs from the outside, and what whoever implements them promises.
//!
//! Every method is called by the driver only, one call at a time for each purpose. A future that is dropped counts as
//! *unknown*: its request may have been applied, or may yet be.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};
use std::time::Duration;

use turquoise_core::{Generation, Held, Mint, Record};
use turquoise_memory::Secret;

pub use crate::contract::{Candidates, Contract, ContractError, Fencing, Limit, Listing, Lives, Minting, Siblings};
pub use crate::history::{Base, Compacted, History, NotCompacted};

/// A secret with the names that tell it apart. It has no `Debug`; its secret is wiped when it is dropped.
///
/// Whoever makes one need not lock its secret: the driver moves each that it is given into locked memory.
pub struct Credential {
    /// Which mint, and which slot.
    pub mint: Mint,
    /// What may be written down in its stead: an accessor, a key id.
    pub handle: Handle,
    /// The secret itself.
    pub secret: Secret,
}

/// What names a credential at its provider without giving power to use it: safe to log and to keep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub String);

/// How a call to a provider ended. A timeout is not a refusal.
#[derive(Debug)]
pub enum Reply<T> {
    /// It was done.
    Applied(T),
    /// The provider said no, and will say it again. Nothing was done.
    Refused(Reason),
    /// It was certainly not done, but might be later: not connected, sealed.
    Unavailable(Reason),
    /// It was certainly not done: too many were asked for, by us or by a neighbour.
    Throttled {
        /// In whose words.
        reason: Reason,
        /// When to ask again, if the provider said: until then no identity of the same [`Load`](crate::Load) asks anything, but
        /// for at most a minute. Nothing, if only this call has to wait.
        retry_after: Option<Duration>,
    },
    /// It may have been done, or may yet be.
    Unknown(Reason),
}

/// The provider's own words, or the transport's: for a person to read. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub String);

/// What a mint or a login gave.
pub struct Minted {
    /// The secret.
    pub secret: Secret,
    /// What may be written down.
    pub handle: Handle,
    /// How long it lives, as the provider answered.
    pub remaining: Duration,
}

/// What an observer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It exists and lives so long.
    Alive(Duration),
    /// An up-to-date node says that there is no such credential. This, and nothing less, is proof of death.
    Dead,
}

/// Whether an end can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It can.
    Ordinary,
    /// It cannot: others know the secret.
    Compromised,
}

/// A place where credentials come from.
///
/// The secret of `with` authenticates each call. A call must end by itself (its own timeout): what cannot be decided by
/// then is [`Reply::Unknown`].
pub trait Provider: Send + Sync + 'static {
    /// What holds of the credentials that it makes; the same whenever it is asked.
    fn contract(&self) -> Contract;

    /// Logs in, or reads the credential that was handed to us.
    fn login(&self, mint: Mint) -> impl Future<Output = Reply<Minted>> + Send;

    /// Mints a *sibling* of `with`, to live `life`: nothing that happens to `with` may end it.
    /// What is made otherwise than asked is ended by the implementation before it answers `Refused`; if that cannot be
    /// confirmed it answers `Unknown`.
    fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> impl Future<Output = Reply<Minted>> + Send;

    /// Tries the credential on what it is for; answers its remaining life.
    fn probe(&self, with: &Credential) -> impl Future<Output = Reply<Duration>> + Send;

    /// Sets the remaining life of `with` — renewing, extending and shortening are one call — and answers it as the
    /// provider reads it back.
    fn set_life(&self, with: &Credential, life: Duration) -> impl Future<Output = Reply<Duration>> + Send;

    /// `with` ends itself. Already dead is `Applied`, or `Unknown` where that cannot be told apart.
    fn revoke(&self, with: &Credential) -> impl Future<Output = Reply<()>> + Send;

    /// As [`set_life`](Self::set_life), of a credential that does not serve, with the one that does at hand: for providers
    /// where a credential that is switched off cannot switch itself on again. Unless implemented, `target` sets its own life.
    fn set_life_beside(
        &self,
        target: &Credential,
        life: Duration,
        other: &Credential,
    ) -> impl Future<Output = Reply<Duration>> + Send {
        let _ = other;
        self.set_life(target, life)
    }

    /// As [`revoke`](Self::revoke), with `witness` at hand, likewise. What says that the credential is still used may be asked
    /// first, and an end that can wait be put off as [`Reply::Unavailable`]. Unless implemented, `target` ends itself.
    fn revoke_beside(&self, target: &Credential, witness: &Credential, ending: Ending) -> impl Future<Output = Reply<()>> + Send {
        let _ = (witness, ending);
        self.revoke(target)
    }

    /// `witness` looks whether `target` lives.
    fn observe(&self, target: &Credential, witness: &Credential) -> impl Future<Output = Reply<Observed>> + Send;

    /// `with` ends what `target` names, whose secret is lost. Only asked for by a policy with the accessor privileges
    /// ([`Privileges::Accessor`](turquoise_core::Privileges::Accessor)); unless implemented, it is refused.
    fn revoke_named(&self, target: &Handle, with: &Credential) -> impl Future<Output = Reply<()>> + Send {
        let _ = (target, with);
        ready(no_power())
    }

    /// `witness` looks whether what `target` names lives. As [`revoke_named`](Self::revoke_named).
    fn observe_named(&self, target: &Handle, witness: &Credential) -> impl Future<Output = Reply<Observed>> + Send {
        let _ = (target, witness);
        ready(no_power())
    }

    /// `witness` looks for what a mint has made whose answer was lost: answers what names it, or nothing, if there is nothing
    /// yet. Where it is certain that there never will be, a name of what does not live is the answer. As [`revoke_named`](Self::revoke_named).
    fn discover(&self, lost: Generation, witness: &Credential) -> impl Future<Output = Reply<Option<Handle>>> + Send {
        let _ = (lost, witness);
        ready(no_power())
    }
}

fn no_power<T>() -> Reply<T> {
    let why = "this provider has no power over what was lost: it ends by itself";
    Reply::Refused(Reason(why.to_owned()))
}

/// One journal entry: the machine's record, and the handle of what it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The machine's record.
    pub record: Record,
    /// On `LoggedIn` and `Issued`: what names the new credential at its provider.
    pub handle: Option<Handle>,
    /// On what ends a credential: the work that held it all the same when this was decided, and so outlives its grace.
    pub holders: Option<Holders>,
}

/// Who holds a credential. Its `Display` names them with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// How many hold it.
    pub total: usize,
    /// How many of them do under each name that [`Credentials::named`](crate::Credentials::named) was given.
    pub named: BTreeMap<String, usize>,
}

impl Holders {
    /// Those who hold the one or the other.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.total += others.total;
        for (name, count) in others.named {
            *self.named.entry(name).or_default() += count;
        }
        self
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.named {
            write!(f, "{name} {count}, ")?;
        }
        let named: usize = self.named.values().sum();
        write!(f, "unnamed {}", self.total.saturating_sub(named))
    }
}

/// Why a record is not known to be durable.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotDurable(pub String);

/// A durable, exclusive, append-only sequence of entries.
///
/// Opening one (which is the implementation's own business) yields its [`History`] — every entry that was acknowledged, in
/// order and as it was given, and at the end perhaps one that was appended and never acknowledged — and takes the writer's
/// lock for as long as the journal lives.
pub trait Journal: Send + 'static {
    /// Appends and returns only when the entry would survive a power loss. After an error the journal must refuse every
    /// further append: whether the entry is there is known only to who opens it anew.
    /// An entry whose number does not follow the last one's is such an error.
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable>;

    /// Called where the records have come to rest: a journal that has grown long may begin anew from this base, and keep
    /// what it stands for in an archive. Whatever happens in between, who opens it finds either the old history or the base
    /// and what came after. A base that does not stand for the last entry changes nothing, and neither does one that comes
    /// too early: both are `Ok(None)`.
    ///
    /// After an error the journal goes on, or refuses every append, if it is not certain which of the two is there.
    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        let _ = base;
        Ok(None)
    }
}

/// Why the survivor store did not do as asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// The survivor store: where secrets outlive the process, in two slots, and where readers find the current one.
pub trait Store: Send + 'static {
    /// Whether what is persisted is there for a successor. Where it is not, every start logs in anew
    /// ([`Relogin::EachStart`](turquoise_core::Relogin::EachStart)).
    fn survives(&self) -> bool {
        true
    }

    /// Everything in the slots. A slot that cannot be read is an error, never empty.
    fn load(&mut self) -> Result<Vec<Credential>, StoreError>;

    /// Writes the secret to its slot, durably, and reads it back.
    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError>;

    /// Lets readers see the secret: atomically (old or new, never torn, never empty), durably, read back.
    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError>;

    /// Empties a slot, durably. An empty slot is fine; a slot that holds another generation is an error.
    fn clear(&mut self, mint: Mint) -> Result<(), StoreError>;
}

/// Where nothing outlives the process: every start logs in anew, and what a crash leaves behind dies by itself, or is ended by
/// its name where the policy has that power. So give it little life.
#[derive(Clone, Copy, Debug)]
pub struct NoStore;

impl Store for NoStore {
    fn survives(&self) -> bool {
        false
    }

    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(Vec::new())
    }

    fn persist(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self, _: Mint) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What a set of loaded credentials means to the machine.
#[must_use]
pub fn held(credentials: &[Credential]) -> Held {
    let slot = |color| credentials.iter().find(|c| c.mint.slot == color).map(|c| c.mint.generation);
    Held { blue: slot(turquoise_core::Color::Blue), green: slot(turquoise_core::Color::Green) }
}

/// How a generation is named to a person: `blue 3`.
#[must_use]
pub fn label(mint: Mint) -> String {
    let Generation { number, .. } = mint.generation;
    format!("{} {number}", mint.slot)
}
