//! A real server, and what its administrator does.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use turquoise::core::Privileges;
use turquoise::memory::{ExposeSecret as _, Secret};
use turquoise::vault::{Role, login_policy, policy};
use turquoise_audit::Log;
use turquoise_openbao::{AdminError, Binary, Options, Server};

use super::agent::{Agent, Identification};
use super::{APP, ROLE, probe};
use crate::demo::load::{Held, Reads};
use crate::demo::show::Show;
use crate::demo::site::{Provider, Site};
use crate::demo::trouble::Trouble;

/// The policies of the handle's tokens: of one that can do its work, and of one that can manage itself but not read the secret.
const HANDLES: [&str; 2] = ["rotator", "useless-rotator"];
/// The same of the sidecar's.
const SIDECARS: [&str; 2] = ["app", "useless-app"];
/// The life of the handle's first token as it is handed over.
const FIRST_LIFE: Duration = Duration::from_mins(2);

/// A server with what the rotations need, and the folder that everything is in. Both go with it, also if this process is killed.
pub(super) struct Vault {
    pub(super) server: Arc<Server>,
    /// Of what is rotated here, for the handle.
    pub(super) site: Site,
    /// Of what the sidecar rotates.
    pub(super) agent: Agent,
}

impl Vault {
    /// Gets the server, starts it, and sets it up.
    pub(super) async fn build(show: &Show) -> Result<Self, Trouble> {
        let screen = show.clone();
        // If a line cannot be written, neither can the next one, where it is noticed.
        let binary = spawn_blocking(move || Binary::obtain(|doing| drop(screen.note(doing)))).await??;
        // What follows the version is the commit and its date.
        let version = binary.version().split(" (").next().unwrap_or_default();
        show.note(format_args!("starting {version} with integrated storage and an audit log"))?;
        let server = Arc::new(spawn_blocking(move || Server::start(&binary, Options::default())).await??);
        show.note(format_args!("it serves at {}", server.address()))?;
        let (folder, address) = (server.dir().join("demo"), server.address().to_owned());
        let site = Site { provider: Provider::VaultToken, folder, address };
        let (place, asked) = (site.clone(), Arc::clone(&server));
        let agent = spawn_blocking(move || furnish(&asked, &place)).await??;
        show.note("its administrator makes a secret, policies and a token role, and hands us a first token in a file;")?;
        show.note("and an AppRole, for a sidecar with a configuration as `bao agent` has it")?;
        Ok(Self { server, site, agent })
    }

    /// What is made from now on cannot read the secret.
    pub(super) async fn spoil(&self) -> Result<(), Trouble> {
        self.admin(|server| give(server, HANDLES[1], SIDECARS[1])).await
    }

    /// Ends that.
    pub(super) async fn mend(&self) -> Result<(), Trouble> {
        self.admin(|server| give(server, HANDLES[0], SIDECARS[0])).await
    }

    /// Ends the token that the sidecar has published.
    pub(super) async fn revoke(&self) -> Result<(), Trouble> {
        let token = Secret::from(fs::read_to_string(self.agent.sink())?);
        let revoke =
            move |server: &Server| server.admin("POST", "auth/token/revoke", &json!({"token": token.expose_secret()})).map(drop);
        self.admin(revoke).await
    }

    /// How many tokens live, of the handle's and of the sidecar's, as the server lists them.
    pub(super) async fn alive(&self) -> Result<[usize; 2], Trouble> {
        self.admin(|server| Ok::<_, AdminError>([server.live_tokens(ROLE)?, logged_in(server)?])).await
    }

    /// What the server wrote down.
    pub(super) async fn audit(&self) -> Result<Log, Trouble> {
        self.admin(|server| Log::of(&server.audit_log())).await
    }

    /// Whether the server serves, or why not.
    pub(super) async fn check(&self) -> Result<(), String> {
        let nobody = Held { id: "", secret: &Secret::from("") };
        let reads = Reads::at(&format!("{}/v1/sys/leader", self.site.address), self.site.provider)?;
        reads.read(nobody).await.map_err(|why| why.to_string())
    }

    async fn admin<T, E>(&self, ask: impl FnOnce(&Server) -> Result<T, E> + Send + 'static) -> Result<T, Trouble>
    where
        T: Send + 'static,
        E: Into<Trouble> + Send + 'static,
    {
        let server = Arc::clone(&self.server);
        spawn_blocking(move || ask(&server)).await?.map_err(Into::into)
    }
}

/// Sets up all that the rotations need, and writes what they are handed.
fn furnish(server: &Server, site: &Site) -> Result<Agent, Trouble> {
    server.enable_kv()?;
    server.write_secret("app", &json!({"motto": "never dark"}))?;
    // So that the audit log says which rotation a login is of.
    server.admin("POST", "sys/config/auditing/request-headers/X-Rotation-Id", &json!({"hmac": false}))?;
    let role: Role = ROLE.parse()?;
    let [able, unable] = [vec![probe()?], Vec::new()];
    for (name, probes) in HANDLES.iter().zip([&able, &unable]) {
        server.write_policy(name, &policy(&role, probes, Privileges::OnlySelf).to_string())?;
    }
    for (name, probes) in SIDECARS.iter().zip([&able, &unable]) {
        server.write_policy(name, &login_policy(None, probes, Privileges::OnlySelf).to_string())?;
    }
    server.admin("POST", "sys/auth/approle", &json!({"type": "approle"}))?;
    give(server, HANDLES[0], SIDECARS[0])?;
    let first = server.mint(ROLE, FIRST_LIFE)?;
    fs::create_dir(&site.folder)?;
    crate::demo::write_private(&site.first(), first.token.expose_secret())?;
    Agent::write(site.folder.join("sidecar"), &site.address, &identification(server)?)
}

/// What has these policies is made from now on.
fn give(server: &Server, handles: &str, sidecars: &str) -> Result<(), AdminError> {
    server.write_token_role(ROLE, &[handles])?;
    let rules = json!({"token_policies": [sidecars], "token_no_default_policy": true, "token_ttl": "1m", "token_max_ttl": "1h"});
    server.admin("POST", &format!("auth/approle/role/{APP}"), &rules).map(drop)
}

fn identification(server: &Server) -> Result<Identification, AdminError> {
    let text = |method: &str, path: &str, field: &'static str| {
        let path = format!("auth/approle/role/{APP}/{path}");
        match server.admin(method, &path, &Value::Null)?["data"][field].take() {
            Value::String(text) => Ok(text),
            _ => Err(AdminError::Incomplete { request: format!("{method} {path}"), what: field }),
        }
    };
    Ok(Identification { role_id: text("GET", "role-id", "role_id")?, secret_id: text("POST", "secret-id", "secret_id")? })
}

/// How many tokens live that were logged in for.
fn logged_in(server: &Server) -> Result<usize, AdminError> {
    let path = "sys/leases/lookup/auth/approle/login";
    match server.admin("LIST", path, &Value::Null) {
        Ok(reply) => Ok(reply["data"]["keys"].as_array().map_or(0, Vec::len)),
        // The server has no empty lists.
        Err(AdminError::Refused { status: 404, .. }) => Ok(0),
        Err(error) => Err(error),
    }
}
