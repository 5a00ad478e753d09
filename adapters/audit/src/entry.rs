//! One line of the log.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What the header of a mint is called in the log.
const ROTATION: &str = "/headers/x-rotation-id/0";

/// What stands for a secret in the log: a hash, the same wherever the secret was. It is no secret itself.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Print(Arc<str>);

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Enough of it to tell it from others.
impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.0.rsplit(':').next().unwrap_or_default();
        f.write_str(hash.get(..12).unwrap_or(hash))
    }
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was not, in these words.
    Refused(Arc<str>),
    /// The log has the request without its answer: whether it was done is not known.
    Missing,
}

/// What an answer handed out or renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The token, or the secret id.
    pub print: Print,
    /// Its accessor, in clear or hashed, as the log has it.
    pub accessor: Option<Arc<str>>,
    /// How long it lives from then on; nothing for one without an end.
    pub life: Option<Duration>,
    /// The generation that its metadata name.
    pub rotation: Option<Arc<str>>,
    /// The role that its metadata name: of a login.
    pub role: Option<Arc<str>>,
}

/// What a request names in its body, hashed as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A token, or a secret id.
    Secret(Print),
    /// A token, or a secret id, by its accessor.
    Accessor(Arc<str>),
    /// A lease.
    Lease(Arc<str>),
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When it was answered, by the server's clock; when it came, if it was not.
    pub at: SystemTime,
    /// When it came.
    pub asked: SystemTime,
    /// The server's word for what was asked: `read`, `list`, `create`, `update`, `delete`.
    pub operation: Arc<str>,
    /// The path, without `/v1/`.
    pub path: Arc<str>,
    /// The token that the request bore, dead or alive.
    pub bearer: Option<Print>,
    /// The accessor of that token. Nothing if the token is of no use: dead, or its owner is disabled.
    pub caller: Option<Arc<str>>,
    /// The generation that the metadata of that token name.
    pub minted_for: Option<Arc<str>>,
    /// The header `X-Rotation-Id`.
    pub rotation: Option<Arc<str>>,
    /// What it names.
    pub named: Option<Named>,
    /// The answer.
    pub answer: Answer,
    /// Whether the token's policies allow what was asked; nothing if they were not asked.
    pub allowed: Option<bool>,
    /// Whether the server did what it was asked, and there was nothing to do it to.
    pub found_nothing: bool,
    /// What was handed out or renewed.
    pub made: Option<Made>,
    /// The lease that was taken, in clear.
    pub lease: Option<Arc<str>>,
}

impl Entry {
    /// The operation and the path.
    #[must_use]
    pub fn request(&self) -> String {
        format!("{} {}", self.operation, self.path)
    }

    /// Whether it was refused because the token that it bore is of no use: not because of what it asked for.
    #[must_use]
    pub fn bears_the_dead(&self) -> bool {
        matches!(self.answer, Answer::Refused(_)) && self.caller.is_none() && self.bearer.is_some()
    }
}

/// A line, as far as it is looked at. What it has beside this is of no account, and may be anything.
#[derive(Deserialize)]
struct Line {
    time: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    auth: Value,
    request: Value,
    #[serde(default)]
    response: Value,
    #[serde(default)]
    error: Option<String>,
}

/// What a line is.
pub(crate) enum Read {
    /// The announcement of a request.
    Asked { id: String, entry: Entry },
    /// The answer to one.
    Answered { id: String, entry: Entry },
}

/// Keeps one copy of what comes again and again.
#[derive(Default)]
pub(crate) struct Words(HashSet<Arc<str>>);

impl Words {
    fn keep(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(text) {
            return Arc::clone(kept);
        }
        let kept: Arc<str> = text.into();
        self.0.insert(Arc::clone(&kept));
        kept
    }

    /// A secret's hash; where the log has the secret itself, a hash of our own.
    fn print(&mut self, text: &str) -> Print {
        if text.starts_with("hmac-") {
            return Print(self.keep(text));
        }
        let hex = |byte: u8| [byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]));
        let hash: String = Sha256::digest(text).into_iter().flat_map(hex).collect();
        Print(self.keep(&format!("sha256:{hash}")))
    }
}

/// Reads one line; nothing if it is none of an audit log.
pub(crate) fn read(line: &[u8], words: &mut Words) -> Option<Read> {
    let Line { time, kind, auth, request, response, error } = serde_json::from_slice(line).ok()?;
    let at = humantime::parse_rfc3339(&time).ok()?;
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let id = text(&request, "/id")?;
    let mut word = |value: &Value, pointer: &str| text(value, pointer).map(|text| words.keep(&text));
    let warned = response["warnings"].as_array().is_some_and(|all| all.iter().any(says_nothing_found));
    let not_found = response["data"]["http_status_code"] == 404;
    let mut entry = Entry {
        at,
        asked: at,
        operation: word(&request, "/operation")?,
        path: word(&request, "/path")?,
        bearer: None,
        caller: word(&request, "/client_token_accessor"),
        minted_for: word(&auth, "/metadata/rotation"),
        rotation: word(&request, ROTATION),
        named: None,
        answer: Answer::Missing,
        allowed: auth["policy_results"]["allowed"].as_bool(),
        found_nothing: warned || not_found,
        made: None,
        lease: word(&response, "/secret/lease_id"),
    };
    entry.bearer = text(&request, "/client_token").map(|token| words.print(&token));
    entry.named = named(&request["data"], words);
    if kind == "request" {
        return Some(Read::Asked { id, entry });
    }
    entry.answer = error.filter(|error| !error.is_empty()).map_or(Answer::Done, |error| Answer::Refused(words.keep(&error)));
    if entry.answer == Answer::Done {
        entry.made = made(&response, words);
    }
    (kind == "response").then_some(Read::Answered { id, entry })
}

fn says_nothing_found(warning: &Value) -> bool {
    warning.as_str().is_some_and(|text| text.starts_with("No token found"))
}

fn named(data: &Value, words: &mut Words) -> Option<Named> {
    let text = |key: &str| data[key].as_str().filter(|text| !text.is_empty());
    if let Some(secret) = text("token").or_else(|| text("secret_id")) {
        return Some(Named::Secret(words.print(secret)));
    }
    if let Some(accessor) = text("accessor").or_else(|| text("secret_id_accessor")) {
        return Some(Named::Accessor(words.keep(accessor)));
    }
    text("lease_id").map(|lease| Named::Lease(words.keep(lease)))
}

fn made(response: &Value, words: &mut Words) -> Option<Made> {
    let (auth, data) = (&response["auth"], &response["data"]);
    let life = |seconds: &Value| seconds.as_u64().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let mut word = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(|text| words.keep(text));
    if let Some(token) = auth["client_token"].as_str() {
        let metadata = &auth["metadata"];
        let role = ["role_name", "role", "cert_name"].iter().find_map(|name| word(&metadata[*name]));
        let (accessor, rotation) = (word(&auth["accessor"]), word(&metadata["rotation"]));
        return Some(Made { print: words.print(token), accessor, life: life(&auth["token_ttl"]), rotation, role });
    }
    let accessor = word(&data["secret_id_accessor"]);
    let secret = data["secret_id"].as_str()?;
    Some(Made { print: words.print(secret), accessor, life: life(&data["secret_id_ttl"]), rotation: None, role: None })
}
