//! Where it takes place: a server or three, a role, and a folder for the agent.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::Privileges;
use turquoise::memory::ExposeSecret as _;
use turquoise::vault::{Probe, policy as rules};
use turquoise_openbao::{Binary, Cluster, Options, Root, Server};
use turquoise_tests::PROBED;

use crate::Fault;

/// The role that tokens are minted through, and their policy.
pub(crate) const ROLE: &str = "ordeal";
/// What readers read.
pub(crate) const WORK: &str = "secret/data/work";
/// No single step of a server takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_LIFE: Duration = Duration::from_mins(4);

/// What befalls the node that leads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    Killed,
    Stopped,
    SteppedDown,
}

impl Blow {
    pub(crate) const ALL: [Self; 3] = [Self::Killed, Self::Stopped, Self::SteppedDown];

    /// After which step.
    pub(crate) const fn step(self) -> &'static str {
        match self {
            Self::Killed => "Persisted",
            Self::Stopped => "Promoted",
            Self::SteppedDown => "RevokeIntent",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Killed => "leads, and is killed while a candidate is tried",
            Self::Stopped => "leads, and is stopped while the old token has its grace",
            Self::SteppedDown => "leads, and steps down while the old token is revoked",
        }
    }
}

enum Servers {
    One(Server),
    Three(Cluster),
}

pub(crate) struct Seat {
    servers: Servers,
    folder: TempDir,
}

impl Seat {
    pub(crate) fn new(several: bool) -> Result<Self, Fault> {
        let binary = Binary::obtain(|what| drop(writeln!(std::io::stderr(), "{what}")))?;
        let servers = if several {
            let cluster = Cluster::start(&binary, PATIENCE)?;
            // Until then it outlives no node.
            cluster.wait_for_voters(PATIENCE)?;
            Servers::Three(cluster)
        } else {
            Servers::One(Server::start(&binary, Options::default())?)
        };
        let seat = Self { servers, folder: tempfile::tempdir()? };
        seat.furnish()?;
        Ok(seat)
    }

    fn furnish(&self) -> Result<(), Fault> {
        let root = self.root()?;
        root.enable_kv()?;
        for path in ["app", "work"] {
            root.write_secret(path, &json!({"motto": "never dark"}))?;
        }
        root.admin("POST", "sys/config/auditing/request-headers/X-Rotation-Id", &json!({"hmac": false}))?;
        let probes = [PROBED, WORK].map(|path| path.parse().map(|path| Probe { path, max_latency: None }));
        let probes = probes.into_iter().collect::<Result<Vec<_>, _>>()?;
        root.write_policy(ROLE, &rules(&ROLE.parse::<turquoise::vault::Role>()?, &probes, Privileges::OnlySelf).to_string())?;
        root.write_token_role(ROLE, &[ROLE])?;
        let first = root.mint(ROLE, FIRST_LIFE)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path("first"))?;
        Ok(file.write_all(first.token.expose_secret().as_bytes())?)
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Three(_))
    }

    /// Asks as root whoever leads.
    pub(crate) fn root(&self) -> Result<Root<'_>, Fault> {
        match &self.servers {
            Servers::One(server) => Ok(server.root()),
            Servers::Three(cluster) => Ok(cluster.root()?),
        }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        match &self.servers {
            Servers::One(server) => vec![server.address().to_owned()],
            Servers::Three(cluster) => cluster.addresses().map(str::to_owned).collect(),
        }
    }

    pub(crate) fn audit_logs(&self) -> Vec<PathBuf> {
        match &self.servers {
            Servers::One(server) => vec![server.audit_log()],
            Servers::Three(cluster) => cluster.audit_logs().collect(),
        }
    }

    /// A file of the agent's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the agent's processes have logged.
    pub(crate) fn log(&self) -> Result<String, Fault> {
        Ok(fs::read_to_string(self.path("log"))?)
    }

    /// Answers which node it was.
    pub(crate) fn strike(&mut self, blow: Blow) -> Result<usize, Fault> {
        let Servers::Three(cluster) = &mut self.servers else { return Err("there is but one node".into()) };
        let leader = agreed(cluster)?;
        match blow {
            Blow::Killed => cluster.kill(leader),
            Blow::Stopped => cluster.freeze(leader)?,
            Blow::SteppedDown => drop(cluster.admin_at(leader, "PUT", "sys/step-down", &Value::Null)?),
        }
        Ok(leader)
    }

    pub(crate) fn heal(&mut self, blow: Blow, node: usize) -> Result<(), Fault> {
        let Servers::Three(cluster) = &mut self.servers else { return Ok(()) };
        match blow {
            Blow::Killed => cluster.restart(node)?,
            Blow::Stopped => cluster.thaw(node)?,
            Blow::SteppedDown => {}
        }
        agreed(cluster).map(drop)
    }
}

/// The node that all nodes say leads. One that was stopped may yet take itself for it.
fn agreed(cluster: &Cluster) -> Result<usize, Fault> {
    let deadline = Instant::now() + PATIENCE;
    let says = |node: usize| {
        let said = cluster.admin_at(node, "GET", "sys/leader", &Value::Null).ok()?;
        said["leader_address"].as_str().map(str::to_owned)
    };
    loop {
        let said: Vec<_> = (0..3).map(says).collect();
        let leader = cluster.addresses().position(|own| said.iter().all(|said| said.as_deref() == Some(own)));
        match leader {
            Some(leader) => return Ok(leader),
            None if Instant::now() > deadline => return Err(format!("the nodes do not agree on a leader: {said:?}").into()),
            None => thread::sleep(Duration::from_millis(50)),
        }
    }
}
