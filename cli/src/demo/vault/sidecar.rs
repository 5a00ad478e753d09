//! The sidecar: this same program as `turquoise run`, started as a service manager starts it, and followed over its admin socket.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use turquoise::core::StepKind;
use turquoise_openbao::Guarded;

use super::agent::{Agent, NAME, SOCKET};
use crate::admin::shape::{Accepted, Happened, Since};
use crate::demo::here::Rotates;
use crate::demo::show::Show;
use crate::demo::told::Told;
use crate::demo::trouble::Trouble;
use crate::operate::client::{Client, Trouble as Unasked};

/// Hands over the socket that it has as its standard output, by this name, in the way of systemd, and becomes a program.
const HAND_OVER: &str = r#"
exec 3<&1 >/dev/null
export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES="$1"
shift
exec "$@"
"#;

/// How often it is looked whether it is there, or gone.
const LOOK: Duration = Duration::from_millis(20);
/// So long it may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sidecar that runs. Killed when dropped.
pub(super) struct Sidecar {
    process: Guarded,
    admin: Client,
    log: PathBuf,
    /// The last event that was heard of.
    after: u64,
    heard: VecDeque<Happened>,
}

impl Sidecar {
    /// Starts it by its configuration. If this process is killed, `doomed` is removed when the sidecar is gone, and not before:
    /// it may be writing there.
    pub(super) fn start(agent: &Agent, doomed: &Path) -> Result<Self, Trouble> {
        let log = agent.log();
        let mut command = Guarded::command(Some(doomed));
        command.args(["sh", "-c", HAND_OVER, "sh", SOCKET]);
        command.arg(std::env::current_exe()?).arg("run").arg("--config").arg(agent.config());
        let socket = Stdio::from(std::os::fd::OwnedFd::from(agent.socket.try_clone()?));
        let process = Guarded::spawn(command, socket, File::create(&log)?)?;
        Ok(Self { process, admin: Client::new(agent.admin()), log, after: 0, heard: VecDeque::new() })
    }

    /// Asks it for a rotation, as `turquoise rotate` does.
    pub(super) async fn ask(&self) -> Result<(), Trouble> {
        let asked = self.admin.post::<Accepted>(&format!("/v1/identities/{NAME}/rotate"), &json!({})).await;
        asked.map(drop).map_err(|why| Trouble::Local(why.to_string()))
    }

    /// A whole rotation.
    pub(super) async fn rotate(&mut self, show: &Show) -> Result<(), Trouble> {
        self.ask().await?;
        self.until(StepKind::Cleared, show).await
    }

    /// As a crash would.
    pub(super) fn kill(self) {
        drop(self);
    }

    /// Has it end as a service manager does.
    pub(super) async fn stop(mut self) -> Result<(), Trouble> {
        self.process.signal(Signal::TERM)?;
        let ends = async {
            loop {
                match self.process.ended()? {
                    Some(status) if status.success() => return Ok(()),
                    Some(status) => return Err(self.gone(&format!("did not end well ({status})"))),
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let late = |_| Trouble::Local(format!("the sidecar did not end within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, ends).await.map_err(late)?
    }

    /// It is not there, and its last words.
    fn gone(&self, how: &str) -> Trouble {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Trouble::Local(format!("the sidecar {how}; its last line: {}", log.lines().last().unwrap_or_default()))
    }
}

impl Rotates for Sidecar {
    const NAME: &'static str = NAME;

    async fn told(&mut self) -> Result<Option<Told>, Trouble> {
        loop {
            if let Some(happened) = self.heard.pop_front() {
                return Ok(Some(told(happened)));
            }
            match self.admin.events(self.after, None).await {
                Ok(Since { missed: true, .. }) => return Err(Trouble::Local("too much happened to follow it".to_owned())),
                Ok(Since { events, after, .. }) => {
                    self.after = after;
                    self.heard.extend(events);
                }
                Err(Unasked::NoDaemon(_)) => match self.process.ended()? {
                    Some(status) => return Err(self.gone(&format!("has ended by itself ({status})"))),
                    None => tokio::time::sleep(LOOK).await,
                },
                Err(why) => return Err(Trouble::Local(why.to_string())),
            }
        }
    }
}

fn told(Happened { step, phase, generation, slot, words, reason, .. }: Happened) -> Told {
    let number = generation.as_deref().and_then(|name| name.rsplit('-').next()).unwrap_or_default();
    let label = slot.map(|slot| format!("{slot} {number}")).unwrap_or_default();
    Told { step, label, phase, words, reason }
}
