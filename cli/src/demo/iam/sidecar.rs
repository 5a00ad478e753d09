//! A process of its own that rotates keys.

use std::process::ExitCode;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::demo::here::{Here, Rotates};
use crate::demo::process::Process;
use crate::demo::show;
use crate::demo::site::Site;
use crate::demo::told::Told;
use crate::demo::trouble::Trouble;

/// What it is told when it is to rotate.
const ROTATE: &str = "rotate";

/// The rotation in a process of its own.
pub(crate) struct Sidecar(Process);

impl Sidecar {
    pub(super) fn start(site: &Site) -> Result<Self, Trouble> {
        Process::start("demo-sidecar", site.args()).map(Self)
    }

    pub(super) async fn rotate(&mut self) -> Result<(), Trouble> {
        self.0.say(ROTATE).await
    }

    pub(super) async fn kill(self) -> Result<(), Trouble> {
        self.0.kill().await
    }

    pub(super) async fn stop(self) -> Result<(), Trouble> {
        self.0.stop(|_: Told| {}).await
    }
}

impl Rotates for Sidecar {
    const NAME: &'static str = "sidecar";

    async fn told(&mut self) -> Result<Option<Told>, Trouble> {
        self.0.hear().await
    }
}

/// The process: rotates when told to, tells what it does, and ends with its standard input.
pub(crate) fn run(site: &Site) -> ExitCode {
    crate::demo::child(async {
        let mut here = Here::start(site).await?;
        let mut commands = BufReader::new(tokio::io::stdin()).lines();
        loop {
            tokio::select! {
                command = commands.next_line() => match command?.as_deref() {
                    Some(ROTATE) => here.identity.rotate().await?,
                    Some(other) => return Err(Trouble::Local(format!("no such command: {other}"))),
                    None => break,
                },
                told = here.told() => match told? {
                    Some(told) => show::json(&told)?,
                    None => break,
                },
            }
        }
        here.identity.stop().await;
        Ok(())
    })
}
