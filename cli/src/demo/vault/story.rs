//! The story: good rotations, useless candidates, a token that others revoke, and a sidecar that is killed.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use tokio::try_join;
use turquoise::core::StepKind;

use super::proof;
use super::scene::Vault;
use super::sidecar::Sidecar;
use crate::demo::client::{Client, Habit};
use crate::demo::count::{Tally, flow};
use crate::demo::here::{Here, Rotates as _};
use crate::demo::load::{Load, Reads};
use crate::demo::show::{Show, columns, headline};
use crate::demo::site::Provider;
use crate::demo::trouble::Trouble;
use crate::demo::watch::watch;

/// Tells it.
pub(crate) async fn tell(show: &Show) -> Result<(), Trouble> {
    let vault = Vault::build(show).await?;
    tokio::select! {
        ended = play(&vault, show) => ended,
        trouble = watch(&vault.site.address, || vault.check()) => Err(trouble),
    }
}

async fn play(vault: &Vault, show: &Show) -> Result<(), Trouble> {
    headline("Each gets its first token, and the load begins")?;
    columns("token")?;
    let (mut here, mut sidecar) = (Here::start(&vault.site).await?, start(vault)?);
    try_join!(here.until(StepKind::Ready, show), sidecar.until(StepKind::Ready, show))?;
    let agent = &vault.agent;
    let client = |address: &str, file: PathBuf, habit| Client::start(Provider::VaultToken, &super::read(address), &file, habit);
    let mut proxied = client(&agent.address()?, agent.local_token(), Habit::Once)?;
    let mut reader = client(&vault.site.address, agent.sink(), Habit::Again)?;
    let (sidecar, dark) = tokio::select! {
        ended = legs(vault, show, here, sidecar) => ended?,
        trouble = proxied.listen(&show.proxy) => return Err(trouble),
        trouble = reader.listen(&show.sink) => return Err(trouble),
    };
    proxied.stop(&show.proxy).await?;
    reader.stop(&show.sink).await?;
    sidecar.stop().await?;
    proof::judge(vault, show, dark).await
}

fn start(vault: &Vault) -> Result<Sidecar, Trouble> {
    Sidecar::start(&vault.agent, vault.server.dir())
}

/// Answers the sidecar that runs in the end, and how long the sink's reader had nothing that is good.
async fn legs(vault: &Vault, show: &Show, mut here: Here, mut sidecar: Sidecar) -> Result<(Sidecar, Duration), Trouble> {
    let reads = Reads::of(&vault.site).map_err(Trouble::Local)?;
    let load = Load::start(&here.identity.credentials(), &reads, &show.handle);
    let all = show.tallies();
    flow(&all).await?;
    show.note("reads flow: by tasks of this process, which take the token from the handle for each of them;")?;
    show.note("by a client of the sidecar's proxy, which has read its token once and keeps it;")?;
    show.note("and by a client that reads the file again and again in which the sidecar publishes its token")?;

    headline("1. Good rotations")?;
    try_join!(here.rotate(show), sidecar.rotate(show))?;
    flow(&all).await?;

    headline("2. The administrator makes a mistake: what is made from now on cannot read the secret")?;
    vault.spoil().await?;
    try_join!(here.rotate(show), sidecar.rotate(show))?;
    flow(&all).await?;
    vault.mend().await?;
    show.note("the administrator puts that right")?;

    let dark = revoke(vault, &mut sidecar, show).await?;
    flow(&all).await?;

    let mut sidecar = kill(vault, sidecar, show).await?;
    try_join!(here.rotate(show), sidecar.rotate(show))?;
    flow(&all).await?;
    load.stop().await?;
    here.identity.stop().await;
    Ok((sidecar, dark))
}

/// Somebody ends the token that serves. The proxy has the next one made at its first refusal, and sends again what was refused. A
/// client that bears the token itself can only be refused, until it finds the next one in the file.
async fn revoke(vault: &Vault, sidecar: &mut Sidecar, show: &Show) -> Result<Duration, Trouble> {
    headline("3. Somebody revokes the sidecar's token while it serves")?;
    show.sink.excuse();
    let began = Instant::now();
    vault.revoke().await?;
    show.note("it is dead: the proxy's client waits a moment, and the reader of the file is refused; that is counted apart")?;
    let (rotated, dark) = tokio::join!(sidecar.until(StepKind::Cleared, show), recovers(&show.sink, began));
    rotated.map(|()| dark)
}

/// Until the reader is served again its refusals have an excuse; answers how long that was.
async fn recovers(sink: &Tally, began: Instant) -> Duration {
    sink.recovers().await;
    sink.excuse_no_more();
    began.elapsed()
}

/// The sidecar is killed while it tries a candidate, and started again.
async fn kill(vault: &Vault, mut sidecar: Sidecar, show: &Show) -> Result<Sidecar, Trouble> {
    headline("4. The sidecar is killed while it tries a candidate, and started again")?;
    sidecar.ask().await?;
    sidecar.until(StepKind::Persisted, show).await?;
    sidecar.kill();
    show.note("SIGKILL: the sidecar is gone. The token in the file is good, and its reader goes on;")?;
    show.note("the proxy's client waits at the socket, which its starter has kept open, as systemd does")?;
    flow(&[&show.handle, &show.sink]).await?;
    let mut sidecar = start(vault)?;
    sidecar.until(StepKind::Cleared, show).await?;

    headline("5. Good rotations again")?;
    Ok(sidecar)
}
