//! Plain requests, as a consumer makes them.

use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

/// One consumer's connections.
pub(crate) struct Http {
    agent: Agent,
    address: String,
}

impl Http {
    pub(crate) fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        Self { agent: config.into(), address: address.to_owned() }
    }

    /// The status and the body of an answer; the transport's words if there was none.
    pub(crate) fn get(&self, path: &str, token: &str) -> Result<(u16, Value), String> {
        let request = self.agent.get(self.url(path)).header("X-Vault-Token", token);
        read(request.call())
    }

    /// The same of a write.
    pub(crate) fn put(&self, path: &str, token: &str, body: &Value) -> Result<(u16, Value), String> {
        let request = self.agent.put(self.url(path)).header("X-Vault-Token", token);
        read(request.send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.address)
    }
}

fn read(answered: Result<Response<Body>, ureq::Error>) -> Result<(u16, Value), String> {
    let mut reply = answered.map_err(|why| why.to_string())?;
    let body = reply.body_mut().read_to_string().map_err(|why| why.to_string())?;
    Ok((reply.status().as_u16(), serde_json::from_str(&body).unwrap_or_default()))
}
