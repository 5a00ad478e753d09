//! A token that is replaced by logging in again, with an AppRole.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise_audit::{Entry, Log};
use turquoise_openbao::{AdminError, Server};
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::{Credential, Minted, Observed, Provider, Reply};
use turquoise_vault::{LoginConfig, LoginProvider, Method, Probe, Upstream, login_policy};

use crate::support::{MINUTE, READABLE, applied, credential, mint, probe, refused, server, unavailable, unknown};

/// An AppRole with a mount of its own, and the files to log in with.
pub(crate) struct Desk {
    pub(crate) server: Arc<Server>,
    mount: String,
    folder: TempDir,
}

impl Desk {
    /// A role as it should be, and one secret id of it.
    pub(crate) fn new(mount: &str) -> Self {
        Self::with(mount, &json!({}))
    }

    pub(crate) fn with(mount: &str, change: &Value) -> Self {
        let desk = Self { server: server(), mount: mount.to_owned(), folder: TempDir::new().unwrap() };
        desk.admin("POST", &format!("sys/auth/{mount}"), &json!({"type": "approle"}));
        desk.server.write_policy(mount, &desk.rules(&[probe(READABLE)])).unwrap();
        let mut role =
            json!({"token_policies": [mount], "token_no_default_policy": true, "token_ttl": "10m", "token_max_ttl": "1h"});
        role.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        desk.admin("POST", &desk.role(), &role);
        let role_id = desk.admin("GET", &format!("{}/role-id", desk.role()), &Value::Null);
        fs::write(desk.file("role-id"), role_id["data"]["role_id"].as_str().unwrap()).unwrap();
        desk.hand_over();
        desk
    }

    /// A new secret id for the file.
    fn hand_over(&self) {
        let made = self.admin("POST", &format!("{}/secret-id", self.role()), &json!({}));
        fs::write(self.file("secret-id"), made["data"]["secret_id"].as_str().unwrap()).unwrap();
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        self.server.admin(method, path, body).unwrap()
    }

    fn role(&self) -> String {
        format!("auth/{}/role/app", self.mount)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn method(&self) -> Method {
        Method::AppRole {
            mount: self.mount.parse().unwrap(),
            role_id_file: self.file("role-id"),
            secret_id_file: Some(self.file("secret-id")),
            role: Some("app".parse().unwrap()),
        }
    }

    fn rules(&self, probes: &[Probe]) -> String {
        login_policy(self.method().app().as_ref(), probes, Privileges::OnlySelf).to_string()
    }

    pub(crate) fn config(&self) -> LoginConfig {
        let upstream = Upstream::new([self.server.address().parse().unwrap()]);
        LoginConfig { probes: vec![probe(READABLE)], ..LoginConfig::new(upstream, self.method()) }
    }

    fn provider(&self) -> LoginProvider {
        LoginProvider::new(self.config()).unwrap()
    }

    async fn log_in(&self) -> Reply<Minted> {
        self.provider().login(mint(1)).await
    }

    /// How many tokens of the mount live.
    pub(crate) fn alive(&self) -> usize {
        match self.server.admin("LIST", &format!("sys/leases/lookup/auth/{}/login", self.mount), &Value::Null) {
            Ok(reply) => reply["data"]["keys"].as_array().unwrap().len(),
            Err(AdminError::Refused { status: 404, .. }) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// How often somebody tried to log in.
    fn tries(&self) -> usize {
        let path = format!("auth/{}/login", self.mount);
        let log = Log::of(&self.server.audit_log()).unwrap();
        log.entries().iter().filter(|entry| *entry.path == path).count()
    }

    fn lookup(&self, of: &Credential) -> Value {
        self.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": of.handle.0}))["data"].take()
    }
}

#[tokio::test]
async fn a_second_login_replaces_the_first_and_belongs_to_the_same_entity() {
    let desk = Desk::new("login-good");
    let provider = desk.provider();
    let blue = credential(1, applied(provider.login(mint(1)).await));
    applied(provider.set_life(&blue, 9 * MINUTE).await);
    let minted = applied(provider.login(mint(2)).await);
    assert!(minted.remaining <= MINUTE, "on probation at once");
    let green = credential(2, minted);
    applied(provider.probe(&green).await);
    assert_eq!(applied(provider.set_life(&green, 9 * MINUTE).await), 9 * MINUTE);
    assert_eq!(desk.lookup(&green)["entity_id"], desk.lookup(&blue)["entity_id"]);
    applied(provider.set_life(&blue, MINUTE).await);
    applied(provider.revoke(&blue).await);
    assert_eq!(applied(provider.observe(&blue, &green).await), Observed::Dead);
    assert_eq!(desk.alive(), 1);
}

/// The table in `docs/requests.md`.
#[tokio::test]
async fn a_rotation_costs_five_requests_and_its_probes_where_the_role_gives_a_probation() {
    let desk = Desk::with("login-cost", &json!({"token_ttl": "30s"}));
    let asked = rotate(&desk).await;
    let expected = [
        "nobody auth/login-cost/login",
        "green secret/data/app",
        "green auth/token/lookup-self",
        "green auth/token/renew-self",
        "blue auth/token/renew-self",
        "blue auth/token/revoke-self",
        "green auth/token/lookup",
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_longer_first_life_is_cut_at_once_by_one_request_more() {
    let desk = Desk::new("login-costly");
    let asked = rotate(&desk).await;
    assert_eq!(asked.len(), 8, "{asked:?}");
    assert_eq!(asked[..2], ["nobody auth/login-costly/login", "green auth/token/renew-self"]);
}

/// Who asked for what in a rotation.
async fn rotate(desk: &Desk) -> Vec<String> {
    let login = format!("auth/{}/login", desk.mount);
    let provider = desk.provider();
    let blue = credential(1, applied(provider.login(mint(1)).await));
    let before = Log::of(&desk.server.audit_log()).unwrap().entries().last().unwrap().at;
    let green = credential(2, applied(provider.login(mint(2)).await));
    applied(provider.probe(&green).await);
    applied(provider.set_life(&green, 9 * MINUTE).await);
    applied(provider.set_life(&blue, MINUTE).await);
    applied(provider.revoke(&blue).await);
    applied(provider.observe(&blue, &green).await);

    let log = Log::of(&desk.server.audit_log()).unwrap();
    let who = |entry: &Entry| {
        let is = |held: &Credential| entry.caller.as_deref() == Some(&held.handle.0);
        let who = if is(&blue) {
            "blue"
        } else if is(&green) {
            "green"
        } else {
            "nobody"
        };
        (who != "nobody" || *entry.path == login).then(|| format!("{who} {}", entry.path))
    };
    log.entries().iter().filter(|entry| entry.at > before).filter_map(who).collect()
}

#[tokio::test]
async fn no_line_of_the_printed_policy_is_spare() {
    let desk = Desk::new("login-spare");
    let rules = desk.rules(&[probe(READABLE)]);
    for gap in rules.lines().filter(|line| !line.contains("/secret-id/lookup")) {
        let rest: Vec<_> = rules.lines().filter(|line| *line != gap).collect();
        desk.server.write_policy("login-spare", &rules).unwrap();
        let provider = desk.provider();
        let [blue, other] = [mint(1), mint(3)].map(|mint| (mint, provider.login(mint)));
        let (blue, other) = (credential(1, applied(blue.1.await)), credential(3, applied(other.1.await)));
        desk.server.write_policy("login-spare", &rest.join("\n")).unwrap();
        let outcomes = [
            matches!(provider.login(mint(2)).await, Reply::Applied(_)),
            matches!(provider.probe(&blue).await, Reply::Applied(_)),
            matches!(provider.observe(&other, &blue).await, Reply::Applied(_)),
            matches!(provider.revoke(&blue).await, Reply::Applied(())),
        ];
        assert!(outcomes.contains(&false), "{gap} is not needed");
    }
}

#[tokio::test]
async fn the_wrong_way_to_mint_is_refused() {
    let desk = Desk::new("login-issue");
    let blue = credential(1, applied(desk.log_in().await));
    refused(desk.provider().issue(&blue, mint(2), MINUTE).await, "`Via::Login`");
}

#[tokio::test]
async fn a_batch_token_is_unknown_as_nothing_can_end_it() {
    unknown(Desk::with("login-batch", &json!({"token_type": "batch"})).log_in().await, "batch token");
}

#[tokio::test]
async fn a_periodic_token_is_ended_and_refused() {
    let desk = Desk::with("login-period", &json!({"token_period": "10m"}));
    refused(desk.log_in().await, "must have no `token_period`");
    assert_eq!(desk.alive(), 0);
}

#[tokio::test]
async fn a_token_of_limited_uses_is_ended_and_refused() {
    let desk = Desk::with("login-uses", &json!({"token_num_uses": 9}));
    refused(desk.log_in().await, "number of uses");
    assert_eq!(desk.alive(), 0);
}

#[tokio::test]
async fn a_role_that_gives_more_life_than_declared_is_refused() {
    let desk = Desk::with("login-long", &json!({"token_ttl": "2h", "token_max_ttl": "3h"}));
    refused(desk.log_in().await, "at most 3600s were declared");
    assert_eq!(desk.alive(), 0);
}

#[tokio::test]
async fn other_policies_than_expected_are_refused() {
    let desk = Desk::new("login-policies");
    let expecting = |name: &str| {
        let policies = Some(BTreeSet::from([name.to_owned()]));
        LoginProvider::new(LoginConfig { policies, ..desk.config() }).unwrap()
    };
    refused(expecting("more").login(mint(1)).await, "its policies are");
    assert_eq!(desk.alive(), 0);
    applied(expecting("login-policies").login(mint(1)).await);
}

#[tokio::test]
async fn a_token_that_may_not_renew_itself_is_ended_and_refused() {
    let desk = Desk::new("login-fixed");
    let rules = desk.rules(&[]);
    let rules: Vec<_> = rules.lines().filter(|line| !line.contains("renew-self")).collect();
    desk.server.write_policy("login-fixed", &rules.join("\n")).unwrap();
    refused(desk.log_in().await, "permission denied");
    assert_eq!(desk.alive(), 0);
}

#[tokio::test]
async fn secret_ids_with_a_number_of_uses_are_refused() {
    for uses in [1, 5] {
        let desk = Desk::with(&format!("login-uses-{uses}"), &json!({"secret_id_num_uses": uses}));
        refused(desk.log_in().await, "use an AppRole with `secret_id_num_uses = 0`");
        assert_eq!(desk.alive(), 0);
    }
}

#[tokio::test]
async fn a_token_of_another_entity_is_refused() {
    let desk = Desk::new("login-entity");
    let provider = desk.provider();
    applied(provider.login(mint(1)).await);
    desk.admin("POST", &format!("{}/role-id", desk.role()), &json!({"role_id": "another"}));
    fs::write(desk.file("role-id"), "another").unwrap();
    refused(provider.login(mint(2)).await, "it belongs to the entity");
    assert_eq!(desk.alive(), 1);
}

#[tokio::test]
async fn after_two_refused_logins_nothing_is_tried_until_a_file_changes() {
    let desk = Desk::new("login-locked");
    let provider = desk.provider();
    let good = fs::read_to_string(desk.file("secret-id")).unwrap();
    fs::write(desk.file("secret-id"), "wrong").unwrap();
    for _ in 0..2 {
        refused(provider.login(mint(1)).await, "invalid role or secret ID");
    }
    for _ in 0..5 {
        let Reply::Throttled { reason, retry_after } = provider.login(mint(1)).await else { panic!("tried") };
        assert!(reason.0.contains("more would lock out every neighbour"), "{}", reason.0);
        assert_eq!(retry_after, None, "it is this login that waits, and nobody else");
    }
    assert_eq!(desk.tries(), 2);
    provider.retry().now();
    refused(provider.login(mint(1)).await, "invalid role or secret ID");
    fs::write(desk.file("secret-id"), good).unwrap();
    applied(provider.login(mint(1)).await);
}

#[tokio::test]
async fn a_missing_secret_is_unavailable_and_named() {
    let desk = Desk::new("login-missing");
    fs::remove_file(desk.file("secret-id")).unwrap();
    unavailable(desk.log_in().await, "secret-id cannot be read");
    assert_eq!(desk.tries(), 0);
}

#[tokio::test]
async fn a_secret_is_in_no_reason() {
    let desk = Desk::new("login-secret");
    let secret_id = fs::read_to_string(desk.file("secret-id")).unwrap();
    desk.admin("DELETE", &desk.role(), &Value::Null);
    let Reply::Refused(reason) = desk.log_in().await else { panic!("not refused") };
    assert!(!reason.0.contains(&secret_id), "{}", reason.0);
}
