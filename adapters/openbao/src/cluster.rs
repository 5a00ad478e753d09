//! Three servers that keep one store: a leader and two standbys.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::{Client, Root};
use crate::guard::Guarded;
use crate::server::{Folder, check_alive, free_ports, launch, place, temporary};
use crate::{AdminError, Binary, ServerError};

const NODES: usize = 3;
/// How often all ports are chosen anew because another process took one.
const PORT_TRIES: usize = 5;
const POLL: Duration = Duration::from_millis(50);

/// Three nodes with integrated storage on free loopback ports: unsealed, audited, each reachable. All end, and their
/// temporary folder goes, when this is dropped or when the process that holds it ends, in whatever manner.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    binary: Binary,
    root: SecretString,
    ready_within: Duration,
    /// Goes last.
    folder: TempDir,
}

#[derive(Debug)]
struct Node {
    process: Option<Guarded>,
    folder: Folder,
    client: Client,
}

impl Cluster {
    /// Starts a new cluster and waits until every node serves, which takes some 8 s; no single step may take longer than
    /// `ready_within`.
    ///
    /// # Errors
    ///
    /// See [`ServerError`]. Nothing is left running then.
    pub fn start(binary: &Binary, ready_within: Duration) -> Result<Self, ServerError> {
        if !binary.is_openbao() {
            return Err(ServerError::NoCluster);
        }
        let mut tries = 1..PORT_TRIES;
        loop {
            match Self::start_once(binary, ready_within) {
                Err(ServerError::PortTaken { .. }) if tries.next().is_some() => {}
                other => return other,
            }
        }
    }

    fn start_once(binary: &Binary, ready_within: Duration) -> Result<Self, ServerError> {
        let folder = temporary().map_err(|why| ServerError::Folder { folder: place(), why })?;
        let trouble = |why| ServerError::Folder { folder: folder.path().to_owned(), why };
        let mut key = Vec::new();
        let random = fs::File::open("/dev/urandom").map_err(trouble)?;
        random.take(32).read_to_end(&mut key).map_err(trouble)?;
        let key_file = folder.path().join("unseal.key");
        fs::write(&key_file, key).map_err(trouble)?;
        let ports: [u16; 2 * NODES] = free_ports().map_err(|why| ServerError::Start { why })?;
        let (api, cluster) = ports.split_at(NODES);
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let path = folder.path().join(format!("node-{number}"));
            fs::create_dir_all(path.join("raft")).map_err(trouble)?;
            let part = Folder::Part { path, whole: folder.path().to_owned() };
            fs::write(part.config(), config(number, api, cluster, &key_file)).map_err(trouble)?;
            let client = Client::new(format!("http://127.0.0.1:{}", api[number]));
            let process = launch(binary, &part, client.address(), ready_within)?;
            nodes.push(Node { process: Some(process), folder: part, client });
        }
        let body = json!({"recovery_shares": 1, "recovery_threshold": 1});
        let mut reply = nodes[0].client.call("PUT", "sys/init", None, &body)?;
        let Value::String(root) = reply["root_token"].take() else {
            return Err(AdminError::Incomplete { request: "PUT sys/init".to_owned(), what: "a root token" }.into());
        };
        let mut started = Self { nodes, binary: binary.clone(), root: root.into(), ready_within, folder };
        for number in 0..NODES {
            started.wait_for(number)?;
        }
        Ok(started)
    }

    /// Where each node listens: `http://127.0.0.1:<port>`.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.client.address())
    }

    /// A token that may do everything.
    pub fn root_token(&self) -> &SecretString {
        &self.root
    }

    /// The folder that holds all they have.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The process of each node that runs.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().filter_map(|node| node.process.as_ref().map(Guarded::pid))
    }

    /// The audit log of each node. A request that a standby passes on may be in two of them.
    pub fn audit_logs(&self) -> impl Iterator<Item = PathBuf> {
        self.nodes.iter().map(|node| node.folder.audit())
    }

    /// The node that leads, by its own word; waits for one to be elected.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotReady`] if none is, in the time that the cluster was started with.
    pub fn leader(&self) -> Result<usize, ServerError> {
        let deadline = Instant::now() + self.ready_within;
        loop {
            let leads = |node: &Node| node.process.is_some() && matches!(node.client.health(), Ok(200));
            if let Some(leader) = self.nodes.iter().position(leads) {
                return Ok(leader);
            }
            if Instant::now() > deadline {
                let log = self.nodes[0].folder.log_end();
                return Err(ServerError::NotReady { state: "without a leader", patience: self.ready_within, log });
            }
            thread::sleep(POLL);
        }
    }

    /// What can be asked as root at the node that leads just now.
    ///
    /// # Errors
    ///
    /// See [`ServerError`].
    pub fn root(&self) -> Result<Root<'_>, ServerError> {
        Ok(Root { client: &self.nodes[self.leader()?].client, token: &self.root })
    }

    /// Does a request as root at the node that leads; see [`Server::admin`](crate::Server::admin).
    ///
    /// # Errors
    ///
    /// See [`ServerError`].
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Result<Value, ServerError> {
        Ok(self.root()?.admin(method, path, body)?)
    }

    /// The same at one node, which may pass it on.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn admin_at(&self, node: usize, method: &str, path: &str, body: &Value) -> Result<Value, AdminError> {
        self.nodes[node].client.call(method, path, Some(&self.root), body)
    }

    /// Ends a node as a crash would.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Starts a node that was killed, and waits until it serves.
    ///
    /// # Errors
    ///
    /// See [`ServerError`].
    pub fn restart(&mut self, node: usize) -> Result<(), ServerError> {
        self.kill(node);
        let Node { process, folder, client } = &mut self.nodes[node];
        *process = Some(launch(&self.binary, folder, client.address(), self.ready_within)?);
        self.wait_for(node)
    }

    /// Stops a node where it stands, as a machine does that hangs: its connections stay open, and nothing is answered.
    ///
    /// # Errors
    ///
    /// [`ServerError::Stopped`] if it does not run.
    pub fn freeze(&self, node: usize) -> Result<(), ServerError> {
        self.signal(node, Signal::STOP)
    }

    /// Lets a frozen node go on.
    ///
    /// # Errors
    ///
    /// [`ServerError::Stopped`] if it does not run.
    pub fn thaw(&self, node: usize) -> Result<(), ServerError> {
        self.signal(node, Signal::CONT)
    }

    /// Waits until all nodes vote, which takes some 22 s from the start: until then the cluster outlives no node.
    ///
    /// # Errors
    ///
    /// See [`ServerError`].
    pub fn wait_for_voters(&self, patience: Duration) -> Result<(), ServerError> {
        let deadline = Instant::now() + patience;
        loop {
            let seen = self.admin("GET", "sys/storage/raft/configuration", &Value::Null)?;
            let servers = seen["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
            if servers.iter().filter(|server| server["voter"] == true).count() == NODES {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = self.nodes[0].folder.log_end();
                return Err(ServerError::NotReady { state: "still without its voters", patience, log });
            }
            thread::sleep(POLL);
        }
    }

    fn signal(&self, node: usize, signal: Signal) -> Result<(), ServerError> {
        let process = self.nodes[node].process.as_ref().ok_or(ServerError::Stopped)?;
        process.signal(signal).map_err(|why| ServerError::Start { why })
    }

    /// Waits until a node leads, or follows one that does.
    fn wait_for(&mut self, number: usize) -> Result<(), ServerError> {
        let deadline = Instant::now() + self.ready_within;
        let Node { process, folder, client } = &mut self.nodes[number];
        loop {
            check_alive(process.as_mut().ok_or(ServerError::Stopped)?, folder, client.address())?;
            let serves = client.health().is_ok_and(|status| status == 200 || status == 429);
            // A standby that has not joined yet is one of health 429, too, but does not serve its own reads.
            if serves && client.call("GET", "auth/token/lookup-self", Some(&self.root), &Value::Null).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = folder.log_end();
                return Err(ServerError::NotReady { state: "not yet with the others", patience: self.ready_within, log });
            }
            thread::sleep(POLL);
        }
    }
}

fn config(number: usize, api: &[u16], cluster: &[u16], key_file: &Path) -> String {
    let (own, internal, key) = (api[number], cluster[number], Value::from(format!("file://{}", key_file.display())));
    let mut join = String::new();
    for port in api {
        let _ = writeln!(join, "  retry_join {{\n    leader_api_addr = \"http://127.0.0.1:{port}\"\n  }}");
    }
    format!(
        r#"api_addr = "http://127.0.0.1:{own}"
cluster_addr = "http://127.0.0.1:{internal}"
storage "raft" {{
  path = "raft"
  node_id = "node-{number}"
  performance_multiplier = 1 # elections after 1 s instead of 5 s
{join}}}
listener "tcp" {{
  address = "127.0.0.1:{own}"
  cluster_address = "127.0.0.1:{internal}"
  tls_disable = true
}}
seal "static" {{
  current_key_id = "one"
  current_key = {key}
}}
audit "file" "file" {{
  options {{
    file_path = "audit.log" # the same text on all nodes, or no standby takes over
    hmac_accessor = "false"
  }}
}}
"#
    )
}
