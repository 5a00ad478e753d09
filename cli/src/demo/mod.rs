//! The demo: a real token on a real server under load; a good rotation, a bad candidate, a crash.

mod load;
mod process;
mod proof;
pub(crate) mod reader;
mod scene;
mod show;
pub(crate) mod sidecar;
pub(crate) mod told;
mod trouble;

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use turquoise::core::StepKind;
use turquoise::memory::WhenLockingFails;

use load::{Load, Tally};
use reader::Reader;
use scene::{ROTATOR, Scene, USELESS};
use show::{Show, headline, line};
use sidecar::{Here, Rotates as _, Sidecar};
use trouble::Trouble;

use crate::say::complain;

const INTRODUCTION: &str = "\
Turquoise replaces the credential that a program lives on while the program works. The next one is
made and tried beside the one in use, the work moves over, and only then the old one is ended.
What follows happens for real, on a server of its own and under load.
";
const CLEAN: &str = "turquoise: the server and all other processes of the demo are ended, their files are removed";

/// So many more requests show that a load flows …
const FLOW: u64 = 50;
/// … if they come within this time, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells the story; the exit code says whether it was true.
pub(crate) fn run() -> ExitCode {
    let show = Show::new();
    let ended = runtime().and_then(|runtime| {
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = tell(&show) => ended,
                trouble = interrupted() => Err(trouble),
            }
        });
        // Waits for a server that is just being fetched or started, and ends it.
        drop(runtime);
        ended
    });
    let was_begun = !matches!(ended, Ok(()) | Err(Trouble::Obtain(_)));
    let code = exit(ended);
    if was_begun {
        complain(CLEAN);
    }
    code
}

/// Runs a process that the demo starts.
fn child(work: impl Future<Output = Result<(), Trouble>>) -> ExitCode {
    exit(runtime().and_then(|runtime| {
        let ended = runtime.block_on(work);
        // Does not wait for who still waits for standard input.
        runtime.shutdown_background();
        ended
    }))
}

/// One thread is plenty, and makes what happens easier to follow.
fn runtime() -> Result<Runtime, Trouble> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn exit(ended: Result<(), Trouble>) -> ExitCode {
    let Err(trouble) = ended else { return ExitCode::SUCCESS };
    if !matches!(trouble, Trouble::Orphaned) {
        complain(format_args!("turquoise: {trouble}"));
    }
    trouble.code().into()
}

async fn interrupted() -> Trouble {
    let caught = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
            Trouble::Interrupted(kind.as_raw_value())
        }
        Err(why) => why.into(),
    };
    tokio::select! {
        trouble = caught(SignalKind::interrupt()) => trouble,
        trouble = caught(SignalKind::terminate()) => trouble,
        trouble = caught(SignalKind::hangup()) => trouble,
    }
}

async fn tell(show: &Show) -> Result<(), Trouble> {
    line(INTRODUCTION)?;
    if let Err(why) = WhenLockingFails::Refuse.room() {
        show.note(format_args!("secrets will not be locked in memory here: {why}"))?;
    }
    let scene = Scene::build(show).await?;
    tokio::select! {
        ended = play(&scene, show) => ended,
        trouble = scene.watch() => Err(trouble),
    }
}

async fn play(scene: &Scene, show: &Show) -> Result<(), Trouble> {
    headline("The first token is adopted, and the load begins")?;
    show::columns()?;
    let mut here = Here::start(scene.site()).await?;
    here.until(StepKind::Ready, show).await?;
    let mut reader = Reader::start(scene.site())?;
    tokio::select! {
        ended = legs(scene, show, here) => ended?,
        trouble = reader.listen(&show.sink) => return Err(trouble),
    }
    reader.stop(&show.sink).await?;
    proof::judge(scene, show).await
}

async fn legs(scene: &Scene, show: &Show, mut here: Here) -> Result<(), Trouble> {
    let load = Load::start(&here.identity.credentials(), &scene.reads()?, &show.handle);
    let both = [&show.handle, &show.sink];
    flow(&both).await?;
    show.note("reads flow: by tasks in this process, which take the token from the handle for each of them,")?;
    show.note("and by another process, which knows nothing of us but the file that the token is published in")?;

    headline("1. A good rotation")?;
    rotate(&mut here, show).await?;
    flow(&both).await?;

    headline("2. The administrator breaks the role: what it mints from now on cannot read the secret")?;
    scene.mint_with(USELESS).await?;
    rotate(&mut here, show).await?;
    flow(&both).await?;
    scene.mint_with(ROTATOR).await?;
    show.note("the administrator mends the role")?;
    load.stop().await?;
    here.identity.stop().await;

    crash(scene, show).await?;
    flow(&[&show.sink]).await
}

async fn rotate(here: &mut Here, show: &Show) -> Result<(), Trouble> {
    here.identity.rotate().await?;
    here.until(StepKind::Cleared, show).await
}

/// The rotating process is killed between the minting and the switch, and started again.
async fn crash(scene: &Scene, show: &Show) -> Result<(), Trouble> {
    headline("3. A process of its own takes over from this one, and is killed while it tries a candidate")?;
    let mut sidecar = Sidecar::start(scene.site())?;
    sidecar.until(StepKind::Recovered, show).await?;
    sidecar.rotate().await?;
    sidecar.until(StepKind::Persisted, show).await?;
    sidecar.kill().await?;
    show.note("SIGKILL: the rotating process is gone; the reader goes on with what is published")?;
    flow(&[&show.sink]).await?;

    headline("4. It is started again, and asked once more")?;
    let mut sidecar = Sidecar::start(scene.site())?;
    sidecar.until(StepKind::Cleared, show).await?;
    sidecar.rotate().await?;
    sidecar.until(StepKind::Cleared, show).await?;
    sidecar.stop().await
}

/// Waits until each of these loads has gone on, well or badly: that is for the table to tell.
async fn flow(loads: &[&Tally]) -> Result<(), Trouble> {
    let wanted: Vec<_> = loads.iter().map(|load| load.lock().all() + FLOW).collect();
    let flows = async {
        while loads.iter().zip(&wanted).any(|(load, wanted)| load.lock().all() < *wanted) {
            tokio::time::sleep(load::PACE).await;
        }
    };
    let stuck = |_| Trouble::Provider(format!("{FLOW} requests were not answered within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, flows).await.map_err(stuck)
}
