//! The stage: a server with what a rotation needs, and the folder that everything is in.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::spawn_blocking;
use turquoise::core::Privileges;
use turquoise::memory::{ExposeSecret as _, Secret};
use turquoise::vault::{ConfigError, Probe, Role, policy};
use turquoise_audit::Log;
use turquoise_openbao::{Binary, Options, Server};

use super::load::Reads;
use super::show::Show;
use super::sidecar::Site;
use super::trouble::Trouble;

/// The role that tokens are minted through.
pub(crate) const ROLE: &str = "rot";
/// What the load reads, and the probe.
pub(crate) const SECRET: &str = "secret/data/app";
/// The policy of a token that can do its work.
pub(crate) const ROTATOR: &str = "rotator";
/// The policy of one that can manage itself, but not read the secret.
pub(crate) const USELESS: &str = "useless";
/// The life of the first token as it is handed over.
const FIRST_LIFE: Duration = Duration::from_mins(2);
/// How often the server is asked whether it serves.
const WATCH: Duration = Duration::from_millis(500);

/// What a candidate is tried on.
pub(crate) fn probe() -> Result<Probe, ConfigError> {
    Ok(Probe { path: SECRET.parse()?, max_latency: None })
}

/// All that is started and written is in the server's folder, which goes with the server, also if this process is killed.
pub(crate) struct Scene {
    server: Arc<Server>,
    site: Site,
}

impl Scene {
    /// Gets the server, starts it, sets it up, and has the first token minted.
    pub(crate) async fn build(show: &Show) -> Result<Self, Trouble> {
        let screen = show.clone();
        // If a line cannot be written, neither can the next one, where it is noticed.
        let binary = spawn_blocking(move || Binary::obtain(|doing| drop(screen.note(doing)))).await??;
        // What follows the version is the commit and its date.
        let version = binary.version().split(" (").next().unwrap_or_default();
        show.note(format_args!("starting {version} with integrated storage and an audit log"))?;
        let server = spawn_blocking(move || Server::start(&binary, Options::default())).await??;
        show.note(format_args!("it serves at {}", server.address()))?;
        let site = Site::within(&server.dir().join("demo"), server.address(), ROLE.parse()?);
        let scene = Self { server: Arc::new(server), site };
        let site = scene.site.clone();
        scene.admin(move |server| furnish(server, &site)).await?;
        show.note("its administrator makes a secret, a policy and a token role, and hands us a first token in a file")?;
        Ok(scene)
    }

    pub(crate) const fn site(&self) -> &Site {
        &self.site
    }

    /// What the load does.
    pub(crate) fn reads(&self) -> Result<Reads, Trouble> {
        Ok(Reads::of(&self.site.address, SECRET)?)
    }

    /// What the role mints from now on has this policy.
    pub(crate) async fn mint_with(&self, policy: &'static str) -> Result<(), Trouble> {
        self.admin(move |server| server.write_token_role(ROLE, &[policy])).await
    }

    /// How many tokens of the role live, as the server lists them.
    pub(crate) async fn alive(&self) -> Result<usize, Trouble> {
        self.admin(|server| server.live_tokens(ROLE)).await
    }

    /// What the server wrote down.
    pub(crate) async fn audit(&self) -> Result<Log, Trouble> {
        self.admin(|server| Log::of(&server.audit_log())).await
    }

    async fn admin<T, E>(&self, ask: impl FnOnce(&Server) -> Result<T, E> + Send + 'static) -> Result<T, Trouble>
    where
        T: Send + 'static,
        E: Into<Trouble> + Send + 'static,
    {
        let server = Arc::clone(&self.server);
        spawn_blocking(move || ask(&server)).await?.map_err(Into::into)
    }

    /// Does not end while the server serves.
    pub(crate) async fn watch(&self) -> Trouble {
        let health = match Reads::of(&self.site.address, "sys/leader") {
            Ok(health) => health,
            Err(why) => return why.into(),
        };
        loop {
            tokio::time::sleep(WATCH).await;
            if let Err(why) = health.read(&Secret::from("")).await {
                return Trouble::Provider(format!("the server at {} no longer serves: {why}", self.site.address));
            }
        }
    }
}

impl Site {
    fn within(folder: &Path, address: &str, role: Role) -> Self {
        let [journal, sink, token_file] = ["journal", "token", "first-token"].map(|name| folder.join(name));
        Self { journal, sink, token_file, address: address.to_owned(), role }
    }
}

fn furnish(server: &Server, site: &Site) -> Result<(), Trouble> {
    server.enable_kv()?;
    server.write_secret("app", &json!({"motto": "never dark"}))?;
    server.write_policy(ROTATOR, &policy(&site.role, &[probe()?], Privileges::OnlySelf).to_string())?;
    server.write_policy(USELESS, &policy(&site.role, &[], Privileges::OnlySelf).to_string())?;
    server.write_token_role(ROLE, &[ROTATOR])?;
    let first = server.mint(ROLE, FIRST_LIFE)?;
    fs::create_dir(server.dir().join("demo"))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&site.token_file)?;
    Ok(file.write_all(first.token.expose_secret().as_bytes())?)
}
