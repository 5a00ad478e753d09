//! How to log in.

use std::path::PathBuf;

use turquoise::vault::{Method, Mount, Role};

use super::{Settler, Stanza};

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const ROLE: &str = "write a role's name: letters, digits, `_`, `-` and `.`";

/// A stanza that says how to log in, with its type.
#[derive(Clone)]
pub(super) struct Way<'a> {
    pub(super) stanza: Stanza<'a>,
    pub(super) kind: &'a str,
}

impl<'a> Settler<'a, '_> {
    /// The `method` of a rotation, else that of `auto_auth`; with an empty kind, if there is none.
    pub(super) fn way(&mut self, rotation: &Stanza<'a>, auth: &Stanza<'a>) -> Option<Way<'a>> {
        let outer = if rotation.item("method").is_some() { rotation } else { auth };
        if let Some(second) = outer.all("method").nth(1) {
            return self.fault(second.at, "a second `method` is one too many", "keep one: a rotation logs in in one way");
        }
        let kind = outer.item("method").map_or(Some(""), |item| item.kind())?;
        Some(Way { stanza: outer.within("method"), kind })
    }

    /// The method of a rotation that logs in.
    pub(super) fn login(&mut self, Way { stanza: method, kind }: &Way<'a>) -> Option<Method> {
        let config = method.within("config");
        let mount = self.mount(method, kind)?;
        match *kind {
            "approle" => {
                let secret_id_file = self.text(&config, "secret_id_file_path", None).map(PathBuf::from);
                let (key, what) =
                    ("remove_secret_id_file_after_reading", "the file of the secret id stays, where an agent would remove it");
                if secret_id_file.is_some() && config.item(key).is_none() {
                    self.notice(config.at, what, "write `remove_secret_id_file_after_reading = false` to say that this is meant");
                }
                let role = self.parsed(&config, "role", ROLE);
                let role_id_file = self.needed(&config, "role_id_file_path")?.into();
                Some(Method::AppRole { mount, role_id_file, secret_id_file, role })
            }
            "jwt" => {
                if config.item("remove_jwt_after_reading").is_none() {
                    let what = "the file of the web token stays, where an agent would remove it";
                    self.notice(config.at, what, "write `remove_jwt_after_reading = false` to say that this is meant");
                }
                let jwt_file = self.needed(&config, "path")?.into();
                Some(Method::Jwt { mount, role: self.role(&config)?, jwt_file })
            }
            "kubernetes" => {
                let jwt_file = self.text(&config, "token_path", Some(SERVICE_ACCOUNT))?.into();
                Some(Method::Jwt { mount, role: self.role(&config)?, jwt_file })
            }
            _ => Some(Method::Certificate { mount, role: self.parsed(&config, "name", ROLE) }),
        }
    }

    /// A role's name that must be there.
    pub(super) fn role(&mut self, stanza: &Stanza<'a>) -> Option<Role> {
        if stanza.item("role").is_none() {
            return self.fault(stanza.at, "`role` is missing", "add role = \"…\"");
        }
        self.parsed(stanza, "role", ROLE)
    }

    pub(super) fn mount(&mut self, method: &Stanza<'a>, kind: &str) -> Option<Mount> {
        let default = format!("auth/{kind}");
        let text = self.text(method, "mount_path", Some(&default))?;
        let mount = text.trim_matches('/').strip_prefix("auth/").and_then(|mount| mount.parse().ok());
        let form = "write auth/NAME, as the server lists it";
        mount.or_else(|| self.fault(method.at("mount_path"), "`mount_path` cannot be used", form))
    }
}
