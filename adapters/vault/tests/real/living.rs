use std::time::Duration;

use serde_json::{Value, json};
use turquoise_runtime::port::Provider;

use crate::support::{Bench, MINUTE, applied, mint, refused};

#[tokio::test]
async fn a_probation_is_extended_and_a_long_life_is_shortened() {
    let bench = Bench::new("life-set");
    let green = bench.green(&bench.blue()).await;
    assert_eq!(applied(bench.provider().set_life(&green, 60 * MINUTE).await), 60 * MINUTE);
    assert_eq!(applied(bench.provider().set_life(&green, MINUTE).await), MINUTE);
    assert!(applied(bench.provider().probe(&green).await) <= MINUTE);
}

#[tokio::test]
async fn a_life_is_rounded_up_to_whole_seconds() {
    let bench = Bench::new("life-round");
    let blue = bench.blue();
    assert_eq!(applied(bench.provider().set_life(&blue, Duration::from_millis(30_001)).await), Duration::from_secs(31));
    assert_eq!(applied(bench.provider().set_life(&blue, Duration::ZERO).await), Duration::from_secs(1));
}

#[tokio::test]
async fn a_renewal_that_a_limit_cut_answers_what_was_given() {
    let bench = Bench::new("life-capped");
    bench.amend(&json!({"token_explicit_max_ttl": "2m"}));
    let green = bench.green(&bench.blue_for(MINUTE)).await;
    assert!(applied(bench.provider().set_life(&green, 60 * MINUTE).await) <= 2 * MINUTE);
}

#[tokio::test]
async fn a_token_whose_role_is_gone_is_a_refusal_although_the_server_says_500() {
    let bench = Bench::new("life-roleless");
    let blue = bench.blue();
    bench.server.admin("DELETE", "auth/token/roles/life-roleless", &Value::Null).unwrap();
    refused(bench.provider().set_life(&blue, MINUTE).await, "could not be found, not renewing");
}

#[tokio::test]
async fn a_dead_token_is_not_renewed() {
    let bench = Bench::new("life-dead");
    let blue = bench.blue();
    applied(bench.provider().revoke(&blue).await);
    refused(bench.provider().set_life(&blue, MINUTE).await, "permission denied");
    refused(bench.provider().issue(&blue, mint(2), MINUTE).await, "permission denied");
}
