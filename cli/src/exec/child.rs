//! One child, in a process group of its own, and what it leaves behind.
//!
//! We are who adopts what it leaves (`PR_SET_CHILD_SUBREAPER`), so that the end of each of its processes is told to us, and the end
//! of all can be waited for.

use std::fs;
use std::io;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpgrp, getpid, kill_process_group, test_kill_process_group, waitpgid, waitpid,
};
use tokio::signal::unix::{self, SignalKind};
use tokio::time::timeout;

use super::Environment;

/// What speaks to the service manager for us; a child is not us.
const OURS: [&str; 6] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
/// A token that we were started with is not the child's.
const TOKENS: [&str; 2] = ["VAULT_TOKEN", "BAO_TOKEN"];
/// So long after SIGKILL a group may take to be gone; the kernel may hold a process that waits for a disk.
const REAPED: Duration = Duration::from_secs(5);

/// The children that somebody here waits for.
static AWAITED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A child and its group. Killed when dropped.
pub(crate) struct Child {
    leader: Pid,
    status: Option<Status>,
    died: unix::Signal,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Exited(i32),
    Killed(i32),
}

impl Status {
    /// What we end with for it, as shells have it.
    pub(crate) fn code(self) -> u8 {
        match self {
            // The kernel keeps eight bits of it.
            Self::Exited(code) => u8::try_from(code & 0xff).unwrap_or(1),
            Self::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

impl Child {
    /// Starts it with our own environment, less what is ours alone, and these values.
    pub(crate) fn start(command: &[String], environment: &Environment) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        // What it leaves before we listen would be missed.
        let died = unix::signal(SignalKind::child())?;
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(getpid()))?;
        let [program, args @ ..] = command else { return Err(io::Error::from(io::ErrorKind::InvalidInput)) };
        let mut started = Command::new(program);
        started.args(args).process_group(0);
        for name in OURS.iter().chain(&TOKENS) {
            started.env_remove(name);
        }
        started.envs(environment.iter().map(|(name, value)| (name, value.as_str())));
        // Nobody buries it before it is on the list.
        let mut awaited = awaited();
        let leader = Pid::from_child(&started.spawn()?);
        awaited.push(leader);
        Ok(Self { leader, status: None, died })
    }

    pub(crate) const fn pid(&self) -> Pid {
        self.leader
    }

    /// Waits until it has ended; what it started may still run. Cancel safe.
    pub(crate) async fn ended(&mut self) -> Status {
        loop {
            if let Some(status) = self.look() {
                return status;
            }
            self.died.recv().await;
        }
    }

    /// Asks all of it to end, and makes it end when that takes too long. Cancel safe: it can be asked again.
    pub(crate) async fn end(&mut self, signal: Signal, within: Duration) -> Status {
        send(self.leader, signal);
        if timeout(within, self.gone()).await.is_err() {
            tracing::warn!(pid = %self.leader, ?within, "the child takes too long to end: killed");
            self.kill().await;
        }
        self.status.unwrap_or(Status::Killed(Signal::KILL.as_raw()))
    }

    /// Kills all of it.
    pub(crate) async fn kill(&mut self) {
        send(self.leader, Signal::KILL);
        if timeout(REAPED, self.gone()).await.is_err() {
            tracing::error!(pid = %self.leader, next = "look what it waits for", "the child does not end although it was killed");
        }
    }

    /// Waits until no process of its group is left.
    async fn gone(&mut self) {
        loop {
            self.look();
            if self.status.is_some() && test_kill_process_group(self.leader).is_err() {
                return;
            }
            self.died.recv().await;
        }
    }

    /// Takes in who has died.
    fn look(&mut self) -> Option<Status> {
        if self.status.is_none()
            && let Ok(Some((_, status))) = waitpid(Some(self.leader), WaitOptions::NOHANG)
        {
            let exited = status.exit_status().map(Status::Exited);
            self.status = exited.or_else(|| status.terminating_signal().map(Status::Killed));
        }
        // While it lives its own children are its own to bury, but for those that outlived their parent.
        if self.status.is_some() {
            while let Ok(Some(_)) = waitpgid(self.leader, WaitOptions::NOHANG) {}
        }
        bury_strangers();
        self.status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.is_none() || test_kill_process_group(self.leader).is_ok() {
            send(self.leader, Signal::KILL);
        }
        awaited().retain(|leader| *leader != self.leader);
    }
}

fn awaited() -> MutexGuard<'static, Vec<Pid>> {
    AWAITED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a signal to all of a child's processes. One that has ended meanwhile needs none.
pub(crate) fn send(leader: Pid, signal: Signal) {
    match kill_process_group(leader, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(why) => tracing::warn!(pid = %leader, %why, "the child could not be sent a signal"),
    }
}

/// Reaps what a child left behind: a dead child of ours that nobody here waits for. In our own group others of this process wait
/// for theirs.
fn bury_strangers() {
    let awaited = awaited();
    let (us, group) = (getpid().as_raw_nonzero().get(), getpgrp().as_raw_nonzero().get());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let dead = numbers.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name before it may hold anything.
        let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
        let mut fields = rest.split(' ');
        let state = fields.next();
        let mut number = || fields.next().and_then(|field| field.parse::<i32>().ok()).unwrap_or_default();
        let (parent, of) = (number(), number());
        state == Some("Z") && parent == us && of != group
    });
    for pid in dead.filter_map(Pid::from_raw).filter(|pid| !awaited.contains(pid)) {
        // Its group may have been waited for meanwhile.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}
