use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::{Minted, Observed, Provider, Reply};
use turquoise_vault::{Through, TokenConfig, TokenProvider, policy};

use crate::support::{Bench, MINUTE, READABLE, applied, credential, mint, probe, refused, text, unknown};

async fn issue(bench: &Bench) -> Reply<Minted> {
    let blue = bench.blue();
    bench.provider().issue(&blue, mint(2), MINUTE).await
}

/// Blue is minted before the role is spoilt, as it is in life.
async fn issue_after(bench: &Bench, change: &Value) -> Reply<Minted> {
    let blue = bench.blue();
    bench.amend(change);
    bench.provider().issue(&blue, mint(2), MINUTE).await
}

#[tokio::test]
async fn a_sibling_lives_as_long_as_asked_and_outlives_its_minter() {
    let bench = Bench::new("mint-good");
    let blue = bench.blue();
    let minted = applied(bench.provider().issue(&blue, mint(2), Duration::from_millis(29_001)).await);
    assert_eq!(minted.remaining, Duration::from_secs(30));
    let green = credential(2, minted);
    applied(bench.provider().revoke(&blue).await);
    applied(bench.provider().probe(&green).await);
}

#[tokio::test]
async fn a_mint_carries_its_generation_where_an_operator_can_find_it() {
    let bench = Bench::new("mint-named");
    let green = bench.green(&bench.blue()).await;
    let found = bench.server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": green.handle.0})).unwrap();
    assert_eq!(found["data"]["meta"]["rotation"], "00007e57-2");
    assert_eq!(found["data"]["display_name"], "token-turquoise-00007e57-2");
}

/// It needs no role, and has a sibling be what its minter is.
#[tokio::test]
async fn a_sibling_is_minted_without_a_role_by_create_orphan() {
    let bench = Bench::new("mint-orphan");
    let rules = policy(Through::CreateOrphan, &[probe(READABLE)], Privileges::OnlySelf).to_string();
    bench.server.write_policy("mint-orphan", &rules).unwrap();
    let config = TokenConfig {
        through: Through::CreateOrphan,
        policies: Some(BTreeSet::from(["mint-orphan".to_owned()])),
        ..bench.config()
    };
    let provider = TokenProvider::new(config).unwrap();
    let blue = bench.blue();
    let green = credential(2, applied(provider.issue(&blue, mint(2), MINUTE).await));
    applied(provider.revoke(&blue).await);
    applied(provider.probe(&green).await);
    assert_eq!(applied(provider.observe(&blue, &green).await), Observed::Dead);
    applied(provider.issue(&green, mint(3), MINUTE).await);
}

#[tokio::test]
async fn a_child_token_is_never_accepted() {
    let bench = Bench::new("mint-child");
    refused(issue_after(&bench, &json!({"orphan": false})).await, "was ended: it is another token's child");
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn a_role_with_a_period_is_refused() {
    let bench = Bench::new("mint-period");
    refused(issue_after(&bench, &json!({"token_period": "1h"})).await, "it lives 3600 s where 60 s were asked");
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn a_role_of_limited_uses_is_refused() {
    let bench = Bench::new("mint-uses");
    refused(issue_after(&bench, &json!({"token_num_uses": 5})).await, "number of uses");
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn a_role_whose_tokens_cannot_be_renewed_is_refused() {
    let bench = Bench::new("mint-fixed");
    refused(issue_after(&bench, &json!({"renewable": false})).await, "cannot be renewed");
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn a_role_that_caps_the_life_asked_is_refused() {
    let bench = Bench::new("mint-capped");
    refused(issue_after(&bench, &json!({"token_explicit_max_ttl": "20s"})).await, "the server warned: TTL of");
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn a_missing_policy_is_seen_in_the_warnings_and_the_token_is_ended() {
    let bench = Bench::new("mint-warned");
    let policies = json!({"allowed_policies": ["mint-warned", "nosuch"]});
    refused(issue_after(&bench, &policies).await, r#"Policy "nosuch" does not exist"#);
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn an_unfit_token_that_cannot_end_itself_is_unknown() {
    let bench = Bench::new("mint-stuck");
    unknown(issue_after(&bench, &json!({"allowed_policies": ["nosuch"]})).await, "may live on");
    assert_eq!(bench.alive(), 2);
}

#[tokio::test]
async fn a_batch_token_is_never_accepted_and_unknown_as_nothing_can_end_it() {
    let bench = Bench::new("mint-batch");
    unknown(issue_after(&bench, &json!({"token_type": "batch", "renewable": false})).await, "batch token");
}

#[tokio::test]
async fn policies_are_as_expected_or_the_token_is_ended() {
    let bench = Bench::new("mint-policies");
    let expecting = |names: &[&str]| {
        let policies = Some(names.iter().map(ToString::to_string).collect::<BTreeSet<_>>());
        TokenProvider::new(TokenConfig { policies, ..bench.config() }).unwrap()
    };
    let blue = bench.blue();
    refused(expecting(&["mint-policies", "more"]).issue(&blue, mint(2), MINUTE).await, "its policies are");
    assert_eq!(bench.alive(), 1);
    applied(expecting(&["mint-policies"]).issue(&blue, mint(3), MINUTE).await);
}

#[tokio::test]
async fn siblings_belong_to_the_entity_that_was_asked_for() {
    let bench = Bench::new("mint-entity");
    let blue = bench.blue();
    bench.amend(&json!({"allowed_entity_aliases": ["svc-*"]}));
    let named = |alias: &str| TokenProvider::new(TokenConfig { entity_alias: Some(alias.to_owned()), ..bench.config() }).unwrap();
    let entity = |accessor: &str| {
        let found = bench.server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})).unwrap();
        found["data"]["entity_id"].as_str().unwrap().to_owned()
    };
    let provider = named("svc-pay");
    let first = applied(provider.issue(&blue, mint(2), MINUTE).await);
    let second = applied(provider.issue(&blue, mint(3), MINUTE).await);
    assert!(!entity(&first.handle.0).is_empty());
    assert_eq!(entity(&first.handle.0), entity(&second.handle.0));
    refused(named("other").issue(&blue, mint(4), MINUTE).await, "invalid 'entity_alias' value");
    std::fs::write(bench.token_file(), text(&second.secret)).unwrap();
    let provider = named("svc-other");
    applied(provider.login(mint(3)).await);
    refused(provider.issue(&blue, mint(5), MINUTE).await, "it belongs to the entity");
    assert_eq!(bench.alive(), 3);
}

#[tokio::test]
async fn a_role_that_is_gone_is_a_refusal() {
    let bench = Bench::new("mint-gone");
    let blue = bench.blue();
    bench.server.admin("DELETE", "auth/token/roles/mint-gone", &Value::Null).unwrap();
    refused(bench.provider().issue(&blue, mint(2), MINUTE).await, "400 Bad Request");
}

#[tokio::test]
async fn a_minter_without_the_right_is_refused() {
    let bench = Bench::new("mint-denied");
    bench.server.write_policy("mint-denied", r#"path "nothing" { capabilities = ["read"] }"#).unwrap();
    refused(issue(&bench).await, "1 error occurred: * permission denied");
}

#[tokio::test]
async fn a_quota_throttles_and_nothing_is_minted() {
    let bench = Bench::new("mint-quota");
    let blue = bench.blue();
    let quota = json!({"rate": 0.01, "interval": "10m", "path": "auth/token/create/mint-quota"});
    bench.server.admin("POST", "sys/quotas/config", &json!({"enable_rate_limit_response_headers": true})).unwrap();
    bench.server.admin("POST", "sys/quotas/rate-limit/mint-quota", &quota).unwrap();
    let mut replies = Vec::new();
    for number in 2..5 {
        replies.push(bench.provider().issue(&blue, mint(number), MINUTE).await);
    }
    let Some(Reply::Throttled { reason, retry_after }) = replies.pop() else { panic!("not throttled") };
    assert!(reason.0.contains("429 Too Many Requests: request path"), "{}", reason.0);
    assert!(retry_after.is_some_and(|wait| !wait.is_zero() && wait <= 10 * MINUTE), "{retry_after:?}");
    let minted = replies.iter().filter(|reply| matches!(reply, Reply::Applied(_))).count();
    assert_eq!(bench.alive(), 1 + minted);
}
