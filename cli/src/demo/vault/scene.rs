//! A real server, and who breaks the role.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::spawn_blocking;
use turquoise::core::{Privileges, StepKind};
use turquoise::memory::{ExposeSecret as _, Secret};
use turquoise::port::History;
use turquoise::vault::{Role, policy};
use turquoise_audit::Log;
use turquoise_openbao::{Binary, Options, Server};

use super::{ROLE, probe, proof};
use crate::demo::load::{Held, Reads};
use crate::demo::scene::{Scene, Words};
use crate::demo::show::{Line, Show};
use crate::demo::sidecar::{Rotates as _, Sidecar};
use crate::demo::site::{Provider, Site};
use crate::demo::trouble::Trouble;

/// The policy of a token that can do its work.
const ROTATOR: &str = "rotator";
/// The policy of one that can manage itself, but not read the secret.
const USELESS: &str = "useless";
/// The life of the first token as it is handed over.
const FIRST_LIFE: Duration = Duration::from_mins(2);

pub(crate) struct Vault {
    server: Arc<Server>,
    site: Site,
}

impl Scene for Vault {
    const WORDS: Words = Words {
        noun: "token",
        adopted: "The first token is adopted, and the load begins",
        load: [
            "reads flow: by tasks in this process, which take the token from the handle for each of them,",
            "and by another process, which knows nothing of us but the file that the token is published in",
        ],
        spoilt: "2. The administrator breaks the role: what it mints from now on cannot read the secret",
        mended: "the administrator mends the role",
        killed: "3. A process of its own takes over from this one, and is killed while it tries a candidate",
    };

    const CLEAN: StepKind = StepKind::Cleared;

    async fn build(show: &Show) -> Result<Self, Trouble> {
        let screen = show.clone();
        // If a line cannot be written, neither can the next one, where it is noticed.
        let binary = spawn_blocking(move || Binary::obtain(|doing| drop(screen.note(doing)))).await??;
        // What follows the version is the commit and its date.
        let version = binary.version().split(" (").next().unwrap_or_default();
        show.note(format_args!("starting {version} with integrated storage and an audit log"))?;
        let server = spawn_blocking(move || Server::start(&binary, Options::default())).await??;
        show.note(format_args!("it serves at {}", server.address()))?;
        let (folder, address) = (server.dir().join("demo"), server.address().to_owned());
        let scene = Self { server: Arc::new(server), site: Site { provider: Provider::VaultToken, folder, address } };
        let site = scene.site.clone();
        scene.admin(move |server| furnish(server, &site)).await?;
        show.note("its administrator makes a secret, a policy and a token role, and hands us a first token in a file")?;
        Ok(scene)
    }

    fn site(&self) -> &Site {
        &self.site
    }

    async fn spoil(&self) -> Result<(), Trouble> {
        self.admin(|server| server.write_token_role(ROLE, &[USELESS])).await
    }

    async fn mend(&self) -> Result<(), Trouble> {
        self.admin(|server| server.write_token_role(ROLE, &[ROTATOR])).await
    }

    async fn rotate_halfway(&self, sidecar: &mut Sidecar, show: &Show) -> Result<(), Trouble> {
        sidecar.rotate().await?;
        sidecar.until(StepKind::Persisted, show).await
    }

    async fn facts(&self, journal: &History) -> Result<Vec<Line>, Trouble> {
        proof::tokens(self, journal).await
    }

    async fn check(&self) -> Result<(), String> {
        let nobody = Held { id: "", secret: &Secret::from("") };
        Reads::at(&format!("{}/v1/sys/leader", self.site.address), self.site.provider)?.read(nobody).await
    }
}

impl Vault {
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
}

fn furnish(server: &Server, site: &Site) -> Result<(), Trouble> {
    let role: Role = ROLE.parse()?;
    server.enable_kv()?;
    server.write_secret("app", &json!({"motto": "never dark"}))?;
    server.write_policy(ROTATOR, &policy(&role, &[probe()?], Privileges::OnlySelf).to_string())?;
    server.write_policy(USELESS, &policy(&role, &[], Privileges::OnlySelf).to_string())?;
    server.write_token_role(ROLE, &[ROTATOR])?;
    let first = server.mint(ROLE, FIRST_LIFE)?;
    fs::create_dir(&site.folder)?;
    crate::demo::write_private(&site.first(), first.token.expose_secret())
}
