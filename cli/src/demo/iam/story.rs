//! The story: a good rotation, a key that is switched off, and a crash while a key is being made.

use turquoise::core::StepKind;

use super::proof;
use super::scene::Iam;
use super::sidecar::Sidecar;
use crate::demo::client::{Client, Habit};
use crate::demo::count::flow;
use crate::demo::here::{Here, Rotates as _};
use crate::demo::load::{Load, Reads};
use crate::demo::show::{Show, columns, headline};
use crate::demo::site::{Provider, Site};
use crate::demo::trouble::Trouble;
use crate::demo::watch::watch;

/// Tells it.
pub(crate) async fn tell(show: &Show) -> Result<(), Trouble> {
    let scene = Iam::build(show).await?;
    tokio::select! {
        ended = play(&scene, show) => ended,
        trouble = watch(&scene.site.address, || scene.check()) => Err(trouble),
    }
}

async fn play(scene: &Iam, show: &Show) -> Result<(), Trouble> {
    headline("The first key is adopted, and the load begins")?;
    columns("key")?;
    let site = &scene.site;
    let mut here = Here::start(site).await?;
    here.until(StepKind::Ready, show).await?;
    let mut reader = Client::start(Provider::AwsIam, &site.work(), &site.published(), Habit::Again)?;
    tokio::select! {
        ended = legs(scene, show, here) => ended?,
        trouble = reader.listen(&show.sink) => return Err(trouble),
    }
    reader.stop(&show.sink).await?;
    proof::judge(scene, show).await
}

async fn legs(scene: &Iam, show: &Show, mut here: Here) -> Result<(), Trouble> {
    let reads = Reads::of(&scene.site).map_err(Trouble::Local)?;
    let load = Load::start(&here.identity.credentials(), &reads, &show.handle);
    let both = [&show.handle, &show.sink];
    flow(&both).await?;
    show.note("signed reads flow: by tasks in this process, which take the key from the handle for each of them,")?;
    show.note("and by another process, which knows nothing of us but a shared credentials file")?;

    headline("1. A good rotation")?;
    here.rotate(show).await?;
    flow(&both).await?;

    headline("2. A guard of the account switches off every key that is new")?;
    scene.spoil().await?;
    here.rotate(show).await?;
    flow(&both).await?;
    scene.mend().await?;
    show.note("the guard is told of us")?;
    load.stop().await?;
    here.identity.stop().await;

    crash(scene, &scene.site, show).await?;
    flow(&[&show.sink]).await
}

/// The rotating process is killed while the answer with the new key is on its way, and started again.
async fn crash(scene: &Iam, site: &Site, show: &Show) -> Result<(), Trouble> {
    headline("3. A process of its own takes over, and is killed while the answer with the new key is on its way")?;
    let mut sidecar = Sidecar::start(site)?;
    sidecar.until(StepKind::Recovered, show).await?;
    scene.lose_the_answer().await?;
    sidecar.rotate().await?;
    sidecar.until(StepKind::IssueIntent, show).await?;
    scene.second_key().await?;
    show.note("IAM lists a second key, whose secret nobody has: it was in the answer")?;
    sidecar.kill().await?;
    show.note("SIGKILL: the rotating process is gone; the reader goes on with what is published")?;
    flow(&[&show.sink]).await?;

    headline("4. It is started again, and asked once more")?;
    let mut sidecar = Sidecar::start(site)?;
    // What was not answered has no name until it is found: meanwhile it is a debt.
    sidecar.until(StepKind::Died, show).await?;
    sidecar.rotate().await?;
    sidecar.until(StepKind::Cleared, show).await?;
    sidecar.stop().await
}
