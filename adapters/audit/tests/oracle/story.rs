//! Writes a log as a server would, with what is looked at and some of what is not.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use turquoise_audit::{Log, Told, Whose};

/// The journal of all stories.
pub(crate) const JOURNAL: &str = "0badcafe";

/// A log in the making. Times are in seconds.
#[derive(Clone, Default)]
pub(crate) struct Story {
    pub(crate) lines: Vec<Value>,
}

/// The server's hash of a secret or a name.
pub(crate) fn hmac(text: &str) -> String {
    format!("hmac-sha256:{text:0>64}")
}

/// The generation of a number.
pub(crate) fn generation(number: u32) -> String {
    format!("{JOURNAL}-{number}")
}

impl Story {
    /// A first token that somebody else minted, and a rotation to `green` at 10, with a grace of 5.
    pub(crate) fn good() -> Self {
        let mut story = Self::default();
        story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue");
        story.begin().switch().finish();
        story
    }

    /// The mint of the candidate and its probe.
    pub(crate) fn begin(&mut self) -> &mut Self {
        self.mint(10.0, "blue", "green", Some(2), 12).work(10.5, "green")
    }

    /// Its extension, and the old one's life cut to the grace.
    pub(crate) fn switch(&mut self) -> &mut Self {
        self.renew(11.0, "green", 60).renew(11.1, "blue", 6)
    }

    /// The end of the old one when the grace is over.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.end(16.0, "blue").gone(16.1, "green", "blue").work(17.0, "green")
    }

    pub(crate) fn line(&mut self, at: f64, bearer: Option<&str>, alive: Option<&str>, request: Value, rest: Value) -> &mut Self {
        let time = humantime::format_rfc3339_nanos(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(1e9 + at)).to_string();
        let mut line = json!({"time": time, "type": "response", "auth": {"token_type": "service"}, "request": {
            "id": format!("request-{}", self.lines.len()), "operation": "update", "namespace": {"id": "root"}}});
        merge(&mut line, rest);
        merge(&mut line["request"], request);
        if let Some(bearer) = bearer {
            line["request"]["client_token"] = hmac(bearer).into();
        }
        if let Some(alive) = alive {
            line["request"]["client_token_accessor"] = accessor(alive).into();
            line["auth"]["policy_results"] = json!({"allowed": true});
        }
        self.lines.push(line);
        self
    }

    pub(crate) fn done(&mut self, at: f64, by: &str, request: Value, response: Value) -> &mut Self {
        let rest = [("response".to_owned(), response)].into_iter().collect();
        self.line(at, Some(by), Some(by), request, Value::Object(rest))
    }

    pub(crate) fn mint(&mut self, at: f64, by: &str, token: &str, number: Option<u32>, ttl: u64) -> &mut Self {
        let headers = number.map(|number| json!({"x-rotation-id": [generation(number)]})).unwrap_or_default();
        let auth = json!({"client_token": hmac(token), "accessor": accessor(token), "token_ttl": ttl});
        self.done(at, by, json!({"path": "auth/token/create/rot", "headers": headers}), json!({"auth": auth}))
    }

    /// A login, with a secret id where that is of account.
    pub(crate) fn login(&mut self, at: f64, secret: Option<&str>, token: &str, number: Option<u32>) -> &mut Self {
        let headers = number.map(|number| json!({"x-rotation-id": [generation(number)]})).unwrap_or_default();
        let data = secret.map(|secret| json!({"secret_id": hmac(secret)})).unwrap_or_default();
        let metadata = json!({"role_name": "rot"});
        let auth = json!({"client_token": hmac(token), "accessor": accessor(token), "token_ttl": 60, "metadata": metadata});
        let request = json!({"path": "auth/approle/login", "data": data, "headers": headers});
        self.line(at, None, None, request, json!({"response": {"auth": auth}}))
    }

    /// A token that is none of the identity's own, made with one that is.
    pub(crate) fn child(&mut self, at: f64, by: &str, token: &str) -> &mut Self {
        let auth = json!({"client_token": hmac(token), "accessor": accessor(token), "token_ttl": 60});
        self.done(at, by, json!({"path": "auth/token/create"}), json!({"auth": auth}))
    }

    pub(crate) fn renew(&mut self, at: f64, token: &str, ttl: u64) -> &mut Self {
        let auth = json!({"client_token": hmac(token), "accessor": accessor(token), "token_ttl": ttl});
        self.done(at, token, json!({"path": "auth/token/renew-self"}), json!({"auth": auth}))
    }

    pub(crate) fn work(&mut self, at: f64, token: &str) -> &mut Self {
        self.done(at, token, json!({"path": "secret/data/app", "operation": "read"}), json!({"data": {"a": hmac("b")}}))
    }

    pub(crate) fn lookup_self(&mut self, at: f64, token: &str) -> &mut Self {
        self.done(at, token, json!({"path": "auth/token/lookup-self", "operation": "read"}), json!({}))
    }

    /// Work that is refused because its token is dead.
    pub(crate) fn refused(&mut self, at: f64, token: &str) -> &mut Self {
        let request = json!({"path": "secret/data/app", "operation": "read"});
        self.line(at, Some(token), None, request, json!({"error": "1 error occurred:\n\t* permission denied\n\n"}))
    }

    pub(crate) fn end(&mut self, at: f64, token: &str) -> &mut Self {
        self.done(at, token, json!({"path": "auth/token/revoke-self"}), json!({}))
    }

    pub(crate) fn end_by_accessor(&mut self, at: f64, by: &str, token: &str) -> &mut Self {
        let data = json!({"accessor": hmac(&accessor(token))});
        self.done(at, by, json!({"path": "auth/token/revoke-accessor", "data": data}), json!({}))
    }

    /// `by` looks for `token` and is told that there is none.
    pub(crate) fn gone(&mut self, at: f64, by: &str, token: &str) -> &mut Self {
        let request = json!({"path": "auth/token/lookup", "data": {"token": hmac(token)}});
        self.line(at, Some(by), Some(by), request, json!({"error": "1 error occurred:\n\t* permission denied\n\n"}))
    }

    pub(crate) fn text(&self) -> String {
        text_of(&self.lines)
    }

    pub(crate) fn log(&self) -> Log {
        Log::of(file(&self.text()).path()).expect("a log")
    }

    /// The findings, as text.
    pub(crate) fn findings(&self, told: &Told) -> Vec<String> {
        let judgement = self.log().judge(&Whose::Role("rot".to_owned()), told);
        judgement.violations.iter().map(ToString::to_string).collect()
    }
}

pub(crate) fn accessor(token: &str) -> String {
    format!("accessor-of-{token}")
}

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("room");
    file
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// A line each.
pub(crate) fn text_of<'a>(lines: impl IntoIterator<Item = &'a Value>) -> String {
    lines.into_iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect()
}
