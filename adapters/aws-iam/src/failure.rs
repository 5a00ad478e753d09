//! What AWS refuses, and what is then known.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use roxmltree::Document;
use secrecy::ExposeSecret;
use turquoise_http::{Answer, Missed};
use turquoise_runtime::port::{Reason, Reply};

use crate::reply::text_of;
use crate::sign::NotSigned;

/// How a call failed. The texts are for a person; secrets are kept out of them by [`Failure::hide`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// AWS said no: nothing was done.
    #[error("AWS answered {code}: {words}")]
    Refused { code: String, words: String },
    /// We say no.
    #[error("{0}")]
    Unfit(String),
    /// Certainly not done: a later hour may do it.
    #[error("{0}")]
    Unavailable(String),
    /// Certainly not done: too many were asked for.
    #[error("{text}")]
    Throttled { text: String, retry_after: Option<Duration> },
    /// Perhaps done.
    #[error("{0}")]
    Unknown(String),
}

impl From<Missed> for Failure {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Unsent(why) => Self::Unavailable(why),
            Missed::Unknown(why) => Self::Unknown(why),
        }
    }
}

impl From<NotSigned> for Failure {
    fn from(why: NotSigned) -> Self {
        Self::Unfit(why.to_string())
    }
}

impl Failure {
    /// Whether AWS said no with this code.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Of a request on the way to another one: whatever became of it, what was wanted was not asked for, or was refused.
    pub(crate) fn unasked(self) -> Self {
        match self {
            Self::Unknown(why) => Self::Unavailable(why),
            other => other,
        }
    }

    /// Strikes a secret out of the words, should anybody have echoed it.
    pub(crate) fn hide(self, secret: &impl ExposeSecret<str>) -> Self {
        let strike = |text: String| match secret.expose_secret() {
            "" => text,
            secret => text.replace(secret, "(hidden)"),
        };
        match self {
            Self::Refused { code, words } => Self::Refused { code: strike(code), words: strike(words) },
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
    let reason = Reason(format!("{doing}: {failure}").chars().take(600).collect());
    match failure {
        Failure::Refused { .. } | Failure::Unfit(_) => Reply::Refused(reason),
        Failure::Unavailable(_) => Reply::Unavailable(reason),
        Failure::Throttled { retry_after, .. } => Reply::Throttled { reason, retry_after },
        Failure::Unknown(_) => Reply::Unknown(reason),
    }
}

/// Nothing was done, and it is not the key's fault: too many requests.
const THROTTLED: [&str; 5] =
    ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"];

/// Nothing was done, and it is not the key's fault: another change was under way, or the two clocks differ.
const LATER: [&str; 5] =
    ["ConcurrentModification", "EntityTemporarilyUnmodifiable", "RequestExpired", "RequestTimeTooSkewed", "ServiceUnavailable"];

/// Whether an answer says that the request was done, and if not, what is certain. Only what AWS itself says counts as a no: a
/// gateway before it may have passed the request on.
pub(crate) fn classify(answer: &Answer) -> Result<(), Failure> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let body = str::from_utf8(&answer.body).unwrap_or_default();
    let told =
        Document::parse(body).ok().and_then(|xml| Some((text_of(&xml, "Code")?, text_of(&xml, "Message").unwrap_or_default())));
    let Some((code, message)) = told else {
        let text = format!("the answer is {status}, and not in words of AWS's");
        return Err(match status {
            StatusCode::TOO_MANY_REQUESTS => Failure::Throttled { text, retry_after: retry_after(&answer.headers) },
            _ => Failure::Unknown(text),
        });
    };
    let words = on_one_line(&message);
    let text = format!("AWS answered {code}: {words}");
    Err(match code.as_str() {
        code if THROTTLED.contains(&code) => Failure::Throttled { text, retry_after: retry_after(&answer.headers) },
        code if LATER.contains(&code) => Failure::Unavailable(text),
        "SignatureDoesNotMatch" if words.contains("Signature expired") || words.contains("not yet current") => {
            Failure::Unavailable(format!("{text} (set this machine's clock)"))
        }
        "RequestTimeout" => Failure::Unknown(text),
        _ if status.is_client_error() => Failure::Refused { code, words },
        _ => Failure::Unknown(text),
    })
}

/// With nothing in it that a terminal would obey.
fn on_one_line(text: &str) -> String {
    let parts = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn class(status: u16, body: &str) -> &'static str {
        let status = StatusCode::from_u16(status).expect("a status");
        let body = Zeroizing::new(body.as_bytes().to_vec());
        match classify(&Answer { status, headers: HeaderMap::new(), body }) {
            Ok(()) => "done",
            Err(Failure::Refused { .. }) => "refused",
            Err(Failure::Unfit(_)) => "unfit",
            Err(Failure::Unavailable(_)) => "unavailable",
            Err(Failure::Throttled { .. }) => "throttled",
            Err(Failure::Unknown(_)) => "unknown",
        }
    }

    fn says(code: &str, words: &str) -> String {
        let space = "https://iam.amazonaws.com/doc/2010-05-08/";
        format!("<ErrorResponse xmlns=\"{space}\"><Error><Code>{code}</Code><Message>{words}</Message></Error></ErrorResponse>")
    }

    #[test]
    fn an_answer_is_a_no_only_if_aws_itself_says_so() {
        let table = [
            (200, String::new(), "done"),
            (403, says("InvalidClientTokenId", "The security token included in the request is invalid."), "refused"),
            (403, says("AccessDenied", "User is not authorized"), "refused"),
            (403, says("SignatureDoesNotMatch", "The request signature we calculated does not match"), "refused"),
            (403, says("SignatureDoesNotMatch", "Signature expired: 20261123T1 is now earlier than"), "unavailable"),
            (404, says("NoSuchEntity", "cannot be found"), "refused"),
            (409, says("LimitExceeded", "Cannot exceed quota"), "refused"),
            (409, says("ConcurrentModification", "wait"), "unavailable"),
            (400, says("Throttling", "Rate exceeded"), "throttled"),
            (400, says("RequestTimeout", "idle"), "unknown"),
            (500, says("ServiceFailure", "an error"), "unknown"),
            (403, "<html>forbidden</html>".to_owned(), "unknown"),
            (429, String::new(), "throttled"),
            (502, String::new(), "unknown"),
            (307, String::new(), "unknown"),
        ];
        for (status, body, expected) in table {
            assert_eq!(class(status, &body), expected, "{status} {body}");
        }
    }
}
