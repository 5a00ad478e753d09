//! A child process that does not outlive its parent.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Leaves a watcher behind and becomes the server.
///
/// The watcher reads a pipe whose other end only the parent holds, and on which nothing is ever written: the read ends when the
/// parent does, be it by SIGKILL. Then it ends the server, and the folder `$1` if that is not empty. It is there before the
/// server is, so there is no moment without it, and it is in the server's process group, so the group's number cannot come to
/// mean another process while it lives. (A group that the parent leaves behind with a stopped process in it is sent SIGHUP by the
/// kernel, which the watcher has to survive. Linux's parent-death signal would follow the thread that started the server, not the
/// process, and setting it between fork and exec takes unsafe code.)
const GUARDED: &str = r#"
exec 3<&0 </dev/null
{
    trap '' TERM HUP
    read -r _ <&3
    kill -s KILL $$
    [ -z "$1" ] || rm -rf -- "$1"
    kill -s KILL -- -$$
} >/dev/null 2>&1 &
shift
exec "$@" 3<&-
"#;

/// A process in a process group of its own, so that a Ctrl-C meant for the parent does not reach it. It ends when this is
/// dropped, and when the process that holds this ends, in whatever manner.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    group: Pid,
    /// Held, never written. Not left in `child`, whose `wait` would close it, and the watcher would take that for our death.
    _lifeline: ChildStdin,
}

impl Guarded {
    /// Starts `program server -config <config>` with its output in `log`. If this process dies without ending it, `doomed` is
    /// removed, too.
    pub(crate) fn start(program: &Path, config: &Path, log: File, doomed: Option<&Path>) -> io::Result<Self> {
        let mut command = Self::command(doomed);
        command.arg(program).args(["server", "-config"]).arg(config);
        // Audit logs of several nodes must have the same, so a relative, name.
        command.current_dir(config.parent().unwrap_or(Path::new("/")));
        Self::spawn(command, log.try_clone()?, log)
    }

    /// A command that lacks the program and its arguments. If this process dies without ending it, `doomed` is removed, too.
    #[must_use]
    pub fn command(doomed: Option<&Path>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", GUARDED, "sh"]).arg(doomed.unwrap_or(Path::new("")));
        command
    }

    /// Starts a [`command`](Self::command), with of the environment only the `PATH`: a server's settings can be overruled by
    /// variables. What it is given as its standard output need not be for output: a socket can be handed over so.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn spawn(mut command: Command, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> io::Result<Self> {
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.stdin(Stdio::piped()).stdout(stdout).stderr(stderr).process_group(0);
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take().ok_or_else(|| io::Error::other("no pipe to the child"))?;
        Ok(Self { group: Pid::from_child(&child), child, _lifeline: lifeline })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the process, but not its watcher, a signal.
    ///
    /// # Errors
    ///
    /// What the system says: most likely it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.group, signal)?)
    }

    /// How the process ended, if it did.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks the server to end and gives it `patience` for that.
    pub(crate) fn end(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        if kill_process_group(self.group, Signal::TERM).is_ok() {
            while matches!(self.ended(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Nothing survives this: neither the server nor the watcher, nor what a wrapper script around the server may have started.
impl Drop for Guarded {
    fn drop(&mut self) {
        // Neither can fail in a way that leaves something to do: the group may be gone already, the child reaped.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}
