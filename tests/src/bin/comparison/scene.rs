//! A server, and roles to log in to.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise_openbao::{Binary, Options, Server};

use crate::Fault;

/// What clients read.
pub(crate) const READ: &str = "/v1/secret/data/app";
/// What tokens of a role may do.
const POLICY: &str = r#"
path "secret/data/app" { capabilities = ["read"] }
path "auth/token/create" { capabilities = ["create", "update"] }
path "auth/token/lookup" { capabilities = ["update"] }
"#;

/// Where all of it takes place.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) programs: Programs,
    folder: TempDir,
    pub(crate) quick: bool,
}

/// What is compared.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) bao: Binary,
    pub(crate) turquoise: PathBuf,
}

/// Tokens by logging in.
pub(crate) struct Role<'a> {
    scene: &'a Scene,
    pub(crate) name: String,
    pub(crate) life: Life,
}

/// How long the tokens of a role live.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    /// Without a renewal, in seconds.
    pub(crate) ttl: u32,
    /// With all of them.
    pub(crate) most: u32,
}

impl Life {
    /// Nothing comes to an end while it is measured.
    pub(crate) const LONG: Self = Self { ttl: 3_600, most: 86_400 };
    /// As short as both take.
    pub(crate) const SHORT: Self = Self { ttl: 30, most: 120 };
}

impl Programs {
    /// `OpenBao` as it is pinned, and turquoise as it is built now, unless it is given.
    pub(crate) fn find(turquoise: Option<PathBuf>) -> Result<Self, Fault> {
        let bao = Binary::obtain(crate::say)?;
        let turquoise = match turquoise {
            Some(given) => given.canonicalize().map_err(|why| format!("{}: {why}", given.display()))?,
            None => build()?,
        };
        Ok(Self { bao, turquoise })
    }
}

/// It lands beside us, if we are of a release build.
fn build() -> Result<PathBuf, Fault> {
    crate::say("building turquoise: cargo build --release -p turquoise-cli");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--quiet", "--release", "-p", "turquoise-cli"]).status()?;
    let program = std::env::current_exe()?.with_file_name("turquoise");
    match (built.success(), program.exists() && !cfg!(debug_assertions)) {
        (true, true) => Ok(program),
        (false, _) => Err("turquoise does not build: see above".into()),
        (true, false) => Err("there is no turquoise beside this program: run it with --release, or say --turquoise PATH".into()),
    }
}

impl Scene {
    pub(crate) fn new(programs: &Programs, quick: bool) -> Result<Self, Fault> {
        // What it would write down of each request is not what is compared.
        let server = Server::start(&programs.bao, Options { unaudited: true, ..Options::default() })?;
        server.enable_kv()?;
        server.write_secret("app", &json!({"motto": "never dark"}))?;
        server.write_policy("app", POLICY)?;
        server.admin("POST", "sys/auth/approle", &json!({"type": "approle"}))?;
        Ok(Self { server, programs: programs.clone(), folder: tempfile::tempdir()?, quick })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Host and port of the server.
    pub(crate) fn address(&self) -> &str {
        self.server.address().trim_start_matches("http://")
    }

    /// One role, and what is needed to log in to it.
    pub(crate) fn role(&self, name: &str, life: Life) -> Result<Role<'_>, Fault> {
        let role = Role { scene: self, name: name.to_owned(), life };
        fs::create_dir_all(role.path(""))?;
        role.give("app")?;
        let id = self.server.admin("GET", &format!("auth/approle/role/{name}/role-id"), &Value::Null)?;
        let secret = self.server.admin("POST", &format!("auth/approle/role/{name}/secret-id"), &json!({}))?;
        write(&role.path("role-id"), text(&id["data"]["role_id"])?)?;
        write(&role.path("secret-id"), text(&secret["data"]["secret_id"])?)?;
        Ok(role)
    }

    /// A token that is nobody's, to go straight to the server with.
    pub(crate) fn work_token(&self) -> Result<String, Fault> {
        let made = self.server.admin("POST", "auth/token/create-orphan", &json!({"policies": ["app"], "ttl": "1h"}))?;
        Ok(text(&made["auth"]["client_token"])?.to_owned())
    }
}

impl Role<'_> {
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.scene.path(&format!("{}.role", self.name)).join(file)
    }

    /// From now on its tokens have this policy.
    pub(crate) fn give(&self, policy: &str) -> Result<(), Fault> {
        let Life { ttl, most } = self.life;
        let rules = json!({
            "token_policies": [policy],
            "token_ttl": format!("{ttl}s"),
            "token_max_ttl": format!("{most}s"),
            "token_type": "service",
            "secret_id_num_uses": 0,
        });
        self.scene.server.admin("POST", &format!("auth/approle/role/{}", self.name), &rules)?;
        Ok(())
    }
}

/// For us alone.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

pub(crate) fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| "the server's answer lacks a word".into())
}

impl Scene {
    /// So long with `--quick`, else so long.
    pub(crate) const fn seconds(&self, quick: u64, whole: u64) -> Duration {
        Duration::from_secs(if self.quick { quick } else { whole })
    }

    /// The same of repetitions.
    pub(crate) const fn times(&self, quick: usize, whole: usize) -> usize {
        if self.quick { quick } else { whole }
    }
}
