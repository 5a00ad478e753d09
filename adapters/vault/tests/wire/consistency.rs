//! Standbys that lag say of living tokens that they are dead.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use turquoise_runtime::port::{Handle, Observed, Provider, Reason, Reply};

use crate::stub::{Act, Stub, TOKEN, answer, holder};

fn index(value: u64) -> String {
    BASE64_STANDARD.encode(format!(r#"{{"cluster":"c","value":"{value}"}}"#))
}

fn with_index(status: &'static str, value: u64, body: &str) -> Act {
    Act::Answer(status, format!("X-Vault-Index: {}\r\n", index(value)), body.to_owned())
}

fn renewed(value: u64) -> Act {
    with_index("200 OK", value, r#"{"auth":{"lease_duration":60},"warnings":null}"#)
}

const LOOKED_UP: &str = r#"{"data":{"accessor":"acc","ttl":60}}"#;
const BAD_TOKEN: &str = r#"{"errors":["bad token"]}"#;

async fn renew(stub: &turquoise_vault::TokenProvider) {
    let reply = stub.set_life(&holder(TOKEN), std::time::Duration::from_mins(1)).await;
    assert!(matches!(reply, Reply::Applied(_)));
}

#[tokio::test]
async fn the_highest_index_of_a_write_goes_with_every_later_call() {
    let stub = Stub::start(vec![renewed(20), renewed(19), answer("200 OK", LOOKED_UP)]).await;
    let provider = stub.provider();
    renew(&provider).await;
    renew(&provider).await;
    assert!(matches!(provider.probe(&holder(TOKEN)).await, Reply::Applied(_)));
    let seen = stub.seen();
    assert!(!seen[0].contains("x-vault-in"), "a header without an index to send: {}", seen[0]);
    for later in &seen[1..] {
        let sent = format!("x-vault-index: {}\r\nx-vault-inconsistent: forward-active-node\r\n", index(20).to_lowercase());
        assert!(later.contains(&sent), "{later}");
    }
}

#[tokio::test]
async fn the_index_of_a_read_may_be_a_laggards_and_is_not_taken() {
    let stub = Stub::start(vec![with_index("200 OK", 20, LOOKED_UP), answer("200 OK", LOOKED_UP)]).await;
    let provider = stub.provider();
    for _ in 0..2 {
        assert!(matches!(provider.probe(&holder(TOKEN)).await, Reply::Applied(_)));
    }
    assert!(!stub.seen()[1].contains("x-vault-in"));
}

const STANDBY: &str = r#"{"ha_enabled":true,"is_self":false,"leader_address":"http://other:8200"}"#;
const ALONE: &str = r#"{"ha_enabled":false}"#;

/// What is concluded of `bad token` from a node that says so of itself before and after.
async fn concluded(before: &str, after: &str) -> Reply<Observed> {
    let script = vec![answer("200 OK", before), answer("403 Forbidden", BAD_TOKEN), answer("200 OK", after)];
    Stub::start(script).await.provider().observe(&holder("s.old"), &holder(TOKEN)).await
}

#[tokio::test]
async fn a_standbys_word_without_an_index_is_no_proof_of_death() {
    for (before, after) in [(STANDBY, ALONE), (ALONE, STANDBY)] {
        let Reply::Unknown(Reason(why)) = concluded(before, after).await else { panic!("taken for proof") };
        assert!(why.contains("may lag behind the leader"), "{why}");
    }
}

#[tokio::test]
async fn a_balancers_word_without_an_index_is_no_proof_of_death() {
    // The leader answered, but the next request through the same address may meet another node.
    let other = r#"{"ha_enabled":true,"is_self":true,"leader_address":"http://other:8200"}"#;
    assert!(matches!(concluded(other, other).await, Reply::Unknown(_)));
}

#[tokio::test]
async fn the_word_of_the_only_node_is_proof_of_death() {
    assert!(matches!(concluded(ALONE, ALONE).await, Reply::Applied(Observed::Dead)));
}

#[tokio::test]
async fn with_an_index_any_nodes_word_is_proof_of_death() {
    let stub = Stub::start(vec![renewed(20), answer("403 Forbidden", BAD_TOKEN)]).await;
    let provider = stub.provider();
    renew(&provider).await;
    assert!(matches!(provider.observe(&holder("s.old"), &holder(TOKEN)).await, Reply::Applied(Observed::Dead)));
}

const INVALID_ACCESSOR: &str = r#"{"errors":["1 error occurred:\n\t* invalid accessor\n\n"]}"#;

#[tokio::test]
async fn a_new_process_believes_no_laggard_before_a_write_of_its_own() {
    let revoked = with_index("204 No Content", 30, "");
    let script = vec![renewed(20), answer("200 OK", STANDBY), answer("403 Forbidden", BAD_TOKEN), revoked];
    let stub = Stub::start([script, vec![answer("403 Forbidden", BAD_TOKEN)]].concat()).await;
    renew(&stub.provider()).await;

    // What the process before it knew has died with it.
    let provider = stub.provider();
    let Reply::Unknown(_) = provider.observe(&holder("s.old"), &holder(TOKEN)).await else { panic!("taken for proof") };
    assert!(matches!(provider.revoke(&holder("s.old")).await, Reply::Applied(())));
    assert!(matches!(provider.observe(&holder("s.old"), &holder(TOKEN)).await, Reply::Applied(Observed::Dead)));
    let seen = stub.seen();
    assert!(!seen[2].contains("x-vault-in") && seen[4].contains(&index(30).to_lowercase()), "{seen:#?}");
}

#[tokio::test]
async fn a_laggard_that_knows_of_nothing_to_end_proves_nothing_with_its_own_index() {
    let nothing = with_index("200 OK", 5, r#"{"data":null,"warnings":["No token found with this accessor"]}"#);
    let script = vec![nothing, answer("200 OK", STANDBY), with_index("400 Bad Request", 5, INVALID_ACCESSOR)];
    let provider = Stub::start(script).await.provider();
    let (target, with) = (Handle("lost".to_owned()), holder(TOKEN));
    assert!(matches!(provider.revoke_named(&target, &with).await, Reply::Applied(())));
    let Reply::Unknown(Reason(why)) = provider.observe_named(&target, &with).await else { panic!("taken for proof") };
    assert!(why.contains("may lag behind the leader"), "{why}");
}
