//! The demo: a credential under load; a good rotation, a bad candidate, a crash.

mod iam;
mod load;
mod process;
mod proof;
pub(crate) mod reader;
mod scene;
mod show;
pub(crate) mod sidecar;
pub(crate) mod site;
pub(crate) mod told;
mod trouble;
mod vault;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use turquoise::core::StepKind;
use turquoise::memory::WhenLockingFails;

use iam::Iam;
use load::{Load, Reads, Tally};
use reader::Reader;
use scene::Scene;
use show::{Show, headline, line};
use sidecar::{Here, Rotates as _, Sidecar};
use site::Provider;
use trouble::Trouble;
use vault::Vault;

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

/// How often it is looked whether a load has gone on.
const LOOK: Duration = Duration::from_millis(10);

/// What the story is about.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whose credentials are rotated
    #[arg(long, value_enum, default_value_t = Provider::VaultToken)]
    provider: Provider,
}

/// Tells the story; the exit code says whether it was true.
pub(crate) fn run(args: &Args) -> ExitCode {
    let show = Show::new();
    let ended = runtime().and_then(|runtime| {
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = tell(args.provider, &show) => ended,
                trouble = interrupted() => Err(trouble),
            }
        });
        // Waits for a server that is just being fetched or started, and ends it.
        drop(runtime);
        ended
    });
    let was_begun = !matches!(ended, Ok(()) | Err(Trouble::Obtain(_) | Trouble::Install(_)));
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

async fn tell(provider: Provider, show: &Show) -> Result<(), Trouble> {
    line(INTRODUCTION)?;
    if let Err(why) = WhenLockingFails::Refuse.room() {
        show.note(format_args!("secrets will not be locked in memory here: {why}"))?;
    }
    match provider {
        Provider::VaultToken => act::<Vault>(show).await,
        Provider::AwsIam => act::<Iam>(show).await,
    }
}

async fn act<S: Scene>(show: &Show) -> Result<(), Trouble> {
    let scene = S::build(show).await?;
    tokio::select! {
        ended = play(&scene, show) => ended,
        trouble = scene.watch() => Err(trouble),
    }
}

async fn play<S: Scene>(scene: &S, show: &Show) -> Result<(), Trouble> {
    headline(S::WORDS.adopted)?;
    show::columns(S::WORDS.noun)?;
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

async fn legs<S: Scene>(scene: &S, show: &Show, mut here: Here) -> Result<(), Trouble> {
    let reads = Reads::of(scene.site()).map_err(Trouble::Local)?;
    let load = Load::start(&here.identity.credentials(), &reads, &show.handle);
    let both = [&show.handle, &show.sink];
    flow(&both).await?;
    for words in S::WORDS.load {
        show.note(words)?;
    }

    headline("1. A good rotation")?;
    rotate(&mut here, show).await?;
    flow(&both).await?;

    headline(S::WORDS.spoilt)?;
    scene.spoil().await?;
    rotate(&mut here, show).await?;
    flow(&both).await?;
    scene.mend().await?;
    show.note(S::WORDS.mended)?;
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
async fn crash<S: Scene>(scene: &S, show: &Show) -> Result<(), Trouble> {
    headline(S::WORDS.killed)?;
    let mut sidecar = Sidecar::start(scene.site())?;
    sidecar.until(StepKind::Recovered, show).await?;
    scene.rotate_halfway(&mut sidecar, show).await?;
    sidecar.kill().await?;
    show.note("SIGKILL: the rotating process is gone; the reader goes on with what is published")?;
    flow(&[&show.sink]).await?;

    headline("4. It is started again, and asked once more")?;
    let mut sidecar = Sidecar::start(scene.site())?;
    sidecar.until(S::CLEAN, show).await?;
    sidecar.rotate().await?;
    sidecar.until(StepKind::Cleared, show).await?;
    sidecar.stop().await
}

/// Waits until each of these loads has gone on, well or badly: that is for the table to tell.
async fn flow(loads: &[&Tally]) -> Result<(), Trouble> {
    let wanted: Vec<_> = loads.iter().map(|load| load.lock().all() + FLOW).collect();
    let flows = async {
        while loads.iter().zip(&wanted).any(|(load, wanted)| load.lock().all() < *wanted) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let stuck = |_| Trouble::Provider(format!("{FLOW} requests were not answered within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, flows).await.map_err(stuck)
}

/// A file that nobody else may read.
fn write_private(path: &Path, content: &str) -> Result<(), Trouble> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content.as_bytes())?)
}
