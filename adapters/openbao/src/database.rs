//! A `PostgreSQL`, for a server to make users of.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;
use thiserror::Error;

use crate::guard::Guarded;

/// Where Debian has them, in a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// It refuses to run as root. `nobody`, on every Linux.
const NOBODY: u32 = 65534;
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Its administrator, who needs no password.
const SUPER: &str = "super";
/// Everybody else needs one.
const ACCESS: &str = "local all super trust\nlocal all all scram-sha-256\n";

/// Why there is no database.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It is not installed.
    #[error("there is no PostgreSQL here, neither in the PATH nor below /usr/lib/postgresql: apt-get install postgresql")]
    Missing,
    /// Its folder or its process was not to be had.
    #[error("PostgreSQL cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It does not make its folder ready.
    #[error("PostgreSQL's initdb failed: {0}")]
    Setup(String),
    /// It does not serve.
    #[error("PostgreSQL does not serve in time; its log: {0}")]
    NotReady(String),
}

/// A running `PostgreSQL`, of the version that is installed, on a unix socket in a temporary folder. It ends as a
/// [`Server`](crate::Server) does: when it is dropped, or this process ends, in whatever manner.
#[derive(Debug)]
pub struct Database {
    process: Guarded,
    folder: TempDir,
}

impl Database {
    /// Starts a new one and waits until it serves. Root starts it as `nobody`.
    ///
    /// # Errors
    ///
    /// See [`DatabaseError`]. Nothing is left running then.
    pub fn start() -> Result<Self, DatabaseError> {
        let programs = programs().ok_or(DatabaseError::Missing)?;
        let folder = tempfile::Builder::new().prefix("turquoise-postgres-").tempdir()?;
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        let as_nobody = geteuid().is_root();
        if as_nobody {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let own = |mut command: Command| {
            if as_nobody {
                command.uid(NOBODY).gid(NOBODY);
            }
            command.current_dir(folder.path());
            command
        };
        let mut setup = own(Command::new(programs.join("initdb")));
        setup.arg("-D").arg(&data).args(["-U", SUPER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let done = setup.output()?;
        if !done.status.success() {
            return Err(DatabaseError::Setup(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
        }
        fs::write(data.join("pg_hba.conf"), ACCESS)?;
        let mut command = own(Guarded::command(Some(folder.path())));
        command.arg(programs.join("postgres")).arg("-D").arg(&data);
        command.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c"]);
        command.arg(format!("unix_socket_directories={}", folder.path().display()));
        let output = File::create(&log)?;
        let mut database = Self { process: Guarded::spawn(command, output.try_clone()?, output)?, folder };
        database.wait(&log)?;
        Ok(database)
    }

    /// The folder of its socket: what clients take for a host.
    pub fn host(&self) -> &Path {
        self.folder.path()
    }

    /// Its administrator, who needs no password. Its database is `postgres`.
    pub fn administrator(&self) -> &'static str {
        SUPER
    }

    fn wait(&mut self, log: &Path) -> Result<(), DatabaseError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let said = fs::read_to_string(log).unwrap_or_default();
            if said.contains("database system is ready to accept connections") {
                return Ok(());
            }
            if self.process.ended()?.is_some() || Instant::now() > deadline {
                return Err(DatabaseError::NotReady(said));
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Database {
    /// At once, but by itself: killed, it would leave shared memory behind.
    fn drop(&mut self) {
        let deadline = Instant::now() + STOP_PATIENCE;
        if self.process.signal(Signal::QUIT).is_ok() {
            while matches!(self.process.ended(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
    }
}

/// The folder of its programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = versions.chain(std::env::split_paths(&paths));
    folders.find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}
