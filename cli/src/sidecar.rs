//! One identity in this process: its journal, its sinks and its provider, put together and begun.

use std::path::Path;

use turquoise::core::{Mint, Policy};
use turquoise::journal::{FileJournal, OpenError};
use turquoise::port::{Credential, Provider, Store, StoreError};
use turquoise::sink::{FileSink, Outlet, PublishedOnly, SealedStore, SinkError};
use turquoise::{Identity, Load, Setup, StartError};

use crate::file::Survivor;

/// What an identity is put together from.
pub(crate) struct Parts<'a, P> {
    pub(crate) policy: Policy,
    pub(crate) provider: P,
    pub(crate) journal: &'a Path,
    pub(crate) store: &'a Survivor,
    pub(crate) sinks: &'a [Outlet],
    /// What it asks of the provider together with all others.
    pub(crate) load: Load,
}

/// Why an identity was not begun. Nothing was changed at the server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBegun {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// There is none.
    #[error("there is no sink to keep secrets beside: give one")]
    NoSink,
    /// What they hold, or the policy.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Takes the journal and the slots over and begins to rotate what they hold. On a runtime of one thread nothing has happened
/// when it returns, so that who asks for its progress then misses nothing.
pub(crate) async fn begin<P: Provider>(parts: Parts<'_, P>) -> Result<Identity, NotBegun> {
    let Parts { policy, provider, journal, store, sinks, load } = parts;
    // Its lock comes first: what is opened after it is nobody else's.
    let opened = FileJournal::open(journal)?;
    let store = keeper(store, sinks)?;
    let setup = Setup::new(provider, opened.journal, opened.history, store)?;
    Ok(Identity::start(Setup { policy, load, ..setup }).await?)
}

fn keeper(store: &Survivor, sinks: &[Outlet]) -> Result<Keeper, NotBegun> {
    Ok(Keeper(match store {
        Survivor::Sink => {
            let (first, others) = sinks.split_first().ok_or(NotBegun::NoSink)?;
            Box::new(FileSink::of(first, others)?)
        }
        Survivor::Sealed { slots, key } => Box::new(SealedStore::open(slots, key)?.publishing(sinks)?),
        Survivor::Bootstrap => Box::new(PublishedOnly::open(sinks)?),
    }))
}

/// One of the stores.
struct Keeper(Box<dyn Store>);

impl Store for Keeper {
    fn survives(&self) -> bool {
        self.0.survives()
    }

    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        self.0.load()
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.0.persist(credential)
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.0.publish(credential)
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.0.clear(mint)
    }
}
