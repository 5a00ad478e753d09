//! What others than its owner may see of an identity and ask of it.

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use turquoise_core::{Certainty, Generation, Input, Instant, Mint, Resolution};

use crate::credentials::{Credentials, NotReady};
use crate::driver::Command;
use crate::identity::{AskError, Progress, Status};

/// What an operator may wish for: each is the method of the same name of an [`Identity`](crate::Identity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// [`Identity::rotate`](crate::Identity::rotate)
    Rotate,
    /// [`Identity::abort`](crate::Identity::abort)
    Abort,
    /// [`Identity::rollback`](crate::Identity::rollback)
    Rollback,
    /// [`Identity::compromise`](crate::Identity::compromise)
    Compromise(Generation),
    /// [`Identity::break_glass`](crate::Identity::break_glass)
    BreakGlass(Certainty),
    /// [`Identity::resolve`](crate::Identity::resolve)
    Resolve(Resolution),
    /// [`Identity::pause`](crate::Identity::pause)
    Pause(Instant),
    /// [`Identity::retry`](crate::Identity::retry)
    Retry,
}

/// The side of an identity that an operator sees: what happens, where it stands, and what may be asked for. It keeps nothing
/// alive: when the [`Identity`](crate::Identity) goes it ends as without this. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(crate) commands: mpsc::WeakSender<Command>,
    pub(crate) credentials: Credentials,
    pub(crate) progress: broadcast::WeakSender<Progress>,
    pub(crate) status: watch::Receiver<Status>,
}

impl Operator {
    /// Asks for something; returns as soon as it is accepted.
    ///
    /// Not cancel safe: dropped before it ends, what was asked for may be done all the same.
    ///
    /// # Errors
    ///
    /// Not now, or not any more: see [`AskError`].
    pub async fn ask(&self, wish: Wish) -> Result<(), AskError> {
        let commands = self.commands.upgrade().ok_or(AskError::Stopped)?;
        ask(&commands, wish.input()).await
    }

    /// What happens from now on; `None` if the identity is gone.
    #[must_use]
    pub fn progress(&self) -> Option<broadcast::Receiver<Progress>> {
        Some(self.progress.upgrade()?.subscribe())
    }

    /// Where the identity stands, or stood last.
    #[must_use]
    pub fn status(&self) -> Status {
        status(&self.status, &self.credentials)
    }

    /// Whether the task that rotates is there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.commands.upgrade().is_some_and(|commands| !commands.is_closed())
    }

    /// Waits until that task has ended, for whatever reason. Cancel safe: it changes nothing.
    pub async fn ended(&self) {
        let mut status = self.status.clone();
        while status.changed().await.is_ok() {}
    }

    /// What new work is given at this moment.
    ///
    /// # Errors
    ///
    /// Nothing: see [`NotReady`].
    pub fn serving(&self) -> Result<Mint, NotReady> {
        self.credentials.acquire().map(|guard| guard.mint())
    }
}

impl Wish {
    pub(crate) const fn input(self) -> Input {
        match self {
            Self::Rotate => Input::Begin,
            Self::Abort => Input::Abort,
            Self::Rollback => Input::Rollback,
            Self::Compromise(generation) => Input::Compromise(generation),
            Self::BreakGlass(certainty) => Input::BreakGlass(certainty),
            Self::Resolve(resolution) => Input::Resolve(resolution),
            Self::Pause(until) => Input::Pause(until),
            Self::Retry => Input::Retry,
        }
    }
}

/// Tells the driver, and waits for what the machine says to it.
pub(crate) async fn ask(commands: &mpsc::Sender<Command>, input: Input) -> Result<(), AskError> {
    let (reply, accepted) = oneshot::channel();
    commands.send(Command::Ask(input, reply)).await.map_err(|_| AskError::Stopped)?;
    Ok(accepted.await.map_err(|_| AskError::Stopped)??)
}

/// The driver's last word, with the counts of this moment.
pub(crate) fn status(status: &watch::Receiver<Status>, credentials: &Credentials) -> Status {
    let status = status.borrow().clone();
    let held = |mint: Option<Mint>| mint.map_or(0, |mint| credentials.held(mint.generation));
    Status { current_held: held(status.current), second_held: held(status.second), ..status }
}
