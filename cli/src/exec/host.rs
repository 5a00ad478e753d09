//! A child beside the rotations of this process.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use turquoise::Credentials;
use turquoise::vault::{ConfigError, Reader};

use super::child::Status;
use super::follow::{Follow, follow};
use super::secrets::{NoValue, Secrets};
use super::supervise::{Ended, Supervisor, Told};
use crate::file::Program;

/// What is meant for a child, and does nothing to us.
const PASSED: [(SignalKind, Signal); 4] = [
    (SignalKind::user_defined1(), Signal::USR1),
    (SignalKind::user_defined2(), Signal::USR2),
    (SignalKind::quit(), Signal::QUIT),
    (SignalKind::window_change(), Signal::WINCH),
];

/// A child, and all that is done for it. Dropped, it is killed.
pub(crate) struct Hosted {
    tasks: JoinSet<Done>,
    told: mpsc::Sender<Told>,
    /// Why there was nothing to run with.
    no_value: Option<NoValue>,
}

enum Done {
    Supervised(Ended),
    Followed(Result<(), NoValue>),
    /// A signal that nobody sends any more.
    Passed,
}

/// Why a child did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRun {
    /// The server's description.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A signal cannot be listened to.
    #[error("signals cannot be listened to: {0}")]
    Signal(io::Error),
    /// The program.
    #[error("{program} cannot be started: {cause}; look at `exec` in the file")]
    Unstarted { program: String, cause: io::Error },
    /// What it is to run with.
    #[error("the child has nothing to run with: {0}")]
    NoValue(#[from] NoValue),
    /// The supervisor panicked.
    #[error("the supervisor of the child is gone, which is a defect: please report it")]
    Gone,
}

impl Hosted {
    /// Starts it as soon as there is a credential.
    pub(crate) fn begin(program: &Program, credentials: &Credentials) -> Result<Self, NotRun> {
        let secrets = Secrets::new(program.templates.clone(), Reader::new(&program.upstream)?);
        let (turns, next) = mpsc::channel(1);
        let (told, hears) = mpsc::channel(8);
        let mut tasks = JoinSet::new();
        for (kind, signal) in PASSED {
            let mut sent = unix::signal(kind).map_err(NotRun::Signal)?;
            let tell = told.clone();
            tasks.spawn(async move {
                while sent.recv().await.is_some() && tell.send(Told::Pass(signal)).await.is_ok() {}
                Done::Passed
            });
        }
        let following = Follow::new(secrets, credentials);
        tasks.spawn(async move { Done::Followed(follow(following, turns).await) });
        let supervisor = Supervisor::new(program.exec.clone(), next, hears);
        tasks.spawn(async move { Done::Supervised(supervisor.run().await) });
        Ok(Self { tasks, told, no_value: None })
    }

    /// Has it end; told again, at once.
    pub(crate) fn stop(&self, signal: Signal) {
        // One that hears nothing has ended.
        let _ = self.told.try_send(Told::Stop(signal));
    }

    /// Waits until it is over; nothing, if it never ran and was not to. Cancel safe.
    pub(crate) async fn ended(&mut self) -> Result<Option<Status>, NotRun> {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Done::Followed(Err(why)))) => self.no_value = Some(why),
                Some(Ok(Done::Followed(Ok(())) | Done::Passed)) => {}
                Some(Ok(Done::Supervised(ended))) => {
                    return match (ended, self.no_value.take()) {
                        (Ended::Child(status), _) => Ok(Some(status)),
                        (Ended::Unstarted { program, cause }, _) => Err(NotRun::Unstarted { program, cause }),
                        (Ended::Nothing, Some(why)) => Err(why.into()),
                        (Ended::Nothing, None) => Ok(None),
                    };
                }
                Some(Err(_)) | None => return Err(NotRun::Gone),
            }
        }
    }
}
