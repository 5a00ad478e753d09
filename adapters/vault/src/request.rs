//! The requests that a rotation makes, all seven of them.
//!
//! Typed by hand: `vaultrs` has types for five of them, but keeps tokens in plain strings, brings in a second HTTP client,
//! and drops from the replies the warnings and half of what must be compared.

use http::Method;
use serde::Serialize;
use serde_json::json;
use turquoise_runtime::core::Generation;
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use zeroize::Zeroizing;

use crate::config::{Path, Role};

/// What a request does to the server's state. A write is always answered by the node that leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Read,
    /// It changes something.
    Write,
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
    fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Zeroizing::default(), effect: Effect::Read, rotation: None }
    }

    fn post(path: impl Into<String>, body: &serde_json::Value) -> Self {
        let body = Zeroizing::new(body.to_string().into_bytes());
        Self { method: Method::POST, path: path.into(), body, effect: Effect::Write, rotation: None }
    }

    /// Mints a token through a role, named after its generation.
    pub(crate) fn create(role: &Role, generation: Generation, seconds: u64) -> Self {
        let body = json!({
            "ttl": format!("{seconds}s"),
            "renewable": true,
            "display_name": format!("turquoise-{generation}"),
            "meta": { "rotation": generation.to_string() },
        });
        Self { rotation: Some(generation), ..Self::post(format!("auth/token/create/{role}"), &body) }
    }

    /// Sets what is left of the caller's life. Without an increment the server would apply the last one again.
    pub(crate) fn renew_self(seconds: u64) -> Self {
        Self::post("auth/token/renew-self", &json!({ "increment": format!("{seconds}s") }))
    }

    /// Ends the caller.
    pub(crate) fn revoke_self() -> Self {
        Self::post("auth/token/revoke-self", &json!({}))
    }

    /// Looks the caller up.
    pub(crate) fn lookup_self() -> Self {
        Self::get("auth/token/lookup-self")
    }

    /// Looks a token up by its value.
    pub(crate) fn lookup(token: &Secret) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a str,
        }
        const LONGEST_ESCAPE: usize = 6;
        let token = token.expose_secret();
        // Of a buffer that grows, a copy is left where nobody wipes it.
        let mut body = Zeroizing::new(Vec::with_capacity(LONGEST_ESCAPE * token.len() + 32));
        serde_json::to_writer(&mut *body, &Body { token }).expect("a vector takes all that is written to it");
        Self { method: Method::POST, body, ..Self::get("auth/token/lookup") }
    }

    /// Reads a path.
    pub(crate) fn read(path: &Path) -> Self {
        Self::get(path.to_string())
    }

    /// Asks a node whether it leads. Needs no right.
    pub(crate) fn leader() -> Self {
        Self::get("sys/leader")
    }
}
