//! The logs of real servers, with accessors in clear and, as servers have them, hashed.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use turquoise_audit::{Announced, By, Judgement, Log, Property, Rest, Told, Whose};
use turquoise_openbao::{Accessors, Binary, Options, Server};

const ROLE: &str = "rot";
const RULES: &str = r#"
    path "auth/token/*" { capabilities = ["update", "read"] }
    path "secret/*"     { capabilities = ["read"] }
"#;

fn server(accessors: Accessors) -> Server {
    let binary = Binary::obtain(|_| {}).expect("a server program");
    let server = Server::start(&binary, Options { accessors, ..Options::default() }).expect("a server");
    server.enable_kv().expect("a key-value engine");
    server.write_secret("app", &json!({"motto": "never dark"})).expect("a secret");
    server.admin("POST", "sys/config/auditing/request-headers/X-Rotation-Id", &json!({"hmac": false})).expect("a setting");
    server.write_policy("rotator", RULES).expect("a policy");
    server.write_token_role(ROLE, &["rotator"]).expect("a role");
    server
}

/// A token and its accessor.
struct Token(SecretString, String);

/// Asks as somebody else than root; nothing, if it is refused.
fn ask(server: &Server, token: &Token, path: &str, body: Option<Value>) -> Option<Value> {
    let url = format!("{}/v1/{path}", server.address());
    let agent = ureq::agent();
    let secret = token.0.expose_secret();
    let mut reply = match body {
        None => agent.get(url).header("X-Vault-Token", secret).call().ok()?,
        Some(body) => {
            let request = agent.post(url).header("X-Vault-Token", secret).header("X-Rotation-Id", rotation_in(&body));
            request.send(body.to_string()).ok()?
        }
    };
    let text = reply.body_mut().read_to_string().expect("a body");
    Some(serde_json::from_str(&text).unwrap_or_default())
}

fn rotation_in(body: &Value) -> String {
    body["meta"]["rotation"].as_str().unwrap_or_default().to_owned()
}

fn mint(server: &Server, by: &Token, rotation: &str) -> Token {
    let body = json!({"ttl": "30s", "meta": {"rotation": rotation}});
    let auth = &ask(server, by, &format!("auth/token/create/{ROLE}"), Some(body)).expect("a token")["auth"];
    let text = |field: &str| auth[field].as_str().expect("a text").to_owned();
    Token(text("client_token").into(), text("accessor"))
}

/// One rotation by hand: the old one ends itself; a useless one is ended by its accessor; the old one's child dies in use.
fn rotate(server: &Server) -> [Token; 3] {
    let first = server.mint(ROLE, Duration::from_mins(5)).expect("a token");
    let blue = Token(first.token, first.accessor.as_str().to_owned());
    let work = |token: &Token| ask(server, token, "secret/data/app", None).is_some();
    assert!(work(&blue));
    let child = ask(server, &blue, "auth/token/create", Some(json!({"ttl": "60s"}))).expect("a child");
    let child = Token(child["auth"]["client_token"].as_str().expect("a token").into(), String::new());
    assert!(work(&child));
    let useless = mint(server, &blue, "0badcafe-2");
    ask(server, &blue, "auth/token/revoke-accessor", Some(json!({"accessor": useless.1}))).expect("its end");
    let green = mint(server, &blue, "0badcafe-3");
    assert!(work(&green));
    ask(server, &green, "auth/token/renew-self", Some(json!({"increment": "300s"}))).expect("a life");
    ask(server, &blue, "auth/token/renew-self", Some(json!({"increment": "20s"}))).expect("a grace");
    ask(server, &blue, "auth/token/revoke-self", Some(json!({}))).expect("its end");
    let gone = json!({"token": blue.0.expose_secret()});
    assert!(ask(server, &green, "auth/token/lookup", Some(gone)).is_none(), "it is dead");
    assert!(!work(&child) && !work(&blue) && work(&green));
    [blue, useless, green]
}

fn told(handle: &str) -> Told {
    let generations = ["0badcafe-2", "0badcafe-3"].map(str::to_owned);
    let announced = Announced {
        journal: "0badcafe".to_owned(),
        archived: 0,
        mints: generations.clone().into(),
        ends: generations.into(),
        current: ["0badcafe-3".to_owned()].into(),
        dead: [].into(),
        handles: [("0badcafe-3".to_owned(), handle.to_owned())].into(),
    };
    let (grace, ends_within) = (Some(Duration::ZERO), Some(Duration::from_secs(5)));
    Told { grace, ends_within, rest: Rest::Quiet, announced: Some(announced), ..Told::default() }
}

fn judge(accessors: Accessors) {
    let server = server(accessors);
    let [blue, useless, green] = rotate(&server);
    let log = Log::of(&server.audit_log()).expect("a log");
    let whose = Whose::Journal("0badcafe".to_owned());
    assert!(log.identities().iter().eq([&whose]));
    let hash = |name: &str| server.audit_hash(name);
    let hashed = |handle: &str| {
        let mut told = told(handle);
        told.hash([&blue.1, &useless.1, &green.1], hash).expect("hashes");
        told
    };

    let judgement = log.judge(&whose, &hashed(&green.1));
    assert_eq!(judgement.violated(), [Property::S6], "the child, and nothing else: {judgement}");
    assert_eq!(fates(&judgement), [(Some(By::Itself), true), (Some(By::Ours), false), (None, false)]);
    assert_eq!((judgement.unauditable, judgement.late), (0, 1), "{judgement}");
    assert!(log.judge(&whose, &hashed(&blue.1)).violated().contains(&Property::S3), "another handle is seen");

    // Without a hash: hashed accessors are the same everywhere; those in clear are not the ones in bodies.
    let blind = log.judge(&whose, &Told { rest: Rest::Anywhere, ..told(&green.1) });
    let unauditable = usize::from(accessors == Accessors::Clear);
    assert_eq!(blind.unauditable, unauditable, "{blind}");
    assert_eq!(blind.living().count(), 1 + unauditable, "{blind}");
    let shown = format!("{judgement} {judgement:?} {:?} {}", log.entries(), serde_json::to_string(&judgement).expect("JSON"));
    for token in [&blue, &useless, &green] {
        assert!(!shown.contains(token.0.expose_secret()), "a token is shown");
    }
}

fn fates(judgement: &Judgement) -> Vec<(Option<By>, bool)> {
    judgement.credentials.iter().map(|fate| (fate.ended_by, fate.seen_dead)).collect()
}

#[test]
fn a_log_with_accessors_in_clear_is_judged() {
    judge(Accessors::Clear);
}

#[test]
fn a_log_with_hashed_accessors_is_judged_alike() {
    judge(Accessors::Hashed);
}
