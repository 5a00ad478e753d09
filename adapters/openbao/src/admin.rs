//! Talking to the server as its administrator.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use thiserror::Error;
use ureq::{Agent, Body, http};

use crate::Server;

/// Longer than anything the server does here takes, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Why an administrator's request was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// No answer came, so whether it was done is unknown.
    #[error("no answer from the server to {request}: {why}; see that it runs")]
    Unreachable {
        /// Method and path.
        request: String,
        /// What the connection said.
        why: String,
    },
    /// The server is sealed.
    #[error("the server is sealed and does nothing, not {request} either: unseal it first")]
    Sealed {
        /// Method and path.
        request: String,
    },
    /// The server refused.
    #[error("the server refused {request} with status {status}: {words}")]
    Refused {
        /// Method and path.
        request: String,
        /// HTTP status.
        status: u16,
        /// The server's own words.
        words: String,
    },
    /// The server answered, but not with what is needed.
    #[error("the server's answer to {request} lacks {what}; is it OpenBao or Vault?")]
    Incomplete {
        /// Method and path.
        request: String,
        /// What is missing.
        what: &'static str,
    },
}

/// A token's accessor: names the token, grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accessor(pub(crate) String);

impl Accessor {
    /// The accessor as the server writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Accessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token the server minted.
#[derive(Debug)]
pub struct Minted {
    /// The token itself.
    pub token: SecretString,
    /// What names it in the audit log.
    pub accessor: Accessor,
}

/// HTTP to one server. No connection outlives a request: the server behind the address is restarted at will.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    address: String,
}

impl Client {
    pub(crate) fn new(address: String) -> Self {
        let config = Agent::config_builder()
            .proxy(None) // the server is on this machine, whatever the environment says of proxies
            .allow_non_standard_methods(true) // LIST
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { agent: config.into(), address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The status `sys/health` answers with: 200 active, 429 standby, 501 not initialised, 503 sealed.
    pub(crate) fn health(&self) -> Result<u16, AdminError> {
        self.send("GET", "sys/health", None, &Value::Null).map(|reply| reply.status().as_u16())
    }

    /// The body of a success, `Null` if it has none.
    pub(crate) fn call(&self, method: &str, path: &str, token: Option<&SecretString>, body: &Value) -> Result<Value, AdminError> {
        let request = || format!("{method} {path}");
        let mut reply = self.send(method, path, token, body)?;
        let text = reply.body_mut().read_to_string();
        let text = text.map_err(|error| AdminError::Unreachable { request: request(), why: error.to_string() })?;
        let status = reply.status();
        if status.is_success() {
            return if text.is_empty() {
                Ok(Value::Null)
            } else {
                serde_json::from_str(&text).map_err(|_| AdminError::Incomplete { request: request(), what: "JSON" })
            };
        }
        let words = words(&text);
        Err(if status == 503 && words.contains("sealed") {
            AdminError::Sealed { request: request() }
        } else {
            AdminError::Refused { request: request(), status: status.as_u16(), words }
        })
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&SecretString>,
        body: &Value,
    ) -> Result<http::Response<Body>, AdminError> {
        let unreachable = |why: String| AdminError::Unreachable { request: format!("{method} {path}"), why };
        let mut request = http::Request::builder().method(method).uri(format!("{}/v1/{path}", self.address));
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token.expose_secret());
        }
        let sent = if body.is_null() {
            request.body(()).map(|request| self.agent.run(request))
        } else {
            request.body(body.to_string()).map(|request| self.agent.run(request))
        };
        sent.map_err(|error| unreachable(error.to_string()))?.map_err(|error| unreachable(error.to_string()))
    }
}

/// The server's words in an answer, on one line, whatever lines it wrapped them over.
fn words(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let words = answer["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    words.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// What can be asked as root, of a server or of the node of a cluster that leads just now.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    pub(crate) client: &'a Client,
    pub(crate) token: &'a SecretString,
}

impl Root<'_> {
    /// Where it is asked: `http://127.0.0.1:<port>`.
    pub fn address(&self) -> &str {
        self.client.address()
    }

    /// Does a request. `path` is without `/v1/`, `body` is `Null` for none, and so is the answer. A listing's `method` is `LIST`.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Result<Value, AdminError> {
        self.client.call(method, path, Some(self.token), body)
    }

    /// Mounts a key-value engine, version 2, at `secret/`, and waits until it serves.
    ///
    /// # Errors
    ///
    /// See [`AdminError`]; also if something is mounted there already.
    pub fn enable_kv(&self) -> Result<(), AdminError> {
        self.admin("POST", "sys/mounts/secret", &json!({"type": "kv", "options": {"version": "2"}}))?;
        let deadline = Instant::now() + PATIENCE;
        // A version 2 engine is first prepared in the background, and refuses everything until that is done.
        loop {
            match self.admin("GET", "secret/config", &Value::Null) {
                Err(AdminError::Refused { .. }) if Instant::now() < deadline => thread::sleep(POLL),
                other => return other.map(drop),
            }
        }
    }

    /// Writes `value`, a JSON object, as the next version of the secret at `secret/<path>`.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn write_secret(&self, path: &str, value: &Value) -> Result<(), AdminError> {
        self.admin("POST", &format!("secret/data/{path}"), &json!({"data": value})).map(drop)
    }

    /// Writes the policy `name` with `rules` in the server's policy language. It acts at once, also on tokens that live.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn write_policy(&self, name: &str, rules: &str) -> Result<(), AdminError> {
        self.admin("POST", &format!("sys/policies/acl/{name}"), &json!({"policy": rules})).map(drop)
    }

    /// Writes the token role `role`: service tokens without parent that carry the given policies and no default one.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn write_token_role(&self, role: &str, policies: &[&str]) -> Result<(), AdminError> {
        let rules = json!({
            "orphan": true,
            "allowed_policies": policies,
            "token_no_default_policy": true,
            "token_type": "service",
        });
        self.admin("POST", &format!("auth/token/roles/{role}"), &rules).map(drop)
    }

    /// Mints a token through `role`, with all the role's policies, to live `ttl` (whole seconds; the rest is cut off).
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn mint(&self, role: &str, ttl: Duration) -> Result<Minted, AdminError> {
        let path = format!("auth/token/create/{role}");
        let mut reply = self.admin("POST", &path, &json!({"ttl": format!("{}s", ttl.as_secs())}))?;
        let mut auth = |field: &'static str| match reply["auth"][field].take() {
            Value::String(value) => Ok(value),
            _ => Err(AdminError::Incomplete { request: format!("POST {path}"), what: field }),
        };
        Ok(Minted { token: auth("client_token")?.into(), accessor: Accessor(auth("accessor")?) })
    }

    /// How many tokens minted through `role` are alive, by the server's own list of leases.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn live_tokens(&self, role: &str) -> Result<usize, AdminError> {
        let path = format!("sys/leases/lookup/auth/token/create/{role}");
        match self.admin("LIST", &path, &Value::Null) {
            Ok(reply) => match &reply["data"]["keys"] {
                Value::Array(keys) => Ok(keys.len()),
                _ => Err(AdminError::Incomplete { request: format!("LIST {path}"), what: "keys" }),
            },
            // The server has no empty lists.
            Err(AdminError::Refused { status: 404, .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// What a demonstration or a test of a rotation sets up, as root.
impl Server {
    /// Mounts a key-value engine, version 2, at `secret/`, and waits until it serves.
    ///
    /// # Errors
    ///
    /// See [`AdminError`]; also if something is mounted there already.
    pub fn enable_kv(&self) -> Result<(), AdminError> {
        self.root().enable_kv()
    }

    /// Writes `value`, a JSON object, as the next version of the secret at `secret/<path>`.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn write_secret(&self, path: &str, value: &Value) -> Result<(), AdminError> {
        self.root().write_secret(path, value)
    }

    /// Writes the policy `name` with `rules` in the server's policy language. It acts at once, also on tokens that live.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn write_policy(&self, name: &str, rules: &str) -> Result<(), AdminError> {
        self.root().write_policy(name, rules)
    }

    /// Writes the token role `role`: service tokens without parent that carry the given policies and no default one.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn write_token_role(&self, role: &str, policies: &[&str]) -> Result<(), AdminError> {
        self.root().write_token_role(role, policies)
    }

    /// Mints a token through `role`, with all the role's policies, to live `ttl` (whole seconds; the rest is cut off).
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn mint(&self, role: &str, ttl: Duration) -> Result<Minted, AdminError> {
        self.root().mint(role, ttl)
    }

    /// How many tokens minted through `role` are alive, by the server's own list of leases.
    ///
    /// # Errors
    ///
    /// See [`AdminError`].
    pub fn live_tokens(&self, role: &str) -> Result<usize, AdminError> {
        self.root().live_tokens(role)
    }
}
