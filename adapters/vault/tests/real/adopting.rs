use serde_json::json;
use turquoise_runtime::port::Provider;

use crate::support::{Bench, MINUTE, applied, mint, refused, text, unavailable};

#[tokio::test]
async fn the_token_of_the_file_is_adopted_as_it_is() {
    let bench = Bench::new("adopt-good");
    let blue = bench.blue();
    let adopted = applied(bench.log_in_as(&text(&blue.secret)).await);
    assert_eq!(text(&adopted.secret), text(&blue.secret));
    assert_eq!(adopted.handle, blue.handle);
    assert!(adopted.remaining > 59 * MINUTE && adopted.remaining <= 60 * MINUTE);
}

#[tokio::test]
async fn a_missing_or_empty_token_file_is_unavailable_and_says_what_to_do() {
    let bench = Bench::new("adopt-none");
    unavailable(bench.provider().login(mint(1)).await, "write the token there");
    unavailable(bench.log_in_as("").await, "is empty");
}

#[tokio::test]
async fn a_dead_token_is_refused_in_the_servers_words() {
    refused(Bench::new("adopt-dead").log_in_as("s.dead").await, "403 Forbidden: permission denied");
}

#[tokio::test]
async fn a_token_with_a_blank_in_it_is_an_error_and_no_panic() {
    refused(Bench::new("adopt-blank").log_in_as("two\nlines").await, "a character in it that no token has");
}

#[tokio::test]
async fn a_root_token_is_never_adopted() {
    let bench = Bench::new("adopt-root");
    let root = text(bench.server.root_token());
    refused(bench.log_in_as(&root).await, "root token");
}

#[tokio::test]
async fn a_batch_token_is_never_adopted() {
    let bench = Bench::new("adopt-batch");
    let batch = json!({"type": "batch", "no_parent": true, "ttl": "1m", "policies": ["adopt-batch"]});
    refused(bench.log_in_with("auth/token/create", &batch).await, "batch token");
}

#[tokio::test]
async fn a_child_token_is_never_adopted() {
    let bench = Bench::new("adopt-child");
    let child = json!({"ttl": "1m", "policies": ["adopt-child"]});
    refused(bench.log_in_with("auth/token/create", &child).await, "child");
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_never_adopted() {
    let bench = Bench::new("adopt-fixed");
    let fixed = json!({"ttl": "1m", "policies": ["adopt-fixed"], "renewable": false});
    refused(bench.log_in_with("auth/token/create-orphan", &fixed).await, "cannot be renewed");
}

#[tokio::test]
async fn a_token_of_limited_uses_is_never_adopted() {
    let bench = Bench::new("adopt-uses");
    let limited = json!({"ttl": "1m", "policies": ["adopt-uses"], "num_uses": 9});
    refused(bench.log_in_with("auth/token/create-orphan", &limited).await, "number of uses");
}

#[tokio::test]
async fn a_periodic_token_is_never_adopted() {
    let bench = Bench::new("adopt-period");
    let periodic = json!({"period": "1m", "policies": ["adopt-period"]});
    refused(bench.log_in_with("auth/token/create-orphan", &periodic).await, "period");
}
