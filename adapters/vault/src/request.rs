//! The requests that a rotation makes.
//!
//! Where `vaultrs` has the type of an endpoint it is the one that is sent: path, method and body are its. What carries a secret
//! in its body is typed here, since `vaultrs` keeps it in plain strings and copies it on the way; and so are replies, of which it
//! drops the warnings and half of what must be compared.

use std::collections::HashMap;

use http::Method;
use rustify::endpoint::Endpoint;
use secrecy::ExposeSecret;
use serde::Serialize;
use turquoise_runtime::core::Generation;
use vaultrs::api::auth::approle::requests::{DeleteSecretIDAccessorRequest, ListSecretIDRequest, ReadSecretIDAccessorRequest};
use vaultrs::api::token::requests::{
    CreateOrphanTokenRequest, CreateRoleTokenRequest, ListAccessorRequest, LookupTokenAccessorRequest, LookupTokenSelfRequest,
    RenewTokenSelfRequest, RevokeTokenAccessorRequest, RevokeTokenSelfRequest,
};
use zeroize::Zeroizing;

use crate::config::Through;
use crate::name::{App, LeaseId, Mount, Path, Role};

/// What a request does to the server's state, and so who answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: whichever node was asked answers.
    Read,
    /// It changes something: the node that leads answers.
    Write,
    /// It ends what is named. The node that leads answers, or one that lags and knows nothing of that name: it says at once that
    /// there is nothing to end, though that lives (measured).
    EndNamed,
}

/// One request, less the token that authenticates it.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) effect: Effect,
    /// Sent as `X-Rotation-Id`, which an audit log can show in clear: so a mint whose reply was lost can be found.
    pub(crate) rotation: Option<Generation>,
}

impl Request {
    /// What an endpoint asks for. Its names are of our own types, which cannot rewrite a path.
    fn of(endpoint: &impl Endpoint, effect: Effect) -> Self {
        let body = endpoint.body().expect("what is made of text and numbers can be written").unwrap_or_default();
        // Some begin with a tab.
        let path = endpoint.path().trim_start_matches(['\t', '/']).to_owned();
        Self { method: endpoint.method().into(), path, body: Zeroizing::new(body), effect, rotation: None }
    }

    fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Zeroizing::default(), effect: Effect::Read, rotation: None }
    }

    /// A body with secrets in it, written where it is wiped.
    fn secret(path: impl Into<String>, effect: Effect, body: &impl Serialize, length: usize) -> Self {
        const LONGEST_ESCAPE: usize = 6;
        const FRAME: usize = 256;
        // Of a buffer that grows, a copy is left where nobody wipes it.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_ESCAPE * length + FRAME));
        serde_json::to_writer(&mut *bytes, body).expect("a vector takes all that is written to it");
        Self { method: Method::POST, path: path.into(), body: bytes, effect, rotation: None }
    }

    /// Mints a token without a parent, named after its generation.
    pub(crate) fn create(through: &Through, generation: Generation, seconds: u64, entity_alias: Option<String>) -> Self {
        let (ttl, renewable) = (Some(format!("{seconds}s")), Some(true));
        let display_name = Some(format!("turquoise-{generation}"));
        let meta = Some(HashMap::from([("rotation".to_owned(), generation.to_string())]));
        let made = match through {
            Through::Role(role) => {
                let (role_name, more) = (role.to_string(), CreateRoleTokenRequest::default());
                let endpoint = CreateRoleTokenRequest { role_name, ttl, renewable, display_name, meta, entity_alias, ..more };
                Self::of(&endpoint, Effect::Write)
            }
            Through::CreateOrphan => {
                let more = CreateOrphanTokenRequest::default();
                let endpoint = CreateOrphanTokenRequest { ttl, renewable, display_name, meta, entity_alias, ..more };
                Self::of(&endpoint, Effect::Write)
            }
        };
        Self { rotation: Some(generation), ..made }
    }

    /// Sets what is left of the caller's life. Without an increment the server would apply the last one again.
    pub(crate) fn renew_self(seconds: u64) -> Self {
        Self::of(&RenewTokenSelfRequest { increment: Some(format!("{seconds}s")) }, Effect::Write)
    }

    /// Ends the caller.
    pub(crate) fn revoke_self() -> Self {
        Self::of(&RevokeTokenSelfRequest {}, Effect::Write)
    }

    /// Ends any token, by what names it.
    pub(crate) fn revoke_accessor(accessor: &str) -> Self {
        Self::of(&RevokeTokenAccessorRequest { accessor: accessor.to_owned() }, Effect::EndNamed)
    }

    /// Looks the caller up.
    pub(crate) fn lookup_self() -> Self {
        Self::of(&LookupTokenSelfRequest {}, Effect::Read)
    }

    /// Looks any token up, by what names it.
    pub(crate) fn lookup_accessor(accessor: &str) -> Self {
        Self::of(&LookupTokenAccessorRequest { accessor: accessor.to_owned() }, Effect::Read)
    }

    /// Looks a token up by its value.
    pub(crate) fn lookup(token: &impl ExposeSecret<str>) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a str,
        }
        let token = token.expose_secret();
        Self::secret("auth/token/lookup", Effect::Read, &Body { token }, token.len())
    }

    /// Reads a path.
    pub(crate) fn read(path: &Path) -> Self {
        Self::get(path.to_string())
    }

    /// Reads a path whose answer is a lease: to read it again makes another one.
    pub(crate) fn lease(path: &Path) -> Self {
        Self { effect: Effect::Write, ..Self::read(path) }
    }

    /// Sets what is left of a lease. Its id is in the path, and not as `vaultrs` has it in the body: only so a policy can say which.
    pub(crate) fn renew_lease(id: &LeaseId, seconds: u64) -> Self {
        let body = serde_json::json!({ "increment": format!("{seconds}s") });
        Self::post(format!("sys/leases/renew/{id}"), &body)
    }

    /// Ends a lease, and is answered when that is done: as to its id see [`renew_lease`](Self::renew_lease).
    pub(crate) fn revoke_lease(id: &LeaseId) -> Self {
        Self::post(format!("sys/leases/revoke/{id}"), &serde_json::json!({ "sync": true }))
    }

    fn post(path: String, body: &serde_json::Value) -> Self {
        let body = Zeroizing::new(body.to_string().into_bytes());
        Self { method: Method::POST, path, body, effect: Effect::Write, rotation: None }
    }

    /// Logs in with an AppRole.
    pub(crate) fn log_in_approle(
        mount: &Mount,
        role_id: &impl ExposeSecret<str>,
        secret_id: Option<&impl ExposeSecret<str>>,
    ) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            role_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            secret_id: Option<&'a str>,
        }
        let (role_id, secret_id) = (role_id.expose_secret(), secret_id.map(ExposeSecret::expose_secret));
        let length = role_id.len() + secret_id.map_or(0, str::len);
        Self::secret(format!("auth/{mount}/login"), Effect::Write, &Body { role_id, secret_id }, length)
    }

    /// Logs in with a JSON web token.
    pub(crate) fn log_in_jwt(mount: &Mount, role: &Role, jwt: &impl ExposeSecret<str>) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            role: &'a str,
            jwt: &'a str,
        }
        let (role, jwt) = (role.to_string(), jwt.expose_secret());
        Self::secret(format!("auth/{mount}/login"), Effect::Write, &Body { role: &role, jwt }, role.len() + jwt.len())
    }

    /// Logs in with the certificate of the connection.
    pub(crate) fn log_in_certificate(mount: &Mount, role: Option<&Role>) -> Self {
        #[derive(Serialize)]
        struct Body {
            name: String,
        }
        let name = role.map(ToString::to_string).unwrap_or_default();
        let length = name.len();
        Self::secret(format!("auth/{mount}/login"), Effect::Write, &Body { name }, length)
    }

    /// Looks a secret id up by its value.
    pub(crate) fn lookup_secret_id(app: &App, secret_id: &impl ExposeSecret<str>) -> Self {
        let secret_id = secret_id.expose_secret();
        let path = format!("auth/{}/role/{}/secret-id/lookup", app.mount, app.role);
        Self::secret(path, Effect::Read, &SecretId { secret_id }, secret_id.len())
    }

    /// Makes a secret id of our own choice, so that one whose answer is lost is not lost itself.
    pub(crate) fn create_secret_id(app: &App, secret_id: &impl ExposeSecret<str>, generation: Generation, seconds: u64) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            secret_id: &'a str,
            metadata: String,
            ttl: String,
        }
        let secret_id = secret_id.expose_secret();
        let metadata = serde_json::json!({ "rotation": generation.to_string() }).to_string();
        let body = Body { secret_id, metadata, ttl: format!("{seconds}s") };
        let path = format!("auth/{}/role/{}/custom-secret-id", app.mount, app.role);
        Self { rotation: Some(generation), ..Self::secret(path, Effect::Write, &body, secret_id.len()) }
    }

    /// Ends a secret id by its value, whether there is one or not.
    pub(crate) fn destroy_secret_id(app: &App, secret_id: &impl ExposeSecret<str>) -> Self {
        let secret_id = secret_id.expose_secret();
        let path = format!("auth/{}/role/{}/secret-id/destroy", app.mount, app.role);
        Self::secret(path, Effect::EndNamed, &SecretId { secret_id }, secret_id.len())
    }

    /// Ends a secret id by its accessor.
    pub(crate) fn destroy_secret_id_accessor(app: &App, accessor: &str) -> Self {
        let (mount, role_name) = (app.mount.to_string(), app.role.to_string());
        let endpoint = DeleteSecretIDAccessorRequest { mount, role_name, secret_id_accessor: accessor.to_owned() };
        Self::of(&endpoint, Effect::EndNamed)
    }

    /// Looks a secret id up by its accessor.
    pub(crate) fn lookup_secret_id_accessor(app: &App, accessor: &str) -> Self {
        let (mount, role_name) = (app.mount.to_string(), app.role.to_string());
        let endpoint = ReadSecretIDAccessorRequest { mount, role_name, secret_id_accessor: accessor.to_owned() };
        Self::of(&endpoint, Effect::Read)
    }

    /// Lists the accessors of an AppRole's secret ids.
    pub(crate) fn list_secret_ids(app: &App) -> Self {
        Self::of(&ListSecretIDRequest { mount: app.mount.to_string(), role_name: app.role.to_string() }, Effect::Read)
    }

    /// Lists the accessors of all tokens.
    pub(crate) fn list_accessors() -> Self {
        Self::of(&ListAccessorRequest {}, Effect::Read)
    }

    /// Has a name hashed as an audit device does.
    pub(crate) fn audit_hash(device: &Mount, name: &str) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            input: &'a str,
        }
        Self::secret(format!("sys/audit-hash/{device}"), Effect::Read, &Body { input: name }, name.len())
    }

    /// Lists the audit devices.
    pub(crate) fn list_audits() -> Self {
        Self::get("sys/audit")
    }

    /// Asks a node whether it leads. Needs no right.
    pub(crate) fn leader() -> Self {
        Self::get("sys/leader")
    }
}

#[derive(Serialize)]
struct SecretId<'a> {
    secret_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_endpoint_says() {
        let role: Role = "rot".parse().expect("a name");
        let generation = Generation { incarnation: 1, number: 2 };
        let request = Request::create(&Through::Role(role), generation, 30, None);
        assert_eq!((request.method, request.path.as_str()), (Method::POST, "auth/token/create/rot"));
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!((&body["ttl"], &body["meta"]["rotation"]), (&"30s".into(), &"00000001-2".into()));
        let paths = [Request::renew_self(1).path, Request::revoke_self().path, Request::lookup_self().path];
        assert_eq!(paths, ["auth/token/renew-self", "auth/token/revoke-self", "auth/token/lookup-self"]);
    }

    #[test]
    fn a_body_with_a_secret_never_grows() {
        let token = secrecy::SecretString::from("\u{1}".repeat(500));
        let request = Request::lookup(&token);
        assert!(request.body.len() > 3000 && request.body.capacity() == 6 * 500 + 256);
    }
}
