//! What the examples need around them, and whoever embeds the library has already: a server, a way to log in, and work.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::vault::{Method, Probe, login_policy};
use turquoise_openbao::{AdminError, Binary, Options, Server};

use crate::rounds::Fault;

/// A server of our own with a secret at `secret/data/app`, an AppRole that may read it, and a folder.
pub(crate) struct Scene {
    server: Server,
    folder: TempDir,
    method: Method,
}

impl Scene {
    /// Sets it up.
    pub(crate) async fn set() -> Result<Self, Fault> {
        tokio::task::spawn_blocking(|| {
            let (server, folder) = (Server::start(&Binary::obtain(|_| ())?, Options::default())?, tempfile::tempdir()?);
            let method = prepare(&server, folder.path())?;
            Ok(Self { server, folder, method })
        })
        .await?
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> &str {
        self.server.address()
    }

    /// How to log in there.
    pub(crate) fn app_role(&self) -> Method {
        self.method.clone()
    }

    /// A path for a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many tokens live, by the server's own count.
    pub(crate) fn alive(&self) -> Result<usize, Fault> {
        match self.server.admin("LIST", "sys/leases/lookup/auth/approle/login", &Value::Null) {
            Ok(reply) => Ok(reply["data"]["keys"].as_array().map_or(0, Vec::len)),
            Err(AdminError::Refused { status: 404, .. }) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// A secret, and an AppRole that may read it.
fn prepare(server: &Server, folder: &Path) -> Result<Method, Fault> {
    let (role_id_file, secret_id_file) = (folder.join("role-id"), folder.join("secret-id"));
    let (mount, role) = ("approle".parse()?, Some("app".parse()?));
    let method =
        Method::AppRole { mount, role_id_file: role_id_file.clone(), secret_id_file: Some(secret_id_file.clone()), role };
    server.enable_kv()?;
    server.write_secret("app", &json!({"motto": "never dark"}))?;
    let read = Probe { path: "secret/data/app".parse()?, max_latency: None };
    server.write_policy("app", &login_policy(&method, &[read]))?;
    server.admin("POST", "sys/auth/approle", &json!({"type": "approle"}))?;
    let rules = json!({"token_policies": ["app"], "token_no_default_policy": true, "token_ttl": "5m"});
    server.admin("POST", "auth/approle/role/app", &rules)?;
    let text = |reply: &Value, field: &str| reply["data"][field].as_str().unwrap_or_default().to_owned();
    fs::write(role_id_file, text(&server.admin("GET", "auth/approle/role/app/role-id", &Value::Null)?, "role_id"))?;
    fs::write(secret_id_file, text(&server.admin("POST", "auth/approle/role/app/secret-id", &json!({}))?, "secret_id"))?;
    Ok(method)
}
