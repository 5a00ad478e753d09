//! What servers tell, parsed.

use std::collections::HashMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Parses the body of a success. The parser's own complaint may quote the body, so only its place is told.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let place = |e: serde_json::Error| format!("the reply is not as expected (at column {} of {})", e.column(), body.len());
    serde_json::from_slice(body).map_err(|e| Failure::Unknown(place(e)))
}

/// The reply to create and renew-self.
#[derive(Deserialize)]
pub(crate) struct Authenticated {
    pub(crate) auth: Token,
    pub(crate) warnings: Option<Vec<String>>,
}

/// The reply to lookup and lookup-self.
#[derive(Deserialize)]
pub(crate) struct Looked {
    pub(crate) data: Token,
}

/// What a server tells of a token. What is left out counts as unfit, not as unparsable: a new token can then be ended.
#[derive(Deserialize)]
pub(crate) struct Token {
    /// In the reply to create.
    #[serde(rename = "client_token")]
    pub(crate) secret: Option<SecretString>,
    #[serde(default)]
    pub(crate) accessor: String,
    /// In seconds. Renewing may come to less than was asked, if something caps it.
    #[serde(alias = "lease_duration")]
    pub(crate) ttl: u64,
    #[serde(rename = "type", alias = "token_type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) orphan: bool,
    #[serde(default)]
    pub(crate) renewable: bool,
    /// Negative in the last use of one that is limited.
    #[serde(default)]
    pub(crate) num_uses: i64,
    #[serde(default)]
    pub(crate) period: u64,
    #[serde(default)]
    pub(crate) explicit_max_ttl: u64,
    pub(crate) policies: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) entity_id: String,
}

/// The reply to `sys/leader`.
#[derive(Deserialize)]
pub(crate) struct Leadership {
    pub(crate) ha_enabled: bool,
    #[serde(default)]
    pub(crate) is_self: bool,
    /// As the leader's own configuration has it.
    #[serde(default)]
    pub(crate) leader_address: String,
}

/// The reply to the making or the lookup of a secret id.
#[derive(Deserialize)]
pub(crate) struct SecretIdLooked {
    pub(crate) data: SecretId,
    pub(crate) warnings: Option<Vec<String>>,
}

/// What a server tells of a secret id.
#[derive(Deserialize)]
pub(crate) struct SecretId {
    #[serde(rename = "secret_id_num_uses", default)]
    pub(crate) uses: u64,
    #[serde(rename = "secret_id_accessor", default)]
    pub(crate) accessor: String,
    /// In seconds; none if it has no end.
    #[serde(rename = "secret_id_ttl", default)]
    pub(crate) ttl: u64,
    #[serde(default)]
    pub(crate) metadata: Option<HashMap<String, String>>,
    /// In a lookup, by the server's clock.
    #[serde(default)]
    pub(crate) expiration_time: String,
}

/// The reply to the reading or the renewal of what is leased. What is not has no id.
#[derive(Deserialize)]
pub(crate) struct Leased {
    pub(crate) lease_id: String,
    /// In seconds.
    pub(crate) lease_duration: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
}

/// A reply of which only the data matter.
#[derive(Deserialize)]
pub(crate) struct Wrapped<T> {
    pub(crate) data: T,
}

/// The reply to a listing.
#[derive(Deserialize)]
pub(crate) struct Listed {
    pub(crate) data: Keys,
}

/// What is listed.
#[derive(Deserialize)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<String>,
}

/// The reply to the lookup of a token whose origin matters.
#[derive(Deserialize)]
pub(crate) struct Traced {
    pub(crate) data: Origin,
}

/// Where a token comes from.
#[derive(Deserialize)]
pub(crate) struct Origin {
    #[serde(default)]
    pub(crate) path: String,
    pub(crate) meta: Option<HashMap<String, String>>,
}

impl Origin {
    /// For which rotation it was made, if it was by one.
    pub(crate) fn rotation(&self) -> Option<&str> {
        self.meta.as_ref()?.get("rotation").map(String::as_str)
    }
}
