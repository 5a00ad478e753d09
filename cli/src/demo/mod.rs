//! The demo: credentials under load; good rotations, bad candidates, a crash, and what others do.

pub(crate) mod client;
mod count;
mod here;
pub(crate) mod iam;
mod load;
mod process;
mod proof;
mod show;
pub(crate) mod site;
pub(crate) mod told;
mod trouble;
mod vault;
mod watch;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use turquoise::memory::WhenLockingFails;

use show::{Show, line};
use site::Provider;
use trouble::Trouble;

use crate::say::complain;

const INTRODUCTION: &str = "\
Turquoise replaces the credential that a program lives on while the program works. The next one is
made and tried beside the one in use, the work moves over, and only then the old one is ended.
What follows happens for real, on a server of its own and under load.
";
const CLEAN: &str = "turquoise: the server and all other processes of the demo are ended, their files are removed";

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
        Provider::VaultToken => vault::tell(show).await,
        Provider::AwsIam => iam::tell(show).await,
    }
}

/// A file that nobody else may read.
fn write_private(path: &Path, content: &str) -> Result<(), Trouble> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content.as_bytes())?)
}
