//! One identity in this process: its journal, its sink and its provider, put together and begun.

use std::io;
use std::path::Path;

use tokio::sync::broadcast;
use turquoise::core::Policy;
use turquoise::journal::{FileJournal, OpenError};
use turquoise::memory::WhenLockingFails;
use turquoise::port::Provider;
use turquoise::sink::{FileSink, Mode, SinkError};
use turquoise::{BootClock, Identity, Progress, Setup, StartError};

/// What an identity is put together from.
pub(crate) struct Parts<'a, P> {
    pub(crate) policy: Policy,
    pub(crate) provider: P,
    pub(crate) journal: &'a Path,
    pub(crate) sink: &'a Path,
    pub(crate) mode: Mode,
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
    /// What they hold, or the policy.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no clock.
    #[error("the system's clock cannot be read: {0}")]
    Clock(#[from] io::Error),
}

/// Takes the journal and the slots over and begins to rotate what they hold. On a runtime of one thread the progress is
/// complete: nothing else runs before it is asked for.
pub(crate) async fn begin<P: Provider>(parts: Parts<'_, P>) -> Result<(Identity, broadcast::Receiver<Progress>), NotBegun> {
    let Parts { policy, provider, journal, sink, mode } = parts;
    let opened = FileJournal::open(journal)?;
    let setup = Setup {
        policy,
        provider,
        journal: opened.journal,
        history: opened.history,
        store: FileSink::open(sink, mode)?,
        clock: Box::new(BootClock::new()?),
        memory: WhenLockingFails::Warn,
    };
    let identity = Identity::start(setup).await?;
    let progress = identity.progress();
    Ok((identity, progress))
}
