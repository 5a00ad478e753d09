//! Keeps one child running, through changes of what it runs with.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::child::{Child, Status, send};
use super::ready::is_ready;
use super::{Environment, Exec, OnChange, Ready, Turn};

/// A child that failed, or a successor that did not become ready, is followed by another one after so long, and twice as long
/// each time …
const BACKOFF: Duration = Duration::from_secs(1);
/// … but no longer. One that has run for longer than this counts as one that ran.
const LONGEST: Duration = Duration::from_mins(1);

/// What we are told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// For all of us: the child is to end, and then we do.
    Stop(Signal),
    /// For the child.
    Pass(Signal),
}

/// How it is over.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The child has ended: we end as it did.
    Child(Status),
    /// Nothing ran when we were told to stop, or there was nothing to run with.
    Nothing,
    /// The child could not be started.
    Unstarted { program: String, cause: io::Error },
}

/// A child and what it depends on, which is let go only when all of its group is gone.
struct Running<H> {
    child: Child,
    environment: Arc<Environment>,
    hold: H,
    since: Instant,
}

/// What the next child is to run with.
struct Next<H> {
    environment: Arc<Environment>,
    hold: H,
    /// When to start it; nothing, if the present one is to end by itself.
    at: Option<Instant>,
}

/// Keeps one child running.
pub(crate) struct Supervisor<H> {
    exec: Exec,
    turns: mpsc::Receiver<Turn<H>>,
    told: mpsc::Receiver<Told>,
    next: Option<Next<H>>,
    /// Those whose successors have taken over.
    retiring: JoinSet<()>,
    /// Failures in a row, of children or of successors.
    failures: u32,
}

enum Happened<H> {
    Ended(Status),
    Told(Told),
    Turn(Turn<H>),
    Due,
}

impl<H: Send + 'static> Supervisor<H> {
    pub(crate) fn new(exec: Exec, turns: mpsc::Receiver<Turn<H>>, told: mpsc::Receiver<Told>) -> Self {
        Self { exec, turns, told, next: None, retiring: JoinSet::new(), failures: 0 }
    }

    /// Runs until the child has ended for good, or we are told to stop and it has ended.
    pub(crate) async fn run(mut self) -> Ended {
        let Some(Turn { environment, hold, .. }) = self.first().await else { return Ended::Nothing };
        let mut running = match self.start(environment, hold) {
            Ok(running) => running,
            Err(ended) => return ended,
        };
        loop {
            let done = match self.happened(&mut running).await {
                Happened::Ended(status) => self.again(running, status).await,
                Happened::Told(Told::Pass(signal)) => {
                    send(running.child.pid(), signal);
                    Ok(running)
                }
                Happened::Told(Told::Stop(signal)) => Err(self.stop(running, None, signal).await),
                Happened::Turn(turn) => self.turn(running, turn).await,
                Happened::Due => self.replace(running).await,
            };
            running = match done {
                Ok(running) => running,
                Err(ended) => return ended,
            };
        }
    }

    /// What to begin with.
    async fn first(&mut self) -> Option<Turn<H>> {
        loop {
            tokio::select! {
                turn = self.turns.recv() => return turn,
                Some(told) = self.told.recv() => if let Told::Stop(_) = told { return None },
            }
        }
    }

    async fn happened(&mut self, running: &mut Running<H>) -> Happened<H> {
        let due = self.next.as_ref().and_then(|next| next.at);
        tokio::select! {
            status = running.child.ended() => Happened::Ended(status),
            Some(told) = self.told.recv() => Happened::Told(told),
            Some(turn) = self.turns.recv() => Happened::Turn(turn),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Happened::Due,
        }
    }

    fn start(&self, environment: Arc<Environment>, hold: H) -> Result<Running<H>, Ended> {
        let child = Child::start(&self.exec.command, &environment).map_err(|cause| {
            let program = self.exec.command.first().cloned().unwrap_or_default();
            Ended::Unstarted { program, cause }
        })?;
        tracing::info!(pid = %child.pid(), "child started");
        Ok(Running { child, environment, hold, since: Instant::now() })
    }

    /// There is something else to run with, or what there was comes from another credential now.
    async fn turn(&mut self, mut running: Running<H>, turn: Turn<H>) -> Result<Running<H>, Ended> {
        let Turn { environment, hold, is_same } = turn;
        match (&mut self.next, &self.exec.on_change) {
            (Some(next), _) if is_same => next.hold = hold,
            (None, _) if is_same => running.hold = hold,
            (_, OnChange::Signal(signal)) => {
                tracing::info!(pid = %running.child.pid(), "child told to look again");
                send(running.child.pid(), *signal);
                (running.hold, running.environment) = (hold, environment);
            }
            (next, OnChange::Leave) => *next = Some(Next { environment, hold, at: None }),
            (next, OnChange::Restart | OnChange::Overlap(_)) => {
                *next = Some(Next { environment, hold, at: None });
                return self.replace(running).await;
            }
        }
        Ok(running)
    }

    /// Another child takes the place of this one: when this one has ended, or before it is asked to.
    async fn replace(&mut self, mut old: Running<H>) -> Result<Running<H>, Ended> {
        let Some(Next { environment, hold, .. }) = self.next.take() else { return Ok(old) };
        let pid = old.child.pid();
        if let OnChange::Overlap(ready) = self.exec.on_change.clone() {
            return self.overlap(old, environment, hold, &ready).await;
        }
        let ending = old.child.end(self.exec.stop_signal, self.exec.stop_within);
        match attend(&mut self.told, &[pid], ending).await {
            Ok(_) => {
                drop(old);
                self.start(environment, hold)
            }
            Err(signal) => Err(self.stop(old, None, signal).await),
        }
    }

    async fn overlap(
        &mut self,
        old: Running<H>,
        environment: Arc<Environment>,
        hold: H,
        ready: &Ready,
    ) -> Result<Running<H>, Ended> {
        // Two at most.
        let last = async { while self.retiring.join_next().await.is_some() {} };
        if let Err(signal) = attend(&mut self.told, &[old.child.pid()], last).await {
            return Err(self.stop(old, None, signal).await);
        }
        let mut new = match self.start(environment, hold) {
            Ok(new) => new,
            Err(ended) => return Err(self.give_up(old, ended).await),
        };
        let pids = [old.child.pid(), new.child.pid()];
        match attend(&mut self.told, &pids, becomes_ready(ready, &mut new.child)).await {
            Ok(true) => {
                tracing::info!(old = %pids[0], new = %pids[1], "the successor of the child is ready");
                self.failures = 0;
                self.retire(old);
                Ok(new)
            }
            Ok(false) => self.discard(old, new).await,
            Err(signal) => Err(self.stop(old, Some(new), signal).await),
        }
    }

    /// What could be started once cannot be any more.
    async fn give_up(&mut self, mut old: Running<H>, why: Ended) -> Ended {
        old.child.end(self.exec.stop_signal, self.exec.stop_within).await;
        why
    }

    /// Asks a child to end whose successor has taken over.
    fn retire(&mut self, mut old: Running<H>) {
        let (signal, within) = (self.exec.stop_signal, self.exec.stop_within);
        self.retiring.spawn(async move {
            old.child.end(signal, within).await;
            drop(old.hold);
        });
    }

    /// A successor did not become ready: the old one stays, and another successor is tried later.
    async fn discard(&mut self, old: Running<H>, mut new: Running<H>) -> Result<Running<H>, Ended> {
        let wait = self.backoff();
        tracing::warn!(pid = %new.child.pid(), ?wait, next = "see what it says", "the successor of the child did not become ready");
        let pids = [old.child.pid(), new.child.pid()];
        let ending = new.child.end(self.exec.stop_signal, self.exec.stop_within);
        if let Err(signal) = attend(&mut self.told, &pids, ending).await {
            return Err(self.stop(old, Some(new), signal).await);
        }
        self.next = Some(Next { environment: new.environment, hold: new.hold, at: Some(Instant::now() + wait) });
        Ok(old)
    }

    /// It has ended by itself.
    async fn again(&mut self, mut running: Running<H>, status: Status) -> Result<Running<H>, Ended> {
        let pid = running.child.pid();
        tracing::info!(%pid, ?status, "child ended");
        if running.since.elapsed() > LONGEST {
            self.failures = 0;
        }
        let rest = running.child.end(self.exec.stop_signal, self.exec.stop_within);
        let tidied = attend(&mut self.told, &[pid], rest).await;
        if tidied.is_err() || status == Status::Exited(0) || self.failures >= self.exec.restarts {
            return Err(self.stop(running, None, self.exec.stop_signal).await);
        }
        let wait = self.backoff();
        tracing::warn!(?wait, failures = self.failures, most = self.exec.restarts, "the child failed; it is started again");
        if attend(&mut self.told, &[], sleep(wait)).await.is_err() {
            return Err(Ended::Child(status));
        }
        while let Ok(Turn { environment, hold, .. }) = self.turns.try_recv() {
            self.next = Some(Next { environment, hold, at: None });
        }
        match self.next.take() {
            Some(Next { environment, hold, .. }) => self.start(environment, hold),
            None => self.start(running.environment, running.hold),
        }
    }

    fn backoff(&mut self) -> Duration {
        let wait = BACKOFF * 2_u32.saturating_pow(self.failures);
        self.failures += 1;
        wait.min(LONGEST)
    }

    /// Ends everything. Told once more, at once.
    async fn stop(&mut self, mut running: Running<H>, mut new: Option<Running<H>>, signal: Signal) -> Ended {
        let within = self.exec.stop_within;
        let all = async {
            let first = running.child.end(signal, within);
            let other = async {
                if let Some(new) = &mut new {
                    new.child.end(signal, within).await;
                }
            };
            let (status, ()) = tokio::join!(first, other);
            while self.retiring.join_next().await.is_some() {}
            status
        };
        let status = attend(&mut self.told, &[], all).await;
        if let Ok(status) = status {
            return Ended::Child(status);
        }
        self.retiring.shutdown().await;
        if let Some(new) = &mut new {
            new.child.kill().await;
        }
        running.child.kill().await;
        Ended::Child(running.child.ended().await)
    }
}

/// Waits for something, and passes signals on meanwhile; told to stop, it waits no longer.
async fn attend<T>(told: &mut mpsc::Receiver<Told>, children: &[Pid], what: impl Future<Output = T>) -> Result<T, Signal> {
    tokio::pin!(what);
    loop {
        tokio::select! {
            done = &mut what => return Ok(done),
            Some(told) = told.recv() => match told {
                Told::Stop(signal) => return Err(signal),
                Told::Pass(signal) => children.iter().for_each(|child| send(*child, signal)),
            },
        }
    }
}

/// Whether a child becomes ready in time, and while it runs.
async fn becomes_ready(ready: &Ready, child: &mut Child) -> bool {
    let pid = child.pid();
    tokio::select! {
        answered = timeout(ready.within, is_ready(ready, pid)) => answered.is_ok(),
        _ = child.ended() => false,
    }
}
