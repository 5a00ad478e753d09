//! The server's own log, in more detail than the demo needs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;
use turquoise_openbao::Server;

/// One answered request.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// `update auth/token/create/ROLE`
    pub(crate) request: String,
    /// The accessor of the token that asked; none if that is dead.
    pub(crate) caller: Option<String>,
    /// The accessor of the token that was handed out.
    pub(crate) issued: Option<String>,
    pub(crate) error: Option<String>,
    /// The header `X-Rotation-Id`.
    pub(crate) rotation: Option<String>,
    /// What the token that asked was minted for, as its metadata say.
    pub(crate) minted_for: Option<String>,
}

/// Everything but the work of consumers, oldest first.
pub(crate) fn read(server: &Server) -> Vec<Answered> {
    read_file(&server.audit_log())
}

/// The same of the log of one node.
pub(crate) fn read_file(log: &Path) -> Vec<Answered> {
    let lines = BufReader::new(fs::File::open(log).unwrap()).lines().map_while(Result::ok);
    // The last line may not be whole yet: it is not ours, as we have had all our answers.
    lines
        .filter(|line| !line.contains(crate::site::WORK))
        .filter_map(|line| answered(&serde_json::from_str(&line).ok()?))
        .collect()
}

fn answered(line: &Value) -> Option<Answered> {
    if line["type"] != "response" {
        return None;
    }
    let text = |pointer: &str| line.pointer(pointer)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Answered {
        request: format!("{} {}", text("/request/operation")?, text("/request/path")?),
        caller: text("/request/client_token_accessor"),
        issued: text("/response/auth/accessor"),
        error: text("/error"),
        rotation: text("/request/headers/x-rotation-id/0"),
        minted_for: text("/auth/metadata/rotation"),
    })
}

/// The accessors of all tokens minted through a role, in order.
pub(crate) fn minted<'a>(log: &'a [Answered], role: &str) -> Vec<&'a str> {
    let create = format!("update auth/token/create/{role}");
    log.iter().filter(|line| line.request == create).filter_map(|line| line.issued.as_deref()).collect()
}
