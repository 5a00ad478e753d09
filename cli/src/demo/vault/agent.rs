//! What somebody has who runs `bao agent`: a configuration, what it logs in with, and where its clients find what.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{GRACE, SECRET};
use crate::demo::trouble::Trouble;
use crate::demo::write_private;

/// The name of the sidecar's rotation.
pub(super) const NAME: &str = "sidecar";
/// The name of the socket that its clients connect to, in the configuration and to whoever starts it.
pub(super) const SOCKET: &str = "proxy";
/// When it rotates by itself: never in this story, which asks for each rotation when it is its turn. With `every` it would also
/// try again by itself after each useless candidate, nobody knows how often.
const SCHEDULE: &str = "0 0 1 1 *";
/// A candidate that has not passed by then is given up. It is tried each eighth of that, which is also the time in which the
/// sidecar has to be killed between the minting and the switch.
const VALIDATE_FOR: Duration = Duration::from_secs(4);

/// The files of a sidecar, in a folder of its own, and the socket that a service manager opens and holds for it.
pub(super) struct Agent {
    folder: PathBuf,
    pub(super) socket: TcpListener,
}

/// What a sidecar logs in with.
pub(super) struct Identification {
    pub(super) role_id: String,
    pub(super) secret_id: String,
}

impl Agent {
    /// Writes them for a server at this address.
    pub(super) fn write(folder: PathBuf, address: &str, with: &Identification) -> Result<Self, Trouble> {
        fs::create_dir(&folder)?;
        let agent = Self { folder, socket: TcpListener::bind(("127.0.0.1", 0))? };
        write_private(&agent.role_id(), &with.role_id)?;
        write_private(&agent.secret_id(), &with.secret_id)?;
        write_private(&agent.config(), &agent.text(address))?;
        Ok(agent)
    }

    /// Where its clients reach the server.
    pub(super) fn address(&self) -> Result<String, Trouble> {
        Ok(format!("http://{}", self.socket.local_addr()?))
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.join("agent.hcl")
    }

    fn role_id(&self) -> PathBuf {
        self.folder.join("role-id")
    }

    fn secret_id(&self) -> PathBuf {
        self.folder.join("secret-id")
    }

    /// The file that its token is published in.
    pub(super) fn sink(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// The file of the token that is good for its proxy alone, and never changes.
    pub(super) fn local_token(&self) -> PathBuf {
        self.folder.join("local-token")
    }

    fn journals(&self) -> PathBuf {
        self.folder.join("journals")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.journals().join(format!("{NAME}.journal"))
    }

    /// Where an operator asks it.
    pub(super) fn admin(&self) -> PathBuf {
        self.folder.join("admin.sock")
    }

    /// What it says of itself.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn text(&self, address: &str) -> String {
        let [role_id, secret_id, sink, local_token, journals, admin] =
            [self.role_id(), self.secret_id(), self.sink(), self.local_token(), self.journals(), self.admin()]
                .map(|path| quoted(&path));
        let (grace, validate_for) = (GRACE.as_millis(), VALIDATE_FOR.as_secs());
        format!(
            r#"# What `bao agent` takes, too.
vault {{
  address = "{address}"
}}
auto_auth {{
  method "approle" {{
    min_backoff = "250ms"
    config = {{
      role_id_file_path   = {role_id}
      secret_id_file_path = {secret_id}
      remove_secret_id_file_after_reading = false
    }}
  }}
  sink "file" {{
    config = {{
      path = {sink}
      mode = 0600
    }}
  }}
}}

# Ours, or with keys of ours.
api_proxy {{
  local_token_file = {local_token}
}}
listener "tcp" {{
  inherited   = "{SOCKET}"
  tls_disable = true
}}
rotation "{NAME}" {{
  probe "{SECRET}" {{
    capability = "read"
  }}
  schedule     = "{SCHEDULE}"
  window       = "1s"
  life         = "2m"
  login_life   = "1m"
  validate_for = "{validate_for}s"
  grace        = "{grace}ms"
  timeout      = "3s"
  start_spread = 0
}}
journal {{
  path = {journals}
}}
admin {{
  address = {admin}
}}
"#
        )
    }
}

/// A path as a text of the configuration.
fn quoted(path: &Path) -> String {
    Value::from(path.to_string_lossy()).to_string()
}
