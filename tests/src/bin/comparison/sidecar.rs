//! A sidecar of the one kind or the other, as a process, from one and the same file.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Programs, READ, Role, Scene};
use crate::{Fault, interrupt};

/// No sidecar takes longer to serve, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Takes what is on its standard input for the socket that a service manager hands over.
const HANDED: &str = r#"exec 3<&0 </dev/null
export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=proxy
exec "$@""#;

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Peer,
    Ours,
}

impl Whose {
    pub(crate) const BOTH: [Self; 2] = [Self::Peer, Self::Ours];

    const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Ours => "ours",
        }
    }
}

/// What it does beside writing the token to its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing.
    Agent,
    /// It listens.
    Proxy,
    /// It listens, on a socket that it is handed.
    Handed,
}

/// A place for a sidecar: its file, its folder and its address.
pub(crate) struct Seat {
    whose: Whose,
    form: Form,
    programs: Programs,
    folder: PathBuf,
    pub(crate) at: SocketAddr,
    socket: Option<TcpListener>,
}

impl Seat {
    /// `rotation` is what stands in the stanza of that name, which the peer passes over.
    pub(crate) fn new(scene: &Scene, role: &Role<'_>, whose: Whose, form: Form, rotation: &str) -> Result<Self, Fault> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let at = listener.local_addr()?;
        let folder = scene.path(&format!("{}-{}-{}", role.name, whose.name(), at.port()));
        fs::create_dir_all(folder.join("journal"))?;
        let seat = Self {
            whose,
            form,
            programs: scene.programs.clone(),
            folder,
            at,
            socket: (form == Form::Handed).then_some(listener),
        };
        fs::write(seat.file(), seat.text(scene, &role.path("role-id"), &role.path("secret-id"), rotation))?;
        Ok(seat)
    }

    /// A neighbour that has another secret id, and nobody that it serves.
    pub(crate) fn beside(scene: &Scene, role: &Role<'_>, whose: Whose, secret_id: &Path) -> Result<Self, Fault> {
        let seat = Self::new(scene, role, whose, Form::Agent, "")?;
        fs::write(seat.file(), seat.text(scene, &role.path("role-id"), secret_id, ""))?;
        Ok(seat)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("agent.hcl")
    }

    pub(crate) fn sink(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// What is published now.
    pub(crate) fn token(&self) -> Option<String> {
        fs::read_to_string(self.sink()).ok().filter(|token| !token.is_empty())
    }

    fn text(&self, scene: &Scene, role_id: &Path, secret_id: &Path, rotation: &str) -> String {
        let (role_id, secret_id) = (role_id.display(), secret_id.display());
        let (sink, journal) = (self.sink(), self.folder.join("journal"));
        let (server, sink, journal) = (scene.server.address(), sink.display(), journal.display());
        let listener = match self.form {
            Form::Agent => String::new(),
            Form::Proxy => format!("  address = \"{}\"\n", self.at),
            Form::Handed => "  inherited = \"proxy\"\n".to_owned(),
        };
        let listener = if listener.is_empty() {
            listener
        } else {
            format!("listener \"tcp\" {{\n{listener}  tls_disable = true\n}}\napi_proxy {{\n  use_auto_auth_token = true\n}}\n")
        };
        format!(
            r#"vault {{
  address = "{server}"
}}
auto_auth {{
  method "approle" {{
    mount_path = "auth/approle"
    config = {{
      role_id_file_path   = "{role_id}"
      secret_id_file_path = "{secret_id}"
      remove_secret_id_file_after_reading = false
    }}
  }}
  sink "file" {{
    config = {{ path = "{sink}" }}
  }}
}}
{listener}rotation "app" {{
{rotation}
}}
journal {{ path = "{journal}" }}
"#
        )
    }

    fn command(&self) -> Command {
        let Programs { bao, turquoise } = &self.programs;
        let mut command = match self.form {
            Form::Handed => {
                let mut command = Command::new("sh");
                command.args(["-c", HANDED, "sh"]).arg(turquoise);
                command
            }
            Form::Agent | Form::Proxy if self.whose == Whose::Ours => Command::new(turquoise),
            Form::Agent | Form::Proxy => Command::new(bao.path()),
        };
        match (self.whose, self.form) {
            (Whose::Ours, _) => command.args(["run", "-config"]),
            (Whose::Peer, Form::Agent) => command.args(["agent", "-log-level=info", "-config"]),
            (Whose::Peer, _) => command.args(["proxy", "-log-level=info", "-config"]),
        };
        command.arg(self.file()).env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command
    }

    pub(crate) fn start(&self) -> Result<Sidecar, Fault> {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, more: &[&str]) -> Result<Sidecar, Fault> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let input = match &self.socket {
            Some(socket) => OwnedFd::from(socket.try_clone()?).into(),
            None => Stdio::null(),
        };
        let mut command = self.command();
        // A Ctrl-C is for us.
        command.args(more).process_group(0).stdin(input).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|why| format!("{} does not start: {why}", command.get_program().display()))?;
        Ok(Sidecar { child })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Waits until its token is published, and its proxy serves.
    pub(crate) fn serves(&self, sidecar: &mut Sidecar) -> Result<(), Fault> {
        let url = format!("http://{}{READ}", self.at);
        let is_there = || {
            sidecar.lives()
                && self.token().is_some()
                && (self.form == Form::Agent || ureq::get(&url).call().is_ok_and(|answer| answer.status() == 200))
        };
        interrupt::until("a sidecar serves", PATIENCE, is_there).map_err(|why| format!("{why}; {}", self.last_words()).into())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
    }

    /// A process that serves.
    pub(crate) fn up(&self) -> Result<Sidecar, Fault> {
        let mut sidecar = self.start()?;
        self.serves(&mut sidecar)?;
        Ok(sidecar)
    }
}

/// One process. Killed when dropped.
pub(crate) struct Sidecar {
    child: Child,
}

impl Sidecar {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// By SIGTERM, in its own time.
    pub(crate) fn stop(mut self) -> Result<(), Fault> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        interrupt::until("a sidecar stops", PATIENCE, || !self.lives())
    }

    /// Waits until it has ended by itself: to the moment, for it is timed.
    pub(crate) fn ended(mut self) -> Result<(), Fault> {
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a sidecar ended with {status}").into()) }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
