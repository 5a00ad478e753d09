//! One identity in this process: its journal, its sink and its provider, put together and begun.

use std::path::Path;
use std::time::Duration;

use tokio::sync::broadcast;
use turquoise::core::Policy;
use turquoise::journal::{FileJournal, OpenError};
use turquoise::port::{Provider, Store as _, StoreError};
use turquoise::sink::{FileSink, Form, Mode, SinkError};
use turquoise::{Identity, Progress, Setup, StartError};

/// What an identity is put together from.
pub(crate) struct Parts<'a, P> {
    pub(crate) policy: Policy,
    pub(crate) provider: P,
    pub(crate) journal: &'a Path,
    pub(crate) sink: &'a Path,
    pub(crate) mode: Mode,
    /// A first login waits up to so long, so that a fleet that is started at once does not log in at once. What survived needs
    /// no login, and no wait.
    pub(crate) start_spread: Duration,
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
    /// The survivor store.
    #[error("the survivor store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// No random number.
    #[error("the system gave no random number: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// Takes the journal and the slots over and begins to rotate what they hold. On a runtime of one thread the progress is
/// complete: nothing else runs before it is asked for.
pub(crate) async fn begin<P: Provider>(parts: Parts<'_, P>) -> Result<(Identity, broadcast::Receiver<Progress>), NotBegun> {
    begin_in(parts, Form::Secret).await
}

/// As [`begin`], with what readers find in another form than the bare secret.
pub(crate) async fn begin_in<P: Provider>(
    parts: Parts<'_, P>,
    form: Form,
) -> Result<(Identity, broadcast::Receiver<Progress>), NotBegun> {
    let Parts { policy, provider, journal, sink, mode, start_spread } = parts;
    // Its lock comes first: what is opened after it is nobody else's.
    let opened = FileJournal::open(journal)?;
    let mut store = FileSink::open(sink, mode)?.in_form(form);
    if !start_spread.is_zero() && store.load()?.is_empty() {
        let share = f64::from(getrandom::u32()?) / f64::from(u32::MAX);
        let wait = start_spread.mul_f64(share);
        tracing::info!(?wait, "the first login waits a little, so that many do not come at once");
        tokio::time::sleep(wait).await;
    }
    let setup = Setup::new(provider, opened.journal, opened.history, store)?;
    let identity = Identity::start(Setup { policy, ..setup }).await?;
    let progress = identity.progress();
    Ok((identity, progress))
}
