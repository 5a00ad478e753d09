//! Starting, stopping, sealing.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use thiserror::Error;

use crate::admin::{Client, Root};
use crate::guard::Guarded;
use crate::{AdminError, Binary};

/// How long a server may take to end in its own way, which is well under a second.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often ports are chosen anew because another process took them between choice and use.
const PORT_TRIES: usize = 5;
const POLL: Duration = Duration::from_millis(20);

/// The files of a listener that speaks TLS, all PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, with those of intermediate authorities after it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whose certificates clients must show, on this listener; none are asked for without.
    pub client_authority: Option<PathBuf>,
}

/// How the audit log shows accessors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accessors {
    /// As they are, but for those that a request names in its body.
    #[default]
    Clear,
    /// Hashed, as a server has them unless it is told otherwise.
    Hashed,
}

impl Accessors {
    /// The value of `hmac_accessor`.
    const fn hashed(self) -> &'static str {
        match self {
            Self::Clear => "false",
            Self::Hashed => "true",
        }
    }
}

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server keeps everything: an empty folder, or one to be created. It stays when the server goes. By default a
    /// new temporary folder, which does not: in memory (`/dev/shm`), unless `TMPDIR` names another place or there is no room.
    pub folder: Option<PathBuf>,
    /// How long the server may take to listen, and then again to serve; 30 s by default, where 3 s are usual for both.
    pub ready_within: Duration,
    /// A second listener, for TLS: [`Server::https`].
    pub tls: Option<TlsFiles>,
    /// Another listener, on a unix socket: [`Server::socket`].
    pub unix_socket: bool,
    /// How its audit log shows accessors.
    pub accessors: Accessors,
    /// It writes no audit log, so that what is measured is not what that costs.
    pub unaudited: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: None,
            ready_within: Duration::from_secs(30),
            tls: None,
            unix_socket: false,
            accessors: Accessors::Clear,
            unaudited: false,
        }
    }
}

/// Why a server does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The folder cannot be used.
    #[error("the server's folder {} cannot be used: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The folder given is in use.
    #[error("the server's folder {} is not empty: give a new one", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// No process, or no port, was to be had.
    #[error("the server cannot be started: {why}")]
    Start {
        /// What the system said.
        why: io::Error,
    },
    /// Another process has the port, for a restart the one that the server had.
    #[error("the port of {address} was taken by another process: try again")]
    PortTaken {
        /// The address.
        address: String,
    },
    /// The server ended by itself.
    #[error("the server ended by itself ({status}); its last lines: {log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server took too long.
    #[error("the server is {state} and does not serve after {} s; its last lines: {log}", patience.as_secs())]
    NotReady {
        /// What it says of itself.
        state: &'static str,
        /// How long it was given.
        patience: Duration,
        /// The end of its log.
        log: String,
    },
    /// The server was stopped before.
    #[error("the server is not running: restart it")]
    Stopped,
    /// Several nodes unseal themselves, and that Vault does not without a cloud.
    #[error("a cluster needs OpenBao, and TURQUOISE_BAO names Vault: unset it")]
    NoCluster,
    /// The server did not do what it was asked.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// A running server: active, unsealed, audited unless it is not to be. Ends, and takes its temporary folder along, when it is
/// dropped or when the process that holds it ends, in whatever manner.
#[derive(Debug)]
pub struct Server {
    process: Option<Guarded>,
    binary: Binary,
    folder: Folder,
    client: Client,
    unseal_key: SecretString,
    root: SecretString,
    ready_within: Duration,
    https: Option<String>,
    socket: Option<PathBuf>,
}

impl Server {
    /// Starts a new server on free loopback ports and waits until it serves.
    ///
    /// # Errors
    ///
    /// See [`ServerError`]. Nothing is left running then.
    pub fn start(binary: &Binary, options: Options) -> Result<Self, ServerError> {
        let folder = Folder::new(options.folder)?;
        let patience = options.ready_within;
        let socket = options.unix_socket.then(|| folder.path().join("api.sock"));
        let special = special(folder.path(), binary, (!options.unaudited).then_some(options.accessors));
        let mut tries = 1..PORT_TRIES;
        let (process, client, tls_port) = loop {
            let [api, cluster, tls] = free_ports().map_err(|why| ServerError::Start { why })?;
            let client = Client::new(format!("http://127.0.0.1:{api}"));
            let mut config = config(folder.path(), api, cluster, &special);
            config.extend(options.tls.iter().map(|files| tls_listener(tls, files)));
            config.extend(socket.iter().map(|path| format!("listener \"unix\" {{\n  address = {}\n}}\n", quoted(path))));
            fs::write(folder.config(), config).map_err(|why| folder.trouble(why))?;
            match launch(binary, &folder, client.address(), patience) {
                Ok(process) => break (process, client, tls),
                Err(ServerError::PortTaken { .. }) if tries.next().is_some() => {}
                Err(error) => return Err(error),
            }
        };
        let (unseal_key, root) = initialise(&client)?;
        let mut server = Self {
            process: Some(process),
            binary: binary.clone(),
            folder,
            client,
            unseal_key,
            root,
            ready_within: patience,
            https: options.tls.is_some().then(|| format!("https://127.0.0.1:{tls_port}")),
            socket,
        };
        server.unseal()?;
        if !options.unaudited {
            server.enable_audit(options.accessors)?;
        }
        Ok(server)
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn address(&self) -> &str {
        self.client.address()
    }

    /// Where it listens for TLS, if it was asked to: `https://127.0.0.1:<port>`.
    pub fn https(&self) -> Option<&str> {
        self.https.as_deref()
    }

    /// The unix socket that it listens on, if it was asked to.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// A token that may do everything.
    pub fn root_token(&self) -> &SecretString {
        &self.root
    }

    /// Its audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.audit()
    }

    /// The folder that holds all it has.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id while it is not stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Guarded::pid)
    }

    /// Does a request as root. `path` is without `/v1/`, `body` is `Null` for none, and so is the answer. A listing's `method`
    /// is `LIST`.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Result<Value, AdminError> {
        self.root().admin(method, path, body)
    }

    /// What can be asked as root.
    pub fn root(&self) -> Root<'_> {
        Root { client: &self.client, token: &self.root }
    }

    /// Has the server hash a text as its audit log has it.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn audit_hash(&self, text: &str) -> Result<String, AdminError> {
        let request = "sys/audit-hash/file";
        match self.admin("POST", request, &json!({"input": text}))?["data"]["hash"].take() {
            Value::String(hash) => Ok(hash),
            _ => Err(AdminError::Incomplete { request: format!("POST {request}"), what: "a hash" }),
        }
    }

    /// Seals the server: it stays up and refuses everything.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn seal(&self) -> Result<(), AdminError> {
        self.admin("PUT", "sys/seal", &Value::Null).map(drop)
    }

    /// Unseals the server and waits until it serves.
    ///
    /// # Errors
    ///
    /// See [`ServerError`].
    pub fn unseal(&mut self) -> Result<(), ServerError> {
        self.client.call("PUT", "sys/unseal", None, &json!({"key": self.unseal_key.expose_secret()}))?;
        let deadline = Instant::now() + self.ready_within;
        loop {
            let process = self.process.as_mut().ok_or(ServerError::Stopped)?;
            check_alive(process, &self.folder, self.client.address())?;
            let state = match self.client.health() {
                Ok(200) => return Ok(()),
                Ok(429) => "still electing itself",
                Ok(501) => "not initialised",
                Ok(503) => "sealed",
                Ok(_) => "in a state unknown to us",
                Err(_) => "not answering",
            };
            if Instant::now() > deadline {
                return Err(ServerError::NotReady { state, patience: self.ready_within, log: self.folder.log_end() });
            }
            thread::sleep(POLL);
        }
    }

    /// Ends the server in its own way, or after 5 s without asking. Does nothing if it is stopped.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(STOP_PATIENCE);
        }
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the server again, after stopping it if need be, at the same address with what it had stored.
    ///
    /// # Errors
    ///
    /// See [`ServerError`]. The server is stopped then.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop();
        self.process = Some(launch(&self.binary, &self.folder, self.client.address(), self.ready_within)?);
        self.unseal().inspect_err(|_| self.kill())
    }

    /// Vault's audit devices are made by request, `OpenBao`'s by configuration, which an unsealed one has obeyed.
    fn enable_audit(&self, accessors: Accessors) -> Result<(), AdminError> {
        if self.audit_log().exists() {
            return Ok(());
        }
        let options = json!({"file_path": self.folder.audit(), "hmac_accessor": accessors.hashed()});
        self.admin("PUT", "sys/audit/file", &json!({"type": "file", "options": options})).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the process and waits until it says that it listens. Its own log must say so: until then, an answer at the address
/// could be that of another server that took the port.
pub(crate) fn launch(binary: &Binary, folder: &Folder, address: &str, patience: Duration) -> Result<Guarded, ServerError> {
    let deadline = Instant::now() + patience;
    let log = File::create(folder.log()).map_err(|why| folder.trouble(why))?;
    let started = Guarded::start(binary.path(), &folder.config(), log, folder.doomed());
    let mut process = started.map_err(|why| ServerError::Start { why })?;
    while !folder.whole_log().contains("server started!") {
        check_alive(&mut process, folder, address)?;
        if Instant::now() > deadline {
            return Err(ServerError::NotReady { state: "not listening", patience, log: folder.log_end() });
        }
        thread::sleep(POLL);
    }
    Ok(process)
}

pub(crate) fn check_alive(process: &mut Guarded, folder: &Folder, address: &str) -> Result<(), ServerError> {
    match process.ended().map_err(|why| ServerError::Start { why })? {
        None => Ok(()),
        Some(_) if folder.whole_log().contains("address already in use") => {
            Err(ServerError::PortTaken { address: address.to_owned() })
        }
        Some(status) => Err(ServerError::Ended { status, log: folder.log_end() }),
    }
}

/// Has the server make its only key share and its root token.
fn initialise(client: &Client) -> Result<(SecretString, SecretString), AdminError> {
    let mut reply = client.call("PUT", "sys/init", None, &json!({"secret_shares": 1, "secret_threshold": 1}))?;
    let lacks = |what| AdminError::Incomplete { request: "PUT sys/init".to_owned(), what };
    let Value::String(key) = reply["keys_base64"][0].take() else { return Err(lacks("a key share")) };
    let Value::String(root) = reply["root_token"].take() else { return Err(lacks("a root token")) };
    Ok((key.into(), root.into()))
}

/// Ports that are free now. All are held before any is let go, so they differ.
pub(crate) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let held = (0..N).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<io::Result<Vec<_>>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// A path as a string of the server's configuration language.
fn quoted(path: &Path) -> String {
    Value::from(path.to_string_lossy()).to_string()
}

fn tls_listener(port: u16, files: &TlsFiles) -> String {
    let (certificate, key) = (quoted(&files.certificate), quoted(&files.key));
    let clients = files.client_authority.as_ref().map_or_else(String::new, |authority| {
        format!("  tls_require_and_verify_client_cert = true\n  tls_client_ca_file = {}\n", quoted(authority))
    });
    format!(
        "listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  tls_cert_file = {certificate}\n  tls_key_file = {key}\n{clients}}}\n"
    )
}

/// What one kind of server needs, and the other does not know.
fn special(folder: &Path, binary: &Binary, audited: Option<Accessors>) -> String {
    if !binary.is_openbao() {
        // Vault refuses to start where it may not lock memory; OpenBao never locks any.
        return "disable_mlock = true".to_owned();
    }
    let Some(accessors) = audited else { return String::new() };
    let (audit, hashed) = (quoted(&folder.join("audit.log")), accessors.hashed());
    format!("audit \"file\" \"file\" {{\n  options {{\n    file_path = {audit}\n    hmac_accessor = \"{hashed}\"\n  }}\n}}")
}

fn config(folder: &Path, api: u16, cluster: u16, special: &str) -> String {
    let raft = quoted(&folder.join("raft"));
    format!(
        r#"api_addr = "http://127.0.0.1:{api}"
cluster_addr = "http://127.0.0.1:{cluster}"
storage "raft" {{
  path = {raft}
  node_id = "one"
  performance_multiplier = 1 # elections after 1 s instead of 5 s
}}
listener "tcp" {{
  address = "127.0.0.1:{api}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
{special}
"#
    )
}

/// In memory, where there is room: a server syncs each write, twice, and a disk that is busy with other things takes seconds for it.
const MEMORY: &str = "/dev/shm";
/// Many times what a server ever needs that serves for minutes, in bytes.
const ROOM: u64 = 1 << 30;

/// Where temporary folders are: as `TMPDIR` says, or in memory.
pub(crate) fn place() -> PathBuf {
    let has_room = || statvfs(MEMORY).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ROOM);
    if std::env::var_os("TMPDIR").is_none() && has_room() { PathBuf::from(MEMORY) } else { std::env::temp_dir() }
}

/// A folder that goes with whoever holds it.
pub(crate) fn temporary() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("turquoise-openbao-").tempdir_in(place())
}

/// Where a server keeps everything.
#[derive(Debug)]
pub(crate) enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
    /// That of one of several servers, within a temporary one.
    Part {
        path: PathBuf,
        whole: PathBuf,
    },
}

impl Folder {
    fn new(given: Option<PathBuf>) -> Result<Self, ServerError> {
        let folder = match given {
            None => temporary().map(Self::Temporary),
            Some(path) => std::path::absolute(&path).map(Self::Given),
        };
        let folder = folder.map_err(|why| ServerError::Folder { folder: place(), why })?;
        fs::create_dir_all(folder.path()).map_err(|why| folder.trouble(why))?;
        let mut entries = fs::read_dir(folder.path()).map_err(|why| folder.trouble(why))?;
        if entries.next().is_some() {
            return Err(ServerError::NotEmpty { folder: folder.path().to_owned() });
        }
        fs::create_dir(folder.path().join("raft")).map_err(|why| folder.trouble(why))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(path) | Self::Part { path, .. } => path,
        }
    }

    /// What must go when this process dies without ending the server.
    fn doomed(&self) -> Option<&Path> {
        match self {
            Self::Temporary(folder) => Some(folder.path()),
            Self::Given(_) => None,
            Self::Part { whole, .. } => Some(whole),
        }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("server.hcl")
    }

    fn log(&self) -> PathBuf {
        self.path().join("server.log")
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.path().join("audit.log")
    }

    fn whole_log(&self) -> String {
        fs::read(self.log()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// The last lines of the server's log, on one line.
    pub(crate) fn log_end(&self) -> String {
        let log = self.whole_log();
        let mut lines: Vec<_> = log.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
        lines.reverse();
        lines.join(" | ")
    }

    pub(crate) fn trouble(&self, why: io::Error) -> ServerError {
        ServerError::Folder { folder: self.path().to_owned(), why }
    }
}
