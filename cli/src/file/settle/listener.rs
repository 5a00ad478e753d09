//! Where programs reach the server with the token that serves.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use turquoise::proxy::{At, AutoAuth, Family, Listener, Quit, RequestHeader, Role, check_socket_path};
use turquoise::vault::Upstream;

use super::super::plan::{Dependents, Provider, Proxied, Rotation};
use super::super::tree::Item;
use super::super::value;
use super::{Settler, Stanza};

const SOCKET_MODE: u32 = 0o600;

impl<'a> Settler<'a, '_> {
    /// The listeners, by the rotation whose token they give.
    pub(super) fn proxies(&mut self, file: &Stanza<'a>, rotations: &[Rotation]) -> Vec<Proxied> {
        let api = file.within("api_proxy");
        let auto_auth = match self.pick(&api, "use_auto_auth_token", value::name, String::clone, None).as_deref() {
            Some("true") => AutoAuth::On,
            Some("force") => AutoAuth::Force,
            _ => AutoAuth::Off,
        };
        let local_token = self.text(&api, "local_token_file", None).map(PathBuf::from);
        let mut proxies: Vec<Proxied> = Vec::new();
        for item in file.all("listener") {
            let stanza = Stanza::of("listener", item);
            let (owner, listener) = (self.owner(&stanza, rotations), self.listener(&stanza, item));
            let (Some((owner, upstream)), Some(listener)) = (owner, listener) else { continue };
            let (name, waits) = (owner.name.as_str(), !matches!(owner.dependents, Some(Dependents::Cut)));
            if owner.dependents == Some(Dependents::Refuse) {
                let remedy = "write \"wait\" or \"cut\"";
                self.fault::<()>(
                    stanza.at,
                    "which request makes a lease is not known before its answer: none can be refused",
                    remedy,
                );
            }
            if let Some(known) = proxies.iter_mut().find(|known| known.rotation == name) {
                known.listeners.push(listener);
                continue;
            }
            let (rotation, local_token) = (name.to_owned(), local_token.clone());
            proxies.push(Proxied {
                rotation,
                upstream: upstream.clone(),
                auto_auth,
                local_token,
                listeners: vec![listener],
                waits,
            });
        }
        if let (Some(local), [_, _, ..]) = (api.item("local_token_file"), proxies.as_slice()) {
            let remedy = "run a process for each, or give who shows no token the one that serves";
            self.fault::<()>(
                local.at,
                "the listeners are of several rotations, and one local token cannot stand for two",
                remedy,
            );
        }
        if local_token.is_none() && auto_auth == AutoAuth::Off && !proxies.is_empty() {
            let remedy = "write local_token_file = \"…\" or use_auto_auth_token = true in `api_proxy`";
            self.notice(api.at, "nobody is given the token that serves: requests pass as they are", remedy);
        }
        proxies
    }

    /// The rotation of a listener, and its server.
    fn owner<'r>(&mut self, listener: &Stanza<'a>, rotations: &'r [Rotation]) -> Option<(&'r Rotation, &'r Upstream)> {
        let rotation = match (self.text(listener, "rotation", None), rotations) {
            (Some(name), _) => rotations.iter().find(|rotation| rotation.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(rotation) = rotation else {
            // Without any, something else is wrong, and was said.
            let remedy = "write rotation = \"NAME\" in it, with the label of a `rotation` stanza";
            return if rotations.is_empty() {
                None
            } else {
                self.fault(listener.at, "this listener does not say whose it is", remedy)
            };
        };
        match &rotation.provider {
            Provider::Login(config) => Some((rotation, &config.upstream)),
            Provider::Token(config) => Some((rotation, &config.upstream)),
            Provider::SecretId(_) | Provider::Keys(_) => {
                let remedy = "name a rotation whose provider is vault-login or vault-token";
                self.fault(listener.at, "requests bear a token, and this rotation has none", remedy)
            }
        }
    }

    fn listener(&mut self, stanza: &Stanza<'a>, item: &Item) -> Option<Listener> {
        let is_unix = item.kind().is_some_and(|kind| kind.eq_ignore_ascii_case("unix"));
        let at = match self.text(stanza, "inherited", None) {
            Some(name) => At::Inherited { name, family: if is_unix { Family::Unix } else { Family::Tcp } },
            None if is_unix => self.listened(stanza)?,
            None => At::Tcp(self.address(stanza)?),
        };
        let tls = if is_unix { None } else { self.shown(stanza)? };
        let role = match self.text(stanza, "role", Some("default")).as_deref() {
            Some("metrics_only") => Role::MetricsOnly,
            _ => Role::Everything,
        };
        let request_header =
            if self.flag(stanza, "require_request_header") { RequestHeader::Required } else { RequestHeader::Optional };
        let may_quit = ["agent_api", "proxy_api"].map(|api| {
            let api = stanza.within(api);
            api.table.is_some() && self.flag(&api, "enable_quit")
        });
        let quit = if may_quit.contains(&true) { Quit::Enabled } else { Quit::Disabled };
        Some(Listener { at, tls, role, request_header, quit })
    }

    fn address(&mut self, stanza: &Stanza<'a>) -> Option<SocketAddr> {
        let address = self.needed(stanza, "address")?;
        let form = "write IP:PORT, as 127.0.0.1:8100";
        address.parse().ok().or_else(|| self.fault(stanza.at("address"), "`address` cannot be listened on", form))
    }

    fn listened(&mut self, stanza: &Stanza<'a>) -> Option<At> {
        let path = PathBuf::from(self.needed(stanza, "address")?);
        if let Err(why) = check_socket_path(&path) {
            return self.fault(stanza.at("address"), "`address` cannot be listened on", why.to_string());
        }
        if !path.is_absolute() || path == Path::new("/") {
            return self.fault(stanza.at("address"), "`address` cannot be listened on", "write the whole path of a socket");
        }
        let mode = self.pick(stanza, "socket_mode", value::mode, |bits| format!("{bits:04o}"), Some(SOCKET_MODE))?;
        let id = |key| stanza.item(key).and_then(|item| value::count(&item.value)).and_then(|id| u32::try_from(id).ok());
        Some(At::Unix { path, mode, user: id("socket_user"), group: id("socket_group") })
    }

    /// What is shown to clients, or nothing.
    #[expect(clippy::option_option, reason = "without TLS, and not to be had, are two things")]
    fn shown(&mut self, stanza: &Stanza<'a>) -> Option<Option<(PathBuf, PathBuf)>> {
        if self.flag(stanza, "tls_disable") {
            return Some(None);
        }
        let files = (self.text(stanza, "tls_cert_file", None), self.text(stanza, "tls_key_file", None));
        if let (Some(certificate), Some(key)) = files {
            return Some(Some((certificate.into(), key.into())));
        }
        let remedy = "give `tls_cert_file` and `tls_key_file`, or write tls_disable = true";
        self.fault(stanza.at, "a listener speaks TLS, and has nothing to show", remedy)
    }
}
