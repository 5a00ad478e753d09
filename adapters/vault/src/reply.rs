//! What servers answer, and what it means.

use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use turquoise_runtime::port::{Reason, Reply};

/// How a call failed. The texts are for a person; secrets are kept out of them by [`Failure::hide`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server said no: nothing was done.
    #[error("the server answered {status}: {words}")]
    Refused { status: StatusCode, words: String },
    /// We say no: what there is is not what may be rotated.
    #[error("{0}")]
    Unfit(String),
    /// Certainly not done.
    #[error("{0}")]
    Unavailable(String),
    /// Perhaps done.
    #[error("{0}")]
    Unknown(String),
}

impl Failure {
    /// Strikes a secret out of the words, should a server or something before it have echoed it.
    pub(crate) fn hide(self, secret: &Secret) -> Self {
        let strike = |text: String| match secret.expose_secret() {
            "" => text,
            secret => text.replace(secret, "(hidden)"),
        };
        match self {
            Self::Refused { status, words } => Self::Refused { status, words: strike(words) },
            Self::Unfit(text) => Self::Unfit(strike(text)),
            Self::Unavailable(text) => Self::Unavailable(strike(text)),
            Self::Unknown(text) => Self::Unknown(strike(text)),
        }
    }
}

/// The port's answer, its reason introduced by what was being done.
pub(crate) fn answer<T>(doing: &str, result: Result<T, Failure>) -> Reply<T> {
    let failure = match result {
        Ok(value) => return Reply::Applied(value),
        Err(failure) => failure,
    };
    let reason = Reason(shorten(&format!("{doing}: {failure}")));
    match failure {
        Failure::Refused { .. } | Failure::Unfit(_) => Reply::Refused(reason),
        Failure::Unavailable(_) => Reply::Unavailable(reason),
        Failure::Unknown(_) => Reply::Unknown(reason),
    }
}

/// The body of a refusal. A 404 of a versioned secret has no `errors`.
#[derive(Deserialize)]
struct Told {
    errors: Option<Vec<String>>,
}

/// These come as 500, but no retry will change them: the renewed token itself has met its end.
const PERMANENT: [&str; 3] = ["past the max TTL", "could not be found, not renewing", "does not exist during renewal"];

/// These come as 400, but the write may have been done: the leader was stepping down.
const INTERRUPTED: [&str; 2] = ["context canceled", "context deadline exceeded"];

/// Whether a reply says that the request was done, and if not, what is certain.
///
/// Only what the server itself says counts as a no: a gateway before it may have forwarded the request and then lost
/// patience. A redirect was seen to answer writes that had been applied.
pub(crate) fn classify(status: StatusCode, body: &[u8]) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let told = serde_json::from_slice::<Told>(body).ok();
    let from_server = told.is_some();
    let errors = told.and_then(|told| told.errors);
    let said_why = errors.is_some();
    let words = words(&errors.unwrap_or_default());
    let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    let text = || format!("the server answered {status}: {words}");
    Err(match status.as_u16() {
        408 => Failure::Unknown(text()),
        // Not initialised; a needed index that the node has not reached; throttled; a node that does not lead.
        501 | 412 | 429 | 472 | 473 => Failure::Unavailable(text()),
        503 if said_why => Failure::Unavailable(text()),
        500 if says(&PERMANENT) => Failure::Refused { status, words },
        400..=499 if from_server && !says(&INTERRUPTED) => Failure::Refused { status, words },
        300..=399 => Failure::Unknown(format!("the server answered {status}, a redirect: not followed, perhaps done")),
        _ => Failure::Unknown(text()),
    })
}

/// The server's words on one line, with nothing in them that a terminal would obey. Not shortened yet: of a secret that
/// is cut in two, [`Failure::hide`] would find neither half.
pub(crate) fn words(said: &[String]) -> String {
    let on_one_line = |text: &String| {
        let parts = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" ")
    };
    let line = said.iter().map(on_one_line).collect::<Vec<_>>().join("; ");
    if line.is_empty() { "(no words)".to_owned() } else { line }
}

/// A text fit for a log.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 600;
    text.chars().take(LONGEST).collect()
}

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
}

/// The reply to `sys/leader`.
#[derive(Deserialize)]
pub(crate) struct Leadership {
    pub(crate) ha_enabled: bool,
    #[serde(default)]
    pub(crate) is_self: bool,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> &'static str {
        match classify(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            Ok(()) => "done",
            Err(Failure::Refused { .. }) => "refused",
            Err(Failure::Unfit(_)) => "unfit",
            Err(Failure::Unavailable(_)) => "unavailable",
            Err(Failure::Unknown(_)) => "unknown",
        }
    }

    /// The bodies are what servers were seen to answer.
    #[test]
    fn an_answer_is_a_no_only_if_the_server_itself_says_so() {
        let table = [
            (200, "{}", "done"),
            (204, "", "done"),
            (400, r#"{"errors":["lease is not renewable"]}"#, "refused"),
            (400, r#"{"errors":["failed to persist entry: context canceled"]}"#, "unknown"),
            (400, "<html>bad request</html>", "unknown"),
            (403, r#"{"errors":["permission denied"]}"#, "refused"),
            (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, "refused"),
            (403, "", "unknown"),
            (404, r#"{"errors":[]}"#, "refused"),
            (404, r#"{"data":{"data":null,"metadata":{"deletion_time":"x"}}}"#, "refused"),
            (408, r#"{"errors":["timeout"]}"#, "unknown"),
            (412, r#"{"errors":["required index state not present"]}"#, "unavailable"),
            (429, r#"{"errors":["request path \"auth/token/create\": rate limit quota exceeded"]}"#, "unavailable"),
            (429, r#"{"errors":[]}"#, "unavailable"),
            (472, "", "unavailable"),
            (473, "", "unavailable"),
            (307, "", "unknown"),
            (500, r#"{"errors":["internal error"]}"#, "unknown"),
            (500, r#"{"errors":["local node not active but active cluster node not found"]}"#, "unknown"),
            (500, r#"{"errors":["past the max TTL, cannot renew"]}"#, "refused"),
            (
                500,
                r#"{"errors":["failed to renew entry: original token role \"tmp\" could not be found, not renewing"]}"#,
                "refused",
            ),
            (500, r#"{"errors":["role \"x\" does not exist during renewal"]}"#, "refused"),
            (501, r#"{"errors":["not initialized"]}"#, "unavailable"),
            (502, "<html>bad gateway</html>", "unknown"),
            (503, r#"{"errors":["Vault is sealed"]}"#, "unavailable"),
            (503, "upstream connect error or disconnect/reset before headers", "unknown"),
            (504, "", "unknown"),
        ];
        for (status, body, expected) in table {
            assert_eq!(class(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn words_are_one_line_that_no_terminal_obeys() {
        let said = ["1 error occurred:\n\t* permission denied\n\n".to_owned(), "\u{1b}[31mred".to_owned()];
        assert_eq!(words(&said), "1 error occurred: * permission denied; [31mred");
        assert_eq!(words(&[]), "(no words)");
    }
}
