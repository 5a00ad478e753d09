//! Requests about a token itself: what would end ours, or tell it, is answered here.
//!
//! A program that cannot be changed renews the token that it was given, and revokes it when it ends. With the local token that
//! means nothing, and with a token of ours it would end it for everybody.

use std::borrow::Cow;

use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use turquoise_runtime::memory::ExposeSecret as _;

use crate::answer::{Fault, empty, json_of};
use crate::bearer::{Bearer, shown_local};
use crate::known::Known;
use crate::local::{Accepted, LocalToken};
use crate::reply::Reply;

/// Names the local token, and gives no power.
const ACCESSOR: &str = "turquoise-local-token";
/// How long the local token is said to live from any moment on, in seconds: 32 days, the servers' own default.
const PERIOD: u64 = 768 * 3_600;

/// What a request does to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Lookup,
    Renew,
    Revoke,
}

/// A request about a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form<'a> {
    verb: Verb,
    by: By<'a>,
    /// Whether something stands before `auth/token`: a namespace, or it is another thing altogether.
    prefixed: bool,
}

/// How a request says which token.
#[derive(Debug, PartialEq, Eq)]
enum By<'a> {
    Caller,
    Body,
    Path(&'a str),
    Accessor,
}

/// Which token it is.
enum Subject<'a> {
    /// A local one: this, if a token was named and not its accessor.
    Local(Option<&'a LocalToken>),
    /// One of ours.
    Ours,
    /// Nobody's that we know.
    Other,
}

/// What is to be done with a request.
pub(crate) enum Verdict {
    /// It is passed on.
    Pass,
    /// The server is asked how long the token lives, and the answer is made from that: a renewal might shorten its life.
    Look,
    /// This is the answer.
    Answer(Box<http::Response<Reply>>),
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    token: String,
    #[serde(default)]
    accessor: String,
}

impl<'a> Form<'a> {
    /// Of a path, after `/v1/`.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        let at = path.rfind("auth/token/")?;
        let (before, rest) = path.split_at(at);
        if !before.is_empty() && !before.ends_with('/') {
            return None;
        }
        let rest = rest.trim_start_matches("auth/token/").trim_end_matches('/');
        let (name, token) = rest.split_once('/').map_or((rest, None), |(name, token)| (name, Some(token)));
        let (verb, by) = match name {
            "lookup-self" => (Verb::Lookup, By::Caller),
            "lookup" => (Verb::Lookup, By::Body),
            "lookup-accessor" => (Verb::Lookup, By::Accessor),
            "renew-self" => (Verb::Renew, By::Caller),
            "renew" => (Verb::Renew, By::Body),
            "renew-accessor" => (Verb::Renew, By::Accessor),
            "revoke-self" => (Verb::Revoke, By::Caller),
            "revoke" | "revoke-orphan" => (Verb::Revoke, By::Body),
            "revoke-accessor" => (Verb::Revoke, By::Accessor),
            _ => return None,
        };
        let by = match token {
            None => by,
            Some(token) if by != By::Caller => By::Path(token),
            Some(_) => return None,
        };
        Some(Self { verb, by, prefixed: !before.is_empty() })
    }

    /// What is to be done with it.
    pub(crate) fn judge(&self, asked: &Asked<'_>) -> Verdict {
        let answer = |response| Verdict::Answer(Box::new(response));
        let subject = self.subject(asked);
        match (self.verb, &subject) {
            (_, Subject::Other) | (Verb::Lookup, Subject::Ours) => Verdict::Pass,
            // Whether that is a namespace's token store or somebody's secret cannot be told: it is not passed on with a
            // token that it may end or tell, and it is not said to be done.
            _ if self.prefixed => {
                let why = "this would end or tell the token that all share: name the namespace by X-Vault-Namespace";
                answer(Fault::Bad(why).into())
            }
            (Verb::Revoke, Subject::Local(_) | Subject::Ours) => answer(empty(StatusCode::NO_CONTENT)),
            (Verb::Renew, Subject::Ours) => Verdict::Look,
            (verb, Subject::Local(token)) => answer(local(verb, *token)),
        }
    }

    fn subject<'b>(&self, asked: &Asked<'b>) -> Subject<'b> {
        let named = || serde_json::from_slice::<Named>(asked.body).unwrap_or_default();
        match self.by {
            By::Caller => caller(asked),
            By::Path(named) => named_by(named, asked),
            By::Accessor => named_by(&named().accessor, asked),
            By::Body => {
                let mut token = named().token;
                if token.is_empty() && *asked.method == Method::GET {
                    let pairs = form_urlencoded::parse(asked.query.as_bytes());
                    token =
                        pairs.filter(|(name, _)| name == "token").map(|(_, token)| token.into_owned()).last().unwrap_or_default();
                }
                // Without a name it is the caller who is looked up.
                if token.is_empty() && self.verb != Verb::Revoke { caller(asked) } else { named_by(&token, asked) }
            }
        }
    }

    /// The path, after `/v1/`, at which the server is asked how long the token of a renewal lives.
    pub(crate) fn lookup(&self) -> Cow<'static, str> {
        match &self.by {
            By::Caller => "auth/token/lookup-self".into(),
            By::Body => "auth/token/lookup".into(),
            By::Path(token) => format!("auth/token/lookup/{token}").into(),
            By::Accessor => "auth/token/lookup-accessor".into(),
        }
    }

    /// How that is asked.
    pub(crate) fn lookup_method(&self) -> Method {
        if matches!(self.by, By::Caller | By::Path(_)) { Method::GET } else { Method::POST }
    }
}

/// A request, as far as it says which token it is about.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) bearer: &'a Bearer,
    pub(crate) local: Option<&'a Accepted>,
    pub(crate) known: &'a Known,
}

/// Who shows one local token is not told another one.
fn caller<'a>(asked: &Asked<'a>) -> Subject<'a> {
    match asked.bearer {
        Bearer::Ours => Subject::Local(asked.local.map(|local| shown_local(asked.headers, local).unwrap_or(local.current()))),
        Bearer::Theirs(token) if asked.known.is_token(token) => Subject::Ours,
        Bearer::Theirs(_) | Bearer::Nobody | Bearer::Stale => Subject::Other,
    }
}

fn named_by<'a>(name: &str, asked: &Asked<'a>) -> Subject<'a> {
    if name == ACCESSOR {
        Subject::Local(None)
    } else if let Some(token) = asked.local.and_then(|local| local.find(name.as_bytes())) {
        Subject::Local(Some(token))
    } else if !name.is_empty() && (asked.known.is_accessor(name) || asked.known.is_token(name.as_bytes())) {
        Subject::Ours
    } else {
        Subject::Other
    }
}

/// What is said of the local token.
fn local(verb: Verb, token: Option<&LocalToken>) -> http::Response<Reply> {
    let token = token.map_or("", |token| token.expose_secret());
    let (data, auth) = if verb == Verb::Lookup {
        let data = json!({
            "accessor": ACCESSOR, "creation_time": 0, "creation_ttl": PERIOD, "display_name": "turquoise", "entity_id": "",
            "expire_time": null, "explicit_max_ttl": 0, "id": token, "issue_time": null, "meta": null, "num_uses": 0,
            "orphan": true, "path": "turquoise/local-token", "period": PERIOD, "policies": [], "renewable": true, "ttl": PERIOD,
            "type": "service",
        });
        (data, Value::Null)
    } else {
        (Value::Null, auth(token, ACCESSOR, PERIOD, &json!([]), &json!("")))
    };
    json_of(StatusCode::OK, &document(&data, &auth))
}

/// A renewal's answer, from what the server says of the token.
pub(crate) fn renewed(looked: &[u8]) -> Option<http::Response<Reply>> {
    let looked: Value = serde_json::from_slice(looked).ok()?;
    let data = &looked["data"];
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let auth = auth(text("id"), text("accessor"), data["ttl"].as_u64()?, &data["policies"], &data["entity_id"]);
    Some(json_of(StatusCode::OK, &document(&Value::Null, &auth)))
}

fn auth(token: &str, accessor: &str, life: u64, policies: &Value, entity: &Value) -> Value {
    json!({
        "accessor": accessor, "client_token": token, "entity_id": entity, "lease_duration": life, "metadata": null,
        "mfa_requirement": null, "num_uses": 0, "orphan": true, "policies": policies, "renewable": true,
        "token_policies": policies, "token_type": "service",
    })
}

fn document(data: &Value, auth: &Value) -> Value {
    json!({
        "auth": auth, "data": data, "lease_duration": 0, "lease_id": "", "renewable": false, "request_id": "", "warnings": null,
        "wrap_info": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_about_a_token_are_told_by_their_path() {
        let form = |path| Form::of(path).map(|form| (form.verb, form.by, form.prefixed));
        assert_eq!(form("auth/token/lookup-self"), Some((Verb::Lookup, By::Caller, false)));
        assert_eq!(form("auth/token/revoke-orphan"), Some((Verb::Revoke, By::Body, false)));
        assert_eq!(form("auth/token/renew-accessor"), Some((Verb::Renew, By::Accessor, false)));
        assert_eq!(form("auth/token/revoke/s.x"), Some((Verb::Revoke, By::Path("s.x"), false)));
        assert_eq!(form("team/auth/token/revoke-self"), Some((Verb::Revoke, By::Caller, true)));
        for other in ["auth/token/create", "auth/token", "xauth/token/revoke-self", "secret/data/app", "auth/token/tidy"] {
            assert_eq!(form(other), None, "{other}");
        }
    }
}
