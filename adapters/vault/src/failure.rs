//! What servers refuse, and what is then known.

use std::fmt::Display;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
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
    /// Certainly not done: another node, or a later hour, may do it.
    #[error("{0}")]
    Unavailable(String),
    /// Certainly not done: too many were asked for. Another node would say the same.
    #[error("{text}")]
    Throttled { text: String, retry_after: Option<Duration> },
    /// Perhaps done.
    #[error("{0}")]
    Unknown(String),
}

impl Failure {
    /// Whether a token that lives was refused for want of a right: the server's words then differ from those for a token that
    /// it does not know. Nothing documents the difference.
    pub(crate) fn is_denial(&self) -> bool {
        let Self::Refused { status: StatusCode::FORBIDDEN, words } = self else { return false };
        words.contains("* permission denied") && !words.contains("invalid token")
    }

    /// Says of what it is.
    pub(crate) fn at(self, what: &impl Display) -> Self {
        let text = format!("reading {what}: {self}");
        match self {
            Self::Refused { .. } | Self::Unfit(_) => Self::Unfit(text),
            Self::Unavailable(_) => Self::Unavailable(text),
            Self::Throttled { retry_after, .. } => Self::Throttled { text, retry_after },
            Self::Unknown(_) => Self::Unknown(text),
        }
    }

    /// Strikes a secret out of the words, should a server or something before it have echoed it.
    pub(crate) fn hide(self, secret: &impl ExposeSecret<str>) -> Self {
        let strike = |text: String| match secret.expose_secret() {
            "" => text,
            secret => text.replace(secret, "(hidden)"),
        };
        match self {
            Self::Refused { status, words } => Self::Refused { status, words: strike(words) },
            Self::Unfit(text) => Self::Unfit(strike(text)),
            Self::Unavailable(text) => Self::Unavailable(strike(text)),
            Self::Throttled { text, retry_after } => Self::Throttled { text: strike(text), retry_after },
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
        Failure::Throttled { retry_after, .. } => Reply::Throttled { reason, retry_after },
        Failure::Unknown(_) => Reply::Unknown(reason),
    }
}

/// The body of a refusal. A 404 of a versioned secret has no `errors`.
#[derive(Deserialize)]
struct Told {
    errors: Option<Vec<String>>,
}

/// These come as 500, but no retry will change them: what was asked about has met its end.
const PERMANENT: [&str; 4] = [
    "past the max TTL",
    "could not be found, not renewing",
    "does not exist during renewal",
    "failed to find accessor entry for secret_id_accessor",
];

/// These come as 400, but the write may have been done: the leader was stepping down.
const INTERRUPTED: [&str; 2] = ["context canceled", "context deadline exceeded"];

/// Whether a reply says that the request was done, and if not, what is certain.
///
/// Only what the server itself says counts as a no: a gateway before it may have forwarded the request and then lost
/// patience. A redirect was seen to answer writes that had been applied.
///
/// There are three kinds of 429: a quota of the cluster's (throttled), a node that lags behind the index asked for (another
/// one may not), and a gateway's, which has words of its own and passes nothing on (throttled).
pub(crate) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), Failure> {
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
        429 if !(from_server && words == NO_WORDS) => Failure::Throttled { text: text(), retry_after: retry_after(headers) },
        // A needed index that the node has not reached (429, 412); not initialised; a node that does not lead.
        429 | 412 | 501 | 472 | 473 => Failure::Unavailable(text()),
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
    if line.is_empty() { NO_WORDS.to_owned() } else { line }
}

/// A refusal without errors.
pub(crate) const NO_WORDS: &str = "(no words)";

/// In seconds, as these servers write it; another way of writing counts as nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A text fit for a log.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 600;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> &'static str {
        match classify(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes()) {
            Ok(()) => "done",
            Err(Failure::Refused { .. }) => "refused",
            Err(Failure::Unfit(_)) => "unfit",
            Err(Failure::Unavailable(_)) => "unavailable",
            Err(Failure::Throttled { .. }) => "throttled",
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
            (429, r#"{"errors":["request path \"auth/token/create\": rate limit quota exceeded"]}"#, "throttled"),
            (429, r#"{"errors":["1 error occurred:\n\t* lease count quota exceeded\n\n"]}"#, "throttled"),
            (429, "slow down", "throttled"),
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
            (500, r#"{"errors":["failed to find accessor entry for secret_id_accessor: \"x\""]}"#, "refused"),
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
    fn how_long_to_wait_is_what_the_server_says() {
        let throttled = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static(value))]);
            match classify(StatusCode::TOO_MANY_REQUESTS, &headers, br#"{"errors":["quota"]}"#) {
                Err(Failure::Throttled { retry_after, .. }) => retry_after,
                _ => panic!("not throttled"),
            }
        };
        assert_eq!(throttled("7"), Some(Duration::from_secs(7)));
        for other in ["", "soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(throttled(other), None, "{other:?}");
        }
    }

    #[test]
    fn words_are_one_line_that_no_terminal_obeys() {
        let said = ["1 error occurred:\n\t* permission denied\n\n".to_owned(), "\u{1b}[31mred".to_owned()];
        assert_eq!(words(&said), "1 error occurred: * permission denied; [31mred");
        assert_eq!(words(&[]), "(no words)");
    }
}
