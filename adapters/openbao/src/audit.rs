//! What the server itself saw.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use crate::Accessor;

/// Why an audit log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be read.
    #[error("the audit log {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The log.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A line is not an audit entry.
    #[error("line {line} of the audit log {} is not an audit entry: is it the log of another program?", path.display())]
    Malformed {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// A request the server has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When it was answered: RFC 3339, UTC, by the server's clock.
    pub at: String,
    /// The server's word for what was asked: `read`, `list`, `create`, `update`, `delete`.
    pub operation: String,
    /// The path asked for, without `/v1/`.
    pub path: String,
    /// The token that asked. `None` also if that token is dead: the server no longer knows its accessor.
    pub caller: Option<Accessor>,
    /// The token that the answer hands out: by minting, or by renewing.
    pub issued: Option<Accessor>,
    /// The error answered with, if it was one.
    pub error: Option<String>,
}

/// The answers in a server's audit log, oldest first.
///
/// The log does not tell of everything: a token's natural end, and what dies with a token, leave no trace in it.
#[derive(Debug, Clone)]
pub struct Audit(Vec<AuditEntry>);

impl Audit {
    /// Reads the log at `path`, which the server may be writing meanwhile: a last line without its end is not looked at.
    ///
    /// # Errors
    ///
    /// See [`AuditError`].
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let text = fs::read_to_string(path).map_err(|why| AuditError::Unreadable { path: path.to_owned(), why })?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut answers = Vec::new();
        for (index, line) in whole.lines().enumerate() {
            let malformed = || AuditError::Malformed { path: path.to_owned(), line: index + 1 };
            let value: Value = serde_json::from_str(line).map_err(|_| malformed())?;
            // Each request has a line of its own before that of the answer, which repeats it.
            match value["type"].as_str() {
                Some("response") => answers.push(entry(&value).ok_or_else(malformed)?),
                Some(_) => {}
                None => return Err(malformed()),
            }
        }
        Ok(Self(answers))
    }

    /// All answers.
    pub fn entries(&self) -> &[AuditEntry] {
        &self.0
    }

    /// The tokens minted through `role`.
    pub fn minted<'a>(&'a self, role: &str) -> impl Iterator<Item = &'a Accessor> + use<'a> {
        let path = format!("auth/token/create/{role}");
        self.0.iter().filter(move |entry| entry.path == path && entry.error.is_none()).filter_map(|entry| entry.issued.as_ref())
    }

    /// The tokens that ended their own life with `revoke-self`.
    pub fn revoked_self(&self) -> impl Iterator<Item = &Accessor> {
        let ended = |entry: &&AuditEntry| entry.path == "auth/token/revoke-self" && entry.error.is_none();
        self.0.iter().filter(ended).filter_map(|entry| entry.caller.as_ref())
    }

    /// The requests that were answered with an error.
    pub fn failed(&self) -> impl Iterator<Item = &AuditEntry> {
        self.0.iter().filter(|entry| entry.error.is_some())
    }
}

fn entry(line: &Value) -> Option<AuditEntry> {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(AuditEntry {
        at: text("/time")?,
        operation: text("/request/operation")?,
        path: text("/request/path")?,
        caller: text("/request/client_token_accessor").map(Accessor),
        issued: text("/response/auth/accessor").map(Accessor),
        error: text("/error"),
    })
}
