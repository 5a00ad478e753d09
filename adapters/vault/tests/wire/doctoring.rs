//! What a doctor finds that a server of our own never does.

use std::fs;

use tempfile::TempDir;
use turquoise_runtime::core::Privileges;
use turquoise_vault::doctor::{Outcome, Plan, Report, Verdict, token};
use turquoise_vault::{Rule, TokenConfig};

use crate::stub::{Act, Stub, answer, config};

const GOOD: &str = r#"{"data":{"accessor":"first","ttl":3600,"type":"service","orphan":true,"renewable":true}}"#;
const MINTED: &str = r#"{"auth":{"client_token":"s.new","accessor":"new","lease_duration":60,
    "token_type":"service","orphan":true,"renewable":true}}"#;

/// What is found with these answers, and which requests were made.
async fn examine(script: Vec<Act>) -> (Report, Vec<String>) {
    let (stub, folder) = (Stub::start(script).await, TempDir::new().unwrap());
    let file = folder.path().join("token");
    fs::write(&file, "s.first").unwrap();
    let minute = std::time::Duration::from_mins(1);
    let (every, leases) = (minute * 50, ["database/creds/app".parse().unwrap()]);
    let plan = Plan { probation: minute, life: minute * 60, privileges: Privileges::OnlySelf, every, leases: &leases };
    let report = token(TokenConfig { token_file: file, ..config(&stub.address) }, plan, || false).await.unwrap();
    let asked = stub.seen().iter().map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect();
    (report, asked)
}

#[tokio::test]
async fn a_server_without_an_audit_log_is_warned_of() {
    let sealed = answer("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#);
    let (report, _) = examine(vec![answer("200 OK", GOOD), answer("200 OK", r#"{"data":{}}"#), sealed]).await;
    let warned = report.findings.iter().find(|finding| finding.what == "writes an audit log").unwrap();
    assert_eq!(warned.outcome, Outcome::Warning);
    assert!(warned.words.contains("no audit device is on"), "{}", warned.words);
    assert_eq!(report.verdict(), Verdict::Failed);
}

#[tokio::test]
async fn leases_that_a_rotation_would_end_are_warned_of() {
    let denied = || answer("403 Forbidden", r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#);
    let lives = |seconds: u64| answer("200 OK", &MINTED.replace("60", &seconds.to_string()));
    let leased = |seconds: u64| {
        let body = format!(r#"{{"lease_id":"database/creds/app/1","lease_duration":{seconds},"renewable":true}}"#);
        answer("200 OK", &body)
    };
    let begin = || vec![answer("200 OK", GOOD), denied(), lives(60), answer("200 OK", GOOD), lives(3600), lives(60)];
    let sealed = || vec![answer("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#)];
    let warning = |report: &Report| {
        let warned = |finding: &&turquoise_vault::doctor::Finding| finding.what == "gives leases that a rotation outlives";
        report.findings.iter().find(warned).map(|finding| (finding.outcome, finding.words.clone()))
    };

    let (report, asked) = examine([begin(), vec![leased(7200), leased(7200), denied()], sealed()].concat()).await;
    let (outcome, words) = warning(&report).unwrap();
    assert_eq!(outcome, Outcome::Warning);
    assert!(words.contains("database/creds/app lives for 7200s, and each token is replaced after 3000s"), "{words}");
    assert_eq!(
        asked[6..9],
        ["database/creds/app", "sys/leases/renew/database/creds/app/1", "sys/leases/revoke/database/creds/app/1"]
            .map(|path| format!("/v1/{path}"))
    );
    let missing: Vec<_> = report.missing().map(Rule::path).collect();
    assert!(missing.contains(&"sys/leases/revoke/database/creds/app/*"), "{missing:?}");

    let (report, _) = examine([begin(), vec![leased(1800), leased(1800), answer("200 OK", "{}")], sealed()].concat()).await;
    assert_eq!(warning(&report), None);
    let (report, _) =
        examine([begin(), vec![answer("200 OK", r#"{"lease_id":"","lease_duration":0,"renewable":false}"#)], sealed()].concat())
            .await;
    assert!(warning(&report).unwrap().1.contains("is not leased"));
    assert!(report.unchecked.iter().any(|what| what.contains("otherwise than through a `listener`")));
}

/// What was made is ended first, whatever else is unknown.
#[tokio::test]
async fn a_server_that_goes_halfway_is_not_asked_on_and_what_it_made_is_told() {
    let denied = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
    let script = vec![answer("200 OK", GOOD), answer("403 Forbidden", denied), answer("200 OK", MINTED), Act::Cut("")];
    let (report, asked) = examine(script).await;
    assert_eq!(report.verdict(), Verdict::Failed);
    assert_eq!(report.left.len(), 1);
    assert!(report.left[0].contains("the token new could not be ended"), "{:?}", report.left);
    let own = |what: &str| format!("/v1/auth/token/{what}");
    assert_eq!(asked[..3], [own("lookup-self"), "/v1/sys/audit".to_owned(), own("create/rot")]);
    // A read that was not answered is asked once more of a fresh connection; then there is only cleaning up.
    assert!(
        asked[3..].iter().all(|path| *path == own("lookup-self") || *path == own("revoke-self") || *path == own("renew-self"))
    );
    assert!(asked.contains(&own("revoke-self")), "{asked:?}");
}
