//! An AppRole's secret id, two of which live at once.

use std::fs;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise_openbao::{AdminError, Server};
use turquoise_runtime::port::{Credential, Observed, Provider, Reply};
use turquoise_vault::{App, Issued, SecretIdConfig, SecretIdProvider, Upstream, secret_id_policy};

use crate::support::{MINUTE, READABLE, applied, credential, mint, probe, refused, server, text, unknown};

/// An AppRole with a mount of its own.
pub(crate) struct Desk {
    pub(crate) server: Arc<Server>,
    pub(crate) app: App,
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new(mount: &str) -> Self {
        Self::with(mount, &json!({"ttl": "1h"}))
    }

    /// A role as it should be, and a first secret id as told.
    pub(crate) fn with(mount: &str, first: &Value) -> Self {
        let app = App { mount: mount.parse().unwrap(), role: "app".parse().unwrap() };
        let desk = Self { server: server(), app, folder: TempDir::new().unwrap() };
        desk.admin("POST", &format!("sys/auth/{mount}"), &json!({"type": "approle"}));
        desk.server.write_policy(mount, &desk.rules()).unwrap();
        let role = json!({"token_policies": [mount], "token_no_default_policy": true, "token_ttl": "10m"});
        desk.admin("POST", &desk.role(), &role);
        let role_id = desk.admin("GET", &format!("{}/role-id", desk.role()), &Value::Null);
        fs::write(desk.folder.path().join("role-id"), role_id["data"]["role_id"].as_str().unwrap()).unwrap();
        let made = desk.admin("POST", &format!("{}/secret-id", desk.role()), first);
        fs::write(desk.folder.path().join("secret-id"), made["data"]["secret_id"].as_str().unwrap()).unwrap();
        desk
    }

    fn rules(&self) -> String {
        secret_id_policy(&self.app, Issued::End, &[probe(READABLE)]).to_string()
    }

    pub(crate) fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        self.server.admin(method, path, body).unwrap()
    }

    pub(crate) fn role(&self) -> String {
        format!("auth/{}/role/app", self.app.mount)
    }

    pub(crate) fn config(&self, issued: Issued) -> SecretIdConfig {
        SecretIdConfig {
            upstream: Upstream::new([self.server.address().parse().unwrap()]),
            app: self.app.clone(),
            role_id_file: self.folder.path().join("role-id"),
            secret_id_file: self.folder.path().join("secret-id"),
            probes: vec![probe(READABLE)],
            issued,
        }
    }

    fn provider(&self, issued: Issued) -> SecretIdProvider {
        SecretIdProvider::new(self.config(issued)).unwrap()
    }

    /// The first one, adopted.
    async fn blue(&self) -> Credential {
        credential(1, applied(self.provider(Issued::End).login(mint(1)).await))
    }

    /// Logs in as a consumer does; the accessor of what it gets.
    fn consume(&self, with: &Credential) -> Result<String, AdminError> {
        let role_id = fs::read_to_string(self.folder.path().join("role-id")).unwrap();
        let body = json!({"role_id": role_id, "secret_id": with.secret.expose_secret()});
        let reply = self.server.admin("POST", &format!("auth/{}/login", self.app.mount), &body)?;
        Ok(reply["auth"]["accessor"].as_str().unwrap().to_owned())
    }

    fn lives(&self, accessor: &str) -> bool {
        self.server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})).is_ok()
    }

    /// How many secret ids and tokens of the role there are.
    pub(crate) fn alive(&self) -> [usize; 2] {
        [format!("{}/secret-id", self.role()), format!("sys/leases/lookup/auth/{}/login", self.app.mount)].map(|path| match self
            .server
            .admin("LIST", &path, &Value::Null)
        {
            Ok(reply) => reply["data"]["keys"].as_array().unwrap().len(),
            Err(AdminError::Refused { status: 404, .. }) => 0,
            Err(error) => panic!("{error}"),
        })
    }
}

#[tokio::test]
async fn two_live_at_once_and_the_old_one_goes_with_the_tokens_it_was_used_for() {
    let desk = Desk::new("sid-good");
    let provider = desk.provider(Issued::End);
    let blue = desk.blue().await;
    let green = credential(2, applied(provider.issue(&blue, mint(2), 60 * MINUTE).await));
    for held in [&blue, &green] {
        let left = applied(provider.probe(held).await);
        assert!(left > 58 * MINUTE && left <= 61 * MINUTE, "{left:?}");
    }
    let next = credential(3, applied(provider.issue(&green, mint(3), 60 * MINUTE).await));
    let (of_green, of_next) = (desk.consume(&green).unwrap(), desk.consume(&next).unwrap());
    let Observed::Alive(_) = applied(provider.observe(&green, &next).await) else { panic!("seen dead") };
    applied(provider.revoke(&green).await);
    assert_eq!(applied(provider.observe(&green, &next).await), Observed::Dead);
    assert!(desk.consume(&green).is_err());
    assert!(!desk.lives(&of_green) && desk.lives(&of_next));
    assert_eq!(desk.alive(), [2, 1], "no token that was worked with is left");
}

#[tokio::test]
async fn what_a_crash_left_of_its_tokens_is_ended_before_it_counts_as_dead() {
    let desk = Desk::new("sid-crash");
    let blue = desk.blue().await;
    let green = credential(2, applied(desk.provider(Issued::End).issue(&blue, mint(2), 60 * MINUTE).await));
    let issued = desk.consume(&green).unwrap();
    // It destroys, and goes no further.
    applied(desk.provider(Issued::Outlive).revoke(&green).await);
    assert!(desk.lives(&issued));
    unknown(desk.provider(Issued::End).observe(&green, &blue).await, "1 tokens that it was used for were alive, and were ended");
    assert!(!desk.lives(&issued));
    assert_eq!(applied(desk.provider(Issued::End).observe(&green, &blue).await), Observed::Dead);
}

#[tokio::test]
async fn a_secret_id_that_is_dead_already_cannot_end_itself_and_is_observed_dead() {
    let desk = Desk::new("sid-twice");
    let provider = desk.provider(Issued::End);
    let blue = desk.blue().await;
    let green = credential(2, applied(provider.issue(&blue, mint(2), 60 * MINUTE).await));
    applied(provider.revoke(&blue).await);
    unknown(provider.revoke(&blue).await, "invalid role or secret ID, which is no proof of death");
    refused(provider.probe(&blue).await, "invalid role or secret ID");
    // A third try would bring the lockout of everybody nearer.
    assert!(matches!(provider.probe(&blue).await, Reply::Throttled { .. }));
    assert_eq!(applied(provider.observe(&blue, &green).await), Observed::Dead);
}

#[tokio::test]
async fn one_whose_secret_was_lost_is_found_and_ended_by_its_name() {
    let desk = Desk::new("sid-lost");
    let provider = desk.provider(Issued::End);
    let blue = desk.blue().await;
    assert_eq!(applied(provider.discover(mint(2).generation, &blue).await), None);
    let lost = applied(provider.issue(&blue, mint(2), 60 * MINUTE).await).handle;
    applied(provider.issue(&blue, mint(3), 60 * MINUTE).await);
    assert_eq!(applied(provider.discover(mint(2).generation, &blue).await), Some(lost.clone()));
    assert!(matches!(applied(provider.observe_named(&lost, &blue).await), Observed::Alive(_)));
    applied(provider.revoke_named(&lost, &blue).await);
    assert_eq!(applied(provider.observe_named(&lost, &blue).await), Observed::Dead);
    assert_eq!(desk.alive(), [2, 0]);
}

#[tokio::test]
async fn a_life_cannot_be_set_and_what_is_left_is_answered() {
    let desk = Desk::new("sid-life");
    let blue = desk.blue().await;
    let left = applied(desk.provider(Issued::End).set_life(&blue, MINUTE).await);
    assert!(left > 58 * MINUTE, "{left:?}");
}

#[tokio::test]
async fn a_secret_id_without_an_end_or_with_numbered_uses_is_not_adopted() {
    let endless = Desk::with("sid-endless", &json!({}));
    refused(endless.provider(Issued::End).login(mint(1)).await, "it has no end");
    for uses in [1, 9] {
        let numbered = Desk::with(&format!("sid-uses-{uses}"), &json!({"ttl": "1h", "num_uses": uses}));
        refused(numbered.provider(Issued::End).login(mint(1)).await, "use");
    }
}

#[tokio::test]
async fn a_role_of_numbered_uses_is_refused_and_the_secret_id_ended() {
    let desk = Desk::new("sid-numbered");
    let blue = desk.blue().await;
    desk.admin("POST", &format!("{}/secret-id-num-uses", desk.role()), &json!({"secret_id_num_uses": 7}));
    refused(desk.provider(Issued::End).issue(&blue, mint(2), 60 * MINUTE).await, "was ended: its number of uses is limited");
    assert_eq!(desk.alive(), [1, 0]);
}

#[tokio::test]
async fn a_role_that_caps_the_life_asked_is_refused() {
    let desk = Desk::new("sid-capped");
    let blue = desk.blue().await;
    desk.admin("POST", &format!("{}/secret-id-ttl", desk.role()), &json!({"secret_id_ttl": "2m"}));
    refused(
        desk.provider(Issued::End).issue(&blue, mint(2), 60 * MINUTE).await,
        "ttl cannot be longer than the role's secret_id_ttl",
    );
    assert_eq!(desk.alive(), [1, 0]);
}

#[tokio::test]
async fn no_line_of_the_printed_policy_is_spare() {
    let desk = Desk::new("sid-spare");
    let provider = desk.provider(Issued::End);
    let blue = desk.blue().await;
    let rules = desk.rules();
    // By value it is destroyed only when a mint went wrong, and then the others are looked through.
    let seldom = |line: &&str| line.contains("secret-id/destroy") || line.contains("\"list\"]");
    for gap in rules.lines().filter(|line| !seldom(line)) {
        desk.server.write_policy("sid-spare", &rules).unwrap();
        let green = credential(2, applied(provider.issue(&blue, mint(2), 60 * MINUTE).await));
        let issued = desk.consume(&green).unwrap();
        let rest: Vec<_> = rules.lines().filter(|line| *line != gap).collect();
        desk.server.write_policy("sid-spare", &rest.join("\n")).unwrap();
        let [_, before] = desk.alive();
        let works = [
            matches!(provider.issue(&green, mint(3), 60 * MINUTE).await, Reply::Applied(_)),
            matches!(provider.probe(&green).await, Reply::Applied(_)),
            matches!(provider.observe(&green, &blue).await, Reply::Applied(_)),
            matches!(provider.revoke(&green).await, Reply::Applied(())),
            !desk.lives(&issued),
            desk.alive()[1] <= before,
        ];
        assert!(works.contains(&false), "{gap} is not needed");
        desk.server.write_policy("sid-spare", &rules).unwrap();
        let left = provider.observe(&green, &blue).await;
        if let Reply::Applied(Observed::Alive(_)) = left {
            applied(provider.revoke(&green).await);
        }
    }
}

#[tokio::test]
async fn a_secret_is_in_no_reason() {
    let desk = Desk::new("sid-secret");
    let blue = desk.blue().await;
    let provider = desk.provider(Issued::End);
    applied(provider.revoke(&blue).await);
    let Reply::Refused(reason) = provider.probe(&blue).await else { panic!("not refused") };
    assert!(!reason.0.contains(&text(&blue.secret)), "{}", reason.0);
}
