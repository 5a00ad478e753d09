//! What the proxy answers itself.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::reply::Reply;

/// Why a request was not passed on, or not answered by the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("turquoise: {0}; try again")]
    NothingServes(String),
    #[error("turquoise: the server cannot be reached ({0}); nothing was sent, try again")]
    Unreachable(String),
    #[error("turquoise: the server led elsewhere, and no token of ours goes there; name that address in `vault` or try again")]
    LedElsewhere,
    #[error("turquoise: the connection to the server broke ({0}), and it may have done what was asked")]
    Broken(String),
    #[error("turquoise: the server did not answer in time, and it may have done what was asked, or may yet")]
    Late,
    #[error("turquoise: too many requests are under way; try again")]
    Crowded,
    #[error("turquoise: too many connections are open; try again")]
    Full,
    #[error("turquoise: the request's body is longer than is taken")]
    Long,
    #[error("turquoise: the request's body did not come in time")]
    Slow,
    #[error("turquoise: {0}")]
    Bad(&'static str),
    #[error("missing 'X-Vault-Request' header")]
    NotMeant,
    #[error("permission denied: turquoise: this local token is good no more, read its file again")]
    Stale,
    #[error("turquoise: there is nothing here")]
    Nothing,
    #[error("turquoise: this is asked for by POST")]
    NotPost,
}

impl Fault {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NothingServes(_) | Self::Unreachable(_) | Self::LedElsewhere | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Crowded => StatusCode::TOO_MANY_REQUESTS,
            Self::Long => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NotMeant => StatusCode::PRECONDITION_FAILED,
            Self::Stale => StatusCode::FORBIDDEN,
            Self::Nothing => StatusCode::NOT_FOUND,
            Self::NotPost => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Whether it was certainly not done and is worth trying again.
    const fn is_passing(&self) -> bool {
        matches!(self, Self::NothingServes(_) | Self::Unreachable(_) | Self::LedElsewhere | Self::Full | Self::Crowded)
    }

    /// Whether what comes next on the connection cannot be told from the rest of this request.
    const fn ends_connection(&self) -> bool {
        matches!(self, Self::Full | Self::Long | Self::Slow | Self::Bad(_))
    }
}

impl From<Fault> for Response<Reply> {
    fn from(fault: Fault) -> Self {
        let mut response = json_of(fault.status(), &json!({"errors": [fault.to_string()]}));
        if fault.is_passing() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if fault == Fault::NotPost {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if fault.ends_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A document, which nobody is to keep.
pub(crate) fn json_of(status: StatusCode, document: &Value) -> Response<Reply> {
    let mut response = Response::new(Reply::of(document.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Text of this media type.
pub(crate) fn text_of(status: StatusCode, kind: &'static str, text: String) -> Response<Reply> {
    let mut response = Response::new(Reply::of(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::of(Bytes::new()));
    *response.status_mut() = status;
    response
}
