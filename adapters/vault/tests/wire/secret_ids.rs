//! A secret id whose making was not answered: we know what it would be.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use turquoise_runtime::port::{Minted, Provider, Reason, Reply};
use turquoise_vault::{App, Issued, LoginConfig, LoginProvider, Method, SecretIdConfig, SecretIdProvider, Upstream};

use crate::stub::{Act, MINTED, Stub, answer, holder, mint};

const LOGGED_IN: &str = r#"{"auth":{"client_token":"s.work","accessor":"work","lease_duration":60}}"#;
const SECRET_ID: &str = "5d21a5c4-one-of-many";
const FOUND: &str = r#"{"data":{"secret_id_accessor":"acc","secret_id_num_uses":0,"secret_id_ttl":60,
    "expiration_time":"2999-01-01T00:00:00.5Z"}}"#;

fn config(stub: &Stub, folder: &TempDir) -> SecretIdConfig {
    let file = |name: &str| folder.path().join(name);
    fs::write(file("role-id"), "role").unwrap();
    fs::write(file("secret-id"), SECRET_ID).unwrap();
    SecretIdConfig {
        upstream: Upstream::new([stub.address.parse().unwrap()]),
        app: App { mount: "approle".parse().unwrap(), role: "app".parse().unwrap() },
        role_id_file: file("role-id"),
        secret_id_file: file("secret-id"),
        probes: Vec::new(),
        issued: Issued::Outlive,
    }
}

/// What is known of a mint after these answers, and what was asked.
async fn issue(script: Vec<Act>) -> (Reply<Minted>, Vec<String>) {
    let (stub, folder) = (Stub::start(script).await, TempDir::new().unwrap());
    let provider = SecretIdProvider::new(config(&stub, &folder)).unwrap();
    let reply = provider.issue(&holder("the-old-one"), mint(), Duration::from_mins(1)).await;
    let asked = stub.seen().iter().map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect();
    (reply, asked)
}

#[tokio::test]
async fn one_that_was_made_is_found_by_its_value() {
    let script = vec![answer("200 OK", LOGGED_IN), Act::Cut(""), answer("200 OK", FOUND), answer("204 No Content", "")];
    let (reply, asked) = issue(script).await;
    let Reply::Applied(minted) = reply else { panic!("not found") };
    assert_eq!(minted.handle.0, "acc");
    let role = "/v1/auth/approle/role/app";
    let calls = ["custom-secret-id", "secret-id/lookup"].map(|call| format!("{role}/{call}"));
    let expected = ["/v1/auth/approle/login", &calls[0], &calls[1], "/v1/auth/token/revoke-self"];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn one_that_is_not_there_may_yet_be_and_is_ended_as_far_as_it_can() {
    let none = || answer("204 No Content", "");
    let script = vec![answer("200 OK", LOGGED_IN), Act::Cut(""), none(), none(), none()];
    let (reply, asked) = issue(script).await;
    let Reply::Unknown(Reason(why)) = reply else { panic!("not unknown") };
    assert!(why.contains("it may have been made") && why.contains("was not seen to be"), "{why}");
    assert!(asked[3].ends_with("/secret-id/destroy"), "{asked:?}");
}

/// Of a login, and of a secret id that is rotated itself: a server that says of the lookup what it was asked.
#[tokio::test]
async fn one_that_a_lookup_echoes_is_struck_out() {
    let script = || {
        let echo = format!(r#"{{"errors":["no secret id {SECRET_ID} of s.new or s.work"]}}"#);
        vec![answer("200 OK", MINTED), answer("400 Bad Request", &echo), answer("204 No Content", "")]
    };
    let (stub, folder) = (Stub::start(script()).await, TempDir::new().unwrap());
    let SecretIdConfig { upstream, app, role_id_file, secret_id_file, .. } = config(&stub, &folder);
    let method = Method::AppRole { mount: app.mount, role_id_file, secret_id_file: Some(secret_id_file), role: Some(app.role) };
    let logged_in = LoginProvider::new(LoginConfig::new(upstream, method)).unwrap().login(mint()).await;
    let stub = Stub::start(script()).await;
    let adopted = SecretIdProvider::new(config(&stub, &folder)).unwrap().login(mint()).await;
    for reply in [logged_in, adopted] {
        let Reply::Refused(Reason(why)) = reply else { panic!("not refused") };
        assert!(why.contains("no secret id (hidden) of (hidden) or s.work"), "{why}");
    }
}
