//! A secret id, whose life is set when it is made and never again, rotated by a driver: the next one serves, the old one is
//! destroyed, and the tokens that it was used to log in for are ended.

use std::fs;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use turquoise::core::{Consumers, Jitter, PhaseKind, Policy, Proof, Step};
use turquoise::journal::FileJournal;
use turquoise::port::Provider as _;
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{App, Issued, Probe, SecretIdConfig, SecretIdProvider, Upstream, secret_id_policy};
use turquoise::{Identity, Progress, Setup};
use turquoise_openbao::{AdminError, Server};
use turquoise_tests::PROBED;

use crate::site::{count, lives, server};

const ROLE: &str = "auth/secret-ids/role/app";

/// Logs in as a consumer does; the accessor of what it gets.
fn consume(server: &Server, role_id: &str, secret_id: &str) -> Result<String, AdminError> {
    let reply = server.admin("POST", "auth/secret-ids/login", &json!({"role_id": role_id, "secret_id": secret_id}))?;
    Ok(reply["auth"]["accessor"].as_str().unwrap().to_owned())
}

/// One whole rotation, and that its end was seen.
async fn rotate(identity: &Identity) {
    let mut progress = identity.progress();
    identity.rotate().await.unwrap();
    let mut is_seen = false;
    loop {
        let Progress::Recorded(recorded) = progress.recv().await.unwrap() else { continue };
        match recorded.record.step {
            Step::AbandonIntent { .. } | Step::Owed { .. } => panic!("{recorded:?}"),
            Step::Died { proof } => is_seen = proof == Proof::Observed,
            Step::Cleared => break,
            _ => {}
        }
    }
    assert!(is_seen, "its death was not seen");
    assert_eq!(identity.status().phase, PhaseKind::Steady);
}

#[tokio::test]
async fn a_secret_id_is_rotated_with_the_tokens_it_was_used_for() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let admin = |path: &str, body: &Value| server.admin("POST", path, body).unwrap();
    let app = App { mount: "secret-ids".parse().unwrap(), role: "app".parse().unwrap() };
    let probes = vec![Probe { path: PROBED.parse().unwrap(), max_latency: None }];
    admin("sys/auth/secret-ids", &json!({"type": "approle"}));
    server.write_policy("secret-ids", &secret_id_policy(&app, Issued::End, &probes).to_string()).unwrap();
    admin(ROLE, &json!({"token_policies": ["secret-ids"], "token_no_default_policy": true, "token_ttl": "10m"}));
    let role_id = server.admin("GET", &format!("{ROLE}/role-id"), &Value::Null).unwrap()["data"]["role_id"].clone();
    let role_id = role_id.as_str().unwrap();
    let first = admin(&format!("{ROLE}/secret-id"), &json!({"ttl": "4h"}))["data"]["secret_id"].clone();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let config = SecretIdConfig {
        upstream: Upstream::new([server.address().parse().unwrap()]),
        app,
        role_id_file: file("role-id", role_id),
        secret_id_file: file("secret-id", first.as_str().unwrap()),
        probes,
        issued: Issued::End,
    };
    let provider = SecretIdProvider::new(config).unwrap();
    let pace = Duration::from_millis(50);
    let (consumers, jitter) = (Consumers::Counted, Jitter::None);
    let policy = Policy { period: None, probes: 2, probe_every: pace, consumers, jitter, ..provider.contract().policy() };
    let opened = FileJournal::open(&folder.path().join("journal")).unwrap();
    let store = FileSink::open(&folder.path().join("published"), Mode::PRIVATE).unwrap();
    let setup = Setup::new(provider, opened.journal, opened.history, store).unwrap();
    let identity = Identity::start(Setup { policy, ..setup }).await.unwrap();
    let credentials = identity.credentials();
    credentials.ready().await.unwrap();

    let serving = || credentials.acquire().unwrap().secret().expose_secret().to_owned();
    // Whose tokens those of one that was handed over are nobody can tell.
    rotate(&identity).await;
    let old = serving();
    let issued = consume(server, role_id, &old).unwrap();
    rotate(&identity).await;
    assert!(consume(server, role_id, &old).is_err(), "the old one was not destroyed");
    assert!(!lives(server, &issued), "a token of the old one lives");
    assert_eq!(fs::read_to_string(folder.path().join("published")).unwrap(), serving());
    assert!(lives(server, &consume(server, role_id, &serving()).unwrap()));
    identity.stop().await;
    assert_eq!(count(server, &format!("{ROLE}/secret-id")), 1);
    assert_eq!(count(server, "sys/leases/lookup/auth/secret-ids/login"), 1, "but for the one just made");
}
